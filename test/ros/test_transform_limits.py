# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is kept of transforms that come in floods."""

from genpose_ros.ros.transform_limits import TransformLimits

MS = 1_000_000


def admitted(limits: TransformLimits, frame: str, stamps: list[int]) -> list[int]:
    return [stamp for stamp in stamps if limits.admits(frame, stamp)]


def test_all_transforms_of_a_joint_at_a_thousand_a_second_are_kept():
    stamps = [10**18 + i * MS for i in range(5000)]
    assert admitted(TransformLimits(), "joint", stamps) == stamps


def test_stamps_that_hardly_advance_are_kept_once_a_millisecond():
    stamps = list(range(0, 10 * MS, 1000))
    assert admitted(TransformLimits(), "a", stamps) == [i * MS for i in range(10)]


def test_a_repeated_transform_is_kept_once():
    assert admitted(TransformLimits(), "a", [5 * MS] * 3) == [5 * MS]


def test_some_late_ones_are_kept_until_newer_ones_come():
    limits = TransformLimits()
    late = [(500 - i) * MS for i in range(100)]
    assert admitted(limits, "a", [1000 * MS, *late]) == [1000 * MS, *late[:10]]
    assert admitted(limits, "b", late[:1]) == late[:1]
    assert admitted(limits, "a", [1001 * MS, *late]) == [1001 * MS, *late[:10]]


def test_frames_are_kept_up_to_ten_thousand_static_ones_too():
    limits = TransformLimits()
    assert all(limits.admits(f"moving{i}", 0) for i in range(5000))
    assert all(limits.admits(f"static{i}", None) for i in range(5000))
    assert not limits.admits("one more", 0)
    assert not limits.admits("one more", None)
    assert limits.admits("moving7", MS)
    assert limits.admits("static7", None)
    assert not limits.admits("x" * 1000, 0)


def test_after_a_jump_of_the_clock_older_ones_are_new():
    limits = TransformLimits()
    assert limits.admits("a", 10**18)
    limits.clear()
    assert admitted(limits, "a", [i * MS for i in range(50)]) == [i * MS for i in range(50)]
