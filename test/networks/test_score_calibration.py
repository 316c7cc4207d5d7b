# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of score calibrations: closed forms, what is refused, and their way through checkpoints."""

import json
import math
from dataclasses import replace

import pytest
import torch

from genpose_ros.networks import load_model, save_model
from genpose_ros.networks.score_calibration import Inflation, ScoreCalibration, SizeSpread

SPREAD = SizeSpread((-2.0, -2.5, -2.0), (4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 4.0))
CALIBRATION = ScoreCalibration(
    features=("agreement", "stands"),
    fresh=((2.0, 1.0, -1.0), (1.0, 0.0, 0.5)),
    tracked=((0.0, 0.0, 1.0), (0.0, 0.0, -3.0)),
    sizes={"mug": SPREAD},
    inflation=Inflation((0.2, 0.1), (-1.0, 0.75)),
)


def logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_probabilities_are_the_logistic_function_of_the_weighted_evidence():
    found = CALIBRATION.probabilities(torch.tensor([[0.5, 1.0], [0.0, 0.0]]))
    expected = [[logistic(1.0), logistic(1.0)], [logistic(-1.0), logistic(0.5)]]
    assert found.tolist() == [pytest.approx(row) for row in expected]


def test_the_axis_is_at_least_as_probable_as_the_pose():
    pose, axis = CALIBRATION.probabilities(torch.zeros(1, 2), tracked=True)[0].tolist()
    assert axis == pose == pytest.approx(logistic(1.0))


def test_no_evidence_makes_a_pose_certain():
    found = CALIBRATION.probabilities(torch.tensor([[1e5, 0.0], [-1e5, 0.0]]))
    assert found.tolist() == [pytest.approx([0.995] * 2), pytest.approx([0.005] * 2)]


def test_a_calibration_comes_through_text_unchanged():
    assert ScoreCalibration.from_text(CALIBRATION.to_text()) == CALIBRATION


def test_a_checkpoint_brings_its_calibration_along(tmp_path):
    model = load_model()
    model.score_calibration = CALIBRATION
    save_model(model, tmp_path / "mine.safetensors", {})
    assert load_model(tmp_path / "mine.safetensors").score_calibration == CALIBRATION
    model.score_calibration = None
    save_model(model, tmp_path / "mine.safetensors", {"score_calibration": "of another model"})
    assert load_model(tmp_path / "mine.safetensors").score_calibration is None


def test_files_without_an_inflation_inflate_nothing():
    plain = replace(CALIBRATION, inflation=Inflation())
    assert "inflation" not in json.loads(plain.to_text())
    assert ScoreCalibration.from_text(plain.to_text()).inflation.factors(0.99) == (1.0, 1.0)


def test_inflations_follow_the_logit_and_neither_shrink_nor_explode():
    inflation = Inflation((math.log(1.5), 0.5), (0.0, 1.0))
    assert inflation.factors(0.5) == pytest.approx((1.5, 1.0))
    assert inflation.factors(0.8) == pytest.approx((1.5 * 4**0.5, 4.0))
    assert inflation.factors(0.2) == (1.0, 1.0)
    assert inflation.factors(0.0) == inflation.factors(0.005)
    assert Inflation((1e6, 1e6), (1e6, 1e6)).factors(1.0) == pytest.approx((100.0, 100.0))


@pytest.mark.parametrize(
    "changed",
    [
        {"inflation": [[1.0], [2.0]]},
        {"inflation": [[1.0, 2.0]]},
        {"inflation": [[1.0, math.inf], [0.0, 0.0]]},
        {"inflation": 3},
        {"fresh": [[1.0, 2.0], [1.0, 2.0]]},
        {"tracked": [[1.0, 2.0, 3.0]]},
        {"fresh": [[1.0, 2.0, math.nan], [1.0, 2.0, 3.0]]},
        {"fresh": [[1.0, 2.0, 1e30], [1.0, 2.0, 3.0]]},
        {"fresh": "text"},
        {"features": []},
        {"features": 3},
        {"sizes": {"mug": [[1.0], [2.0]]}},
        {"sizes": [1, 2]},
    ],
)
def test_damaged_calibrations_are_refused(changed):
    values = json.loads(CALIBRATION.to_text()) | changed
    with pytest.raises(ValueError, match=r"calibration|expected|could not convert"):
        ScoreCalibration.from_text(json.dumps(values))


def test_a_checkpoint_with_a_damaged_calibration_names_the_file(tmp_path, monkeypatch):
    model = load_model()
    model.score_calibration = CALIBRATION
    monkeypatch.setattr(ScoreCalibration, "to_text", lambda self: '{"features": 1}')
    save_model(model, tmp_path / "mine.safetensors", {})
    with pytest.raises(
        ValueError, match=r"mine\.safetensors has a calibration that cannot be used"
    ):
        load_model(tmp_path / "mine.safetensors")
