# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Worker: the one thread that estimates, and what a watchdog can see of it."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from genpose_ros.ros.mailbox import Mailbox
from genpose_ros.ros.pace import Pace

__all__ = ["Worker"]

Item = TypeVar("Item")

#: The first items may take this long before they are overdue, seconds.
_FIRST_S = 10.0
#: For so long whoever gives an item to an idle worker stands back, seconds.
_HEAD_START_S = 0.003


class Worker(Generic[Item]):
    """Thread of long life that handles the newest items of its mailbox, one after the other.

    Items that can be called are steps on the way, such as a warm-up: they are called, and tell
    nothing of how long others take.

    PyTorch keeps memory for each thread that it ever ran in, hence only ever this one.

    Attributes:
        mailbox: where items are left for it.
        pace: how long an item usually takes.

    Args:
        prepare: run once in the thread before the first item.
        handle: run for each item.
        on_error: called with whatever `prepare` or `handle` raised and the item in hand, if any;
            the thread goes on.
        on_death: called with what ended the thread, such as SystemExit; nothing is handled after.
        turns: of the mailbox.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[], None],
        handle: Callable[[Item], None],
        on_error: Callable[[Exception, Item | None], None],
        on_death: Callable[[BaseException, Item | None], None],
        turns: Sequence[int] = (0,),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mailbox: Mailbox[Item | Callable[[], None]] = Mailbox(turns)
        self.pace = Pace(_FIRST_S)
        self._prepare = prepare
        self._handle = handle
        self._on_error = on_error
        self._on_death = on_death
        self._clock = clock
        self._item: Item | None = None
        self._since_s: float | None = None
        self._prepared = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="estimator", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let the thread finish the item in hand, and end it."""
        self.mailbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def hand(self, *items: Item, slot: int) -> int:
        """Leave items in the mailbox, oldest first; returns how many were replaced.

        Python runs one thread at a time. What the caller has to do next, such as the executor's
        preparation of its next wait, would come in between the worker's first steps and make the
        result late: where the worker was idle, the caller waits until it is done or, as it is when
        the network runs, has had some milliseconds alone.
        """
        idle = self._prepared and self._since_s is None
        self._done.clear()
        replaced = self.mailbox.put(*items, slot=slot)
        if idle:
            self._done.wait(_HEAD_START_S)
        return replaced

    @property
    def busy_s(self) -> float:
        """For how long it has been at the item in hand, or at its preparation; 0: it waits."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._clock() - since_s

    @property
    def prepared(self) -> bool:
        """Whether the preparation is over, and it is not at a step."""
        return self._prepared

    @property
    def died(self) -> bool:
        """Whether the thread has ended though nobody stopped it."""
        started = self._thread.ident is not None
        return started and not self._thread.is_alive() and not self.mailbox.closed

    def _run(self) -> None:
        try:
            self._take(self._prepare)
            while not self.mailbox.closed:
                item = self.mailbox.get()
                if callable(item):
                    self._take(item)
                elif item is not None:
                    self._item = item
                    self.pace.note(self._timed(partial(self._handle, item)))
                    self._done.set()
        except BaseException as error:  # the thread ends, but never without a word
            self._on_death(error, self._item)

    def _take(self, step: Callable[[], None]) -> None:
        self._item, self._prepared = None, False
        self._timed(step)
        self._prepared = True

    def _timed(self, step: Callable[[], object]) -> float:
        """Take a step, whatever it raises; returns the seconds it took."""
        begin_s = self._since_s = self._clock()
        try:
            step()
        except Exception as error:  # one bad frame must not end the node
            self._on_error(error, self._item)
        self._since_s = None
        return self._clock() - begin_s
