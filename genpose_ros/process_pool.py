# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pools of processes that never outlive what they work for."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

__all__ = ["process_pool"]


@contextmanager
def process_pool(
    count: int,
    method: str,
    initializer: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that compute in one thread each.

    They end at once when the work is broken off, by Ctrl-C or an error, and when this process is
    killed.

    Args:
        count: how many.
        method: "fork" or "spawn"; CUDA cannot be used in forks of a process that has used it.
        initializer: called with the arguments at the start of each process.
        arguments: for the initializer.
    """
    before = set(active_children())
    with _Pool(count, get_context(method), _begin, (initializer, arguments)) as pool:
        try:
            yield pool
        except BaseException:
            for child in set(active_children()) - before:
                child.terminate()
            raise


class _Pool(ProcessPoolExecutor):
    """A pool whose tasks are never cancelled: those of processes that were ended fail instead.

    Before Python 3.12.1 the executor's thread stumbles, with a traceback, over a cancelled task of
    processes that were ended; `ProcessPoolExecutor.map` cancels whatever is left.
    """

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[Any]:
        if timeout is not None or chunksize != 1:
            raise NotImplementedError("neither time-out nor chunks")
        futures = [self.submit(fn, *arguments) for arguments in zip(*iterables, strict=False)]
        return (future.result() for future in futures)


def _begin(initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    import torch  # takes a second, which processes that only begin others do without

    # Ctrl-C reaches every process of a terminal; one of them shall answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    if initializer is not None:
        initializer(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
