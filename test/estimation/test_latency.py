# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The limit for a frame's time: when quality is lowered, by what, and when it comes back."""

import time
from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import EstimatorSettings, Frame, Instance, PoseEstimator
from genpose_ros.estimation.latency import RUNGS, LatencyKeeper
from genpose_ros.geometry import PinholeCamera
from genpose_ros.tracking import Tracker

SETTINGS = EstimatorSettings(candidates=51, steps=4)


def rung(keeper: LatencyKeeper) -> int:
    return len(keeper.told.split(", ")) if keeper.told else 0


def test_each_late_frame_lowers_one_thing_more_and_the_last_rung_stays():
    keeper, seen = LatencyKeeper(40.0), []
    for _ in range(6):
        lowered = keeper.lowered(SETTINGS)
        seen.append((lowered.tta_views, lowered.patches, lowered.steps, lowered.candidates))
        keeper.note(41.0)
    assert seen == [
        (2, 0, 4, 51), (2, 0, 4, 26), (1, 0, 4, 26), (1, 32, 4, 26), (1, 32, 2, 26), (1, 32, 2, 26)
    ]  # fmt: skip
    assert keeper.told == ", ".join(RUNGS)


def test_nothing_is_raised():
    keeper = LatencyKeeper(1.0)
    for _ in RUNGS:
        keeper.note(2.0)
    least = replace(SETTINGS, tta_views=1, patches=16, steps=1, candidates=1, roll_views=1)
    assert keeper.lowered(least) == least


def test_without_a_limit_nothing_is_lowered():
    keeper = LatencyKeeper(0.0)
    keeper.note(1e6)
    assert keeper.lowered(SETTINGS) is SETTINGS
    assert keeper.told == ""


def test_a_rung_is_given_up_after_twenty_short_frames_in_a_row():
    keeper = LatencyKeeper(40.0)
    keeper.note(41.0)
    for _ in range(19):
        keeper.note(23.9)
    keeper.note(24.1)  # in time, but not short
    for _ in range(19):
        keeper.note(23.9)
    assert rung(keeper) == 1
    keeper.note(23.9)
    assert rung(keeper) == 0


def test_a_rung_that_is_needed_again_is_kept_for_twice_as_long_each_time():
    keeper, kept = LatencyKeeper(40.0), []
    for _ in range(8):
        keeper.note(41.0)
        count = 0
        while rung(keeper):
            keeper.note(10.0)
            count += 1
        kept.append(count)
    assert kept == [20, 40, 80, 160, 320, 640, 640, 640]
    for _ in range(20):
        keeper.note(30.0)
    keeper.note(41.0)  # later than that it is a new occasion
    for _ in range(20):
        keeper.note(10.0)
    assert rung(keeper) == 0


def frame() -> Frame:
    camera = PinholeCamera(300.0, 300.0, 80.0, 60.0, 160, 120)
    mask = np.zeros((120, 160), dtype=bool)
    mask[40:80, 60:100] = True
    return Frame(np.full((120, 160), 0.8, dtype=np.float32), camera, (Instance(1, "mug", mask),))


@pytest.mark.parametrize("tracked", [False, True])
def test_results_say_what_was_lowered(toy, monkeypatch, tracked):
    estimator = PoseEstimator(toy.model(), EstimatorSettings(points=64, max_latency_ms=40.0))
    clock = iter(np.arange(0.0, 1e3, 0.05))  # every look at it is 50 ms later
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    tracker = Tracker(estimator)
    told = []
    for number in range(3):
        result = tracker.track(frame(), number * 10**8) if tracked else estimator.estimate(frame())
        told.append(result.lowered)
    assert told == ["", RUNGS[0], ", ".join(RUNGS[:2])]
