# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Subscription that adapts its reliability to the publishers, to get lost images again."""

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription, SubscriptionEventCallbacks

__all__ = ["RELIABILITIES", "AdaptiveSubscription"]

#: How a subscription can be asked for; see `AdaptiveSubscription`.
RELIABILITIES = ("auto", "reliable", "best_effort")
_DEPTH = 5
#: Messages that are known again when they come twice.
_REMEMBERED = 32


class AdaptiveSubscription:
    """Subscription that receives every publisher, reliably where all of them offer it.

    A reliable subscriber receives nothing of a best-effort publisher. A best-effort one loses most
    images that do not fit the publisher's shared memory, as a 640x480 depth image in Fast DDS with
    its defaults: three of four at 30 Hz.

    Depth and history of the queue can be overridden by the parameters `qos_overrides.*`.

    Args:
        node: subscribes here.
        kind: class of the message, which has a header.
        name: of the topic, as the node names it.
        callback: called with each message.
        reliability: `auto`: as above, looked at again in `adapt`; or one of the two for good.
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        name: str,
        callback: Callable[[Any], None],
        reliability: str = "auto",
    ) -> None:
        self._node, self._kind, self._name, self._callback = node, kind, name, callback
        self._topic = node.resolve_topic_name(name)
        self._adapts = reliability == "auto"
        self.reliable = reliability == "reliable" or (self._adapts and self._all_reliable())
        self._profile = QoSProfile(depth=_DEPTH, reliability=_policy(self.reliable))
        overriding = QoSOverridingOptions((QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH))
        self._now = self._subscribe(callback, qos_overriding_options=overriding)
        self._next: Subscription | None = None
        self._next_received = False
        self._received: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def adapt(self) -> None:
        """Follow the publishers: where they offer more than before, or less, change over.

        The new subscription takes the place of the old one when it has received something; until
        then both receive, and of what has one stamp only the first is passed on.
        """
        if not self._adapts or not self._node.count_publishers(self._topic):
            return
        changes = self._all_reliable() != self.reliable
        if self._next is None and changes:
            self._start_change()
        elif self._next is not None and not changes:
            self._end_change(self._next, self._now)
        elif self._next is not None and self._next_received:
            self.reliable = not self.reliable
            self._end_change(self._now, self._next)

    def _start_change(self) -> None:
        self._received.clear()
        self._next_received = False
        self._profile.reliability = _policy(not self.reliable)
        self._next = self._subscribe(self._on_next)
        self._now.callback = self._once

    def _end_change(self, old: Subscription, new: Subscription) -> None:
        self._node.destroy_subscription(old)
        self._now, self._next = new, None
        self._now.callback = self._callback

    def _on_next(self, message: Any) -> None:
        self._next_received = True
        self._once(message)

    def _once(self, message: Any) -> None:
        """Pass a message on unless the other subscription has."""
        stamp = message.header.stamp
        key = (int(stamp.sec), int(stamp.nanosec))
        if key not in self._received:
            self._received.append(key)
            self._callback(message)

    def _all_reliable(self) -> bool:
        offered = self._node.get_publishers_info_by_topic(self._topic)
        return bool(offered) and all(
            publisher.qos_profile.reliability is ReliabilityPolicy.RELIABLE for publisher in offered
        )

    def _subscribe(self, callback: Callable[[Any], None], **options: Any) -> Subscription:
        # That nothing of a publisher is received for a moment is no reason for rclpy's warning.
        events = SubscriptionEventCallbacks(incompatible_qos=_ignore) if self._adapts else None
        return self._node.create_subscription(
            self._kind, self._name, callback, self._profile, event_callbacks=events, **options
        )


def _policy(reliable: bool) -> ReliabilityPolicy:
    return ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT


def _ignore(_event: Any) -> None:
    """Do nothing."""
