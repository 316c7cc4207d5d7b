# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Log of rejections: all are counted, each reason is logged now and then, on one line."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from genpose_ros.estimation.reasons import Reason, Rejection

__all__ = ["RejectionLog"]


#: Characters of a detail that are shown.
_DETAIL_LENGTH = 400


class RejectionLog:
    """Log with one throttled line per reason, and counters of all rejections.

    Attributes:
        period_s: at least this many seconds between two lines of one reason.
        warn: writes a line.

    Args:
        warn: writes a line, such as `node.get_logger().warning`.
        period_s: at least this many seconds between two lines of one reason.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        warn: Callable[[str], object],
        period_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.period_s = period_s
        self.warn = warn
        self._clock = clock
        self._counts: Counter[Reason] = Counter()
        self._frames = 0
        self._held_back: Counter[Reason] = Counter()
        self._logged_at: dict[Reason, float] = {}
        self._lock = threading.Lock()

    def add(self, rejection: Rejection) -> None:
        """Count a rejection and log it if its reason was not logged in the last period."""
        reason = rejection.reason
        with self._lock:
            self._counts[reason] += 1
            self._frames += rejection.instance_id is None
            now = self._clock()
            if now - self._logged_at.get(reason, float("-inf")) < self.period_s:
                self._held_back[reason] += 1
                return
            self._logged_at[reason] = now
            held_back = self._held_back.pop(reason, 0)
        what = "frame" if rejection.instance_id is None else f"object {rejection.instance_id}"
        more = f" ({held_back} more since the last such line)" if held_back else ""
        detail = " ".join(rejection.detail.split())[:_DETAIL_LENGTH]
        self.warn(f"{what} rejected, {reason.value}: {detail}{more}")

    @property
    def counts(self) -> dict[Reason, int]:
        """How often each reason occurred since the start."""
        with self._lock:
            return dict(self._counts)

    @property
    def frames(self) -> int:
        """How many of them were whole frames or messages instead of single objects."""
        with self._lock:
            return self._frames
