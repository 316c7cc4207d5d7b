# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated tables: what is on them, and that images and truth belong together."""

from dataclasses import replace

import numpy as np
import pytest
from parcels_and_hooks import HOOK, OWN, hook_mesh, own_library, parcel_mesh

from genpose_ros.geometry import CATEGORIES, NOCS, CategorySet, handle_visible
from genpose_ros.synthesis import held_out_library
from genpose_ros.synthesis.scenes import D435_COLOR_CAMERA, SyntheticScene, table_scene

SEEDS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def scenes() -> dict[int, SyntheticScene]:
    return {seed: table_scene(seed) for seed in SEEDS}


def points_of(scene: SyntheticScene, instance_id: int) -> np.ndarray:
    """The object's measured points in its own frame, (M, 3)."""
    (item,) = [o for o in scene.objects if o.instance_id == instance_id]
    points_cam = scene.camera.back_project(scene.depth_mm / 1000.0, scene.label == instance_id)
    return (points_cam - item.T_cam_obj[:3, 3]) @ item.T_cam_obj[:3, :3]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_category_is_on_the_table(scenes, seed):
    scene = scenes[seed]
    assert {o.category for o in scene.objects} == set(CATEGORIES)
    assert len(scene.objects) == 7
    assert [o.instance_id for o in scene.objects] == [1, 2, 3, 4, 5, 6, 7]
    assert set(np.unique(scene.label)) == {0, 1, 2, 3, 4, 5, 6, 7}
    assert (scene.color.shape, scene.color.dtype) == ((480, 640, 3), np.uint8)
    assert (scene.depth_mm.shape, scene.depth_mm.dtype) == ((480, 640), np.uint16)
    assert (scene.label.shape, scene.label.dtype) == ((480, 640), np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
def test_measured_points_lie_in_the_true_boxes(scenes, seed):
    scene = scenes[seed]
    for item in scene.objects:
        points = points_of(scene, item.instance_id)
        assert len(points) > 300, item
        # A mask that is 2 pixels off, 3 mm at 1 m, may hold some of the background.
        inside = (np.abs(points) < item.size_m / 2 + 0.006).all(1)
        assert inside.mean() > 0.85, item
        # The camera looks down on standing objects: their tops are seen.
        lowest, highest = np.percentile(points[inside], (1, 99), axis=0)
        assert highest[1] > item.size_m[1] / 2 - 0.02 or item.category in {"bottle", "can"}
        assert (highest - lowest < item.size_m + 0.012).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_poses_are_rigid_and_within_reach(scenes, seed):
    for item in scenes[seed].objects:
        R = item.T_cam_obj[:3, :3]
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(R) == pytest.approx(1.0)
        assert 0.5 < item.T_cam_obj[2, 3] < 1.5
        assert (item.size_m > 0.01).all()
        assert (item.size_m < 0.45).all()


def test_objects_stand_on_one_plane_seen_from_above(scenes):
    for scene in scenes.values():
        ups = np.array([o.T_cam_obj[:3, 1] for o in scene.objects])
        standing = (ups @ ups.T > 1 - 1e-9).sum(1).argmax()
        up = ups[standing]
        same = ups @ up > 1 - 1e-9
        assert same.sum() >= 5  # the others lie
        feet = [
            float(up @ o.T_cam_obj[:3, 3]) - o.size_m[1] / 2
            for o, stands in zip(scene.objects, same, strict=True)
            if stands
        ]
        np.testing.assert_allclose(feet, feet[0], atol=1e-9)
        elevation = np.degrees(np.arcsin(-up[2]))  # the optical axis points down by so much
        assert 34.9 < elevation < 50.1


def test_objects_of_a_scene_do_not_touch(scenes):
    for scene in scenes.values():
        for item in scene.objects:
            for other in scene.objects:
                if item is not other:
                    T = np.linalg.inv(item.T_cam_obj) @ other.T_cam_obj
                    centre = T[:3, 3]
                    assert (np.abs(centre) > item.size_m / 2).any(), (item, other)


def test_the_same_seed_gives_the_same_scene_and_another_one_another():
    one, again, other = table_scene(11), table_scene(11), table_scene(12)
    for name in ("color", "depth_mm", "label"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert (getattr(one, name) != getattr(other, name)).mean() > 0.02
    np.testing.assert_array_equal(
        [o.T_cam_obj for o in one.objects], [o.T_cam_obj for o in again.objects]
    )


def test_depth_noise_is_that_of_a_d435(scenes):
    """Local rms in 9 x 9 patches of the table: about 1 mm between 0.75 and 1 m (measured: 1.0)."""
    scene = scenes[0]
    depth = scene.depth_mm.astype(np.float64)
    free = (scene.label == 0) & (depth > 750) & (depth < 1000)
    v, u = np.mgrid[-4:5, -4:5]
    plane = np.stack([np.ones(81), u.ravel(), v.ravel()], 1)
    residuals = []
    for row in range(8, 470, 12):
        for column in range(8, 630, 12):
            patch = (slice(row - 4, row + 5), slice(column - 4, column + 5))
            if free[patch].all():
                z = depth[patch].ravel()
                fit = plane @ np.linalg.lstsq(plane, z, rcond=None)[0]
                residuals.append(np.sqrt(np.mean((z - fit) ** 2)))
    assert len(residuals) > 50
    assert 0.7 < np.median(residuals) < 1.4


def test_depth_has_holes_beside_objects_but_not_many(scenes):
    for scene in scenes.values():
        on_objects = scene.depth_mm[scene.label > 0]
        assert 0.001 < (on_objects == 0).mean() < 0.15
        for item in scene.objects:
            mask = scene.label == item.instance_id
            assert (scene.depth_mm[mask] == 0).mean() < 0.35, item


def test_objects_of_a_scene_lie_wholly_in_the_image(scenes):
    for scene in scenes.values():
        border = np.concatenate(
            [scene.label[0], scene.label[-1], scene.label[:, 0], scene.label[:, -1]]
        )
        assert (border == 0).all()


def test_handle_visibility_follows_from_the_visible_points():
    """A visible handle has measured points beyond the body; over many tables both cases occur."""
    seen = []
    for seed in range(6):
        scene = table_scene(seed, categories=("mug",), extras=3)
        for item in scene.objects:
            points = points_of(scene, item.instance_id)
            beyond = points[:, 0] > -item.size_m[0] / 2 + item.size_m[2] + 0.006
            inside = (np.abs(points) < item.size_m / 2 + 0.004).all(1)
            seen.append(item.handle_visible)
            if (beyond & inside).sum() > 0.05 * len(points):
                assert item.handle_visible, (seed, item)
            if not (beyond & inside).any():
                assert not item.handle_visible, (seed, item)
    assert True in seen
    assert False in seen


def test_objects_differ_from_the_table_in_colour(scenes):
    """The picture shows them: mean colours of objects and of the table are apart."""
    for scene in scenes.values():
        table = np.median(scene.color[scene.label == 0], axis=0)
        apart = [
            np.abs(scene.color[scene.label == o.instance_id].mean(0) - table).max()
            for o in scene.objects
        ]
        assert min(apart) > 8
        assert np.median(apart) > 25


def test_only_the_wanted_categories_are_on_the_table():
    scene = table_scene(5, categories=("can", "bowl"), extras=0)
    assert sorted(o.category for o in scene.objects) == ["bowl", "can"]
    assert scene.camera == D435_COLOR_CAMERA


def test_unknown_categories_and_too_many_objects_are_refused(monkeypatch):
    monkeypatch.setattr("genpose_ros.synthesis.placement._TABLES", 2)
    with pytest.raises(ValueError, match="negative"):
        table_scene(-1)
    with pytest.raises(ValueError, match="teapot"):
        table_scene(0, categories=("teapot",), extras=0)
    with pytest.raises(ValueError, match="fewer"):
        table_scene(0, extras=30)


class TestOwnCategories:
    def test_objects_rest_on_the_table_as_their_categories_can(self):
        steep = {"parcel": set(), "hook": set()}
        for seed in range(4):
            scene = table_scene(seed, library=own_library(), extras=2)
            assert len(scene.objects) == 4
            table_up = np.cross(*np.diff([o.T_cam_obj[:3, 3] for o in scene.objects[:3]], axis=0))
            table_up /= np.linalg.norm(table_up)
            for item in scene.objects:
                inside = np.abs(points_of(scene, item.instance_id)) < item.size_m / 2 + 0.006
                assert inside.all(1).mean() > 0.7, item
                assert item.handle_visible
                steep[item.category].add(round(abs(table_up @ item.T_cam_obj[:3, 1])))
        # Their centres are at different heights, so `table_up` is rough.
        assert steep["hook"] == {0}
        assert 1 in steep["parcel"]

    def test_a_library_of_many_shows_those_without_generators_first(self):
        categories = CategorySet((*NOCS, *OWN))
        library = held_out_library(categories, (parcel_mesh(), hook_mesh()))
        shown = {o.category for o in table_scene(1, library=library, extras=0).objects}
        assert len(shown) == 6
        assert {"parcel", "hook"} <= shown

    def test_mugs_of_meshes_alone_are_asked_for_their_handle(self):
        handled = replace(HOOK, name="jug", symmetry_hidden=NOCS["mug"].symmetry_hidden)
        jug = replace(hook_mesh(), category="jug")
        library = held_out_library(CategorySet((handled,)), (jug,))
        scene = table_scene(0, library=library, extras=1)
        visible = {
            o.instance_id: handle_visible(
                scene.camera.back_project(scene.depth_mm / 1000.0, scene.label == o.instance_id),
                o.T_cam_obj,
                o.size_m,
            )
            for o in scene.objects
        }
        assert {o.instance_id: o.handle_visible for o in scene.objects} == visible

    def test_objects_longer_than_a_laptop_are_seen_from_farther_away(self):
        mesh = hook_mesh()
        pole = replace(mesh, vertices=6 * mesh.vertices)
        library = held_out_library(CategorySet((HOOK,)), (pole,))
        scene = table_scene(0, library=library, extras=0)
        (item,) = scene.objects
        assert np.linalg.norm(item.size_m) > 1
        assert 1.5 < item.T_cam_obj[2, 3] < 3
        assert (np.abs(points_of(scene, 1)) < item.size_m / 2 + 0.02).all(1).mean() > 0.7
