# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros import stamped_ring
from genpose_ros.ros.stamped_ring import Added, StampedRing

MS = 1_000_000
ADDED, JUMPED_BACK = Added(), Added(jumped_back=True)


@pytest.fixture
def ring() -> StampedRing[str]:
    """Frames every 33 ms from 1 s on, as many as fit half a second."""
    ring: StampedRing[str] = StampedRing(seconds=0.5)
    for i in range(40):
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
    assert not added.jumped_back
    assert added.rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert "20.0 ms" in added.rejection.detail
    assert len(ring) == 16


def test_an_equal_stamp_replaces_the_item(ring):
    assert ring.add(ring.newest_ns, "again") == ADDED
    assert ring.exact(ring.newest_ns) == "again"


def test_a_clock_that_jumps_back_clears_the_ring(ring):
    refused = ring.add(0, "first of the next round").rejection
    assert refused.reason is Reason.STAMP_OUT_OF_ORDER
    assert ring.add(33 * MS, "second") == JUMPED_BACK
    assert len(ring) == 1


def test_single_stamps_that_are_wrong_are_no_jump(ring):
    for _ in range(5):
        assert ring.add(0, "wrong").rejection is not None
        assert ring.add(ring.newest_ns + 33 * MS, "right") == ADDED


def test_the_third_older_stamp_in_a_row_is_a_jump_too(ring):
    start = ring.newest_ns - 300 * MS
    assert ring.add(start, "a").rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert ring.add(start + 33 * MS, "b").rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert ring.add(start + 66 * MS, "c") == JUMPED_BACK
    assert ring.add(start + 99 * MS, "d") == ADDED
    assert len(ring) == 2


def test_stragglers_among_good_stamps_are_no_jump(ring):
    for _ in range(5):
        assert ring.add(ring.newest_ns - 20 * MS, "late").rejection is not None
        assert ring.add(ring.newest_ns + 33 * MS, "good") == ADDED
    assert len(ring) == 16


def test_one_stamp_from_the_far_future_does_no_lasting_harm(ring):
    now = ring.newest_ns
    assert ring.add(now + 10**18, "garbage") == ADDED
    assert ring.add(now + 33 * MS, "lost").rejection is not None
    assert ring.add(now + 66 * MS, "good") == JUMPED_BACK
    assert ring.exact(now + 66 * MS) == "good"
    assert len(ring) == 1


def test_stamps_that_hardly_advance_do_not_fill_the_memory():
    ring: StampedRing[int] = StampedRing(1.0)
    for i in range(5 * stamped_ring.CAPACITY):
        ring.add(i, i)
    assert len(ring) == stamped_ring.CAPACITY
