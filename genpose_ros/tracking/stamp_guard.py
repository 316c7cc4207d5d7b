# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Guard of the order of stamps: strays, and clocks that jumped."""

from enum import Enum

__all__ = ["StampGuard", "Verdict"]


class Verdict(Enum):
    """What a stamp means."""

    FOLLOWS = "it follows those before"
    STRAY = "it is out of order, and may be the only one"
    JUMPED = "it is out of order as those before it, and follows them: the clock jumped"


class StampGuard:
    """Judge of a stream's stamps that takes a single one out of order for a mistake of its sender.

    Attributes:
        step_ns: from the last stray to the stamp that agreed with it, when the clock jumped.

    Args:
        agreeing: so many stamps in a row that follow one another are a clock that jumped.
        in_a_row: so many out of order in a row are one whatever they are, so that nothing is
            refused for ever.
        apart_ns: stamps follow one another that are at most so far apart, nanoseconds.
    """

    def __init__(
        self, *, agreeing: int = 3, in_a_row: int = 10, apart_ns: int = 2_000_000_000
    ) -> None:
        self.step_ns = 0
        self._enough, self._in_a_row, self._apart_ns = agreeing, in_a_row, apart_ns
        self.clear()

    def clear(self) -> None:
        """Forget the strays."""
        self._strays = self._agreeing = 0
        self._last_ns = 0

    def judge(self, stamp_ns: int, earliest_ns: int, latest_ns: int) -> Verdict:
        """Return what a stamp means.

        Args:
            stamp_ns: of the stream's next item.
            earliest_ns: older ones are out of order.
            latest_ns: newer ones are.
        """
        if earliest_ns <= stamp_ns <= latest_ns:
            self.clear()
            return Verdict.FOLLOWS
        step_ns = stamp_ns - self._last_ns
        agrees = self._strays > 0 and 0 < step_ns <= self._apart_ns
        self._strays += 1
        self._agreeing = self._agreeing + 1 if agrees else 1
        self._last_ns = stamp_ns
        if self._agreeing < self._enough and self._strays < self._in_a_row:
            return Verdict.STRAY
        self.clear()
        self.step_ns = max(step_ns, 0)
        return Verdict.JUMPED
