# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Publishes transforms that hold at their stamps."""

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

__all__ = ["TransformBroadcaster"]


class TransformBroadcaster:
    """A publisher on /tf."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(
            TFMessage, "/tf", QoSProfile(depth=100) if qos is None else qos
        )

    def sendTransform(self, transform: TransformStamped | list[TransformStamped]) -> None:
        """Publish one transform or a list of them in one message."""
        transforms = list(transform) if isinstance(transform, (list, tuple)) else [transform]
        self.pub_tf.publish(TFMessage(transforms=transforms))
