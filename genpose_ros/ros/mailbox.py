"""A one-slot mailbox between the subscriptions and the worker: the newest wins."""

import threading
from typing import Generic, TypeVar

__all__ = ["Mailbox"]

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands items from one thread to another; an item not fetched in time is replaced.

    Attributes:
        dropped: how many items were replaced before anyone fetched them.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._item: Item | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Leave an item; returns whether it replaced one that nobody had fetched."""
        with self._changed:
            replaced = self._item is not None
            self.dropped += replaced
            self._item = item
            self._changed.notify()
        return replaced

    def get(self, timeout: float | None = None) -> Item | None:
        """Fetch the item, waiting up to `timeout` seconds; None: none came, or closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> None:
        """Forget the item that nobody has fetched."""
        with self._changed:
            self._item = None

    def close(self) -> None:
        """Wake whoever waits, for good: every later `get` returns None at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
