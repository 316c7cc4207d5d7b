# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Kinematics of the xArm6 against another library's numbers, finite differences and its URDF."""

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.robot.kinematics import frame_error, rotation_vectors, transform
from genpose_ros.robot.urdf import roll_pitch_yaw
from genpose_ros.robot.xarm6 import (
    T_CAMERA_LINK_OPTICAL,
    T_EEF_CAMERA_LINK,
    xarm6,
    xarm6_urdf,
)

#: Made by pinocchio from the URDF that `xarm6_urdf` writes, whose numbers have nine digits.
GOLDEN = json.loads(Path(__file__).with_name("golden_xarm6.json").read_text())["positions"]


@pytest.mark.parametrize("golden", GOLDEN)
def test_frames_and_jacobian_are_those_of_pinocchio(golden):
    T, jacobian = xarm6().tcp_and_jacobian(np.array([golden["q_rad"]]))
    np.testing.assert_allclose(T[0, :3], golden["T_base_tcp"], atol=2e-8)
    np.testing.assert_allclose(jacobian[0], golden["jacobian"], atol=2e-8)
    flange = xarm6().links(np.array([golden["q_rad"]]))[0, -1]
    optical = flange @ T_EEF_CAMERA_LINK @ T_CAMERA_LINK_OPTICAL
    np.testing.assert_allclose(optical[:3], golden["T_base_optical"], atol=2e-8)


def test_all_joints_at_zero_put_the_flange_where_the_maker_says():
    """207 mm in front and 112 mm above the base, looking down."""
    flange = xarm6().links(np.zeros((1, 6)))[0, -1]
    np.testing.assert_allclose(flange[:3, 3], [0.207, 0.0, 0.112], atol=1e-9)
    np.testing.assert_allclose(flange[:3, 2], [0.0, 0.0, -1.0], atol=1e-9)


def test_the_jacobian_is_the_derivative_of_the_frame():
    arm, q, step = xarm6(), np.random.default_rng(3).uniform(-1, 1, (1, 6)), 1e-6
    T, jacobian = arm.tcp_and_jacobian(q)
    for j in range(6):
        moved = q + step * np.eye(6)[j]
        np.testing.assert_allclose(
            frame_error(T, arm.tcp(moved))[0] / step, jacobian[0, :, j], atol=1e-5
        )


def test_rotation_vectors_are_scipys_half_turns_included():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 3))
    vectors *= np.linspace(0, math.pi, 50)[:, None] / np.linalg.norm(vectors, axis=1)[:, None]
    R = Rotation.from_rotvec(vectors).as_matrix()
    found = Rotation.from_rotvec(rotation_vectors(R))
    assert (found.inv() * Rotation.from_matrix(R)).magnitude().max() < 1e-6


@pytest.mark.parametrize(
    "rpy", [(0.3, -0.7, 2.0), (math.pi, -math.pi / 2, 0.0), (0.1, math.pi / 2, 0)]
)
def test_roll_pitch_yaw_leads_back_to_the_rotation(rpy):
    R = transform(rpy_rad=rpy)[:3, :3]
    np.testing.assert_allclose(transform(rpy_rad=roll_pitch_yaw(R))[:3, :3], R, atol=1e-9)


def test_the_urdf_is_a_tree_with_xarm_ros2s_names():
    robot = ET.fromstring(xarm6_urdf("left_"))
    links = {link.get("name") for link in robot.iter("link")}
    children = [joint.find("child").get("link") for joint in robot.iter("joint")]
    assert links - set(children) == {"left_link_base"}
    assert len(children) == len(set(children))
    assert {
        "left_link6",
        "left_link_eef",
        "left_link_tcp",
        "left_camera_color_optical_frame",
    } <= links


def test_positions_beyond_a_limit_are_told():
    arm = xarm6()
    inside = np.array([arm.low_rad, arm.high_rad, arm.high_rad + np.eye(6)[2] * 0.01])
    assert arm.within_limits(inside).tolist() == [True, True, False]
