# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""rviz's view against the node and the simulated camera: topics, message types, qualities."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.qos import QoSCompatibility as Compatibility

from genpose_ros.ros.demo.simulated_camera_node import SimulatedCameraNode
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros

#: What rviz's displays subscribe to.
TYPES = {
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "PointCloud2": "sensor_msgs/msg/PointCloud2",
    "PoseArray": "geometry_msgs/msg/PoseArray",
    "DepthCloud": "sensor_msgs/msg/Image",
    "Camera": "sensor_msgs/msg/Image",
    "Image": "sensor_msgs/msg/Image",
}


def subscriptions(display: dict[str, Any]) -> Iterator[tuple[str, QoSProfile]]:
    """Topics of a display, and how it subscribes to them."""
    topic = display.get("Topic", {})
    said = topic.get("Reliability Policy", display.get("Reliability Policy", "Reliable"))
    durability = topic.get("Durability Policy", "Volatile")
    profile = QoSProfile(
        depth=5,
        reliability=ReliabilityPolicy[said.upper().replace(" ", "_")],
        durability=DurabilityPolicy[durability.upper().replace(" ", "_")],
        liveliness=LivelinessPolicy.AUTOMATIC,
    )
    names = [topic.get("Value"), display.get("Depth Map Topic"), display.get("Color Image Topic")]
    for name in filter(None, names):
        yield name, profile


def test_every_display_has_a_publisher_of_its_type_and_quality(ros, benches, root: Path):
    bench = benches(lambda: None)
    bench.node = EstimatorNode(make_estimator=ros.FakeEstimator, context=bench.context)
    camera = SimulatedCameraNode(context=bench.context)
    view = yaml.safe_load((root / "rviz" / "estimate.rviz").read_text())
    displays = view["Visualization Manager"]["Displays"]
    looked_at = set()
    for display in displays:
        kind = display["Class"].split("/")[1]
        for name, wanted in subscriptions(display):
            assert bench.spin_until(lambda: bench.peer.count_publishers(name)), name  # noqa: B023
            for publisher in bench.peer.get_publishers_info_by_topic(name):
                assert publisher.topic_type == TYPES[kind], name
                answer, why = qos_check_compatible(publisher.qos_profile, wanted)
                assert answer == Compatibility.OK, f"{name}: {why}"
            looked_at.add(name.rsplit("/", 1)[1])
    camera.destroy_node()
    assert looked_at == {"markers", "points", "candidates", "image_raw"}
