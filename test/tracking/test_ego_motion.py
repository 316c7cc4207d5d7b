# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ego-motion: poses that are known, carried over, interpolated, and forgotten."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import is_transform
from genpose_ros.tracking import constants
from genpose_ros.tracking.ego_motion import EgoMotion


def shifted(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


def test_without_poses_the_camera_is_the_fixed_frame():
    motion = EgoMotion().updated(1, None)
    assert (motion.newest_ns, motion.known) == (1, False)
    assert np.array_equal(motion.T_fixed_cam, np.eye(4))
    assert np.array_equal(motion.at(1), np.eye(4))


def test_a_missing_pose_is_that_of_the_frame_before():
    motion = EgoMotion().updated(1, shifted(1.0)).updated(2, None)
    assert not motion.known
    assert motion.T_fixed_cam[0, 3] == 1.0


def test_between_frames_the_pose_is_between_theirs():
    motion = EgoMotion()
    for i in range(5):
        motion = motion.updated(100 * i, shifted(i))
    places = [motion.at(stamp)[0, 3] for stamp in (-50, 0, 125, 200, 399, 400, 999)]
    assert places == pytest.approx([0, 0, 1.25, 2, 3.99, 4, 4])


def test_between_frames_the_camera_turns_evenly():
    turns = [Rotation.from_rotvec([0.3, -0.2, 0.1]), Rotation.from_rotvec([0.9, 0.4, -1.1])]
    motion = EgoMotion()
    for i, turn in enumerate(turns):
        T = np.eye(4)
        T[:3, :3] = turn.as_matrix()
        motion = motion.updated(1000 * i, T)
    between = Rotation.from_matrix(motion.at(250)[:3, :3])
    whole = (turns[1] * turns[0].inv()).magnitude()
    assert (between * turns[0].inv()).magnitude() == pytest.approx(0.25 * whole)
    assert (turns[1] * between.inv()).magnitude() == pytest.approx(0.75 * whole)
    assert is_transform(motion.at(250))


def test_no_more_than_the_last_seconds_are_remembered():
    motion = EgoMotion()
    for i in range(3000):
        motion = motion.updated(i * 10_000_000, shifted(i))
    assert len(motion.history) <= 256
    assert motion.history[-1][0] - motion.history[0][0] <= constants.POSE_HISTORY_S * 1e9
