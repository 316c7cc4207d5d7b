# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Buffer of the last seconds of a stream, searched by stamp: depth waits here for its masks."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from genpose_ros.estimation.reasons import Reason, Rejection

__all__ = ["Added", "StampedRing"]

Item = TypeVar("Item")

#: Whatever the stamps say, no more than this is held.
CAPACITY = 600
#: So many older stamps one after the other are no stragglers; with one that is older than the ring
#: is long fewer are enough, but not that one alone: it may be a single message with a wrong stamp.
_OLDER_IN_A_ROW, _FAR_OLDER_IN_A_ROW = 3, 2


@dataclass(frozen=True)
class Added:
    """Outcome of adding an item.

    Attributes:
        rejection: why it is not held; None: it is.
        jumped_back: its stamp means that the clock was set back; all older items are forgotten.
    """

    rejection: Rejection | None = None
    jumped_back: bool = False


class StampedRing(Generic[Item]):
    """Items keyed by stamp (ns), the oldest let go after `seconds` of stamps.

    Stamps must not decrease. One that is a little older than the newest is refused. One that is
    older by more than the ring's length is refused too, but the next older one after it, or the
    third older one in a row, means that the clock jumped back (a bag started again): the ring
    empties itself and goes on from there.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._older, self._far = 0, False

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
        """Hold an item; an equal stamp replaces, a little older one is refused."""
        newest = self.newest_ns
        if newest is not None and stamp_ns < newest:
            self._older += 1
            back_ns = newest - stamp_ns
            self._far |= back_ns > self.seconds * 1e9
            if self._older < (_FAR_OLDER_IN_A_ROW if self._far else _OLDER_IN_A_ROW):
                detail = f"stamp is {back_ns / 1e6:.1f} ms older than the one before"
                return Added(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
            self.clear()
            self._items[stamp_ns] = item
            return Added(jumped_back=True)
        self._older, self._far = 0, False
        self._items[stamp_ns] = item
        while len(self._items) > CAPACITY or self._too_old():
            self._items.popitem(last=False)
        return Added()

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
        self._older, self._far = 0, False

    def _too_old(self) -> bool:
        newest, oldest = self.newest_ns, self.oldest_ns
        return newest is not None and oldest is not None and newest - oldest > self.seconds * 1e9
