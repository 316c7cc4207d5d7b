# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pace at which something comes again and again, and when it is overdue."""

from collections import deque

__all__ = ["Pace"]

#: Durations that are remembered.
_REMEMBERED = 16
#: With fewer of them nothing is known.
_KNOWN = 4
#: Whatever the pace, nothing is overdue before this, seconds.
_LEAST_S = 1.0
#: Multiples of what is usual that are overdue.
_OVERDUE = 3.0


class Pace:
    """Usual duration of what recurs: the longest of the last ones but for one, which was a pause.

    Args:
        unknown_s: what is overdue while too little is known, seconds.
    """

    def __init__(self, unknown_s: float = float("inf")) -> None:
        self._unknown_s = unknown_s
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float) -> None:
        """Note how long it took."""
        self._durations.append(seconds)

    @property
    def usual_s(self) -> float | None:
        """The usual duration, seconds; None: not known yet."""
        if len(self._durations) < _KNOWN:
            return None
        return sorted(self._durations)[-2]

    def is_overdue(self, seconds: float) -> bool:
        """Return whether it has lasted for much longer than is usual."""
        usual_s = self.usual_s
        limit_s = self._unknown_s if usual_s is None else max(_LEAST_S, _OVERDUE * usual_s)
        return seconds >= limit_s
