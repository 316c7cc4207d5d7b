# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth around expected objects: of each what is found of it alone, and by brute force."""

import numpy as np
import pytest
from cube_scene import CAMERA, SIZE_M, at, front, image

from genpose_ros.estimation import EstimatorSettings
from genpose_ros.tracking import constants
from genpose_ros.tracking.depth_around import depth_around, misfit_m, shift_onto


def around(depth_m, camera, T, surface, size_m, settings, *, axisymmetric, pixels):
    """The points of one object."""
    (points,) = depth_around(
        depth_m,
        camera,
        T[None],
        [surface],
        size_m[None],
        settings,
        axisymmetric=[axisymmetric],
        pixels=pixels,
    )
    return points


def by_brute_force(depth_m, T, surface, size_m, axisymmetric):
    """What lies on an object, of all pixels that a stride leaves, in double precision."""
    surface = surface[: constants.CROP_SURFACE_POINTS]
    uv = CAMERA.project(surface @ T[:3, :3].T + T[:3, 3])
    margin = constants.SHIFT_RADIUS_M * 300 / T[2, 3]
    low = np.maximum(np.floor(uv.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(uv.max(0) + margin), [319, 239]).astype(int) + 1
    stride = max(round(np.sqrt(np.prod(high - low) / 2000)), 1)
    wanted = np.zeros(depth_m.shape, dtype=bool)
    wanted[low[1] : high[1] : stride, low[0] : high[0] : stride] = True
    reach = np.linalg.norm(surface, axis=1).max() + constants.SHIFT_RADIUS_M
    wanted &= (depth_m > max(T[2, 3] - reach, 0.1)) & (depth_m < T[2, 3] + reach)
    cloud = CAMERA.back_project(depth_m, wanted).astype(np.float64)
    if not len(cloud):
        return cloud
    in_obj = (cloud - T[:3, 3]) @ T[:3, :3]
    some, moved = in_obj[:: max(round(len(in_obj) / 700), 1)], np.zeros(3)
    for _ in range(constants.SHIFT_STEPS):
        distance = np.linalg.norm((surface[:96] + moved)[:, None] - some, axis=2)
        found = distance.min(1) < constants.SHIFT_RADIUS_M
        if not found.any():
            break
        step = (some[distance.argmin(1)] - surface[:96])[found].mean(0) - moved
        moved = moved + step
        if np.linalg.norm(step) < constants.SHIFT_LAST_STEP_M:
            break
    in_obj = in_obj - moved
    half = size_m * 0.55 + 0.01
    x, y, z = np.abs(in_obj).T
    across = np.hypot(x, z) <= half[0] if axisymmetric else (x <= half[0]) & (z <= half[2])
    near = np.linalg.norm(in_obj[:, None] - surface, axis=2).min(1) < constants.NEAR_SURFACE_M
    return cloud[across & (y <= half[1]) & near]


@pytest.mark.parametrize("seed", range(4))
def test_points_of_many_objects_are_those_of_each_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    depth_m = image() + rng.normal(0, 0.001, (240, 320)).astype(np.float32)
    depth_m[60:100, 40:110] = 0.7 + 0.001 * np.arange(70, dtype=np.float32)
    depth_m[rng.random(depth_m.shape) < 0.05] = 0
    poses = [at(), at(0.01, -0.01, 0.86), at(-0.2, -0.09, 0.75), at(3.0), at(z=-1.0), at(z=1.6)]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    poses[1][:3, :3] = turn * np.sign(np.linalg.det(turn))
    surfaces = [rng.uniform(-0.05, 0.05, (600, 3)) for _ in poses]
    for surface in surfaces[::2]:
        surface[:, 2] = -0.05
    sizes, upright = rng.uniform(0.08, 0.14, (6, 3)), [bool(i % 2) for i in range(6)]
    settings = EstimatorSettings()
    found = depth_around(
        depth_m, CAMERA, np.array(poses), surfaces, sizes, settings, axisymmetric=upright,
        pixels=2000,
    )  # fmt: skip
    for T, surface, size_m, symmetric, points in zip(
        poses, surfaces, sizes, upright, found, strict=True
    ):
        expected = (
            by_brute_force(depth_m, T, surface, size_m, symmetric) if T[2, 3] > 0 and T[0, 3] < 1
            else np.zeros((0, 3))
        )  # fmt: skip
        assert points.dtype == np.float32
        both = set(map(tuple, points.tolist())) ^ set(map(tuple, expected.tolist()))
        # What lies on a limit may fall on either side of it: single precision knows 1e-7.
        assert len(both) <= 0.01 * len(expected)
    assert [len(points) > 100 for points in found] == [True, True, True, False, False, False]


def test_without_objects_there_is_nothing_to_find():
    nothing = np.zeros((0, 4, 4)), [], np.zeros((0, 3))
    settings = EstimatorSettings()
    assert depth_around(image(), CAMERA, *nothing, settings, axisymmetric=[], pixels=9) == []


class TestDepthAround:
    def test_the_depth_of_the_object_is_taken_and_the_rest_left(self):
        depth_m = image()
        depth_m[:, 185:] = 0.79  # a neighbour that is as far away
        settings = EstimatorSettings()
        points = around(
            depth_m, CAMERA, at(0.005), front(), SIZE_M, settings, axisymmetric=False, pixels=10**6
        )
        cloud = CAMERA.back_project(depth_m)
        moved = cloud - np.float32([0.005, 0, 0.85])
        nearest = np.sqrt(((moved[:, None] - front()) ** 2).sum(-1)).min(1)
        expected = cloud[(np.abs(moved) <= 0.065).all(1) & (nearest < 0.012)]
        assert len(points) > 1000
        assert sorted(map(tuple, points.tolist())) == sorted(map(tuple, expected.tolist()))

    @pytest.mark.parametrize("x", [-0.03, 0.02, 0.03])
    def test_an_object_that_went_farther_than_expected_is_hardly_cut_off(self, x):
        settings = EstimatorSettings()
        depth_m = image()
        points = around(
            depth_m, CAMERA, at(x), front(), SIZE_M, settings, axisymmetric=False, pixels=10**6
        )
        whole = CAMERA.back_project(depth_m, depth_m < 1)
        # Where it was expected lies 76 to 87 % of it, and its mean is 7 to 12 mm off.
        assert len(points) > 0.88 * len(whole)
        assert points[:, 0].mean() == pytest.approx(whole[:, 0].mean(), abs=0.006)

    def test_a_neighbour_does_not_pull_the_object_over(self):
        settings = EstimatorSettings()
        depth_m = image()
        object_mask = depth_m < 1
        # 2 cm to the right of the cube another one begins, 5 mm nearer.
        depth_m[90:150, 186:240] = 0.795
        points = around(
            depth_m, CAMERA, at(), front(), SIZE_M, settings, axisymmetric=False, pixels=10**6
        )
        assert len(points) == pytest.approx(object_mask.sum(), rel=0.03)
        assert points[:, 0].max() < 0.052

    def test_about_as_many_pixels_are_looked_at_as_may_be(self):
        settings = EstimatorSettings()
        points = around(
            image(), CAMERA, at(), front(), SIZE_M, settings, axisymmetric=False, pixels=500
        )
        assert 100 < len(points) < 500

    def test_no_points_are_found_where_nothing_is(self):
        settings = EstimatorSettings()
        for T in (at(x=3.0), at(z=-1.0), at(z=1.2)):
            points = around(
                image(), CAMERA, T, front(), SIZE_M, settings, axisymmetric=False, pixels=2000
            )
            assert points.shape == (0, 3)


class TestShiftOnto:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_shift_is_that_of_iterated_closest_points_by_brute_force(self, seed):
        rng = np.random.default_rng(seed)
        surface = rng.uniform(-0.05, 0.05, (60, 3))
        scene = rng.uniform((-0.1, -0.1, 0.0), (0.1, 0.1, 0.1), (400, 3))
        expected = np.zeros(3)
        for _ in range(4):
            distance = np.linalg.norm((surface + expected)[:, None] - scene, axis=-1)
            found = distance.min(axis=1) < 0.04
            nearest = scene[distance.argmin(axis=1)]
            step = (nearest - surface)[found].mean(axis=0) - expected
            expected = expected + step
            if np.linalg.norm(step) < 0.001:
                break
        assert np.linalg.norm(expected) > 0.005
        np.testing.assert_allclose(shift_onto(scene, surface), expected, atol=1e-5)

    def test_the_shift_is_how_far_a_surface_went(self):
        grid = front() * 0.3  # 3 mm apart: nearest points are the right ones
        np.testing.assert_allclose(
            shift_onto(grid + np.array([0, 0, 0.03]), grid), [0, 0, 0.03], atol=1e-6
        )

    def test_hidden_surface_does_not_count(self):
        seen, hidden = front(), front() + np.array([0.3, 0, 0])
        moved = shift_onto(seen + np.array([0, 0, 0.01]), np.concatenate((seen[::2], hidden[:20])))
        np.testing.assert_allclose(moved, [0, 0, 0.01], atol=1e-6)

    def test_a_surface_far_from_the_scene_is_not_moved(self):
        assert shift_onto(front() + 1.0, front()).tolist() == [0, 0, 0]


class TestMisfit:
    def test_it_is_the_mean_distance_to_the_nearest_point_by_brute_force(self):
        rng = np.random.default_rng(0)
        scene = rng.uniform(-0.05, 0.05, (300, 3))
        surface = rng.uniform(-0.08, 0.08, (200, 3))
        some = surface[: constants.SHIFT_POINTS]
        distance = np.linalg.norm(some[:, None] - scene, axis=2).min(1)
        assert distance.max() > constants.SHIFT_RADIUS_M
        expected = np.minimum(distance, constants.SHIFT_RADIUS_M).mean()
        assert misfit_m(scene, surface) == pytest.approx(expected, abs=1e-5)

    def test_a_surface_on_the_scene_has_none_and_one_far_off_the_most(self):
        surface = np.random.default_rng(1).uniform(-0.05, 0.05, (300, 3))
        assert misfit_m(surface, surface) == pytest.approx(0, abs=1e-4)
        assert misfit_m(surface + 1.0, surface) == pytest.approx(constants.SHIFT_RADIUS_M)
        assert misfit_m(surface[:0], surface) == constants.SHIFT_RADIUS_M
