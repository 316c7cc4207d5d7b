# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Worker: the one thread that estimates."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from genpose_ros.ros.mailbox import Mailbox

__all__ = ["Worker"]

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Thread of long life that handles the newest items of its mailbox, one after the other.

    PyTorch keeps memory for each thread that it ever ran in, hence only ever this one.

    Args:
        prepare: run once in the thread before the first item.
        handle: run for each item.
        on_error: called with whatever `prepare` or `handle` raised; the thread goes on.
        turns: of the mailbox.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[], None],
        handle: Callable[[Item], None],
        on_error: Callable[[Exception], None],
        turns: Sequence[int] = (0,),
    ) -> None:
        self.mailbox: Mailbox[Item] = Mailbox(turns)
        self._prepare = prepare
        self._handle = handle
        self._on_error = on_error
        self._thread = threading.Thread(target=self._run, name="estimator", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let the thread finish the item in hand, and end it."""
        self.mailbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        self._guarded(self._prepare)
        while not self.mailbox.closed:
            item = self.mailbox.get()
            if item is not None:
                self._guarded(partial(self._handle, item))

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # one bad frame must not end the node
            self._on_error(error)
