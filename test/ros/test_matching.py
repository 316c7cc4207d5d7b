# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from collections import Counter
from typing import Any

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.geometry import Calibration
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.matching import MAX_WAITING, DepthMessage, FrameMatcher, MaskInput

MS = 1_000_000
CAMERA = Calibration(k=(60.0, 0, 32.0, 0, 60.0, 24.0, 0, 0, 1), width=64, height=48)
SMALL = Calibration(k=(30.0, 0, 16.0, 0, 30.0, 12.0, 0, 0, 1), width=32, height=24)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def matcher(clock) -> FrameMatcher:
    matcher = FrameMatcher(2.0, slop_s=0.01, wait_s=0.5, clock=clock)
    matcher.calibration = CAMERA
    return matcher


def depth(name: str) -> DepthMessage:
    return DepthMessage(name, np.zeros((48, 64), dtype=np.uint16))


def matches(matcher: FrameMatcher) -> list[tuple[Any, Any]]:
    outcome = matcher.poll()
    assert outcome.refused == []
    return [(m.depth.header, m.masks.content) for m in outcome.matched]


def reasons(matcher: FrameMatcher) -> list[Reason]:
    outcome = matcher.poll()
    assert outcome.matched == []
    return [r.rejection.reason for r in outcome.refused]


@pytest.mark.parametrize("masks_first", [False, True])
def test_equal_stamps_match_in_either_order(matcher, masks_first):
    steps = [
        lambda: matcher.add_depth(50 * MS, depth("d")),
        lambda: matcher.add_masks(50 * MS, MaskInput("m")),
    ]
    for step in reversed(steps) if masks_first else steps:
        assert matches(matcher) == []
        step()
    assert matches(matcher) == [("d", "m")]
    assert matches(matcher) == []


def test_masks_that_come_half_a_second_later_find_their_depth(matcher):
    for i in range(30):
        matcher.add_depth(i * 33 * MS, depth(f"d{i}"))
    matcher.add_masks(15 * 33 * MS, MaskInput("m"))
    assert matches(matcher) == [("d15", "m")]


def test_the_nearest_depth_counts_only_when_the_exact_one_cannot_come_any_more(matcher):
    matcher.add_depth(95 * MS, depth("nearly"))
    matcher.add_masks(100 * MS, MaskInput("m"))
    assert matches(matcher) == []
    matcher.add_depth(100 * MS, depth("exact"))
    assert matches(matcher) == [("exact", "m")]


def test_the_nearest_depth_counts_once_depth_is_past_the_masks(matcher):
    matcher.add_depth(95 * MS, depth("before"))
    matcher.add_masks(100 * MS, MaskInput("m"))
    matcher.add_depth(128 * MS, depth("after"))
    assert matches(matcher) == [("before", "m")]


def test_the_nearest_depth_counts_when_the_wait_is_over(matcher, clock):
    matcher.add_depth(95 * MS, depth("only"))
    matcher.add_masks(100 * MS, MaskInput("m"))
    clock.now_s += 0.6
    assert matches(matcher) == [("only", "m")]


def test_masks_without_depth_are_named_after_the_wait(matcher, clock):
    matcher.add_masks(100 * MS, MaskInput("m"))
    assert reasons(matcher) == []
    clock.now_s += 0.6
    assert reasons(matcher) == [Reason.NO_DEPTH_FOR_MASKS]
    assert reasons(matcher) == []


def test_masks_between_two_depth_images_are_named_at_once(matcher):
    matcher.add_depth(0, depth("a"))
    matcher.add_masks(50 * MS, MaskInput("m"))
    matcher.add_depth(100 * MS, depth("b"))
    assert reasons(matcher) == [Reason.NO_DEPTH_FOR_MASKS]


def test_masks_older_than_the_last_ones_are_named(matcher):
    for ms in (0, 33, 66):
        matcher.add_depth(ms * MS, depth(f"d{ms}"))
    matcher.add_masks(66 * MS, MaskInput("m"))
    assert matches(matcher) == [("d66", "m")]
    assert (
        matcher.add_masks(33 * MS, MaskInput("late")).rejection.reason is Reason.STAMP_OUT_OF_ORDER
    )
    added = matcher.add_depth(50 * MS, depth("late"))
    assert added.jump_s == 0
    assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER


