# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.ros.pace import Pace
from genpose_ros.ros.supervisor import Supervisor, WorkerStatus

OK, ERROR = DiagnosticStatus.OK, DiagnosticStatus.ERROR


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def worker():
    return SimpleNamespace(busy_s=0.0, died=False, prepared=True, pace=Pace(10.0))


@pytest.fixture
def told():
    return []


@pytest.fixture
def supervisor(worker, told, clock):
    return Supervisor(worker, lambda: 60.0, told.append, clock=lambda: clock[0])


def test_a_worker_that_works_is_fine(supervisor, worker, told):
    worker.busy_s = 0.5
    supervisor.check()
    assert (told, supervisor.trouble) == ([], "")


def test_a_dead_worker_is_told_of_once(supervisor, worker, told):
    worker.died = True
    supervisor.check()
    supervisor.check()
    assert told == ["the thread that estimates has ended"]
    assert supervisor.trouble == told[0]


def test_what_was_told_first_stays_the_reason(supervisor, worker, told):
    supervisor.condemn("it ended with SystemExit")
    worker.died = True
    supervisor.check()
    assert told == ["it ended with SystemExit"]


def test_a_frame_that_does_not_end_is_an_error_first_and_the_end_later(supervisor, worker, told):
    for _ in range(5):
        worker.pace.note(0.1)
    worker.busy_s = 1.0
    supervisor.check()
    assert told == []
    assert supervisor.trouble == "one frame has taken 1.0 s so far, usual are 0.1 s"
    worker.busy_s = 61.0
    supervisor.check()
    assert told == ["one frame has taken 61 s and does not end (hang_timeout_s is 60 s)"]


def test_a_long_preparation_is_no_error(supervisor, worker):
    worker.prepared, worker.busy_s = False, 50.0
    assert supervisor.trouble == ""
    worker.busy_s = 61.0
    supervisor.check()
    assert supervisor.trouble.startswith("the warm-up has taken 61 s and does not end")


def test_without_a_limit_a_frame_may_take_as_long_as_it_does(worker, told):
    worker.busy_s = 1e6
    Supervisor(worker, lambda: 0.0, told.append).check()
    assert told == []


def test_frames_that_fail_are_an_error_until_one_does_not(supervisor, worker, clock):
    status = WorkerStatus(supervisor, worker)
    clock[0] = 2.0
    assert [item.value for item in status().values[-2:]] == ["none", "none"]
    supervisor.note_frame()
    supervisor.note_result("ValueError: no")
    clock[0] = 2.5
    state = status()
    assert (state.level, state.message) == (ERROR, "the last frame failed: ValueError: no")
    values = {item.key: item.value for item in state.values}
    assert values == {
        "frame in hand, s": "none",
        "usual frame, s": "not known yet",
        "age of the last frame, s": "0.50",
        "age of the last result, s": "none",  # there was none
    }
    supervisor.note_result()
    clock[0] = 4.0
    state = status()
    assert state.values[-1].value == "1.50"
    assert (state.level, state.message) == (OK, "waiting for frames")
