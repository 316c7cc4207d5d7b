# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Overhead of the node beyond the estimate: from the messages of an image to its objects.

`.venv/bin/python -m benchmarks.node_overhead --help`. A camera of 640 x 480 pixels and a segmenter
are played to a node whose estimator takes no time. What is measured in this program goes from
before the first message is published until `~/objects` has arrived: it includes DDS both ways. The
processor time of the node, all its threads together, hardly depends on what else is running; the
load of the machine stands beside the times, which do.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from genpose_ros.evaluation.provenance import write_results
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.demo.camera_messages import FrameMessages, frame_messages
from genpose_ros.ros.demo.node_processes import isolated_environment, node_process
from genpose_ros.ros.demo.still_frames import simulated_frame
from genpose_ros.ros.frame_builder import stamp_ns

_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_START_S, _ANSWER_S = 120.0, 2.0
_TOPICS = {
    "camera_info": CameraInfo, "depth": Image, "masks": Image, "mask_detections": Detection2DArray,
}  # fmt: skip


class _Camera:
    """Publishers of an image's messages, and what came back of each."""

    def __init__(self, context: Context) -> None:
        self.node = Node("overhead_camera", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._publishers = {
            name: self.node.create_publisher(kind, name, _QOS) for name, kind in _TOPICS.items()
        }
        self._answers: dict[int, float] = {}
        self.node.create_subscription(ObjectPoseArray, "/genpose/objects", self._on_objects, _QOS)

    @property
    def is_heard(self) -> bool:
        """Whether all topics have a subscriber."""
        return all(p.get_subscription_count() for p in self._publishers.values())

    def show(self, messages: FrameMessages) -> float | None:
        """Publish an image; return the seconds until it was answered, None: it was not in time."""
        now_ns = time.time_ns()
        header = Header(frame_id="camera_color_optical_frame")
        header.stamp.sec, header.stamp.nanosec = divmod(now_ns, 10**9)
        shown = messages.stamped(header)
        content: dict[str, Any] = {
            "camera_info": shown.camera_info,
            "depth": shown.depth,
            "masks": shown.label,
            "mask_detections": shown.detections,
        }
        begin_s = time.perf_counter()
        for name, message in content.items():
            self._publishers[name].publish(message)
        while now_ns not in self._answers and time.perf_counter() - begin_s < _ANSWER_S:
            self._executor.spin_once(timeout_sec=0.005)
        at_s = self._answers.get(now_ns)
        return None if at_s is None else at_s - begin_s

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._executor.spin_once(timeout_sec=seconds)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self._answers[stamp_ns(message.header)] = time.perf_counter()


def _cpu_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def measure(images: int, rate_hz: float) -> dict[str, float]:
    """Return percentiles of the overhead, milliseconds, and the node's processor time an image."""
    environment = isolated_environment()
    os.environ.update(environment)
    messages = frame_messages(simulated_frame(0), Header(), with_color=False)
    context = Context()
    rclpy.init(context=context)
    parameters = {"input_reliability": "reliable"}
    with node_process("node", "benchmarks.instant_node", parameters) as node:
        camera = _Camera(context)
        until_s = time.monotonic() + _START_S
        while not camera.is_heard or camera.show(messages) is None:
            node.check()
            camera.wait(0.1)
            if time.monotonic() > until_s:
                raise TimeoutError(f"the node does not answer\n{node.last_lines()}")
        for _ in range(10):
            camera.show(messages)
        before_s, times, lost = _cpu_s(node.pid), [], 0
        for _ in range(images):
            begin_s = time.monotonic()
            took_s = camera.show(messages)
            lost += took_s is None
            times += [] if took_s is None else [1e3 * took_s]
            camera.wait(max(1 / rate_hz - (time.monotonic() - begin_s), 0.0))
        cpu_ms = 1e3 * (_cpu_s(node.pid) - before_s) / images
    rclpy.shutdown(context=context)
    shares = {"p50": 50, "p90": 90, "p99": 99}
    found = {name: float(np.percentile(times, share)) for name, share in shares.items()}
    return {**found, "cpu_ms": cpu_ms, "images": images, "lost": lost}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rate", type=float, default=30.0, help="images per second")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    found = {**measure(options.images, options.rate), "load_before": load}
    found["load_after"] = os.getloadavg()[0]
    table = Table("images", "lost", "p50 ms", "p90 ms", "p99 ms", "CPU ms/image", "load")
    table.add_row(
        *(f"{found[name]:.0f}" for name in ("images", "lost")),
        *(f"{found[name]:.1f}" for name in ("p50", "p90", "p99", "cpu_ms")),
        f"{found['load_before']:.1f} to {found['load_after']:.1f}",
    )
    Console().print(table)
    if options.json is not None:
        write_results(options.json, {"node_overhead": found}, weights=None, seed=0)


if __name__ == "__main__":
    main()