def test_a_clock_that_jumps_back_starts_anew(matcher):
    matcher.add_depth(10**12, depth("old"))
    matcher.add_masks(10**12, MaskInput("old"))
    assert matches(matcher) == [("old", "old")]
    for ms in (3, 4):
        assert matcher.add_depth(ms * MS, depth("first")).rejection is not None
    added = matcher.add_depth(5 * MS, depth("new"))
    assert (added.jump_s, added.rejection) == (pytest.approx(-999.995), None)
    assert matcher.add_masks(5 * MS, MaskInput("new")) is None
    (matched,) = matcher.poll().matched
    assert (matched.depth.header, matched.masks.content, matched.epoch) == ("new", "new", 1)


@pytest.mark.parametrize("odd", [0, 5 * MS])
def test_one_image_with_a_wrong_stamp_is_refused_and_no_jump(matcher, odd):
    """As of drivers that now and then leave the stamp out."""
    for i in range(3):
        assert matcher.add_depth(10**12 + i * MS, depth("d")).rejection is None
        added = matcher.add_depth(odd, depth("odd"))
        assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER
        assert added.jump_s == 0


def test_a_clock_that_starts_at_0_is_taken(matcher):
    assert matcher.add_depth(0, depth("d0")).rejection is None
    assert matcher.add_depth(0, depth("d0")).rejection is None
    assert matcher.add_depth(33 * MS, depth("d33")).rejection is None


def test_masks_without_depth_name_the_nearest_image_and_the_setting(matcher, clock):
    for ms in (1000, 1033):
        matcher.add_depth(ms * MS, depth("d"))
    matcher.add_masks(1020 * MS, MaskInput("m"))
    clock.now_s += 0.6
    (refused,) = matcher.poll().refused
    detail = refused.rejection.detail
    assert "nearest depth image is 13.0 ms later (sync.slop_s is 0.01 s)" in detail
    clock.now_s += 1.5
    matcher.add_depth(3100 * MS, depth("d"))
    matcher.add_masks(1050 * MS, MaskInput("late"))
    clock.now_s += 0.6
    (refused,) = matcher.poll().refused
    assert "2050.0 ms later (sync.depth_history_s is 2 s)" in refused.rejection.detail


def test_detections_are_waited_for_when_they_are_needed(matcher):
    matcher.add_depth(10 * MS, depth("d"))
    matcher.add_masks(10 * MS, MaskInput("m", needs_detections=True))
    assert matches(matcher) == []
    matcher.add_detections(10 * MS, ("cup",))
    (matched,) = matcher.poll().matched
    assert matched.detections == ("cup",)


@pytest.mark.parametrize("later", ["newer detections", "waited"])
def test_masks_go_on_without_detections_that_do_not_come(matcher, clock, later):
    matcher.add_depth(10 * MS, depth("d"))
    matcher.add_masks(10 * MS, MaskInput("m", needs_detections=True))
    if later == "waited":
        clock.now_s += 0.6
    else:
        matcher.add_detections(43 * MS, ("of the next image",))
    (matched,) = matcher.poll().matched
    assert matched.detections == ()


def test_detections_that_are_there_are_used_even_when_not_needed(matcher):
    matcher.add_depth(10 * MS, depth("d"))
    matcher.add_detections(10 * MS, ("cup",))
    matcher.add_masks(10 * MS, MaskInput("m"))
    (matched,) = matcher.poll().matched
    assert matched.detections == ("cup",)


def test_without_a_camera_masks_wait_and_are_then_named(matcher, clock):
    matcher.calibration = None
    matcher.add_depth(10 * MS, depth("d"))
    matcher.add_masks(10 * MS, MaskInput("m"))
    assert reasons(matcher) == []
    clock.now_s += 0.6
    assert reasons(matcher) == [Reason.BAD_INTRINSICS]


