# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mailbox between the subscriptions and the worker: of each kind the newest wins."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

__all__ = ["Mailbox"]

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Slots that hand items from one thread to another; one not fetched in time is replaced.

    There may be several slots, for items that must not replace each other; those that hold
    something are emptied in turn, so that none keeps another waiting.

    Items that come together are fetched one after the other, unless newer ones replace them. Where
    that happens, the one who fetches does not keep up, and only the newest is left for it.

    Args:
        turns: the slots in the order of their turns, over and over; one that is empty is passed.
    """

    def __init__(self, turns: Sequence[int] = (0,)) -> None:
        self._items: list[deque[Item]] = [deque() for _ in range(max(turns) + 1)]
        self._turns = tuple(turns)
        self._last = len(self._turns) - 1
        self._closed = False
        self._changed = threading.Condition()

    def put(self, *items: Item, slot: int = 0) -> int:
        """Leave items, oldest first; returns how many were replaced that nobody had fetched."""
        with self._changed:
            left = self._items[slot]
            kept = items[-1:] if left else items
            replaced = len(left) + len(items) - len(kept)
            self._items[slot] = deque(kept)
            self._changed.notify()
        return replaced

    def append(self, item: Item, slot: int) -> None:
        """Leave an item behind those that are left; none is replaced."""
        with self._changed:
            self._items[slot].append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> Item | None:
        """Fetch an item, waiting up to `timeout` seconds; None: none came, or closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._empty(), timeout)
            return None if self._closed else self._fetch()

    def clear(self, *slots: int) -> int:
        """Forget what nobody has fetched, of some slots alone where they are named.

        Returns:
            how many items that were.
        """
        forgotten = 0
        with self._changed:
            for slot in slots or range(len(self._items)):
                forgotten += len(self._items[slot])
                self._items[slot] = deque()
        return forgotten

    def close(self) -> None:
        """Wake whoever waits, for good: every later `get` returns None at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def empty(self) -> bool:
        """Whether there is nothing to fetch."""
        with self._changed:
            return self._empty()

    def _empty(self) -> bool:
        return not any(self._items)

    def _fetch(self) -> Item | None:
        for step in range(1, len(self._turns) + 1):
            turn = (self._last + step) % len(self._turns)
            items = self._items[self._turns[turn]]
            if items:
                self._last = turn
                return items.popleft()
        return None
