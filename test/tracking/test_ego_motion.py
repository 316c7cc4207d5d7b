"""The camera's path: what is known, what is carried on, what is remembered."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import is_transform
from genpose_ros.tracking.ego_motion import HISTORY_S, CameraPath


def shifted(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


def test_without_poses_the_camera_is_the_fixed_frame():
    path = CameraPath().moved(1, None)
    assert (path.newest_ns, path.known) == (1, False)
    assert np.array_equal(path.T_fixed_cam, np.eye(4))
    assert np.array_equal(path.at(1), np.eye(4))


def test_a_missing_pose_is_carried_on():
    path = CameraPath().moved(1, shifted(1.0)).moved(2, None)
    assert not path.known
    assert path.T_fixed_cam[0, 3] == 1.0


def test_between_frames_the_pose_is_between_theirs():
    path = CameraPath()
    for i in range(5):
        path = path.moved(100 * i, shifted(i))
    places = [path.at(stamp)[0, 3] for stamp in (-50, 0, 125, 200, 399, 400, 999)]
    assert places == pytest.approx([0, 0, 1.25, 2, 3.99, 4, 4])


def test_between_frames_the_camera_turns_evenly():
    turns = [Rotation.from_rotvec([0.3, -0.2, 0.1]), Rotation.from_rotvec([0.9, 0.4, -1.1])]
    path = CameraPath()
    for i, turn in enumerate(turns):
        T = np.eye(4)
        T[:3, :3] = turn.as_matrix()
        path = path.moved(1000 * i, T)
    between = Rotation.from_matrix(path.at(250)[:3, :3])
    whole = (turns[1] * turns[0].inv()).magnitude()
    assert (between * turns[0].inv()).magnitude() == pytest.approx(0.25 * whole)
    assert (turns[1] * between.inv()).magnitude() == pytest.approx(0.75 * whole)
    assert is_transform(path.at(250))


def test_no_more_than_the_last_seconds_are_remembered():
    path = CameraPath()
    for i in range(3000):
        path = path.moved(i * 10_000_000, shifted(i))
    assert len(path.history) <= 256
    assert path.history[-1][0] - path.history[0][0] <= HISTORY_S * 1e9
