# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Watch over the objects' frames on /tf: where somebody else broadcasts one too, it jumps."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from tf2_msgs.msg import TFMessage

from genpose_ros.ros.frame_builder import stamp_ns

__all__ = ["ChildFrames"]

#: How long it listens, seconds, and in which share of the time: an arm sends hundreds a second.
_LISTEN_S = 5.0
_EVERY = 12
#: Messages that a subscription keeps until they are taken.
_DEPTH = 100
#: Frames that are known, and stamps of each: more than the messages that wait to be taken.
_FRAMES, _STAMPS = 256, 128


class ChildFrames:
    """Watch over frames that only this node may broadcast; it listens now and then.

    Args:
        node: subscribes.
        warn: called with a subject and a line about it.
        listen_s: how long it listens at a time, seconds.
    """

    def __init__(
        self, node: Node, warn: Callable[[str, str], None], *, listen_s: float = _LISTEN_S
    ) -> None:
        self._node, self._warn = node, warn
        self._sent: dict[str, deque[int]] = {}
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None
        self._heard: dict[str, deque[int]] = {}
        self._ticks = 0
        node.create_timer(listen_s, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def note_sent(self, transforms: Sequence[TransformStamped]) -> None:
        """Note what this node is about to send."""
        with self._lock:
            for item in transforms:
                stamps = self._sent.pop(item.child_frame_id, None) or deque(maxlen=_STAMPS)
                stamps.append(_stamp(item))
                self._sent[item.child_frame_id] = stamps  # the newest last
            for name in list(self._sent)[:-_FRAMES]:
                del self._sent[name]

    def is_own(self, name: str) -> bool:
        """Return whether this node has lately sent a frame; in any thread."""
        return name in self._sent

    def _tick(self) -> None:
        """Listen in one of so many periods, from the first frame on."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._heard.clear()
        elif self._ticks % _EVERY == 0 and self._sent:
            self._subscription = self._node.create_subscription(
                TFMessage,
                "/tf",
                self._on_transforms,
                QoSProfile(depth=_DEPTH),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
        self._ticks += bool(self._sent)

    def _on_transforms(self, message: TFMessage) -> None:
        for item in message.transforms:
            name, stamp = item.child_frame_id, _stamp(item)
            with self._lock:
                sent = tuple(self._sent.get(name, ()))
            if not sent:
                continue
            heard = self._heard.setdefault(name, deque(maxlen=_STAMPS))
            own = stamp in sent and stamp not in heard
            heard.append(stamp)
            if not own:
                self._warn(
                    "tf",
                    f"the frame {name[:64]} on /tf is broadcast by somebody else too, with the "
                    f"parent {item.header.frame_id[:64]}: give this node another tf_prefix",
                )


def _stamp(item: TransformStamped) -> int:
    return stamp_ns(item.header)
