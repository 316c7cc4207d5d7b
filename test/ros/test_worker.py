# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import threading
import time

from genpose_ros.ros.worker import Worker


def wait_for(condition, timeout_s: float = 5.0) -> bool:
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def test_every_step_runs_in_one_thread_that_is_not_the_callers():
    threads: list[str] = []
    note = lambda *_: threads.append(threading.current_thread().name)  # noqa: E731
    worker: Worker[int] = Worker(prepare=note, handle=note, on_error=note)
    worker.start()
    for i in range(5):
        worker.mailbox.put(i)
        assert wait_for(lambda: len(threads) == i + 2)  # noqa: B023
    worker.stop()
    assert set(threads) == {"estimator"}


def test_an_error_is_reported_and_the_next_item_handled():
    errors: list[Exception] = []
    handled: list[int] = []

    def handle(item: int) -> None:
        if item == 1:
            raise ZeroDivisionError("one")
        handled.append(item)

    def prepare() -> None:
        raise RuntimeError("no warm-up")

    worker: Worker[int] = Worker(prepare=prepare, handle=handle, on_error=errors.append)
    worker.start()
    worker.mailbox.put(1)
    assert wait_for(lambda: len(errors) == 2)
    worker.mailbox.put(2)
    assert wait_for(lambda: handled == [2])
    worker.stop()
    assert [type(e) for e in errors] == [RuntimeError, ZeroDivisionError]


def test_stopping_waits_for_the_item_in_hand():
    done: list[int] = []

    def handle(item: int) -> None:
        time.sleep(0.2)
        done.append(item)

    worker: Worker[int] = Worker(prepare=lambda: None, handle=handle, on_error=print)
    worker.start()
    worker.mailbox.put(1)
    assert wait_for(lambda: worker.mailbox.empty)
    worker.stop()
    assert done == [1]


def test_stopping_before_the_start_does_nothing():
    called = []
    worker = Worker(
        prepare=lambda: called.append("prepare"), handle=called.append, on_error=called.append
    )
    worker.mailbox.put(1)
    worker.stop()
    assert called == []
