# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the fit of inflations: errors of known spread, and quantile regression by its loss."""

import math

import numpy as np
import pytest

from genpose_ros.evaluation.covariance_inflation import (
    ScoredError,
    fitted_inflation,
    quantile_regression,
)
from genpose_ros.evaluation.coverage import SquaredError
from genpose_ros.networks.score_calibration import Inflation


def logit(probability):
    return math.log(probability / (1 - probability))


def errors(count, factors_of, seed=0):
    """Errors whose true variances are the told ones times factors of how probable they are."""
    rng = np.random.default_rng(seed)
    made = []
    for probability in rng.uniform(0.1, 0.98, count):
        position, rotation = factors_of(probability)
        place = position * float(rng.chisquare(3))
        made.append(
            ScoredError(
                SquaredError(place, 3), SquaredError(rotation * rng.chisquare(2), 2), probability
            )
        )
    return made


def test_the_fit_finds_by_how_much_variances_were_told_too_small():
    true = Inflation((0.6, 0.3), (0.2, 0.5))

    def unlimited(probability):  # below 1, too, as the fit sees it
        x = logit(probability)
        return math.exp(0.6 + 0.3 * x), math.exp(0.2 + 0.5 * x)

    found = fitted_inflation(errors(6000, unlimited))
    assert found.position == pytest.approx(true.position, abs=0.12)
    assert found.rotation == pytest.approx(true.rotation, abs=0.12)


def test_with_it_the_ellipsoids_hold_as_many_as_they_say_at_any_score():
    def factors_of(probability):
        return 1 + 2 * probability, 1.5

    inflation = fitted_inflation(errors(4000, factors_of))
    for low, high in ((0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        others = [e for e in errors(8000, factors_of, seed=1) if low <= e.probability < high]
        held = [
            error.position.value / inflation.factors(error.probability)[0]
            <= error.position.value / error.position.beyond(0.95)
            for error in others
        ]
        # Its standard error is half a point, that of the fit about one.
        assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_few_errors_are_refused():
    fitted_inflation(errors(100, lambda _: (4.0, 4.0)))
    with pytest.raises(ValueError, match="99 poses near the truth are too few"):
        fitted_inflation(errors(99, lambda _: (4.0, 4.0)))


def test_quantile_regression_has_the_least_loss():
    rng = np.random.default_rng(2)
    x = np.column_stack((np.ones(200), rng.normal(size=200)))
    y = x @ [1.0, 2.0] + rng.exponential(size=200)

    def loss(coefficients):
        off = y - x @ coefficients
        return np.maximum(0.9 * off, -0.1 * off).sum()

    found = quantile_regression(x, y, 0.9)
    assert (y <= x @ found + 1e-9).mean() == pytest.approx(0.9, abs=0.015)
    for step in rng.normal(scale=0.05, size=(200, 2)):
        assert loss(found) <= loss(found + step) + 1e-9
