# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import pytest

from genpose_ros.ros.throttled_log import ThrottledLog


@pytest.fixture
def lines():
    return []


def test_one_line_is_logged_per_subject_and_period(lines):
    now = [0.0]
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(warning=lines.append))
    log = ThrottledLog(node, lambda: 5.0, clock=lambda: now[0])
    for step in range(100):  # ten seconds
        now[0] = 0.1 * step
        log.warn_about("clock", f"clock {step}")
        log.warn_about("frames", f"frames {step}")
    assert lines == ["clock 0", "frames 0", "clock 50", "frames 50"]


def test_a_long_text_stays_one_line(lines):
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(warning=lines.append))
    ThrottledLog(node, lambda: 0.0).warn_about("a", "first\nsecond " + "x" * 10_000)
    assert "\n" not in lines[0]
    assert len(lines[0]) <= 400
