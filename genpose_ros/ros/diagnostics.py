# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Diagnostics of the node on /diagnostics, once a second."""

from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

__all__ = ["Diagnostics", "status"]

_PERIOD_S = 1.0


class Diagnostics:
    """Publisher of the states of the node's parts.

    Attributes:
        parts: each gives the state of one part when asked; may be replaced.

    Args:
        node: publishes here; its name, with its namespace, stands before those of the parts.
        parts: each gives the state of one part when asked.
    """

    def __init__(self, node: Node, parts: Sequence[Callable[[], DiagnosticStatus]]) -> None:
        self.parts = parts
        self._node = node
        self._publisher = node.create_publisher(
            DiagnosticArray,
            "/diagnostics",
            10,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        # Steady: it must go on with a simulated clock that stands still.
        node.create_timer(_PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish the present states."""
        message = DiagnosticArray(status=[part() for part in self.parts])
        message.header.stamp = self._node.get_clock().now().to_msg()
        full_name = self._node.get_fully_qualified_name()
        for state in message.status:
            # With the namespace: aggregators merge what has one name.
            state.name = f"{full_name.strip('/')}: {state.name}"
            state.hardware_id = full_name
        self._publisher.publish(message)


def status(name: str, message: str, values: dict[str, object], *, warn: bool) -> DiagnosticStatus:
    """Return the state of a part.

    Args:
        name: of the part.
        message: its state, in a few words.
        values: whatever helps to understand why.
        warn: whether somebody should look at it.
    """
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if warn else DiagnosticStatus.OK,
        name=name,
        message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
