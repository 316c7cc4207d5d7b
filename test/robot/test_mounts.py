# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Camera mounts: calibrations of either frame, and what is none."""

import numpy as np
import pytest
import yaml

from genpose_ros.robot.mounts import CameraMount
from genpose_ros.robot.xarm6 import T_CAMERA_LINK_OPTICAL, T_EEF_CAMERA_LINK

GIVEN = {
    "kind": "eye_in_hand",
    "parent": "link_eef",
    "child": "camera_link",
    "translation_m": [0.06746, -0.0175, 0.0237],
    "rotation_xyzw": [0.5**0.5, 0.0, 0.5**0.5, 0.0],
}


def read(tmp_path, **changes):
    path = tmp_path / "mount.yaml"
    path.write_text(
        yaml.safe_dump({k: v for k, v in {**GIVEN, **changes}.items() if v is not None})
    )
    return CameraMount.read(path, prefix="left_")


def test_the_shipped_mount_in_the_hand_is_that_of_xarm_ros2(root):
    mount = CameraMount.read(root / "config" / "xarm6_eye_in_hand.yaml")
    np.testing.assert_allclose(mount.T_parent_link, T_EEF_CAMERA_LINK, atol=1e-8)
    assert (mount.parent, mount.camera_link) == ("link_eef", "camera_link")


def test_the_shipped_mount_beside_the_arm_looks_back_at_the_table(root):
    mount = CameraMount.read(root / "config" / "xarm6_eye_to_hand.yaml")
    forward, up = mount.T_parent_link[:3, 0], mount.T_parent_link[:3, 2]
    assert forward[0] < -0.5  # towards the base
    assert forward[2] < -0.5  # and down
    assert up[2] > 0.5


def test_the_parent_gets_the_prefix(tmp_path):
    assert read(tmp_path).parent == "left_link_eef"


def test_a_calibration_of_an_optical_frame_is_converted_to_camera_link(tmp_path):
    T = T_EEF_CAMERA_LINK @ T_CAMERA_LINK_OPTICAL
    from scipy.spatial.transform import Rotation

    given = {
        "child": "camera_color_optical_frame",
        "translation_m": T[:3, 3].tolist(),
        "rotation_xyzw": Rotation.from_matrix(T[:3, :3]).as_quat().tolist(),
    }
    np.testing.assert_allclose(read(tmp_path, **given).T_parent_link, T_EEF_CAMERA_LINK, atol=1e-9)
    beside = {"translation_m": [0.0, 0.015, 0.0], "rotation_xyzw": [-0.5, 0.5, -0.5, 0.5]}
    moved = read(tmp_path, **given, optical=beside)
    away = np.linalg.norm(moved.T_parent_link[:3, 3] - T_EEF_CAMERA_LINK[:3, 3])
    assert away == pytest.approx(0.015)
    np.testing.assert_allclose(moved.T_parent_optical, T, atol=1e-9)  # as it was calibrated


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rotation_xyzw": [0.1, 0.2, 0.3, 0.4]}, "has the length 0.5477"),
        ({"rotation_xyzw": [0.0, 0.0, 1.0]}, "list of 4 numbers"),
        ({"translation_m": [0.0, 0.0, float("nan")]}, "list of 3 numbers"),
        ({"child": "camera_depth_frame"}, "has a parent already"),
        ({"kind": "in_hand"}, "kind is one of eye_in_hand, eye_to_hand"),
        ({"parent": None}, "missing entry 'parent'"),
        ({"rotation_rpy": [0, 0, 0]}, "unknown entry 'rotation_rpy'"),
        ({"parent": ""}, "name of a frame"),
    ],
)
def test_a_calibration_that_is_none_is_refused_with_what_is_wrong(tmp_path, changes, expected):
    with pytest.raises(ValueError, match="mount") as error:
        read(tmp_path, **changes)
    assert expected in str(error.value)
