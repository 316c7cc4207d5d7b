# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Buffer of the last seconds of a stream, searched by stamp: depth waits here for its masks."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.tracking.stamp_guard import StampGuard, Verdict

__all__ = ["Added", "StampedRing"]

Item = TypeVar("Item")

#: Whatever the stamps say, no more than this is held.
CAPACITY = 600
#: A stamp may be so far ahead of the time that has passed, and of the usual steps, nanoseconds.
_AHEAD_NS = 500_000_000
#: After the first item, which may have come late, so far: publishers that are just found hold back.
_AHEAD_OF_FIRST_NS = 10_000_000_000
#: Longest of the usual steps that may follow, times the last one.
_STEPS = 1.5
#: Items whose time of arrival is remembered.
_ARRIVALS = 10


@dataclass(frozen=True)
class Added:
    """Outcome of adding an item.

    Attributes:
        rejection: why it is not held; None: it is.
        jump_s: how far the clock has jumped, seconds, less than 0 where it was set back; all older
            items are forgotten. 0: it did not.
    """

    rejection: Rejection | None = None
    jump_s: float = 0.0


class StampedRing(Generic[Item]):
    """Items keyed by stamp (ns), the oldest let go after `seconds` of stamps.

    Stamps must not decrease, nor advance by much more than the time that passes between the items
    or than they did before. Items with other stamps are refused, until three in a row follow one
    another: then the clock has jumped, as when a bag starts again, and the ring empties itself and
    goes on from there. A single wrong stamp, whichever way, costs its own item alone.

    Args:
        seconds: see above.
        clock: seconds, monotonic; when the items come.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._guard = StampGuard()
        self._step_ns = 0
        #: By how much the last stamps were ahead of the clock; the greatest came the fastest.
        self._ahead_ns: deque[int] = deque(maxlen=_ARRIVALS)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def newest_ns(self) -> int | None:
        """The newest stamp, None when empty."""
        return next(reversed(self._items)) if self._items else None

    @property
    def oldest_ns(self) -> int | None:
        """The oldest stamp, None when empty."""
        return next(iter(self._items)) if self._items else None

    def add(self, stamp_ns: int, item: Item) -> Added:
        """Hold an item; an equal stamp replaces, one out of order is refused."""
        now_ns, newest_ns = round(self._clock() * 1e9), self.newest_ns
        added = Added()
        if newest_ns is not None:
            verdict = self._guard.judge(stamp_ns, newest_ns, self._latest_ns(newest_ns, now_ns))
            if verdict is Verdict.STRAY:
                return Added(_out_of_order(stamp_ns - newest_ns))
            self._step_ns = stamp_ns - newest_ns
            if verdict is Verdict.JUMPED:
                added = self._jump((stamp_ns - newest_ns) / 1e9)
        self._ahead_ns.append(stamp_ns - now_ns)
        self._items[stamp_ns] = item
        while len(self._items) > CAPACITY or self._too_old():
            self._items.popitem(last=False)
        return added

    def exact(self, stamp_ns: int) -> Item | None:
        """The item of exactly this stamp."""
        return self._items.get(stamp_ns)

    def nearest(self, stamp_ns: int, slop_s: float) -> Item | None:
        """The item whose stamp is nearest, at most `slop_s` seconds away."""
        best = self.nearest_stamp_ns(stamp_ns)
        if best is None or abs(best - stamp_ns) > slop_s * 1e9:
            return None
        return self._items[best]

    def nearest_stamp_ns(self, stamp_ns: int) -> int | None:
        """The stamp that is nearest to another one; None when empty."""
        return min(self._items, key=lambda held: abs(held - stamp_ns), default=None)

    def pop_oldest(self) -> Item:
        """Let the oldest item go and return it; KeyError when empty."""
        return self._items.popitem(last=False)[1]

    def values(self) -> Iterable[Item]:
        """The items held, oldest first."""
        return self._items.values()

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._guard.clear()
        self._ahead_ns.clear()

    def _latest_ns(self, newest_ns: int, now_ns: int) -> int:
        """Up to which stamp an item that comes now is in order."""
        passed_ns = max(self._ahead_ns, default=0) + now_ns
        ahead_ns = _AHEAD_NS if len(self._ahead_ns) > 1 else _AHEAD_OF_FIRST_NS
        return max(passed_ns, newest_ns + round(_STEPS * self._step_ns)) + ahead_ns

    def _jump(self, jump_s: float) -> Added:
        """Go on at another time; forget what is of another one."""
        self._step_ns = self._guard.step_ns
        self._ahead_ns.clear()
        if 0 <= jump_s <= self.seconds:  # what is held may still be asked for
            return Added()
        self.clear()
        return Added(jump_s=jump_s)

    def _too_old(self) -> bool:
        newest, oldest = self.newest_ns, self.oldest_ns
        return newest is not None and oldest is not None and newest - oldest > self.seconds * 1e9


def _out_of_order(ahead_ns: int) -> Rejection:
    way = "older" if ahead_ns < 0 else "newer"
    detail = f"stamp is {abs(ahead_ns) / 1e6:.1f} ms {way} than the one before"
    if ahead_ns > 0:
        detail += ", more than the time that has passed"
    return Rejection(Reason.STAMP_OUT_OF_ORDER, detail)
