# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Print class, position and score of every object that the estimator publishes."""

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from genpose_ros.msg import ObjectPose, ObjectPoseArray


class ObjectPrinter(Node):
    """Subscribes to /genpose/objects."""

    def __init__(self) -> None:
        super().__init__("object_printer")
        self.create_subscription(ObjectPoseArray, "/genpose/objects", self.on_objects, 10)

    def on_objects(self, message: ObjectPoseArray) -> None:
        """Print the objects of one depth image; message.header says of which, in which frame."""
        for item in message.objects:
            if item.tracking_state in (ObjectPose.STATE_NEW, ObjectPose.STATE_LOST):
                continue  # in mode track: not to be trusted yet, or no longer
            at = item.pose.pose.position  # a PoseWithCovariance
            place = f"({at.x:.3f}, {at.y:.3f}, {at.z:.3f}) m in {message.header.frame_id}"
            name = item.id or f"{item.class_name} {item.instance_id}"  # tracked, or of this frame
            print(f"{name} at {place}, score {item.score:.2f}", flush=True)


rclpy.init()
node = ObjectPrinter()
try:
    while rclpy.ok():  # rclpy.spin(node), but never asleep for longer than a second
        rclpy.spin_once(node, timeout_sec=1.0)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
finally:
    node.destroy_node()
    rclpy.try_shutdown()