def test_a_calibration_that_does_not_say_its_size_is_of_every_image(matcher):
    matcher.calibration = Calibration(k=CAMERA.k)
    matcher.add_depth(10 * MS, depth("d"))
    matcher.add_masks(10 * MS, MaskInput("m"))
    (matched,) = matcher.poll().matched
    assert matched.calibration == matcher.calibration


def test_delayed_masks_get_the_camera_of_their_own_image(matcher):
    for ms, camera in ((10, CAMERA), (43, SMALL)):
        matcher.add_calibration(ms * MS, camera)
        matcher.add_depth(ms * MS, depth("d"))
    matcher.add_masks(10 * MS, MaskInput("m"))
    (matched,) = matcher.poll().matched
    assert matched.calibration == CAMERA


def test_a_camera_of_another_size_is_waited_for_no_longer_than_it_can_come(matcher, clock):
    matcher.add_calibration(10 * MS, SMALL)
    for ms in (43, 76, 109):
        matcher.add_depth(ms * MS, depth("d"))
    matcher.add_masks(43 * MS, MaskInput("m43"))
    assert matches(matcher) == []
    matcher.add_calibration(43 * MS, CAMERA)
    (matched,) = matcher.poll().matched
    assert matched.calibration == CAMERA
    matcher.calibration = SMALL
    matcher.add_masks(76 * MS, MaskInput("m76"))
    assert matches(matcher) == []
    clock.now_s += 0.6
    (matched,) = matcher.poll().matched
    assert matched.calibration == SMALL
    matcher.add_masks(109 * MS, MaskInput("m109"))
    matcher.add_calibration(142 * MS, SMALL)
    (matched,) = matcher.poll().matched
    assert matched.calibration == SMALL


def test_masks_that_flood_in_do_not_fill_the_memory(matcher):
    refused = [matcher.add_masks((1000 + i) * MS, MaskInput(i)) for i in range(2 * MAX_WAITING)]
    assert refused[:MAX_WAITING] == [None] * MAX_WAITING
    assert {r.rejection.reason for r in refused[MAX_WAITING:]} == {Reason.NO_DEPTH_FOR_MASKS}
    assert [r.masks.content for r in refused[MAX_WAITING:]] == list(range(MAX_WAITING))


def test_several_waiting_masks_come_out_in_the_order_of_their_stamps(matcher):
    for ms in (66, 33):
        matcher.add_masks(ms * MS, MaskInput(f"m{ms}"))
    for ms in (33, 66):
        matcher.add_depth(ms * MS, depth(f"d{ms}"))
    assert matches(matcher) == [("d33", "m33"), ("d66", "m66")]


def test_masks_that_wait_for_detections_are_not_overtaken_by_newer_ones(matcher):
    for ms in (10, 43):
        matcher.add_depth(ms * MS, depth(f"d{ms}"))
    matcher.add_masks(10 * MS, MaskInput("m10", needs_detections=True))
    matcher.add_masks(43 * MS, MaskInput("m43"))
    assert matches(matcher) == []
    matcher.add_detections(10 * MS, ("cup",))
    assert matches(matcher) == [("d10", "m10"), ("d43", "m43")]


def test_a_depth_image_with_a_negative_stamp_is_refused(matcher):
    added = matcher.add_depth(-5 * MS, depth("odd"))
    assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert "-0.005 s" in added.rejection.detail
    assert matcher.poll_depth() is None


