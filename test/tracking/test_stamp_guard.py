# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest

from genpose_ros.tracking.stamp_guard import StampGuard, Verdict

FOLLOWS, STRAY, JUMPED = Verdict
S = 10**9


@pytest.fixture
def judge():
    guard = StampGuard()
    return lambda stamp_ns: guard.judge(stamp_ns, 100 * S, 110 * S)


def test_the_third_stamp_in_a_row_that_follows_the_others_is_a_jump(judge):
    assert [judge(s * S) for s in (10, 11, 12, 10)] == [STRAY, STRAY, JUMPED, STRAY]
    assert [judge(s * S) for s in (500, 501, 502)] == [STRAY, STRAY, JUMPED]


@pytest.mark.parametrize("strays", [(10, 10, 10), (12, 11, 10), (10, 20, 30), (10, 500, 11)])
def test_stamps_that_do_not_follow_one_another_are_no_jump(judge, strays):
    assert [judge(s * S) for s in strays] == [STRAY] * 3


def test_strays_among_good_stamps_are_no_jump(judge):
    for second in range(10, 20):
        assert judge(second * S) is STRAY
        assert judge(105 * S) is FOLLOWS


def test_stamps_that_agree_with_nothing_are_not_refused_for_ever(judge):
    found = [judge((10 if i % 2 else 500) * S) for i in range(10)]
    assert found == [STRAY] * 9 + [JUMPED]
