# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segment a camera's colour images with an Ultralytics model and publish them for the estimator.

pip install ultralytics
python segment_with_ultralytics.py yolo11n-seg.pt /camera/camera/color/image_raw
"""

import sys

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from ultralytics import YOLO

from genpose_ros.msg import InstanceMask, InstanceMasks


class Segmenter(Node):
    """Publishes genpose_ros/InstanceMasks on /segmentation/instance_masks."""

    def __init__(self, weights: str, topic: str) -> None:
        super().__init__("segmenter")
        self.model = YOLO(weights)
        self.masks = self.create_publisher(InstanceMasks, "/segmentation/instance_masks", 5)
        self.create_subscription(Image, topic, self.on_image, qos_profile_sensor_data)

    def on_image(self, message: Image) -> None:
        """Segment one image; the masks carry its stamp, by which they find their depth image."""
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        image = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
        if message.encoding == "rgb8":
            image = image[..., ::-1]  # the model takes BGR
        (result,) = self.model(np.ascontiguousarray(image), retina_masks=True, verbose=False)
        found = InstanceMasks(header=message.header, height=message.height, width=message.width)
        for i in range(0 if result.masks is None else len(result.masks)):
            item = InstanceMask(id=i + 1, score=float(result.boxes.conf[i]))
            item.class_name = result.names[int(result.boxes.cls[i])]
            item.mask = (result.masks.data[i].cpu().numpy() > 0).astype(np.uint8).tobytes()
            found.instances.append(item)
        self.masks.publish(found)


rclpy.init()
node = Segmenter(sys.argv[1], sys.argv[2])
try:
    while rclpy.ok():  # rclpy.spin(node), but never asleep for longer than a second
        rclpy.spin_once(node, timeout_sec=1.0)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
finally:
    node.destroy_node()
    rclpy.try_shutdown()
