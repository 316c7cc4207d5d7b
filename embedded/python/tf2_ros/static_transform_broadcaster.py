# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Publishes transforms that hold at all times, also to those who come later."""

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

__all__ = ["StaticTransformBroadcaster"]


class StaticTransformBroadcaster:
    """A latched publisher on /tf_static; each message repeats all that was sent before."""

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        if qos is None:
            qos = QoSProfile(
                depth=1,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
                history=HistoryPolicy.KEEP_LAST,
            )
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos)
        self._by_child: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | list[TransformStamped]) -> None:
        """Publish one transform or a list of them; a child sent before is replaced."""
        transforms = transform if isinstance(transform, (list, tuple)) else [transform]
        self._by_child.update({item.child_frame_id: item for item in transforms})
        self.pub_tf.publish(TFMessage(transforms=list(self._by_child.values())))
