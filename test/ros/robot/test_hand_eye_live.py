# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looks at an object by a node's topics and /tf: what is taken, and why the rest is not."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
import rclpy
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.looks import Looks
from genpose_ros.robot.simulation.world import T_EEF_OPTICAL
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.robot.hand_eye_live import LiveFrames, LiveLooks

pytestmark = pytest.mark.ros

OPTICAL = "camera_color_optical_frame"
T_BASE_OBJ = transform((0.45, 0.0, 0.06))


@pytest.fixture
def rig():
    context = Context()
    rclpy.init(context=context)
    node, peer = Node("looks", context=context), Node("genpose", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    executor.add_node(peer)
    out = SimpleNamespace(
        objects=peer.create_publisher(ObjectPoseArray, "~/objects", 10),
        tf=peer.create_publisher(TFMessage, "/tf", 10),
    )
    made = SimpleNamespace(node=node, out=out, executor=executor, stamp_s=10)
    yield made
    for each in (node, peer):
        each.destroy_node()
    rclpy.try_shutdown(context=context)


def stamped(header, child, T):
    (pose,) = pose_messages(T[None])
    p = pose.position
    return TransformStamped(
        header=header,
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=p.x, y=p.y, z=p.z), rotation=pose.orientation),
    )


def show(rig, live, T_base_flange, *, frame_id=OPTICAL, **changes):
    """An image from where the flange is; the object in the camera's or the base's frame."""
    rig.stamp_s += 1
    header = Header(frame_id="link_base")
    header.stamp.sec = rig.stamp_s
    flange = Header(stamp=header.stamp, frame_id="link_eef")
    transforms = [
        stamped(header, "link_eef", T_base_flange),
        stamped(flange, OPTICAL, T_EEF_OPTICAL),
    ]
    T_cam_obj = np.linalg.inv(T_base_flange @ T_EEF_OPTICAL) @ T_BASE_OBJ
    T = T_cam_obj if frame_id == OPTICAL else T_BASE_OBJ
    item = ObjectPose(class_name="can", score_axis=0.9)
    (item.pose.pose,) = pose_messages(T[None])
    for name, value in changes.items():
        setattr(item, name, value)
    message = ObjectPoseArray(header=Header(stamp=header.stamp, frame_id=frame_id), objects=[item])
    before = live.heard
    until_s = time.monotonic() + 30
    while live.heard == before and time.monotonic() < until_s:
        rig.out.tf.publish(TFMessage(transforms=transforms))
        for _ in range(5):
            rig.executor.spin_once(timeout_sec=0.02)
        rig.out.objects.publish(message)
        for _ in range(20):
            rig.executor.spin_once(timeout_sec=0.02)
            if live.heard > before:
                break
    assert live.heard > before
    return T_cam_obj


class Heard(LiveLooks):
    """Counts the messages."""

    heard = 0

    def _on_objects(self, message):
        super()._on_objects(message)
        self.heard += 1


def test_looks_are_taken_at_rest_from_objects_in_any_frame(rig):
    taken = []
    live = Heard(rig.node, LiveFrames(), Looks(2), lambda now: taken.append(now.category))
    assert "does the estimator run?" in live.problem
    first = transform((0.4, 0.0, 0.4), (np.pi, 0.0, 0.0))
    second = first @ transform(rpy_rad=(0.3, 0.0, 0.5))
    show(rig, live, first)
    T_cam_obj = show(rig, live, first)
    assert (live.problem, taken) == ("", ["can"])
    assert live.T_mount_cam is not None
    np.testing.assert_allclose(live.T_mount_cam, T_EEF_OPTICAL, atol=1e-9)
    np.testing.assert_allclose(live.looks.sightings[0].T_cam_obj, T_cam_obj, atol=1e-9)
    np.testing.assert_allclose(live.looks.sightings[0].T_base_flange, first, atol=1e-9)
    show(rig, live, second, frame_id="link_base")
    T_cam_obj = show(rig, live, second, frame_id="link_base")
    assert live.looks.complete
    np.testing.assert_allclose(live.looks.sightings[1].T_cam_obj, T_cam_obj, atol=1e-9)


def test_why_no_look_is_taken_is_said(rig):
    live = Heard(rig.node, LiveFrames(), Looks(6), lambda now: None)
    here = transform((0.4, 0.0, 0.4), (np.pi, 0.0, 0.0))
    show(rig, live, here, tracking_state=ObjectPose.STATE_CONFIRMED, id="can_1")
    assert "tracks are smoothed over the looks: set mode to estimate" in live.problem
    show(rig, live, here, score_axis=0.2)
    assert live.problem == "no object is seen with a score of 0.5: look from nearer"
    assert live.looks.sightings == []
    wrong = Heard(rig.node, LiveFrames(base="left_link_base"), Looks(6), lambda now: None)
    show(rig, wrong, here)
    assert "left_link_base" in wrong.problem
    assert "name the frames as --base" in wrong.problem
    mugs = Heard(rig.node, LiveFrames(category="mug"), Looks(6), lambda now: None)
    show(rig, mugs, here)
    assert mugs.problem.startswith("no mug is seen")
