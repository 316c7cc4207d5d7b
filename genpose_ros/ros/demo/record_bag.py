# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recording of the simulated camera as a bag: the same bag for the same arguments."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Writer
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode, StoragePlugin
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from genpose_ros.ros.demo.moving_frames import MovingFrames
from genpose_ros.ros.demo.session import CAMERA
from genpose_ros.ros.replay.bag import finish_bag, known_types
from genpose_ros.ros.subscriptions import type_name

__all__ = ["record_bag"]

#: Stamp of the first image, and how much later the segmenter's answer comes.
_BEGIN_NS, _MASK_DELAY_NS = 1_700_000_000_000_000_000, 60_000_000
_RATE_HZ = 10.0
#: Frame of the images, as realsense-ros names it.
_FRAME = "camera_color_optical_frame"
_TOPICS = {
    "camera_info": f"{CAMERA}/aligned_depth_to_color/camera_info",
    "depth": f"{CAMERA}/aligned_depth_to_color/image_raw",
    "ground_truth": f"{CAMERA}/ground_truth",
    "label": "/segmentation/label_image",
    "detections": "/segmentation/detections",
}
_OF_SEGMENTER = ("label", "detections")


def record_bag(
    path: Path,
    *,
    motion: str = "sweep",
    seed: int = 0,
    seconds: float = 6.0,
    weights: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write depth, camera_info, label images, detections, truth and /tf of a moving scene.

    Args:
        path: folder to be made: sqlite3, each message compressed by zstd, as every rosbag2 plays.
        motion: one of `MOTIONS`.
        seed: of the scene.
        seconds: length, at 10 images a second.
        weights: as of `MovingFrames`.
        progress: as of `MovingFrames`.

    Returns:
        bytes of the bag.

    Raises:
        ValueError: there is something of that name, or no such motion.
    """
    if path.exists():
        raise ValueError(f"{path} is there already: remove it, or name a bag that is not")
    moving = MovingFrames(motion, seed, seconds, _RATE_HZ, weights, progress)
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(partial, version=8, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    try:
        _write(writer, moving)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finish_bag(partial, path)
    return sum(file.stat().st_size for file in path.iterdir())


def _write(writer: Writer, moving: MovingFrames) -> None:
    types, connections = known_types(), {}
    messages = sorted(_messages(moving), key=lambda item: item[0])
    with writer:
        for time_ns, topic, kind, content in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=types)
            # Once more, since the padding of ROS's own bytes is left as it happens to be.
            message = types.deserialize_cdr(content, kind)
            writer.write(connections[topic], time_ns, types.serialize_cdr(message, kind))


def _messages(moving: MovingFrames) -> Iterator[tuple[int, str, str, bytes]]:
    """Time of receipt, topic, type and content of each message."""
    for number in range(len(moving)):
        stamp_ns = _BEGIN_NS + round(number * 1e9 / _RATE_HZ)
        header = Header(frame_id=_FRAME)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        frame = moving.messages(number, header)
        transform = moving.transform(moving.camera_pose(number), header)
        yield stamp_ns, "/tf", *_content(TFMessage(transforms=[transform]))
        for name, topic in _TOPICS.items():
            later_ns = _MASK_DELAY_NS if name in _OF_SEGMENTER else 0
            yield stamp_ns + later_ns, topic, *_content(getattr(frame, name))


def _content(message: Any) -> tuple[str, bytes]:
    return type_name(type(message)), bytes(serialize_message(message))
