# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the fit of score calibrations: closed forms of reliability, and a small fit."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.estimation.evidence import EVIDENCE
from genpose_ros.evaluation.reliability_figure import draw_reliability
from genpose_ros.evaluation.score_calibration import (
    Reliability,
    calibration_views,
    fit_calibration,
    fit_inflation,
    reliability,
)
from genpose_ros.networks import load_model
from genpose_ros.networks.score_calibration import Inflation

KNOWN = Reliability(
    np.array([0.1, 0.1, 0.9, 0.9, 0.9, 0.9]),
    np.array([0, 1, 1, 1, 1, 0], bool),
    np.array([[0.1, 0.9], [0.8, 0.99]]),
)


def test_thresholds_say_how_many_poses_are_left_and_how_many_of_them_hold():
    low, high, none = KNOWN.table((0.0, 0.5, 0.95))
    assert low == {"threshold": 0.0, "taken": 1.0, "hold": pytest.approx(4 / 6)}
    assert high == {"threshold": 0.5, "taken": pytest.approx(4 / 6), "hold": 0.75}
    assert none["taken"] == 0.0
    assert np.isnan(none["hold"])


def test_numbers_are_json_where_no_pose_scores_as_much():
    told = json.loads(json.dumps(KNOWN.to_json(), allow_nan=False))
    assert told["thresholds"][-1] == {"threshold": 0.95, "taken": 0.0, "hold": None}


def test_the_calibration_error_is_the_mean_distance_of_told_and_true():
    assert KNOWN.calibration_error == pytest.approx((2 * 0.4 + 4 * 0.15) / 6)


def test_the_figure_is_drawn(tmp_path):
    draw_reliability(KNOWN, tmp_path / "scores.png")
    assert Image.open(tmp_path / "scores.png").width > 600


def test_views_are_the_same_for_a_seed_and_some_deceive():
    first, again = (calibration_views(120, 3) for _ in range(2))
    assert np.array_equal(first.T_start, again.T_start)
    assert all(
        np.array_equal(a.points_cam, b.points_cam)
        for a, b in zip(first.clouds, again.clouds, strict=True)
    )
    assert 0 < first.deceived.sum() < 30
    assert 40 < sum(cloud.up_cam is not None for cloud in first.clouds) < 110


def quick_estimator():
    settings = EstimatorSettings(device="cpu", candidates=16, patches=24, tta_views=1)
    return PoseEstimator(load_model(), settings)


def test_a_fit_tells_right_poses_from_wrong_ones_and_leaves_the_model_as_it_was():
    estimator = quick_estimator()
    before = estimator.model.score_calibration
    calibration, _ = fit_calibration(estimator, calibration_views(300, 5))
    assert estimator.model.score_calibration is before
    assert calibration.features == EVIDENCE
    assert set(calibration.sizes) >= {"can", "mug"}
    assert calibration.inflation != Inflation()
    judged = quick_estimator()
    judged.model.score_calibration = calibration
    found = reliability(judged, calibration_views(150, 6))
    # A wrong pose scores less than a right one far more often than not (area under the curve).
    right, wrong = found.scores[found.holds], found.scores[~found.holds]
    assert (right[:, None] > wrong).mean() > 0.75


def test_covariances_are_fitted_to_the_scores_that_there_are():
    estimator = quick_estimator()
    before = estimator.model.score_calibration
    calibration, told = fit_inflation(estimator, calibration_views(300, 5))
    assert estimator.model.score_calibration is before
    assert replace(calibration, inflation=before.inflation) == before
    assert calibration.inflation != before.inflation
    assert 20 < told.coverage["poses"] <= 60  # of the fifth that is kept apart
    # Fitted again to what it made, it is the same: it does not add up.
    estimator.model.score_calibration = calibration
    assert fit_inflation(estimator, calibration_views(300, 5))[0] == calibration


def test_covariances_alone_cannot_be_fitted_without_scores():
    model = load_model()
    model.score_calibration = None
    estimator = PoseEstimator(model, EstimatorSettings(device="cpu", candidates=4))
    with pytest.raises(ValueError, match="no calibration of scores: fit that first"):
        fit_inflation(estimator, calibration_views(30, 5))


def test_too_few_views_are_refused():
    estimator = PoseEstimator(load_model(), EstimatorSettings(device="cpu", candidates=4))
    with pytest.raises(ValueError, match="too few to calibrate scores on"):
        fit_calibration(estimator, calibration_views(30, 5))


def test_few_poses_near_the_truth_leave_covariances_as_they_are(caplog):
    estimator = PoseEstimator(
        load_model(), EstimatorSettings(device="cpu", candidates=4, patches=24, tta_views=1)
    )
    views = calibration_views(140, 5)
    T_far = views.T_true.copy()
    T_far[:100, 0, 3] += 1.0
    far = replace(views, T_true=T_far)
    with pytest.raises(ValueError, match="near the truth are too few to fit covariances to"):
        fit_inflation(estimator, far)
    with caplog.at_level(logging.WARNING):
        calibration, _ = fit_calibration(estimator, far)
    assert calibration.inflation == Inflation()
    assert "covariances are not inflated" in caplog.text
