# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros import stamped_ring
from genpose_ros.ros.stamped_ring import Added, StampedRing

MS = 1_000_000
ADDED = Added()


@pytest.fixture
def clock() -> list[float]:
    """The time, seconds."""
    return [5000.0]


@pytest.fixture
def ring(clock) -> StampedRing[str]:
    """Frames every 33 ms from 1 s on, as many as fit half a second."""
    ring: StampedRing[str] = StampedRing(0.5, lambda: clock[0])
    for i in range(40):
        clock[0] += 0.033
        assert ring.add((1000 + 33 * i) * MS, f"frame {i}") == ADDED
    return ring


def test_items_older_than_the_length_of_the_ring_are_let_go(ring):
    assert ring.newest_ns == (1000 + 33 * 39) * MS
    assert ring.newest_ns - ring.oldest_ns <= 500 * MS
    assert len(ring) == 16
    assert ring.exact(1000 * MS) is None


def test_an_exact_match_needs_the_same_nanosecond(ring):
    assert ring.exact((1000 + 33 * 30) * MS) == "frame 30"
    assert ring.exact((1000 + 33 * 30) * MS + 1) is None


@pytest.mark.parametrize(
    ("offset_ms", "expected"), [(4, "frame 30"), (-5, "frame 30"), (6, None), (29, "frame 31")]
)
def test_the_nearest_item_is_within_the_slop(ring, offset_ms, expected):
    assert ring.nearest((1000 + 33 * 30 + offset_ms) * MS, slop_s=0.005) == expected


def test_an_empty_ring_finds_nothing():
    ring: StampedRing[str] = StampedRing(1.0)
    assert (ring.exact(0), ring.nearest(0, 1e9), ring.newest_ns, ring.oldest_ns) == (None,) * 4
    assert ring.add(-(10**18), "first") == ADDED


def test_a_stamp_that_is_a_little_older_is_refused(ring):
    added = ring.add(ring.newest_ns - 20 * MS, "late")
    assert added.jump_s == 0
    assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert "20.0 ms older" in added.rejection.detail
    assert len(ring) == 16


def test_an_equal_stamp_replaces_the_item(ring):
    assert ring.add(ring.newest_ns, "again") == ADDED
    assert ring.exact(ring.newest_ns) == "again"


@pytest.mark.parametrize("jump_s", [-0.3, -30.0, 4000.0, 2e9])
def test_the_third_stamp_in_a_row_of_another_time_is_a_clock_that_jumped(ring, clock, jump_s):
    start = ring.newest_ns + round(jump_s * 1e9)
    for i, name in enumerate("abcd"):
        clock[0] += 0.033
        added = ring.add(start + 33 * i * MS, name)
        if name in "ab":
            assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER
        else:
            assert added.rejection is None
            assert added.jump_s == pytest.approx(jump_s + 0.066 if name == "c" else 0.0)
    assert len(ring) == 2


@pytest.mark.parametrize("offset_s", [-1e4, -30.0, -1.0, 1.0, 30.0, 2e9])
def test_a_single_wrong_stamp_costs_its_own_item_alone(ring, clock, offset_s):
    for _ in range(5):
        held = len(ring)
        clock[0] += 0.033
        wrong = ring.add(ring.newest_ns + round(offset_s * 1e9), "wrong")
        assert wrong.rejection.reason is Reason.STAMP_OUT_OF_ORDER
        clock[0] += 0.033
        assert ring.add(ring.newest_ns + 66 * MS, "right") == ADDED
        assert len(ring) >= held - 2


def test_a_first_stamp_that_is_wrong_does_no_lasting_harm():
    ring: StampedRing[int] = StampedRing(1.0)
    ring.add(2 * 10**18, 0)
    assert [bool(ring.add((5 + i) * 33 * MS, i).rejection) for i in range(4)] == [True] * 2 + [
        False
    ] * 2
    assert len(ring) == 2


def test_a_camera_that_pauses_is_no_clock_that_jumped(ring, clock):
    clock[0] += 60.0
    assert ring.add(ring.newest_ns + 60 * 10**9, "after the pause") == ADDED


def test_images_that_were_lost_behind_a_late_one_are_no_clock_that_jumped(ring, clock):
    """The late one came three seconds after it was taken, the next in time."""
    late = ring.newest_ns + 33 * MS
    clock[0] += 3.0
    assert ring.add(late, "late") == ADDED
    clock[0] += 0.033
    assert ring.add(late + 3000 * MS, "in time") == ADDED


def test_after_a_first_image_that_came_late_the_next_is_in_time(clock):
    ring: StampedRing[str] = StampedRing(1.0, lambda: clock[0])
    ring.add(1000 * MS, "held back until the subscriber was found")
    clock[0] += 0.1
    assert ring.add(5600 * MS, "in time") == ADDED
    clock[0] += 0.1
    assert ring.add(20_000 * MS, "wrong").rejection.reason is Reason.STAMP_OUT_OF_ORDER


def test_stamps_a_second_apart_that_come_fast_are_taken(clock):
    """As of a bag that is played ten times as fast."""
    ring: StampedRing[int] = StampedRing(60.0, lambda: clock[0])
    refused = []
    for i in range(20):
        clock[0] += 0.1
        added = ring.add(i * 10**9, i)
        assert added.jump_s == 0
        refused += [i] if added.rejection else []
    assert refused == []


def test_stamps_that_hardly_advance_do_not_fill_the_memory():
    ring: StampedRing[int] = StampedRing(1.0)
    for i in range(5 * stamped_ring.CAPACITY):
        ring.add(i, i)
    assert len(ring) == stamped_ring.CAPACITY
