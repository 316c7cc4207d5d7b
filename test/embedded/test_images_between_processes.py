# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images between two processes reach a best-effort subscriber, as the node's inputs are."""

import subprocess
import sys

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

FRAMES = 8

PUBLISHER = """
import array, sys, time, rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("camera")
sizes = {"color": 921600, "depth": 614400, "label": 307200}
topics = {name: node.create_publisher(Image, name, QoSProfile(depth=5)) for name in sizes}
images = {name: Image(data=array.array("B", bytes(size))) for name, size in sizes.items()}
while not all(topics[name].get_subscription_count() for name in ("depth", "label")):
    time.sleep(0.05)
time.sleep(0.5)
for number in range(int(sys.argv[1])):
    for name, topic in topics.items():
        images[name].header.frame_id = str(number)
        topic.publish(images[name])
    time.sleep(0.3)
time.sleep(0.5)
"""


@pytest.mark.ros
@pytest.mark.slow
def test_no_image_is_lost_to_a_best_effort_subscriber():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("estimator", context=context)
    heard: dict[str, list[str]] = {"depth": [], "label": []}
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    for name, numbers in heard.items():
        node.create_subscription(
            Image, name, lambda m, to=numbers: to.append(m.header.frame_id), qos
        )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    camera = subprocess.Popen([sys.executable, "-c", PUBLISHER, str(FRAMES)])
    while camera.poll() is None:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    numbers = [str(number) for number in range(FRAMES)]
    assert heard == {"depth": numbers, "label": numbers}
