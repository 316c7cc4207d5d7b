# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Lookup of the camera's pose in another frame at the time of an image, by TF."""

from collections.abc import Callable
from functools import partial

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.time import Time
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformException

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.transform_limits import TransformLimits
from genpose_ros.ros.transform_tree import transform_matrix

__all__ = ["TransformBuffer", "header_in"]

#: Messages that are kept for a listener, as in tf2_ros.
_DEPTH = 100


class TransformBuffer:
    """Buffer of transforms, for all frames that the camera is looked up in; bounded in memory.

    Attributes:
        buffer: of tf2.

    Args:
        is_own: whether a frame is one that this node broadcasts itself: no camera is looked up by
            way of those, and there are as many in each image as objects.
    """

    def __init__(self, is_own: Callable[[str], bool] = lambda name: False) -> None:
        self.buffer = Buffer()
        self._is_own = is_own
        self._limits = TransformLimits()
        self._subscriptions: list[Subscription] = []

    def listen(self, node: Node, heard: Callable[[], None] = lambda: None) -> None:
        """Take the transforms on /tf and /tf_static from now on; done once, whoever asks.

        tf2_ros has a listener for it, whose quality of service no parameter overrides.

        Args:
            node: subscribes.
            heard: called in its executor's thread after each message of others.
        """
        if self._subscriptions:
            return

        def take(static: bool, message: TFMessage) -> None:
            store = self.buffer.set_transform_static if static else self.buffer.set_transform
            others = [item for item in message.transforms if not self._is_own(item.child_frame_id)]
            for transform in others:
                stamp = None if static else stamp_ns(transform.header)
                if not self._limits.admits(transform.child_frame_id, stamp):
                    continue
                try:
                    store(transform, "genpose")
                except TransformException as error:
                    node.get_logger().error(f"transform ignored: {error}", throttle_duration_sec=5)
            if others:
                heard()

        topics = {
            "/tf": (False, DurabilityPolicy.VOLATILE),
            "/tf_static": (True, DurabilityPolicy.TRANSIENT_LOCAL),
        }
        self._subscriptions = [
            node.create_subscription(
                TFMessage,
                topic,
                partial(take, static),
                QoSProfile(depth=_DEPTH, durability=durability),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for topic, (static, durability) in topics.items()
        ]

    def close(self, node: Node) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def camera_in(self, frame: str, header: Header) -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp, or why it is not known by now."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            # To tf2 a time of zero means 'the newest', which is not when the image was taken.
            return Rejection(
                Reason.NO_TRANSFORM, "the image has no stamp to look a transform up at"
            )
        try:
            found = self.buffer.lookup_transform(
                frame, header.frame_id, Time.from_msg(header.stamp)
            )
            return transform_matrix(found.transform)
        except (TransformException, ValueError) as error:
            detail = f"no transform from {header.frame_id} to {frame} at the image: {error}"
            own = [name for name in (frame, header.frame_id) if self._is_own(name)]
            if own:
                detail += f" ({own[0]} is an object's frame of this node: see tf_prefix)"
            return Rejection(Reason.NO_TRANSFORM, detail)

    def newest_ns(self, frame: str, camera_frame: str) -> int | None:
        """Return up to which stamp the camera's pose in a frame is known; None: at no time.

        Where all transforms between them are static it is 0: their pose holds at all times.
        """
        try:
            stamp = self.buffer.lookup_transform(frame, camera_frame, Time()).header.stamp
        except (TransformException, ValueError):
            return None
        return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)

    def clear(self) -> None:
        """Forget all transforms but the static ones, as after a jump of the clock."""
        self.buffer.clear()
        self._limits.clear()


def header_in(frame: str, header: Header) -> Header:
    """Return the header of outputs that are given in another frame: same stamp."""
    return Header(stamp=header.stamp, frame_id=frame)
