# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import numpy as np
import pytest

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis import (
    STANCES,
    Mesh,
    ShapeLibrary,
    load_meshes,
    make_clouds,
    sample_views,
)
from genpose_ros.synthesis.clouds import CloudBatch, _beside
from genpose_ros.synthesis.shapes import make_shapes


@pytest.fixture(scope="module")
def clouds() -> CloudBatch:
    return make_clouds(180, np.random.default_rng(0))


def in_object_frame(clouds: CloudBatch) -> np.ndarray:
    centred = clouds.points_cam - clouds.translation[:, None]
    return np.einsum("nji,nkj->nki", clouds.rotation, centred)


def test_points_of_clouds_lie_in_their_boxes(clouds: CloudBatch) -> None:
    inside = (np.abs(in_object_frame(clouds)) < clouds.size_m[:, None] / 2 + 0.015).all(-1)
    assert inside.mean() > 0.97
    assert np.median(inside.mean(1)) > 0.99


def test_points_of_clouds_are_on_the_near_side(clouds: CloudBatch) -> None:
    beyond = clouds.points_cam[..., 2] - clouds.translation[:, None, 2]
    assert (beyond.mean(1) < 0.02).mean() > 0.9


def test_every_category_comes_equally_often(clouds: CloudBatch) -> None:
    counts = np.bincount(clouds.category, minlength=len(CATEGORIES))
    assert counts.max() <= 30
    assert counts.min() >= 24


def test_the_same_generator_gives_the_same_clouds() -> None:
    first, again = (make_clouds(12, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.points_cam, again.points_cam)


def a_bowl() -> Mesh:
    shape = make_shapes("bowl", 1, np.random.default_rng(0))
    return Mesh("a", "bowl", True, shape.vertices[0], shape.faces, closed=shape.closed)


def test_clouds_are_of_the_meshes_where_there_are_some() -> None:
    mesh = a_bowl()
    library = ShapeLibrary(meshes=(mesh,), mesh_share=1.0, deformation=0.0)
    clouds = make_clouds(12, np.random.default_rng(1), library=library, shares={"bowl": 1})
    expected = np.broadcast_to(np.ptp(mesh.vertices, axis=0), (len(clouds), 3))
    np.testing.assert_allclose(clouds.size_m, expected, rtol=1e-6)


@pytest.mark.parametrize("source", ["made here", "scanned"])
def test_points_of_deformed_meshes_lie_in_their_boxes(
    request: pytest.FixtureRequest, source: str
) -> None:
    meshes: tuple[Mesh, ...] = (a_bowl(),)
    if source == "scanned":
        meshes = load_meshes(request.getfixturevalue("shared") / "meshes", "train")
    library = ShapeLibrary(meshes=meshes, mesh_share=1.0)
    clouds = make_clouds(24, np.random.default_rng(0), library=library, shares={"bowl": 1})
    inside = (np.abs(in_object_frame(clouds)) < clouds.size_m[:, None] / 2 + 0.015).all(-1)
    assert inside.mean() > 0.97


class TestViews:
    def test_stances_fix_the_angle_between_y_axis_and_gravity(self) -> None:
        views = sample_views(4000, np.random.default_rng(0))
        upright = np.einsum("ni,ni->n", views.rotation[:, :, 1], views.up)
        expected = {"standing": (0.98, 1.0), "lying": (-0.2, 0.2), "upside_down": (-1.0, -0.98)}
        for name, (low, high) in expected.items():
            values = upright[views.stance == STANCES.index(name)]
            assert len(values) > 100
            assert np.mean((values >= low) & (values <= high)) > 0.97
        free = upright[views.stance == STANCES.index("free")]
        assert free.std() == pytest.approx(1 / np.sqrt(3), rel=0.1)

    def test_rotations_of_views_are_orthonormal(self) -> None:
        rotation = sample_views(100, np.random.default_rng(0)).rotation
        product = rotation @ np.swapaxes(rotation, 1, 2)
        np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), (100, 3, 3)), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)

    def test_views_look_down_on_the_object(self) -> None:
        up = sample_views(1000, np.random.default_rng(0)).up
        assert (up[:, 2] < 0).all()
        np.testing.assert_allclose(np.linalg.norm(up, axis=1), 1, atol=1e-12)


def test_without_numpys_spawn_the_draws_beside_are_the_same() -> None:
    old, new = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(2):  # the second time others
        beside = _beside(SimpleNamespace(bit_generator=old.bit_generator))
        assert beside.random() == _beside(new).random()
