# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Overhead of the node beyond the estimate: from the messages of an image to its objects.

`.venv/bin/python -m benchmarks.node_overhead --help`. A camera of 640 x 480 pixels and a segmenter
are played to a node whose estimator takes no time and, in turns, to one that answers at once and
does nothing else (echo): what the node takes is the difference. Times go from before the first
message is published until `~/objects` has arrived, so they include DDS both ways; on a busy machine
they are mostly waiting, which the echo has too. The load stands beside them.
"""

import argparse
import os
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console
from rich.table import Table
from std_msgs.msg import Header

from benchmarks.echo_node import QOS, TOPICS
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.demo.camera_messages import FrameMessages, frame_messages
from genpose_ros.ros.demo.node_processes import (
    NodeProcess,
    isolated_environment,
    node_process,
)
from genpose_ros.ros.demo.still_frames import simulated_frame

#: Where the stamp of a serialized message's header is: behind four bytes about the encoding.
_STAMP, _STAMP_OFFSET = struct.Struct("<iI"), 4
_START_S, _ANSWER_S = 120.0, 2.0
_PROGRAMS = {"node": "benchmarks.instant_node", "echo": "benchmarks.echo_node"}


class _Camera:
    """Publishers of an image's messages to one program, and what came back of each."""

    def __init__(self, context: Context, namespace: str) -> None:
        self.node = Node("overhead_camera", context=context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._publishers = {
            name: self.node.create_publisher(kind, name, QOS) for name, kind in TOPICS.items()
        }
        self._answers: dict[int, float] = {}
        # As bytes: what a listener takes to make Python's objects of them is not the node's.
        self.node.create_subscription(
            ObjectPoseArray, "genpose/objects", self._on_objects, QOS, raw=True
        )

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

    def _on_objects(self, message: bytes) -> None:
        at_s = time.perf_counter()
        sec, nanosec = _STAMP.unpack_from(message, _STAMP_OFFSET)
        self._answers[sec * 10**9 + nanosec] = at_s


def measure(images: int, rate_hz: float, objects: int) -> dict[str, list[float]]:
    """Return how long each image took in both programs, milliseconds; those not answered lack."""
    os.environ.update(isolated_environment())
    table = simulated_frame(0)
    frame = replace(table, instances=table.instances[:objects])
    messages = frame_messages(frame, Header(), with_color=False)
    context = Context()
    rclpy.init(context=context)
    times: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    with ExitStack() as stack:
        cameras = {}
        for name, module in _PROGRAMS.items():
            given = {"input_reliability": "reliable"}
            remappings = {"__ns": f"/{name}"}
            process = stack.enter_context(node_process(name, module, given, remappings))
            cameras[name] = _Camera(context, name)
            _wait(cameras[name], messages, process)
        for _ in range(images):
            begin_s = time.monotonic()
            for name, camera in cameras.items():
                took_s = camera.show(messages)
                times[name] += [] if took_s is None else [1e3 * took_s]
            cameras["node"].wait(max(1 / rate_hz - (time.monotonic() - begin_s), 0.0))
    rclpy.shutdown(context=context)
    return times


def _wait(camera: _Camera, messages: FrameMessages, process: NodeProcess) -> None:
    """Wait until a program answers, and some images more."""
    until_s = time.monotonic() + _START_S
    while not camera.is_heard or camera.show(messages) is None:
        process.check()
        camera.wait(0.1)
        if time.monotonic() > until_s:
            raise TimeoutError(f"{process.name} does not answer\n{process.last_lines()}")
    for _ in range(10):
        camera.show(messages)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rate", type=float, default=30.0, help="images per second")
    parser.add_argument("--objects", type=int, default=5, help="masks in an image, 7 at most")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    loads = [os.getloadavg()[0]]
    times = measure(options.images, options.rate, options.objects)
    loads.append(os.getloadavg()[0])
    found = {
        name: {
            "images": options.images,
            "answered": len(taken),
            **{f"p{p}_ms": float(np.percentile(taken, p)) for p in (50, 90, 99)},
        }
        for name, taken in times.items()
    }
    table = Table("", "answered", "p50 ms", "p90 ms", "p99 ms")
    for name, row in found.items():
        shown = (f"{row[f'p{p}_ms']:.1f}" for p in (50, 90, 99))
        table.add_row(name, f"{row['answered']} of {row['images']}", *shown)
    beyond = found["node"]["p50_ms"] - found["echo"]["p50_ms"]
    Console().print(table, f"median of the node beyond the echo: {beyond:.1f} ms")
    Console().print(f"load of the machine: {loads[0]:.1f} to {loads[1]:.1f}")
    if options.json is not None:
        write_results(
            options.json,
            {"node_overhead": {**found, "objects": options.objects, "load": loads}},
            weights=None,
            seed=0,
        )


if __name__ == "__main__":
    main()
