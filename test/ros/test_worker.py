# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import threading
import time

import pytest

from genpose_ros.ros.worker import Worker


def wait_for(condition, timeout_s: float = 5.0) -> bool:
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def test_every_step_runs_in_one_thread_that_is_not_the_callers():
    threads: list[str] = []
    note = lambda *_: threads.append(threading.current_thread().name)  # noqa: E731
    worker: Worker[int] = Worker(prepare=note, handle=note, on_error=note, on_death=note)
    worker.start()
    for i in range(5):
        worker.mailbox.put(i)
        assert wait_for(lambda: len(threads) == i + 2)  # noqa: B023
    worker.stop()
    assert set(threads) == {"estimator"}


def test_an_error_is_reported_and_the_next_item_handled():
    errors: list[tuple[type, int | None]] = []
    handled: list[int] = []

    def handle(item: int) -> None:
        if item == 1:
            raise ZeroDivisionError("one")
        handled.append(item)

    def prepare() -> None:
        raise RuntimeError("no warm-up")

    worker: Worker[int] = Worker(
        prepare=prepare,
        handle=handle,
        on_error=lambda error, item: errors.append((type(error), item)),
        on_death=print,
    )
    worker.start()
    worker.mailbox.put(1)
    assert wait_for(lambda: len(errors) == 2)
    worker.mailbox.put(2)
    assert wait_for(lambda: handled == [2])
    worker.stop()
    assert errors == [(RuntimeError, None), (ZeroDivisionError, 1)]


def test_an_idle_worker_is_given_a_head_start_and_a_busy_one_is_not_waited_for():
    done: list[int] = []
    hold = threading.Event()

    def handle(item: int) -> None:
        if item < 0:
            hold.wait(5.0)
        done.append(item)

    worker: Worker[int] = Worker(
        prepare=lambda: None, handle=handle, on_error=print, on_death=print
    )
    worker.start()
    assert wait_for(lambda: worker.prepared)
    for item in range(50):  # done when `hand` returns, unless other programs took the processor
        worker.hand(item, slot=0)
        assert wait_for(lambda: done[-1:] == [item])  # noqa: B023
    assert wait_for(lambda: worker.busy_s == 0)
    begin_s = time.monotonic()
    worker.hand(-1, slot=0)
    assert time.monotonic() - begin_s >= 0.003
    begin_s = time.monotonic()
    for item in range(100, 200):
        assert worker.hand(item, slot=0) == (item > 100)  # the newest wins, and nobody waits
    assert time.monotonic() - begin_s < 100 * 0.003
    hold.set()
    assert wait_for(lambda: done[-1:] == [199])
    worker.stop()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_the_thread_is_told(kind):
    deaths: list[tuple[type, int | None]] = []

    def handle(item: int) -> None:
        raise kind

    worker: Worker[int] = Worker(
        prepare=lambda: None,
        handle=handle,
        on_error=print,
        on_death=lambda error, item: deaths.append((type(error), item)),
    )
    worker.start()
    assert not worker.died
    worker.mailbox.put(5)
    assert wait_for(lambda: worker.died)
    assert deaths == [(kind, 5)]
    worker.stop()


def test_a_watchdog_sees_how_long_the_item_in_hand_takes_and_how_long_they_usually_do():
    now_s, go_on = [0.0], threading.Event()

    def handle(item: int) -> None:
        now_s[0] += 0.5
        if item == 9:
            now_s[0] += 100.0
            go_on.wait(10.0)

    worker: Worker[int] = Worker(
        prepare=lambda: None,
        handle=handle,
        on_error=print,
        on_death=print,
        clock=lambda: now_s[0],
    )
    worker.start()
    for item in range(5):
        worker.mailbox.put(item)
        assert wait_for(lambda: worker.mailbox.empty and not worker.busy_s)
    assert wait_for(lambda: worker.pace.usual_s == 0.5)
    assert worker.prepared
    worker.mailbox.put(9)
    assert wait_for(lambda: worker.busy_s > 100)
    assert worker.pace.is_overdue(worker.busy_s)
    go_on.set()
    assert wait_for(lambda: worker.busy_s == 0)
    worker.stop()
    assert not worker.died


def test_stopping_waits_for_the_item_in_hand():
    done: list[int] = []

    def handle(item: int) -> None:
        time.sleep(0.2)
        done.append(item)

    worker: Worker[int] = Worker(
        prepare=lambda: None, handle=handle, on_error=print, on_death=print
    )
    worker.start()
    worker.mailbox.put(1)
    assert wait_for(lambda: worker.mailbox.empty)
    worker.stop()
    assert done == [1]


def test_stopping_before_the_start_does_nothing():
    called = []
    worker = Worker(
        prepare=lambda: called.append("prepare"),
        handle=called.append,
        on_error=print,
        on_death=print,
    )
    worker.mailbox.put(1)
    worker.stop()
    assert called == []
