# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node camera_mount: where the camera is, and a second parent that somebody else gives it."""

import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
import rclpy
from geometry_msgs.msg import TransformStamped
from rcl_interfaces.msg import Log
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from genpose_ros.ros.robot.camera_mount_node import CameraMountNode

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def context():
    made = Context()
    rclpy.init(context=made)
    yield made
    rclpy.try_shutdown(context=made)


def mount(context, path):
    overrides = [Parameter("calibration", value=str(path)), Parameter("prefix", value="left_")]
    return CameraMountNode(context=context, parameter_overrides=overrides)


@pytest.mark.parametrize(
    ("kind", "parent"),
    [("eye_in_hand", "left_link_eef"), ("eye_to_hand", "left_link_base")],
)
def test_a_second_parent_of_the_camera_is_told_and_its_own_is_not(context, root, kind, parent):
    node = mount(context, root / "config" / f"xarm6_{kind}.yaml")
    peer = Node("arm", context=context)
    heard, logged = [], []
    peer.create_subscription(TFMessage, "/tf_static", lambda m: heard.extend(m.transforms), LATCHED)
    peer.create_subscription(Log, "/rosout", lambda m: logged.append(m.msg), 100)
    out = peer.create_publisher(TFMessage, "/tf", 10)
    other = TransformStamped(header=Header(frame_id="link6"), child_frame_id="camera_link")
    other.transform.rotation.w = 1.0
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    executor.add_node(peer)

    def spin_until(done):
        until_s = time.monotonic() + 30
        while not done() and time.monotonic() < until_s:
            executor.spin_once(timeout_sec=0.05)
        return done()

    def told():
        return [line for line in logged if "has two parents" in line]

    assert spin_until(lambda: heard)
    assert (heard[0].header.frame_id, heard[0].child_frame_id) == (parent, "camera_link")
    out.publish(TFMessage(transforms=[heard[0]]))  # its own says nothing
    until_s = time.monotonic() + 0.5
    spin_until(lambda: time.monotonic() > until_s)
    assert told() == []

    def send():
        out.publish(TFMessage(transforms=[other]))
        return told()

    assert spin_until(send)
    assert told()[0] == (
        f"camera_link has two parents: {parent} by this calibration, and link6 by somebody else; "
        "start the arm's description without add_d435i_links, or do without this node"
    )
    for made in (node, peer):
        made.destroy_node()


def test_a_file_that_is_no_calibration_does_not_start_the_node(context, tmp_path, root):
    text = (root / "config" / "xarm6_eye_in_hand.yaml").read_text()
    path = tmp_path / "mount.yaml"
    path.write_text(text.replace("0.70710678, 0.0, 0.70710678", "0.7, 0.0, 0.1"))
    with pytest.raises(ValueError, match=r"has the length 0\.7071, and a rotation's"):
        mount(context, path)
    with pytest.raises(ValueError, match="name a YAML file as the parameter calibration"):
        CameraMountNode(context=context)
