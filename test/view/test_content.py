# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Content of the view: thinned clouds, their colours, candidates' density, other frames."""

import numpy as np
import pytest
from fake_estimator import make_estimate

from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.view.content import cloud_of, density_of, viewed_object

CAMERA = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
QUARTER = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize("most", [50, 1000, 1500, 3072, 10_000])
def test_a_cloud_is_thinned_evenly_and_as_little_as_need_be(most):
    cloud = cloud_of(np.full((48, 64), 2.0), CAMERA, most=most)
    assert min(most, 3072) / 2.2 <= len(cloud.points) <= most
    assert len(cloud.points) == len(cloud.colors)
    np.testing.assert_array_equal(cloud.points[:, 2], 2.0)
    u, v = CAMERA.project(cloud.points).round().T
    assert {len(np.unique(np.diff(np.unique(axis)))) for axis in (u, v)} <= {1}


def test_points_have_the_colour_of_their_pixel_and_pixels_without_depth_have_none():
    depth_m, color = np.zeros((48, 64)), np.zeros((48, 64, 3), np.uint8)
    depth_m[7, 9], color[7, 9] = 1.5, (10, 20, 30)
    cloud = cloud_of(depth_m, CAMERA, color)
    np.testing.assert_allclose(cloud.points, [[1.5 * (9 - 32) / 60, 1.5 * (7 - 24) / 60, 1.5]])
    assert cloud.colors.tolist() == [[10, 20, 30]]


def test_points_on_an_object_take_of_its_categorys_colour():
    mask = np.zeros((48, 64), bool)
    mask[:, :32] = True
    grey = np.full((48, 64, 3), 100, np.uint8)
    cloud = cloud_of(np.ones((48, 64)), CAMERA, grey, [(mask, (200, 100, 0))], most=9999)
    left = cloud.points[:, 0] < 0
    assert (cloud.colors[~left] == 100).all()
    red, green, blue = cloud.colors[left].T
    assert (red > 100).all()
    assert (green == 100).all()
    assert (blue < 100).all()


def test_an_image_without_depth_is_a_cloud_without_points():
    assert len(cloud_of(np.full((48, 64), np.nan), CAMERA).points) == 0


def test_the_density_is_higher_among_candidates_that_agree():
    T = np.stack([np.eye(4)] * 6)
    T[5, :3, 3] = 0.4, 0, 0
    density = density_of(T, NOCS["camera"])
    assert density[:5] == pytest.approx(density[0])
    assert density[5] < density[0] - 1


def test_the_density_of_a_can_does_not_see_its_yaw():
    T = np.stack([np.eye(4)] * 2)
    T[1, :3, :3] = [[-1, 0, 0], [0, 1, 0], [0, 0, -1]]
    can, camera = (density_of(T, NOCS[name])[0] for name in ("can", "camera"))
    assert can == pytest.approx(2 * np.log(2))
    assert camera == pytest.approx(np.log(2), abs=1e-6)


def test_an_object_is_given_in_the_views_frame_with_all_that_belongs_to_it():
    other = np.eye(4)
    estimate = make_estimate(T_cam_other=other, candidate_energies=np.ones((4, 2)))
    seen = viewed_object(
        estimate, "mug_1", NOCS, QUARTER, state="confirmed", velocity_cam=np.arange(6.0)
    )
    np.testing.assert_allclose(seen.T_view_obj, QUARTER @ estimate.T_cam_obj)
    np.testing.assert_allclose(seen.T_view_candidates[3], QUARTER @ estimate.T_cam_obj)
    np.testing.assert_allclose(seen.T_view_other, QUARTER)
    # x and y change places, and so do their variances.
    assert seen.covariance.diagonal() == pytest.approx([2e-6, 1e-6, 3e-6, 2e-4, 1e-4, 3e-4])
    assert seen.velocity == pytest.approx([-1, 0, 2, -4, 3, 5])
    assert seen.energy == (-1.5, -0.5)
    assert seen.density.shape == (4,)
    assert seen.energies.shape == (4, 2)
