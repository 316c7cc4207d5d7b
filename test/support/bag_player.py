# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Player of a bag: `bag_player.py BAG TIMES RATE` is `ros2 bag play BAG --clock --rate RATE`.

rosbag2's player is no Python. This one publishes what it does: the stored bytes of each message,
untouched, at the pace that they were received in, and the bag's time on /clock, 40 times a second.
More than once is as with `--loop`: the bag's time begins anew each time.
"""

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import Reader
from rosgraph_msgs.msg import Clock

#: As rosbag2: of /clock, and of publishers whose quality of service the bag does not tell.
_CLOCK_S, _DEPTH = 1 / 40, 10


def message_class(kind: str) -> Any:
    """The class of a type of message, such as sensor_msgs/msg/Image."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def play(node: Any, path: Path, rate: float, running: Callable[[], bool]) -> None:
    """Publish a bag once, from its first message to its last, `rate` times as fast."""
    clock = node.create_publisher(
        Clock, "/clock", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    with Reader(path) as reader:
        publishers = {
            c.topic: node.create_publisher(message_class(c.msgtype), c.topic, _DEPTH)
            for c in reader.connections
        }
        time.sleep(1.0)  # rosbag2 fills its queue first
        begun_s, next_clock_s, first_ns = time.monotonic(), 0.0, reader.start_time
        for connection, received_ns, content in reader.messages():
            due_s = (received_ns - first_ns) / 1e9 / rate
            while running() and (now_s := time.monotonic() - begun_s) < due_s:
                if now_s >= next_clock_s:
                    sec, nanosec = divmod(first_ns + round(rate * now_s * 1e9), 10**9)
                    clock.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))
                    next_clock_s += _CLOCK_S
                time.sleep(max(min(due_s, next_clock_s) - now_s, 0.0))
            publishers[connection.topic].publish(bytes(content))
    time.sleep(1.0)


def main() -> None:
    """Play the bag that the arguments name."""
    rclpy.init()
    node = rclpy.create_node("rosbag2_player")
    path, times, rate = sys.argv[1:]
    for _ in range(int(times)):
        play(node, Path(path), float(rate), rclpy.ok)
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
