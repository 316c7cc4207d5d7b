# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Subscription that adapts to its publishers: their message type, reliability and durability."""

import importlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription, SubscriptionEventCallbacks

__all__ = ["AdaptiveSubscription", "message_class", "type_name"]

_DEPTH = 5
#: Messages that are known again when they come twice.
_REMEMBERED = 32
#: A stamp before all others.
_NEVER = (-(2**31), 0)
_TYPE = re.compile(r"([a-z][a-z0-9_]*)/msg/([A-Za-z][A-Za-z0-9]*)")


@dataclass(frozen=True)
class _Terms:
    """What is subscribed to: the class of the message, and how."""

    kind: Any
    reliable: bool
    durable: bool = False


class AdaptiveSubscription:
    """Subscription that receives every publisher, reliably and latched where all of them offer it.

    A reliable subscriber receives nothing of a best-effort publisher. A best-effort one loses most
    images that do not fit the publisher's shared memory, as a 640x480 depth image in Fast DDS with
    its defaults: three of four at 30 Hz. What was published once, latched, only comes to a
    subscriber that is durable as its publisher. And a message's type has to be the publisher's.

    Depth and history of the queue can be overridden by the parameters `qos_overrides.*`, and the
    reliability, which does not adapt then.

    Args:
        node: subscribes here.
        kinds: classes of the messages that are understood, which have a header; the first one
            until a publisher is there. None: whatever is published, once it is.
        name: of the topic, as the node names it.
        callback: called with each message.
        reliability: `auto`: as above, looked at again in `adapt`; or one of the two for good.
    """

    def __init__(
        self,
        node: Node,
        kinds: Sequence[Any],
        name: str,
        callback: Callable[[Any], None],
        reliability: str = "auto",
    ) -> None:
        self._node, self._kinds, self._name, self._callback = node, tuple(kinds), name, callback
        self._topic = node.resolve_topic_name(name)
        given = _given_reliability(node, self._topic)
        self._policies = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        if given:
            self._policies.append(QoSPolicyKind.RELIABILITY)
            reliability = given
        self._adapts = reliability == "auto"
        first = self._kinds[0] if self._kinds else None
        self._terms = self._wanted(_Terms(first, reliability == "reliable"))
        self._overridden: QoSProfile | None = None
        self._now = self._subscribe(self._terms, callback)
        self._next: Subscription | None = None
        self._next_terms = self._terms
        self._next_received = False
        self._received: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._newest = {False: _NEVER, True: _NEVER}

    @property
    def reliable(self) -> bool:
        """Whether messages that were lost are sent again."""
        return self._terms.reliable

    @property
    def latched(self) -> bool:
        """Whether what was published before is received too."""
        return self._terms.durable

    @property
    def problem(self) -> str:
        """Why nothing can be received of the publishers there are; empty: it can."""
        published = sorted({info.topic_type for info in self._publishers()})
        if not published or (self._terms.kind and type_name(self._terms.kind) in published):
            return ""
        found = " and ".join(published)
        if self._kinds:
            return f"it is published as {found}, not {' or '.join(map(type_name, self._kinds))}"
        return f"it is published as {found}, which this Python cannot import: source its workspace"

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in filter(None, (self._now, self._next)):
            self._node.destroy_subscription(subscription)
        self._now = self._next = None

    def adapt(self) -> None:
        """Follow the publishers: where they offer more than before, or less, change over.

        The new subscription takes the place of the old one when it has received something; until
        then both receive, and of what has one stamp only the first is passed on. Another type is
        changed to at once: one program cannot have two on one topic.
        """
        if not self._publishers():
            return
        wanted = self._wanted(self._terms)
        if wanted.kind is not self._terms.kind:
            self._replace(wanted)
        elif self._next is None and wanted != self._terms:
            self._start_change(wanted)
        elif self._next is not None and wanted != self._next_terms:
            self._end_change(self._next, self._now, self._terms)
        elif self._next is not None and self._next_received:
            self._end_change(self._now, self._next, self._next_terms)

    def _wanted(self, terms: _Terms) -> _Terms:
        """The best that all publishers offer; `terms` where there are none."""
        offered = self._publishers()
        if not offered:
            return terms
        profiles = [publisher.qos_profile for publisher in offered]
        reliable = all(p.reliability is ReliabilityPolicy.RELIABLE for p in profiles)
        return _Terms(
            self._wanted_kind(terms.kind, [publisher.topic_type for publisher in offered]),
            reliable if self._adapts else terms.reliable,
            all(p.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in profiles),
        )

    def _wanted_kind(self, kind: Any, published: Sequence[str]) -> Any:
        """The class of what is published, as far as it is understood; else the one there was."""
        if kind is not None and type_name(kind) in published:
            return kind
        if self._kinds:
            return next((k for k in self._kinds if type_name(k) in published), kind)
        return next(filter(None, map(message_class, published)), kind)

    def _replace(self, terms: _Terms) -> None:
        for old in filter(None, (self._now, self._next)):
            self._node.destroy_subscription(old)
        self._next, self._terms = None, terms
        self._now = self._subscribe(terms, self._callback)

    def _start_change(self, terms: _Terms) -> None:
        self._received.clear()
        self._newest = {False: _NEVER, True: _NEVER}
        self._next_received, self._next_terms = False, terms
        self._next = self._subscribe(terms, self._on_next)
        if self._now is not None:
            self._now.callback = self._once

    def _end_change(
        self, old: Subscription | None, new: Subscription | None, terms: _Terms
    ) -> None:
        if old is not None:
            self._node.destroy_subscription(old)
        self._now, self._next, self._terms = new, None, terms
        if new is not None:
            new.callback = self._callback

    def _on_next(self, message: Any) -> None:
        self._next_received = True
        self._once(message, is_next=True)

    def _once(self, message: Any, *, is_next: bool = False) -> None:
        """Pass a message on unless the other subscription has, or a newer one.

        What one of them has lost or holds back would come out of order, as if a clock jumped back.
        """
        header = getattr(message, "header", None)
        if header is None:
            self._callback(message)
            return
        key = (int(header.stamp.sec), int(header.stamp.nanosec))
        if key not in self._received and key > self._newest[not is_next]:
            self._received.append(key)
            self._newest[is_next] = key
            self._callback(message)

    def _publishers(self) -> list[Any]:
        return list(self._node.get_publishers_info_by_topic(self._topic))

    def _subscribe(self, terms: _Terms, callback: Callable[[Any], None]) -> Subscription | None:
        if terms.kind is None:
            return None
        options: dict[str, Any] = {}
        if self._overridden is None:  # the parameters can be declared once
            options["qos_overriding_options"] = QoSOverridingOptions(self._policies)
            self._overridden = QoSProfile(depth=_DEPTH)
        profile = self._overridden
        profile.reliability = (
            ReliabilityPolicy.RELIABLE if terms.reliable else ReliabilityPolicy.BEST_EFFORT
        )
        profile.durability = (
            DurabilityPolicy.TRANSIENT_LOCAL if terms.durable else DurabilityPolicy.VOLATILE
        )
        # That nothing of a publisher is received for a moment is no reason for rclpy's warning.
        events = SubscriptionEventCallbacks(incompatible_qos=_ignore) if self._adapts else None
        return self._node.create_subscription(
            terms.kind, self._name, callback, profile, event_callbacks=events, **options
        )


def _given_reliability(node: Node, topic: str) -> str:
    """The reliability that a subscription is given when the node starts; empty: none.

    rclpy has no public way to ask for a parameter before it is declared.
    """
    name = f"qos_overrides.{topic}.subscription.reliability"
    given = getattr(node, "_parameter_overrides", {}).get(name)
    return str(given.value) if given is not None else ""


def type_name(kind: Any) -> str:
    """Return the name of a message's class in ROS, such as sensor_msgs/msg/Image."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


def message_class(name: str) -> Any:
    """Return the class of a message by its name in ROS; None: it cannot be imported."""
    parts = _TYPE.fullmatch(name)
    if parts is None:
        return None
    try:
        return getattr(importlib.import_module(f"{parts[1]}.msg"), parts[2], None)
    except ImportError:
        return None


def _ignore(_event: Any) -> None:
    """Do nothing."""
