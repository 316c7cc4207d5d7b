# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Diagnostics of the node on /diagnostics: once a second, and at once when something breaks."""

from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

__all__ = ["Diagnostics", "status"]

_PERIOD_S = 1.0
#: How often it is looked whether something broke, seconds.
_ALARM_S = 0.1


class Diagnostics:
    """Publisher of the states of the node's parts.

    Args:
        node: publishes here; its name, with its namespace, stands before those of the parts.
        states: gives the present states of all parts.
        alarms: gives what is broken; where that changes, the states are published at once.
    """

    def __init__(
        self,
        node: Node,
        states: Callable[[], Sequence[DiagnosticStatus]],
        alarms: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._node, self._states, self._alarms = node, states, alarms
        self._told: frozenset[str] = frozenset()
        self._publisher = node.create_publisher(
            DiagnosticArray,
            "/diagnostics",
            10,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        # Steady: it must go on with a simulated clock that stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(_PERIOD_S, self.publish, clock=steady)
        node.create_timer(_ALARM_S, self._publish_alarms, clock=steady)

    def publish(self) -> None:
        """Publish the present states."""
        message = DiagnosticArray(status=list(self._states()))
        message.header.stamp = self._node.get_clock().now().to_msg()
        full_name = self._node.get_fully_qualified_name()
        for state in message.status:
            # With the namespace: aggregators merge what has one name.
            state.name = f"{full_name.strip('/')}: {state.name}"
            state.hardware_id = full_name
        self._publisher.publish(message)

    def _publish_alarms(self) -> None:
        alarms = self._alarms()
        if alarms != self._told:
            self._told = alarms
            self.publish()


def status(
    name: str, message: str, values: dict[str, object], *, warn: bool, error: bool = False
) -> DiagnosticStatus:
    """Return the state of a part.

    Args:
        name: of the part.
        message: its state, in a few words.
        values: whatever helps to understand why.
        warn: whether somebody should look at it.
        error: whether the node cannot do its work.
    """
    level = DiagnosticStatus.WARN if warn else DiagnosticStatus.OK
    return DiagnosticStatus(
        level=DiagnosticStatus.ERROR if error else level,
        name=name,
        message=message,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
