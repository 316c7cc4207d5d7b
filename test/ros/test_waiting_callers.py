# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.waiting_callers import Caller, WaitingCallers


class Bench:
    """Callers who wait, under a clock of their own."""

    def __init__(self, ros):
        self.ros, self.now_s, self.woken = ros, 100.0, 0
        self.callers = WaitingCallers(self.wake, clock=lambda: self.now_s)

    def wake(self):
        self.woken += 1

    def add(self, count=1, **values):
        caller = Caller(count, timeout_s=5.0, **values)
        self.callers.add(caller)
        return caller

    def matched(self, stamp_ns, masks=True, epoch=0):
        depth = SimpleNamespace(header=self.ros.header(stamp_ns))
        return SimpleNamespace(depth=depth, masks="masks" if masks else None, epoch=epoch)

    def offer(self, stamp_ns, published=True, **values):
        message = ObjectPoseArray(header=self.ros.header(stamp_ns)) if published else None
        self.callers.offer(self.matched(stamp_ns, **values), message)

    def expire(self, why=""):
        self.callers.expire(lambda: why)


def stamps(caller):
    return [frame.header.stamp.nanosec for frame in caller.answered.result().frames]


@pytest.fixture
def bench(ros):
    return Bench(ros)


def test_a_caller_gets_the_first_frame_taken_after_it_asked(bench):
    caller = bench.add(after_ns=20)
    bench.offer(10)
    bench.offer(20)
    assert not caller.answered.done()
    bench.offer(30)
    assert stamps(caller) == [30]
    assert caller.answered.result().rejection is None
    assert bench.woken == 1


def test_a_caller_that_names_a_time_gets_the_first_frame_from_then_on(bench):
    later, earlier = (
        bench.add(after_ns=20, not_before_ns=40),
        bench.add(after_ns=20, not_before_ns=15),
    )
    bench.offer(15)
    assert stamps(earlier) == [15]
    bench.offer(39)
    assert not later.answered.done()
    bench.offer(40)
    assert stamps(later) == [40]


def test_after_a_jump_of_the_clock_smaller_stamps_are_newer(bench):
    caller = bench.add(after_ns=1000)
    bench.offer(5, epoch=1)
    assert stamps(caller) == [5]


def test_frames_without_masks_count_once_masks_of_later_images_have_come(bench):
    """In mode track delayed masks are not published themselves; the next image shows them."""
    caller = bench.add(after_ns=20)
    bench.offer(50, masks=False)
    bench.offer(30, published=False)
    assert not caller.answered.done()
    bench.offer(60, masks=False)
    assert stamps(caller) == [60]


def test_several_frames_are_told_one_by_one(bench):
    told = []
    caller = bench.add(
        3, on_frame=lambda count, frame: told.append((count, frame.header.stamp.nanosec))
    )
    for stamp in (1, 2, 3, 4):
        bench.offer(stamp)
    assert told == [(1, 1), (2, 2), (3, 3)]
    assert stamps(caller) == [1, 2, 3]


def test_a_caller_who_waits_in_vain_is_told_what_is_missing(bench):
    caller = bench.add(2)
    bench.offer(1)
    bench.now_s += 4.9
    bench.expire("nothing on /depth")
    assert not caller.answered.done()
    bench.now_s += 0.2
    bench.expire("nothing on /depth")
    answer = caller.answered.result()
    assert answer.rejection.reason is Reason.REQUEST_TIMED_OUT
    assert answer.rejection.detail == "1 of 2 frames in 5 s; nothing on /depth"
    assert stamps(caller) == [1]


def test_a_caller_who_waits_in_vain_is_told_the_last_refusal(bench):
    caller = bench.add()
    bench.callers.refuse(Rejection(Reason.SIZE_MISMATCH, "60 against 64"))
    bench.now_s += 6
    bench.expire()
    detail = caller.answered.result().rejection.detail
    assert detail == "0 of 1 frames in 5 s; the last one was refused, size_mismatch: 60 against 64"


def test_who_waits_for_frames_of_its_own_gets_no_other(bench):
    caller = bench.add(alone=True)
    assert not bench.callers.want_frames
    bench.offer(5)
    assert not caller.answered.done()
    bench.callers.hand(caller, ObjectPoseArray(header=bench.ros.header(7)))
    assert stamps(caller) == [7]


def test_what_comes_after_the_end_of_waiting_is_forgotten(bench):
    caller = bench.add(alone=True)
    bench.now_s += 6
    bench.expire()
    bench.callers.hand(caller, Rejection(Reason.SIZE_MISMATCH, "late"))
    assert caller.answered.result().rejection.reason is Reason.REQUEST_TIMED_OUT
    assert bench.woken == 1


def test_all_are_answered_when_there_will_be_no_frames(bench):
    callers = [bench.add(), bench.add(alone=True)]
    bench.callers.end(Rejection(Reason.NOT_ACTIVE, "deactivated"))
    reasons = {caller.answered.result().rejection.reason for caller in callers}
    assert reasons == {Reason.NOT_ACTIVE}
    assert not bench.callers.want_frames


def test_more_callers_than_can_wait_are_refused(bench):
    waiting = [bench.add() for _ in range(16)]
    refused = bench.add()
    assert refused.answered.result().rejection.reason is Reason.TOO_MANY_REQUESTS
    bench.offer(1)
    assert all(stamps(caller) == [1] for caller in waiting)
    assert not bench.add().answered.done()
