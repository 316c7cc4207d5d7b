# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of levelling: what a rolled camera sees comes out as of an upright one, turned."""

import numpy as np
import pytest
import torch
from toy_models import POSE, MixtureModel

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud, PoseEstimator
from genpose_ros.estimation.levelling import camera_roll_rad, levelling
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.transforms import rotate_covariance

#: Up of an upright camera that looks down by 30 degrees.
UP = np.array([0.0, -np.cos(np.pi / 6), -0.5])
SETTINGS = EstimatorSettings(
    candidates=50, steps=8, points=64, min_points=30, size_factor=0, keep_fraction=1.0
)
#: A second pose, half a turn away.
OVER = POSE @ torch.diag(torch.tensor([1.0, -1.0, -1.0])).double()


def about_z(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def rolled(degrees, *, known=True):
    """A laptop as a camera sees it whose image content is turned by so many degrees."""
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (64, 3)) + np.array([0.1, 0.05, 0.8])
    turn = about_z(degrees)
    up = UpDirection(turn @ UP, source="tf") if known else None
    laptop = Instance(1, "laptop", np.ones((1, 1), bool))
    cloud = (points @ turn.T).astype(np.float32)
    return ObjectCloud(laptop, cloud, 64, shuffled=True, up_cam=up)


def two_poses(share=0.6):
    shares = torch.tensor([share, 1 - share])
    offsets = torch.tensor([[0.0, 0.0, 0.05], [0.02, 0.0, 0.04]])
    return MixtureModel(torch.stack((POSE, OVER)), offsets, shares)


def estimated(cloud, start=None):
    (estimate,) = PoseEstimator(two_poses(), SETTINGS).estimate_clouds([cloud], T_cam_start=start)
    return estimate


@pytest.mark.parametrize("degrees", [0, 15, -15, 40, 90, 137, 180, -90])
def test_the_roll_is_that_of_up_in_the_image(degrees):
    up = UpDirection(about_z(degrees) @ UP)
    assert np.degrees(camera_roll_rad(up)) % 360 == pytest.approx(degrees % 360)
    turn = levelling(up)
    if abs(degrees) <= 20:
        assert turn is None
    else:
        np.testing.assert_allclose(turn, about_z(-degrees), atol=1e-12)
        np.testing.assert_allclose(turn @ up.direction_cam, UP, atol=1e-12)


def test_without_up_or_looking_straight_down_no_roll_is_upright():
    assert levelling(None) is None
    for forward in (-1.0, 1.0):
        leaning = np.array([0.2, 0.0, forward * np.sqrt(1 - 0.04)])
        assert levelling(UpDirection(leaning)) is None


@pytest.mark.parametrize(("source", "turns"), [("tf", True), ("imu", True), ("plane", False)])
def test_a_wall_that_leans_to_the_camera_and_was_taken_for_a_support_turns_nothing(source, turns):
    leaning = np.array([0.0, np.sin(0.4), -np.cos(0.4)])
    assert (levelling(UpDirection(leaning, source=source)) is not None) is turns
    # A table seen by a camera that is upside down and looks down by half a right angle.
    table = np.array([0.0, np.sqrt(0.5), -np.sqrt(0.5)])
    assert levelling(UpDirection(table, source=source)) is not None


@pytest.mark.parametrize("degrees", [40, 90, 180, -137])
def test_a_rolled_camera_gets_the_upright_ones_poses_turned(degrees):
    upright, found, turn = estimated(rolled(0)), estimated(rolled(degrees)), np.eye(4)
    turn[:3, :3] = about_z(degrees)
    np.testing.assert_allclose(found.T_cam_obj, turn @ upright.T_cam_obj, atol=1e-5)
    np.testing.assert_allclose(found.T_cam_other, turn @ upright.T_cam_other, atol=1e-5)
    np.testing.assert_allclose(found.T_cam_candidates, turn @ upright.T_cam_candidates, atol=1e-5)
    expected = rotate_covariance(upright.covariance, turn[:3, :3])
    np.testing.assert_allclose(found.covariance, expected, atol=1e-7)
    assert found.score == pytest.approx(upright.score, abs=1e-5)
    np.testing.assert_array_equal(found.points_cam, rolled(degrees).points_cam)


def test_where_nothing_is_known_of_up_nothing_is_turned():
    found = estimated(rolled(180, known=False))
    np.testing.assert_allclose(found.T_cam_obj[:3, :3], POSE, atol=0.02)


def test_known_poses_are_starts_in_the_cameras_frame():
    cloud, turn = rolled(90), about_z(90)
    T_start = np.eye(4)
    T_start[:3, :3] = turn @ OVER.numpy()  # the rarer pose
    T_start[:3, 3] = cloud.points_cam.mean(axis=0)
    given = T_start.copy()
    estimator = PoseEstimator(two_poses(), EstimatorSettings(points=64, start_sigma=0.1))
    (found,) = estimator.estimate_clouds([cloud], T_cam_start=T_start[None])
    np.testing.assert_allclose(found.T_cam_obj[:3, :3], T_start[:3, :3], atol=0.02)
    np.testing.assert_array_equal(T_start, given)


def test_objects_of_one_batch_are_turned_each_by_its_own_roll():
    clouds = [rolled(0), rolled(90), rolled(180, known=False)]
    together = PoseEstimator(two_poses(), SETTINGS).estimate_clouds(clouds)
    for cloud, found in zip(clouds, together, strict=True):
        np.testing.assert_allclose(found.T_cam_obj, estimated(cloud).T_cam_obj, atol=1e-5)