class TestDepthAlone:
    def alone(self, matcher: FrameMatcher) -> str | None:
        matched = matcher.poll_depth()
        assert matched is None or matched.masks is None
        return None if matched is None else matched.depth.header

    def test_the_newest_image_comes_once_and_at_once(self, matcher):
        assert self.alone(matcher) is None
        matcher.add_depth(0, depth("d0"))
        matcher.add_depth(33 * MS, depth("d1"))
        assert self.alone(matcher) == "d1"
        assert self.alone(matcher) is None

    def test_masks_still_find_an_image_that_came_alone(self, matcher):
        for i in range(6):
            matcher.add_depth(i * 33 * MS, depth(f"d{i}"))
            assert self.alone(matcher) == f"d{i}"
        matcher.add_masks(33 * MS, MaskInput("m"))
        assert matches(matcher) == [("d1", "m")]

    def test_an_image_whose_masks_are_there_does_not_come_alone(self, matcher):
        matcher.add_masks(33 * MS, MaskInput("m"))
        matcher.add_depth(33 * MS, depth("d"))
        assert matches(matcher) == [("d", "m")]
        assert self.alone(matcher) is None

    def test_masks_that_keep_up_are_waited_for_until_they_do_not(self, matcher):
        came = []
        for i in range(8):
            matcher.add_depth(i * 33 * MS, depth(f"d{i}"))
            came.append(self.alone(matcher))
            if i < 5:
                matcher.add_masks(i * 33 * MS, MaskInput("m"))
                assert matches(matcher) == [(f"d{i}", "m")]
        assert came == ["d0", "d1", None, None, None, None, "d6", "d7"]

    def test_every_sixth_image_with_masks_lets_all_images_come(self, matcher):
        for i in range(18):
            matcher.add_depth(i * 33 * MS, depth(f"d{i}"))
            assert self.alone(matcher) == f"d{i}"
            if i % 6 == 0:
                matcher.add_masks(i * 33 * MS, MaskInput("m"))
                assert matches(matcher) == [(f"d{i}", "m")]

    def test_without_a_camera_of_its_size_it_waits_for_one(self, matcher):
        matcher.calibration = None
        matcher.add_depth(0, depth("d0"))
        assert self.alone(matcher) is None
        matcher.add_calibration(0, SMALL)
        assert self.alone(matcher) is None
        matcher.add_calibration(0, CAMERA)
        assert self.alone(matcher) == "d0"

    def test_an_image_that_is_refused_does_not_come(self, matcher):
        matcher.add_depth(66 * MS, depth("new"))
        assert self.alone(matcher) == "new"
        assert matcher.add_depth(33 * MS, depth("old")).rejection is not None
        assert self.alone(matcher) is None

    def test_a_clock_that_jumps_back_starts_anew(self, matcher):
        matcher.add_depth(10**12, depth("old"))
        matcher.add_depth(3 * MS, depth("first"))
        matcher.add_depth(4 * MS, depth("second"))
        matcher.add_depth(5 * MS, depth("new"))
        assert self.alone(matcher) == "new"


def test_masks_that_are_neither_matched_nor_refused_are_counted(clock):
    dropped = Counter()
    matcher = FrameMatcher(
        2.0, 0.01, 0.5, lambda cause, count: dropped.update({cause: count}), clock=clock
    )
    for name in ("a", "b", "c"):
        assert matcher.add_masks(10**9, MaskInput(name)) is None
    assert dropped == {Drop.SAME_STAMP: 2}
    matcher.add_masks(10**9 + 1, MaskInput("d"))
    for i in range(6):
        matcher.add_depth(5 * 10**9 + i * MS, depth("before"))
    for i in range(6):
        matcher.add_depth(10**8 + i * MS, depth("after"))
    assert dropped[Drop.CLOCK_JUMP] == 2
    assert matcher.waiting == 0


def test_the_newest_depth_images_stay_within_the_memory_and_masks_wait_in_what_is_left(clock):
    dropped = Counter()
    matcher = FrameMatcher(
        2.0, 0.01, 0.5, lambda cause, count: dropped.update({cause: count}), clock=clock
    )
    matcher.most_bytes = 100
    pixels = np.zeros((48, 64), dtype=np.uint16)
    for i in range(50):
        matcher.add_depth(10**9 + i * MS, DepthMessage("d", pixels, n_bytes=30))
        assert matcher.held_bytes <= 100
    assert matcher.let_go == 47
    for i in range(4):
        matcher.add_masks(10**9 + (60 + i) * MS, MaskInput("m", n_bytes=40))
    assert dropped == {Drop.MEMORY: 2}
    assert (matcher.waiting, matcher.held_bytes) == (2, 110)  # the newest depth image stays
    matcher.add_depth(10**9 + 70 * MS, DepthMessage("d", pixels, n_bytes=500))
    assert (matcher.waiting, matcher.held_bytes) == (1, 540)  # and so do the newest masks
