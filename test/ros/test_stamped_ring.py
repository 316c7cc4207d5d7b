import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros import stamped_ring
from genpose_ros.ros.stamped_ring import StampedRing

MS = 1_000_000


@pytest.fixture
def ring() -> StampedRing[str]:
    """Frames every 33 ms from 1 s on, as many as fit half a second."""
    ring: StampedRing[str] = StampedRing(seconds=0.5)
    for i in range(40):
        assert ring.add((1000 + 33 * i) * MS, f"frame {i}") is None
    return ring


def test_what_is_older_than_the_ring_is_long_is_let_go(ring):
    assert ring.newest_ns == (1000 + 33 * 39) * MS
    assert ring.newest_ns - ring.oldest_ns <= 500 * MS
    assert len(ring) == 16
    assert ring.exact(1000 * MS) is None


def test_exact_needs_the_same_nanosecond(ring):
    assert ring.exact((1000 + 33 * 30) * MS) == "frame 30"
    assert ring.exact((1000 + 33 * 30) * MS + 1) is None


@pytest.mark.parametrize(
    ("offset_ms", "expected"), [(4, "frame 30"), (-5, "frame 30"), (6, None), (29, "frame 31")]
)
def test_nearest_is_within_the_slop(ring, offset_ms, expected):
    assert ring.nearest((1000 + 33 * 30 + offset_ms) * MS, sync_slop_s=0.005) == expected


def test_an_empty_ring_finds_nothing():
    ring: StampedRing[str] = StampedRing(1.0)
    assert (ring.exact(0), ring.nearest(0, 1e9), ring.newest_ns, ring.oldest_ns) == (None,) * 4
    assert not ring.jumps_back(-(10**18))


def test_a_stamp_that_is_a_little_older_is_refused(ring):
    rejection = ring.add(ring.newest_ns - 20 * MS, "late")
    assert rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert "20.0 ms" in rejection.detail
    assert len(ring) == 16


def test_an_equal_stamp_replaces(ring):
    assert ring.add(ring.newest_ns, "again") is None
    assert ring.exact(ring.newest_ns) == "again"


def test_a_clock_that_jumps_back_clears(ring):
    assert ring.jumps_back(0)
    assert ring.add(0, "first of the next round") is None
    assert len(ring) == 1


def test_the_third_older_stamp_in_a_row_is_a_jump_too(ring):
    start = ring.newest_ns - 300 * MS
    assert ring.add(start, "a").reason is Reason.STAMP_OUT_OF_ORDER
    assert ring.add(start + 33 * MS, "b").reason is Reason.STAMP_OUT_OF_ORDER
    assert ring.jumps_back(start + 66 * MS)
    assert ring.add(start + 66 * MS, "c") is None
    assert ring.add(start + 99 * MS, "d") is None
    assert len(ring) == 2


def test_stragglers_among_good_stamps_are_no_jump(ring):
    for _ in range(5):
        assert ring.add(ring.newest_ns - 20 * MS, "late") is not None
        assert ring.add(ring.newest_ns + 33 * MS, "good") is None
    assert len(ring) == 16


def test_one_stamp_from_the_far_future_does_no_lasting_harm(ring):
    now = ring.newest_ns
    assert ring.add(now + 10**18, "garbage") is None
    assert ring.add(now + 33 * MS, "good") is None
    assert ring.exact(now + 33 * MS) == "good"
    assert len(ring) == 1


def test_stamps_that_hardly_advance_do_not_fill_the_memory():
    ring: StampedRing[int] = StampedRing(1.0)
    for i in range(5 * stamped_ring.CAPACITY):
        ring.add(i, i)
    assert len(ring) == stamped_ring.CAPACITY
