# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node that answers an image's messages at once: what DDS and rclpy alone take."""

from collections import Counter
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray

from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.frame_builder import stamp_ns

TOPICS = {
    "camera_info": CameraInfo, "depth": Image, "masks": Image, "mask_detections": Detection2DArray,
}  # fmt: skip
QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)


class EchoNode(Node):
    """Publishes an empty message on ~/objects once all messages of a stamp have come."""

    def __init__(self) -> None:
        super().__init__("genpose")
        self._come: Counter[int] = Counter()
        self._objects = self.create_publisher(ObjectPoseArray, "~/objects", QOS)
        for name, kind in TOPICS.items():
            self.create_subscription(kind, name, self._on_message, QOS)

    def _on_message(self, message: Any) -> None:
        stamp = stamp_ns(message.header)
        self._come[stamp] += 1
        if self._come[stamp] == len(TOPICS):
            del self._come[stamp]
            self._objects.publish(ObjectPoseArray(header=message.header))


def main() -> None:
    """Run until stopped."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(EchoNode())


if __name__ == "__main__":
    main()
