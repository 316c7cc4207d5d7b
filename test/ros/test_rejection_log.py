# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.rejection_log import RejectionLog


def test_one_line_is_logged_per_reason_and_period_and_every_rejection_counted():
    lines: list[str] = []
    now = [0.0]
    log = RejectionLog(lines.append, period_s=5.0, clock=lambda: now[0])
    for step in range(100):  # 10 seconds
        now[0] = 0.1 * step
        log.add(Rejection(Reason.MASK_EMPTY, "no pixel", instance_id=step))
        log.add(Rejection(Reason.BAD_ENCODING, "rgb8"))
    assert log.counts == {Reason.MASK_EMPTY: 100, Reason.BAD_ENCODING: 100}
    assert lines == [
        "object 0 rejected, mask_empty: no pixel",
        "frame rejected, bad_encoding: rgb8",
        "object 50 rejected, mask_empty: no pixel (49 more since the last such line)",
        "frame rejected, bad_encoding: rgb8 (49 more since the last such line)",
    ]


def test_a_period_of_zero_logs_each_rejection():
    lines: list[str] = []
    log = RejectionLog(lines.append, period_s=0.0)
    for _ in range(3):
        log.add(Rejection(Reason.NOT_FINITE, "pose"))
    assert len(lines) == 3


def test_the_detail_cannot_break_the_line():
    lines: list[str] = []
    log = RejectionLog(lines.append)
    log.add(Rejection(Reason.INTERNAL_ERROR, "first\nsecond\n" + "x" * 10_000))
    assert "\n" not in lines[0]
    assert len(lines[0]) < 600


def test_whole_frames_are_counted_apart_from_objects():
    log = RejectionLog(lambda _: None)
    log.add(Rejection(Reason.BAD_ENCODING, "rgb8"))
    log.add(Rejection(Reason.MASK_EMPTY, "no pixel", instance_id=0))
    assert (log.frames, log.counts) == (1, {Reason.BAD_ENCODING: 1, Reason.MASK_EMPTY: 1})
