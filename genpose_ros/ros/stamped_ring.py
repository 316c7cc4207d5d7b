"""The last seconds of a stream, found by stamp: depth frames wait here for their masks."""

from collections import OrderedDict
from typing import Generic, TypeVar

from genpose_ros.estimation.reasons import Reason, Rejection

__all__ = ["StampedRing"]

Item = TypeVar("Item")

#: Whatever the stamps say, no more than this is held.
CAPACITY = 600
#: So many older stamps one after the other are no stragglers.
_LATE_IN_A_ROW = 3


class StampedRing(Generic[Item]):
    """Items keyed by stamp (ns), the oldest let go after `seconds` of stamps.

    Stamps must not decrease. One that is a little older than the newest is refused. One that is
    older by more than the ring's length, or the third older one in a row, means that the clock
    jumped back (a bag started again): the ring empties itself and goes on from there.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._late = 0

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

    def jumps_back(self, stamp_ns: int) -> bool:
        """Whether this stamp means that the clock was set back."""
        newest = self.newest_ns
        if newest is None or stamp_ns >= newest:
            return False
        return newest - stamp_ns > self.seconds * 1e9 or self._late >= _LATE_IN_A_ROW - 1

    def add(self, stamp_ns: int, item: Item) -> Rejection | None:
        """Hold an item; an equal stamp replaces, an older one is refused with the reason."""
        if self.jumps_back(stamp_ns):
            self.clear()
        newest = self.newest_ns
        if newest is not None and stamp_ns < newest:
            self._late += 1
            late_ms = (newest - stamp_ns) / 1e6
            return Rejection(
                Reason.STAMP_OUT_OF_ORDER, f"stamp is {late_ms:.1f} ms older than the one before"
            )
        self._late = 0
        self._items[stamp_ns] = item
        while len(self._items) > CAPACITY or self._too_old():
            self._items.popitem(last=False)
        return None

    def exact(self, stamp_ns: int) -> Item | None:
        """The item of exactly this stamp."""
        return self._items.get(stamp_ns)

    def nearest(self, stamp_ns: int, sync_slop_s: float) -> Item | None:
        """The item whose stamp is nearest, at most `sync_slop_s` away."""
        if not self._items:
            return None
        best = min(self._items, key=lambda held: abs(held - stamp_ns))
        return self._items[best] if abs(best - stamp_ns) <= sync_slop_s * 1e9 else None

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._late = 0

    def _too_old(self) -> bool:
        newest, oldest = self.newest_ns, self.oldest_ns
        return newest is not None and oldest is not None and newest - oldest > self.seconds * 1e9
