# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Throttling of warnings that come again and again: a line now and then."""

import time
from collections.abc import Callable

from rclpy.node import Node

__all__ = ["ThrottledLog"]

#: Characters of a line that are shown.
_LINE_LENGTH = 400


class ThrottledLog:
    """Log of warnings with at most one line per subject and period.

    Args:
        node: whose logger is used.
        period_s: gives the least seconds between two lines about one subject.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        node: Node,
        period_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node, self._period_s, self._clock = node, period_s, clock
        self._logged_at: dict[str, float] = {}

    def warn_about(self, subject: str, line: str) -> None:
        """Log a line about a subject, unless one was logged in the last period."""
        now = self._clock()
        if now - self._logged_at.get(subject, float("-inf")) >= self._period_s():
            self._logged_at[subject] = now
            self._node.get_logger().warning(" ".join(line.split())[:_LINE_LENGTH])
