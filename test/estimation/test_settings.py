# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings: ranges, presets, descriptions."""

import math
from dataclasses import fields, replace

import pytest

from genpose_ros.estimation import PRESETS, EstimatorSettings, describe
from genpose_ros.tracking import TrackerSettings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": 0}, r"candidates must lie in \[1, 1000\], got 0"),
        ({"candidates": 2.0}, "candidates must be int, got float"),
        ({"candidates": True}, "candidates must be int, got bool"),
        ({"keep_fraction": math.nan}, "keep_fraction must lie in"),
        ({"keep_fraction": math.inf}, "keep_fraction must lie in"),
        ({"sampler": "heun"}, "sampler must be one of auto, distilled, euler, dpmpp_2m, rk45"),
        ({"depth_min_m": 2.0, "depth_max_m": 1.0}, "must be below"),
        ({"weights": None}, "weights must be str"),
    ],
)
def test_values_of_wrong_type_or_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        EstimatorSettings(**change)


def test_whole_numbers_are_accepted_for_floats():
    settings = EstimatorSettings(keep_fraction=1)
    assert settings.keep_fraction == 1.0
    assert type(settings.keep_fraction) is float


def test_the_paper_preset_has_the_papers_numbers():
    paper = EstimatorSettings.preset("paper")
    assert (paper.sampler, paper.tolerance, paper.candidates) == ("rk45", 1e-5, 50)
    assert (paper.keep_fraction, paper.pooling, paper.ranking) == (0.6, "mean", "energy")
    # sigma(0.55) of the paper's schedule.
    assert paper.start_sigma == pytest.approx(1.083, abs=5e-4)
    filters = (paper.mask_erosion_px, paper.depth_window_m, paper.outlier_std_ratio)
    assert filters == (0, 0.0, 0.0)
    assert (paper.depth_min_m, paper.points) == (0.0, 1024)


def test_presets_are_returned_with_changes():
    assert EstimatorSettings.preset("fast") == EstimatorSettings()
    changed = EstimatorSettings.preset("paper", seed=3)
    assert changed == replace(PRESETS["paper"], seed=3)
    with pytest.raises(ValueError, match="slow"):
        EstimatorSettings.preset("slow")


def test_every_setting_describes_itself():
    for item in fields(EstimatorSettings):
        described = describe(item.name)
        assert described["description"].endswith(".")
        assert described["default"] == item.default
        if type(item.default) in (int, float):
            assert described["low"] <= item.default <= described["high"]
    with pytest.raises(ValueError, match="colour"):
        describe("colour")


@pytest.mark.parametrize(
    ("objects", "tta_views", "patches"),
    [(0, 2, 0), (1, 2, 0), (4, 2, 0), (5, 1, 0), (8, 1, 0), (9, 1, 32)],
)
def test_frames_with_many_tracked_objects_cost_no_more(objects, tta_views, patches):
    tracker = TrackerSettings(encoder_budget=8, patches_over_budget=32)
    tracked = tracker.of_estimator(EstimatorSettings(), objects)
    assert (tracked.tta_views, tracked.patches) == (tta_views, patches)
    assert (tracked.candidates, tracked.steps) == (tracker.candidates, tracker.steps)
    lost = tracker.of_lost(EstimatorSettings(), objects)
    assert lost == EstimatorSettings(tta_views=tta_views)
    own = tracker.of_estimator(EstimatorSettings(patches=48, tta_views=1), 1)
    assert (own.tta_views, own.patches) == (1, 48)
