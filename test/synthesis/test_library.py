# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Libraries of shapes: own categories beside those with generators, and what weights carry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parcels_and_hooks import HOOK, OWN, PARCEL, hook_mesh, own_library, parcel_mesh

from genpose_ros.geometry import NOCS, Category, CategorySet, Symmetry
from genpose_ros.networks import LightConfig, LightPoseModel, save_model
from genpose_ros.synthesis import (
    NOCS_LIBRARY,
    STANCES,
    Mesh,
    ShapeLibrary,
    deform,
    library_of,
    make_clouds,
    mesh_attachments,
    sample_views,
)
from genpose_ros.synthesis.domains import D435

MIXED = CategorySet((PARCEL, NOCS["mug"], NOCS["can"]))


def counts(library: ShapeLibrary, n: int, **shares: float) -> list[int]:
    objects = library.draw(n, np.random.default_rng(0), shares or None)
    return np.bincount(objects.category, minlength=len(library.categories)).tolist()


class TestDrawing:
    def test_all_categories_come_equally_often_where_no_shares_are_given(self) -> None:
        assert counts(NOCS_LIBRARY, 14) == [3, 3, 2, 2, 2, 2]

    def test_categories_come_as_often_as_their_shares_say(self) -> None:
        assert counts(NOCS_LIBRARY, 60, mug=3, can=1) == [0, 0, 0, 15, 0, 45]
        library = ShapeLibrary(MIXED, (parcel_mesh(),))
        assert counts(library, 400, parcel=0.5, mug=0.25, can=0.25) == [200, 100, 100]

    def test_a_share_below_one_in_a_batch_comes_in_some_batches(self) -> None:
        rng = np.random.default_rng(0)
        shares = {"mug": 1.0, "can": 0.02}
        drawn = [NOCS_LIBRARY.draw(10, rng, shares).category == 3 for _ in range(200)]
        assert 0.01 < np.mean(drawn) < 0.03
        assert any(batch.any() for batch in drawn)

    @pytest.mark.parametrize(
        ("shares", "message"),
        [
            ({"drill": 1.0}, "unknown category 'drill'; expected one of bottle"),
            ({"mug": -1.0}, "numbers from 0 on"),
            ({"mug": float("nan")}, "numbers from 0 on"),
            ({"mug": 0.0}, "not all of them 0"),
            ({}, "not all of them 0"),
        ],
    )
    def test_shares_of_no_use_are_refused(self, shares: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            NOCS_LIBRARY.draw(4, np.random.default_rng(0), shares)

    def test_a_category_with_generator_and_meshes_mixes_them(self) -> None:
        can = Mesh("a", "can", True, parcel_mesh().vertices, parcel_mesh().faces)
        library = ShapeLibrary(CategorySet((NOCS["can"],)), (can,), mesh_share=0.5, deformation=0)
        size_m = library.draw(200, np.random.default_rng(0)).size_m
        of_mesh = np.isclose(size_m, [0.08, 0.18, 0.12], atol=1e-6).all(1)
        assert 0.4 < of_mesh.mean() < 0.6

    def test_a_category_of_meshes_alone_is_drawn_from_them_whatever_their_share(self) -> None:
        library = replace(own_library(), mesh_share=0.0)
        objects = library.draw(10, np.random.default_rng(0), {"parcel": 1})
        np.testing.assert_allclose(objects.size_m, np.tile([0.08, 0.18, 0.12], (10, 1)), atol=1e-6)


class TestShapesThatAreMissing:
    def test_a_category_without_shapes_is_refused_by_name_with_the_cure(self) -> None:
        with pytest.raises(ValueError, match=r"no shapes of the category hook: .* as --meshes"):
            ShapeLibrary(OWN, (parcel_mesh(),))

    def test_an_unknown_generator_is_refused(self) -> None:
        shoes = CategorySet((Category(name="shoe", generator="shoes"),))
        with pytest.raises(ValueError, match="unknown generator 'shoes'; this version knows bot"):
            ShapeLibrary(shoes)

    def test_a_mesh_of_another_category_is_refused(self) -> None:
        with pytest.raises(ValueError, match="hook is a hook, of which this library knows nothing"):
            ShapeLibrary(CategorySet((PARCEL,)), (parcel_mesh(), hook_mesh()))


class TestDeforming:
    @pytest.mark.parametrize(
        "words",
        [
            {"y": "half"},
            {"x": "half", "y": "half"},
            {"y": "quarter"},
            {"x": "quarter", "y": "quarter"},
            {"y": 6},
            {"x": "half"},
            {"y": "any", "x": "half"},
        ],
    )
    def test_a_deformed_shape_keeps_its_symmetry(self, words: dict) -> None:
        symmetry = Symmetry.parse(words)
        category = Category(name="thing", symmetry=symmetry)
        points = np.random.default_rng(0).normal(0, 0.05, (40, 3))
        vertices = np.concatenate([points @ turn.T for turn in symmetry.rotations])
        mesh = Mesh("a", "thing", True, vertices, np.array([[0, 1, 2]]))
        bent = deform(mesh, category, np.random.default_rng(1))
        assert not np.allclose(bent, vertices, atol=1e-3)
        copies = bent.reshape(len(symmetry.rotations), 40, 3)
        for turn, copy in zip(symmetry.rotations, copies, strict=True):
            np.testing.assert_allclose(copies[0] @ turn.T, copy, atol=1e-9)

    def test_a_category_that_must_not_be_deformed_is_not(self) -> None:
        rigid = replace(PARCEL, deform="none")
        bent = deform(parcel_mesh(), rigid, np.random.default_rng(0))
        np.testing.assert_allclose(bent, parcel_mesh().vertices, atol=1e-12)

    def test_round_shapes_stay_round_whatever_their_cage(self) -> None:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        ring = np.stack([0.04 * np.cos(angle), 0 * angle, 0.04 * np.sin(angle)], -1)
        vertices = np.concatenate([ring + np.array([0, y, 0]) for y in (-0.05, 0.0, 0.05)])
        mesh = Mesh("a", "tin", True, vertices, np.array([[0, 1, 2]]))
        tin = Category(name="tin", symmetry=Symmetry.parse({"y": "any"}))
        bent = deform(mesh, tin, np.random.default_rng(0)).reshape(3, 64, 3)
        radius = np.linalg.norm(bent[..., [0, 2]], axis=-1)
        np.testing.assert_allclose(radius, np.repeat(radius[:, :1], 64, 1), rtol=1e-9)


class TestStances:
    def test_objects_rest_as_their_category_can(self) -> None:
        library = own_library()
        clouds = make_clouds(300, np.random.default_rng(0), library=library)
        hooks, parcels = (set(clouds.stance[clouds.category == i]) for i in (1, 0))
        assert hooks == {STANCES.index("lying"), STANCES.index("free")}
        assert parcels == hooks | {STANCES.index("standing")}

    def test_a_stance_that_is_asked_for_gives_way_to_one_that_is_possible(self) -> None:
        n = 400
        allowed = np.array([[True] * 4, [False, True, True, True]])[np.arange(n) % 2]
        asked = np.zeros(n, dtype=int)
        views = sample_views(n, np.random.default_rng(0), stances=asked, allowed=allowed)
        assert (views.stance[::2] == 0).all()
        found = (views.stance[1::2] == 1).mean()
        assert set(views.stance[1::2]) == {1, 2}
        _, lying, upside_down, _ = D435.stance_shares
        expected = lying / (lying + upside_down)
        assert found == pytest.approx(expected, abs=0.1)

    def test_no_number_is_drawn_where_all_stances_are_possible(self) -> None:
        plain, allowed = (
            sample_views(50, np.random.default_rng(0), allowed=given)
            for given in (None, np.ones((50, 4), dtype=bool))
        )
        np.testing.assert_array_equal(plain.rotation, allowed.rotation)


class TestWeights:
    @pytest.fixture
    def model(self) -> LightPoseModel:
        config = LightConfig(8, 8, subset=64, width=16, layers=1, attention_heads=2)
        model = LightPoseModel(config)
        model.categories = OWN
        return model

    def test_weights_carry_the_shapes_of_their_categories(
        self, model: LightPoseModel, tmp_path: Path
    ) -> None:
        meshes = (parcel_mesh(), replace(hook_mesh(), metric=False, closed=True, name="hook ä/1"))
        save_model(model, tmp_path / "own.safetensors", {}, mesh_attachments(meshes))
        library = library_of(str(tmp_path / "own.safetensors"))
        assert library.categories == OWN
        assert library.deformation == 0
        for known, mesh in zip(library.meshes, meshes, strict=True):
            assert (known.name, known.category) == (mesh.name, mesh.category)
            assert (known.metric, known.closed) == (mesh.metric, mesh.closed)
            np.testing.assert_array_equal(known.faces, mesh.faces)
            np.testing.assert_allclose(known.vertices, mesh.vertices, atol=1e-8)

    def test_weights_without_the_shapes_of_a_category_say_how_to_give_them(
        self, model: LightPoseModel, tmp_path: Path
    ) -> None:
        save_model(model, tmp_path / "own.safetensors", {}, mesh_attachments([parcel_mesh()]))
        with pytest.raises(ValueError, match="no shapes of the category hook"):
            library_of(str(tmp_path / "own.safetensors"))

    def test_the_released_weights_have_generators_alone(self) -> None:
        assert library_of() == replace(NOCS_LIBRARY, mesh_share=0.5, deformation=0.0)

    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("faces", torch.tensor([[0, 1, 999]], dtype=torch.int32)),
            ("faces", torch.empty((0, 3), dtype=torch.int32)),
            ("vertices", torch.zeros(4)),
            ("name", torch.tensor([255], dtype=torch.uint8)),
        ],
    )
    def test_damaged_meshes_are_refused(
        self, model: LightPoseModel, tmp_path: Path, part: str, value: torch.Tensor
    ) -> None:
        attached = mesh_attachments([parcel_mesh(), hook_mesh()])
        attached[f"mesh/001/hook/{part}"] = value
        save_model(model, tmp_path / "own.safetensors", {}, attached)
        with pytest.raises(ValueError, match=r"own\.safetensors carries meshes that cannot be"):
            library_of(str(tmp_path / "own.safetensors"))


def test_categories_that_lie_have_no_standing_views_and_are_still_rendered() -> None:
    clouds = make_clouds(
        24,
        np.random.default_rng(0),
        library=own_library(deformed=True),
        shares={HOOK.name: 1},
        stances=np.zeros(24, dtype=int),
    )
    assert len(clouds) > 20
    assert set(clouds.stance) == {STANCES.index("lying")}
