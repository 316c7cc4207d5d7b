# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the support plane that the tracker remembers: checked while it lasts, fitted anew."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import Frame, Instance
from genpose_ros.estimation.up import UpDirection, find_support_plane
from genpose_ros.geometry import PinholeCamera
from genpose_ros.tracking import support
from genpose_ros.tracking.ego_motion import StampedCameraPose
from genpose_ros.tracking.support import SupportMemory

CAMERA = PinholeCamera(150.0, 150.0, 80.0, 60.0, 160, 120)
STILL = StampedCameraPose(0, np.eye(4), known=False)
#: A table below a camera that looks down by 40 degrees, in the camera of the first frame.
NORMAL = np.array([0.0, -np.cos(np.radians(40)), -np.sin(np.radians(40))])
LEVEL_M = -0.5


def pose(x=0.0, tilt_deg=0.0, *, known=True):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("x", tilt_deg, degrees=True).as_matrix()
    T[0, 3] = x
    return StampedCameraPose(0, T, known=known)


def image(camera_pose=STILL, level_m=LEVEL_M):
    """The table and a box on it, as a camera at a pose sees them, and the box's points."""
    T = camera_pose.T_fixed_cam
    normal, level = T[:3, :3].T @ NORMAL, level_m - NORMAL @ T[:3, 3]
    v, u = np.mgrid[0:120, 0:160].astype(float)
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1)
    along = rays @ normal
    depth = np.where(along < -0.05, level / np.where(along < -0.05, along, 1.0), 0.0)
    mask = np.zeros(depth.shape, bool)
    mask[45:66, 70:92] = True
    front = np.array([0.0, 0, -1]) + normal[2] * normal
    depth[mask] = (front @ (rays[65, 80] * depth[65, 80])) / (rays[mask] @ front)
    frame = Frame(depth, CAMERA, (Instance(1, "can", mask),))
    return frame, [(rays * depth[..., None])[mask]]


@pytest.fixture
def fits(monkeypatch):
    """How often a plane was fitted."""
    calls, fit = [], find_support_plane

    def counted(*given):
        calls.append(given)
        return fit(*given)

    monkeypatch.setattr(support, "find_support_plane", counted)
    return calls


def memory(camera_pose=STILL, remembered=None, source="auto", level_m=LEVEL_M, up_cam=None):
    frame, clouds = image(camera_pose, level_m)
    frame = Frame(frame.depth_m, frame.camera, frame.instances, up_cam=up_cam)
    return SupportMemory(frame, source, camera_pose, remembered), clouds


def remembered(fits, camera_pose=STILL):
    first, clouds = memory(camera_pose)
    assert first.up(clouds, fit=True).source == "plane"
    assert len(fits) == 1
    return first.remembered


def test_a_plane_is_fitted_only_where_it_is_asked_for(fits):
    first, clouds = memory()
    assert first.up(clouds, fit=False) is None
    assert not fits
    assert first.up([], fit=True) is None
    assert not fits


def test_a_plane_that_is_still_there_is_not_fitted_again(fits):
    kept = remembered(fits)
    second, clouds = memory(remembered=kept)
    for fit in (False, True):
        up = second.up(clouds, fit=fit)
        np.testing.assert_allclose(up.direction_cam, NORMAL, atol=0.01)
        assert up.level_m == pytest.approx(LEVEL_M, abs=0.005)
    assert len(fits) == 1
    assert second.remembered is kept


def test_it_stays_where_it_is_while_a_camera_of_known_pose_moves(fits):
    kept = remembered(fits, pose())
    moved = pose(x=0.1, tilt_deg=8)
    up = memory(moved, kept)[0].up(image(moved)[1], fit=False)
    np.testing.assert_allclose(up.direction_cam, moved.T_fixed_cam[:3, :3].T @ NORMAL, atol=0.01)
    assert up.level_m == pytest.approx(LEVEL_M - NORMAL @ moved.T_fixed_cam[:3, 3], abs=0.005)
    assert len(fits) == 1


def test_it_is_forgotten_when_a_camera_of_unknown_pose_moves(fits):
    kept = remembered(fits)
    frame, clouds = image(pose(tilt_deg=8))
    moved = SupportMemory(frame, "auto", STILL, kept)
    assert moved.up(clouds, fit=False) is None
    assert moved.remembered is None
    turned = moved.up(clouds, fit=True).direction_cam
    np.testing.assert_allclose(turned, pose(tilt_deg=8).T_fixed_cam[:3, :3].T @ NORMAL, atol=0.01)
    assert len(fits) == 2


def test_it_is_forgotten_when_the_cameras_pose_is_lost_or_found(fits):
    kept = remembered(fits, pose())
    lost, clouds = memory(pose(known=False), kept)
    assert lost.up(clouds, fit=False) is None
    assert lost.remembered is None


def test_it_is_forgotten_when_the_table_is_another(fits):
    kept = remembered(fits)
    lower, clouds = memory(remembered=kept, level_m=LEVEL_M - 0.04)
    assert lower.up(clouds, fit=True).level_m == pytest.approx(LEVEL_M - 0.04, abs=0.005)
    assert len(fits) == 2


def test_a_new_object_that_does_not_touch_it_has_one_looked_for(fits):
    kept = remembered(fits)
    second, clouds = memory(remembered=kept)
    held = [clouds[0] + 0.2 * NORMAL]
    assert second.up(held, fit=True).level_m == pytest.approx(LEVEL_M, abs=0.005)
    assert len(fits) == 2


def test_a_known_direction_takes_the_level_of_what_is_remembered(fits):
    kept = remembered(fits)
    leaning = Rotation.from_euler("x", 3, degrees=True).apply(NORMAL)
    second, clouds = memory(remembered=kept, up_cam=UpDirection(leaning, 0.02, source="imu"))
    up = second.up(clouds, fit=False)
    assert np.array_equal(up.direction_cam, leaning)
    assert up.source == "imu"
    foot = clouds[0].mean(0) - (NORMAL @ clouds[0].mean(0) - LEVEL_M) * NORMAL
    assert up.level_m == pytest.approx(leaning @ foot, abs=0.005)
    wall, clouds = memory(remembered=kept, up_cam=UpDirection(np.array([1.0, 0, 0]), 0.02))
    assert wall.up(clouds, fit=False).level_m is None


def test_without_a_source_nothing_is_told(fits):
    nothing, clouds = memory(remembered=remembered(fits), source="none")
    assert nothing.up(clouds, fit=True) is None
