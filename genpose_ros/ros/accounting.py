# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Account of the frames that came in: each is answered, dropped for one cause, or still on its way.

A frame is a message with masks, or a depth image that is taken by itself between masks.
"""

import threading
from collections import Counter
from enum import Enum

from genpose_ros.estimation.reasons import Reason

__all__ = ["Drop", "FrameAccount", "Outcome"]


class Drop(Enum):
    """Cause for which a frame is dropped without being refused."""

    NEWER_FRAME = "newer_frame"  #: a newer one came before the worker was free
    SAME_STAMP = "same_stamp"  #: other masks of its stamp took its place
    MASKS_CAME = "masks_came"  #: a depth image by itself, whose masks came before its transform
    CLOCK_JUMP = "clock_jump"  #: the clock jumped back while it waited
    MEMORY = "memory"  #: what waits held more than limits.held_mb; the oldest goes first
    DISABLED = "disabled"  #: the node was switched off by ~/enable
    NO_TRACKS = "no_tracks"  #: a depth image without masks, and nothing to follow
    OUTDATED = "outdated"  #: a depth image without masks, older than what was published
    LATE_MASKS = "late_masks"  #: delayed masks: the next image shows what they told, if anything


#: What becomes of a frame; None: it is answered, with a message of its stamp on all topics.
Outcome = Drop | Reason | None


class FrameAccount:
    """Counters of frames by what became of them; for any thread.

    At every moment `received` is `answered`, all of `dropped` and `waiting` together.
    """

    def __init__(self) -> None:
        self._received = self._answered = 0
        self._dropped: Counter[str] = Counter()
        self._lock = threading.Lock()

    def receive(self) -> None:
        """Count a frame that came in."""
        with self._lock:
            self._received += 1

    def settle(self, outcome: Outcome, count: int = 1) -> None:
        """Count what became of frames that were received."""
        with self._lock:
            if outcome is None:
                self._answered += count
            elif count:
                self._dropped[outcome.value] += count

    @property
    def received(self) -> int:
        """How many frames came in."""
        with self._lock:
            return self._received

    @property
    def answered(self) -> int:
        """How many frames were estimated or tracked, and published."""
        with self._lock:
            return self._answered

    @property
    def dropped(self) -> Counter[str]:
        """How many frames were dropped, by the value of their `Drop` or of the `Reason` given."""
        with self._lock:
            return self._dropped.copy()

    @property
    def waiting(self) -> int:
        """How many frames are on their way: they wait, or the worker has them in hand."""
        with self._lock:
            return self._received - self._answered - self._dropped.total()

    def counts(self) -> dict[str, int]:
        """Return all counters of one moment: received, answered, waiting and each cause's."""
        with self._lock:
            dropped = self._dropped
            waiting = self._received - self._answered - dropped.total()
            own = {"received": self._received, "answered": self._answered, "waiting": waiting}
            return {**own, **dropped}
