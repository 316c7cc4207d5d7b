# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fit of how covariances are inflated, so that their ellipsoids hold as many truths as they say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.special import logit

from genpose_ros.evaluation.coverage import SquaredError
from genpose_ros.networks.score_calibration import Inflation

__all__ = ["COVERED", "ScoredError", "fitted_inflation", "quantile_regression"]

#: The ellipsoid of this probability is to hold as many of the truths. Errors have longer tails than
#: a normal distribution, so that those of lower probabilities hold more than they say.
COVERED = 0.95
#: Errors that a fit needs.
_FEWEST = 100


@dataclass(frozen=True)
class ScoredError:
    """Errors of a pose in units of its covariance, and how probable its axis and place were told.

    Attributes:
        position: of its position.
        rotation: of its rotation.
        probability: `ObjectEstimate.score_axis`.
    """

    position: SquaredError
    rotation: SquaredError
    probability: float


def fitted_inflation(errors: Sequence[ScoredError]) -> Inflation:
    """Return the inflation with which the 95 % ellipsoids hold 95 % of the truths at any score.

    Args:
        errors: by covariances that are not inflated.

    Raises:
        ValueError: fewer than 100 errors.
    """
    if len(errors) < _FEWEST:
        raise ValueError(
            f"{len(errors)} poses near the truth are too few to fit covariances to, expected "
            f"{_FEWEST} or more: take more views"
        )
    columns = np.array([(1.0, logit(error.probability)) for error in errors])
    position, rotation = (
        quantile_regression(columns, np.log(np.maximum(beyond, 1e-9)), COVERED).tolist()
        for beyond in (
            [error.position.beyond(COVERED) for error in errors],
            [error.rotation.beyond(COVERED) for error in errors],
        )
    )
    return Inflation((position[0], position[1]), (rotation[0], rotation[1]))


def quantile_regression(x: np.ndarray, y: np.ndarray, level: float) -> np.ndarray:
    """Return the coefficients (C,) of the linear quantile regression (Koenker and Bassett 1978).

    They are the multipliers of its dual linear programme.

    Args:
        x: (n, C), a column of ones among them.
        y: (n,) of which a share `level` is to lie below x @ coefficients.
        level: 0 to 1.

    Example:
        >>> quantile_regression(np.ones((5, 1)), np.array([1.0, 2.0, 3.0, 4.0, 9.0]), 0.5).tolist()
        [3.0]
    """
    solved = linprog(-y, A_eq=x.T, b_eq=(1 - level) * x.sum(0), bounds=(0, 1), method="highs")
    coefficients: np.ndarray = -solved.eqlin.marginals
    return coefficients
