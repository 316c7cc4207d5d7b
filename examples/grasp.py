# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Print where a gripper has to go to take each object from above, in the robot's base frame.

python grasp.py base_link
"""

import sys

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from tf2_ros import Buffer, StaticTransformBroadcaster, TransformException, TransformListener

from genpose_ros.msg import ObjectPose, ObjectPoseArray


class Grasps(Node):
    """Puts a frame `<object>_grasp` at each object and looks it up in the base frame."""

    def __init__(self, base: str) -> None:
        super().__init__("grasps")
        self.base, self.buffer = base, Buffer()
        self.listener = TransformListener(self.buffer, self)
        self.broadcaster = StaticTransformBroadcaster(self)
        self.create_subscription(ObjectPoseArray, "/genpose/objects", self.on_objects, 10)

    def on_objects(self, message: ObjectPoseArray) -> None:
        """Offer a grasp of every object whose up axis and place are sure."""
        for item in message.objects:
            if item.score_axis < 0.9 or item.tracking_state == ObjectPose.STATE_LOST:
                continue
            name = item.id or f"{item.class_name}_{item.instance_id}"  # its frame on /tf
            self.broadcaster.sendTransform(grasp_frame(name, item))
            try:
                found = self.buffer.lookup_transform(self.base, f"{name}_grasp", Time())
            except TransformException:
                continue  # not known yet, or its frame is not connected to the base
            at, turn = found.transform.translation, found.transform.rotation
            place = f"({at.x:.3f}, {at.y:.3f}, {at.z:.3f}) m"
            turned = f"({turn.x:.3f}, {turn.y:.3f}, {turn.z:.3f}, {turn.w:.3f})"
            print(f"{name}: gripper to {place}, turned {turned} in {self.base}", flush=True)


def grasp_frame(name: str, item: ObjectPose) -> TransformStamped:
    """The gripper 2 cm above the rim, its z axis (forward) along the object's -y (down)."""
    frame = TransformStamped(child_frame_id=f"{name}_grasp")
    frame.header.frame_id, offset = name, frame.transform.translation
    offset.y = item.size.y / 2 + 0.02
    if item.class_name == "mug":  # its box holds the handle, which is at +x
        offset.x = -(item.size.x - item.size.z) / 2
    frame.transform.rotation.x = frame.transform.rotation.w = 0.5**0.5  # +90 degrees about x
    return frame


rclpy.init()
node = Grasps(sys.argv[1])
try:
    while rclpy.ok():  # rclpy.spin(node), but never asleep for longer than a second
        rclpy.spin_once(node, timeout_sec=1.0)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
finally:
    node.destroy_node()
    rclpy.try_shutdown()
