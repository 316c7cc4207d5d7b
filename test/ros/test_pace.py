# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from genpose_ros.ros.pace import Pace


def paced(*durations_s: float, **options: float) -> Pace:
    pace = Pace(**options)
    for duration_s in durations_s:
        pace.note(duration_s)
    return pace


def test_nothing_is_overdue_while_too_little_is_known_but_after_what_is_said():
    assert not paced(0.1, 0.1, 0.1).is_overdue(1e9)
    first = paced(0.1, unknown_s=10.0)
    assert (first.is_overdue(9.9), first.is_overdue(10.0)) == (False, True)


@pytest.mark.parametrize(("usual_s", "limit_s"), [(0.033, 1.0), (0.3, 1.0), (2.0, 6.0)])
def test_what_lasts_three_times_as_long_as_usual_and_a_second_is_overdue(usual_s, limit_s):
    pace = paced(*[usual_s] * 5)
    assert (pace.is_overdue(limit_s - 0.001), pace.is_overdue(limit_s)) == (False, True)


def test_a_single_pause_does_not_count_as_usual_and_what_comes_again_does():
    assert paced(0.1, 0.1, 8.0, 0.1, 0.1).usual_s == 0.1
    assert paced(0.1, 8.0, 0.1, 7.0, 0.1).usual_s == 7.0


def test_what_was_usual_long_ago_is_forgotten():
    assert paced(*[5.0] * 5, *[0.1] * 16).usual_s == 0.1
