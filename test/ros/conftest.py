# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages, a fake estimator and a node on real topics for the tests of genpose_ros/ros."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rclpy
from fake_estimator import FakeEstimator, FakeTracker, make_estimate
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from spinning import spin_until
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from genpose_ros.msg import InstanceMasks

FRAME = "camera_color_optical_frame"
ENCODINGS = {"u1": "mono8", "u2": "16UC1", "i4": "32SC1", "f4": "32FC1"}


def make_overrides(**values: Any) -> list[Parameter]:
    """Parameters to start a node with; `__` in a name stands for a dot."""
    return [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]


def make_header(stamp_ns: int = 0, frame_id: str = FRAME) -> Header:
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    return header


def make_image(
    pixels: np.ndarray,
    stamp_ns: int = 0,
    *,
    encoding: str = "",
    frame_id: str = FRAME,
    padding: int = 0,
    big_endian: bool = False,
) -> Image:
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    height, width = pixels.shape
    step = width * pixels.dtype.itemsize + padding
    rows = np.full((height, step), 0xAB, dtype=np.uint8)
    rows[:, : width * pixels.dtype.itemsize] = stored.view(np.uint8).reshape(height, -1)
    return Image(
        header=make_header(stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding or ENCODINGS[pixels.dtype.str[1:]],
        is_bigendian=int(big_endian),
        step=step,
        data=rows.tobytes(),
    )


def make_camera_info(
    height: int = 48, width: int = 64, stamp_ns: int = 0, fx: float = 60.0, fy: float = 60.0
) -> CameraInfo:
    k = [fx, 0.0, width / 2, 0.0, fy, height / 2, 0.0, 0.0, 1.0]
    p = [fx, 0.0, width / 2, 0.0, 0.0, fy, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(
        header=make_header(stamp_ns),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=p,
    )


class Camera:
    """Camera and segmenter of a node in some namespace, which show two boxes on a wall."""

    def __init__(self, peer: Any, namespace: str = "") -> None:
        kinds = {
            "depth": Image,
            "camera_info": CameraInfo,
            "masks": Image,
            "mask_detections": Detection2DArray,
            "instance_masks": InstanceMasks,
        }
        self._peer, self._kinds, self._namespace = peer, kinds, namespace
        self._publishers: dict[str, Any] = {}
        self.stamp_ns = 1_700_000_000_000_000_000
        self.depth_mm = np.full((48, 64), 1500, dtype=np.uint16)
        self.depth_mm[10:20, 10:25] = 800
        self.depth_mm[30:40, 40:60] = 900
        self.labels = np.zeros((48, 64), dtype=np.uint8)
        self.labels[10:20, 10:25], self.labels[30:40, 40:60] = 3, 7

    def publish(self, **messages: Any) -> None:
        """Publish the given messages in order, by the name of their topic."""
        for name, message in messages.items():
            self.publisher(name).publish(message)

    def send(self, **changes: Any) -> int:
        """Publish the next complete frame, some messages replaced; None: left out."""
        self.stamp_ns += 33_000_000
        messages = {
            "camera_info": make_camera_info(stamp_ns=self.stamp_ns),
            "depth": make_image(self.depth_mm, self.stamp_ns),
            "masks": make_image(self.labels, self.stamp_ns),
            **changes,
        }
        self.publish(**{k: v for k, v in messages.items() if v is not None})
        return self.stamp_ns

    def ready(self, *names: str) -> bool:
        """Whether each of the topics has been found by a subscriber."""
        return all(self.publisher(name).get_subscription_count() for name in names)

    def publisher(self, name: str) -> Any:
        """The publisher on a topic, made when it is first asked for."""
        if name not in self._publishers:
            topic = f"{self._namespace}/{name}"
            self._publishers[name] = self._peer.create_publisher(self._kinds[name], topic, 10)
        return self._publishers[name]


class Bench:
    """A node under test and a peer that talks to it over topics, spun together."""

    def __init__(self, make_node: Callable[[], Any]) -> None:
        self.closed = False
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = make_node()
        self.peer = rclpy.create_node("peer", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        for node in filter(None, (self.node, self.peer)):
            self.executor.add_node(node)

    def spin_until(self, done: Callable[[], Any], timeout_s: float = 10.0) -> bool:
        return spin_until(self.executor, done, timeout_s)

    def spin_for(self, seconds: float) -> None:
        self.spin_until(lambda: False, seconds)

    def collect(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        received: list[Any] = []
        self.peer.create_subscription(kind, topic, received.append, qos)
        return received

    def close(self) -> None:
        """End both nodes; once is enough."""
        if self.closed:
            return
        self.closed = True
        self.executor.shutdown(timeout_sec=1.0)  # first: it may hold what the nodes have
        if self.node is not None:
            self.node.destroy_node()
        self.peer.destroy_node()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def ros() -> SimpleNamespace:
    """The makers of messages, estimates and benches, for tests that take them by name."""
    return SimpleNamespace(
        overrides=make_overrides,
        header=make_header,
        image=make_image,
        camera_info=make_camera_info,
        estimate=make_estimate,
        FakeEstimator=FakeEstimator,
        FakeTracker=FakeTracker,
        Camera=Camera,
        frame=FRAME,
    )


@pytest.fixture
def benches() -> Iterator[Callable[..., Bench]]:
    """Makes benches and closes them after the test."""
    made: list[Bench] = []

    def make(make_node: Callable[[], Any]) -> Bench:
        made.append(Bench(make_node))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
