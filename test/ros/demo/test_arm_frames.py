# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated arm of the demo: its frames lead to the camera, objects stand on its table."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from std_msgs.msg import Header

from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.xarm6 import xarm6_collisions
from genpose_ros.ros.demo.arm_frames import ArmFrames
from genpose_ros.ros.robot.seen_objects import pose_matrix
from genpose_ros.ros.transform_tree import transform_matrix

OPTICAL = "camera_color_optical_frame"


@pytest.fixture(scope="module")
def frames():
    return ArmFrames(0, seconds=4.0, rate_hz=2.0, optical=OPTICAL)


@pytest.mark.parametrize("number", [0, 5])
def test_the_arms_frames_lead_from_the_world_to_the_camera(frames, number):
    transforms = frames.transforms(number, Header())
    parents = {
        t.child_frame_id: (t.header.frame_id, transform_matrix(t.transform)) for t in transforms
    }
    assert len(parents) == len(transforms)
    T, frame = np.eye(4), OPTICAL
    while frame != "world":
        frame, step = parents[frame]
        T = step @ T
    np.testing.assert_allclose(T, frames.camera_pose(number), atol=1e-6)


def test_the_objects_that_are_seen_stand_on_the_table(frames):
    for number in (0, 5):
        message = frames.messages(number, Header())
        for item in message.ground_truth.detections:
            T = frames.camera_pose(number) @ pose_matrix(item.bbox.center)
            assert T[2, 3] == pytest.approx(item.bbox.size.y / 2, abs=1e-4)
            assert T[2, 1] == pytest.approx(1.0, abs=1e-6)


def test_the_arm_moves_and_touches_nothing(frames):
    q = np.array([frames.joint_state(i, Header()).position for i in range(len(frames))])
    assert np.ptp(q, axis=0).max() > 0.05
    assert (xarm6_collisions().clearance(q, Surroundings(0.0)) > 0).all()
