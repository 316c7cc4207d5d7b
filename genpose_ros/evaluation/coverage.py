# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Coverage of covariances: how often the truth lies within the ellipsoids of a pose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2

from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.geometry.transforms import pose_difference

__all__ = ["LEVELS", "SquaredError", "coverage", "ellipsoid_probabilities", "squared_errors"]

#: Probabilities of the ellipsoids that are looked at.
LEVELS = (0.68, 0.95)


@dataclass(frozen=True)
class SquaredError:
    """Squared error in units of its covariance: chi-squared distributed where that is honest.

    Attributes:
        value: the squared Mahalanobis distance of the truth (NEES).
        degrees: of freedom.
    """

    value: float
    degrees: int

    @property
    def probability(self) -> float:
        """Probability of the ellipsoid that the truth lies on."""
        return float(chi2.cdf(self.value, self.degrees))

    def beyond(self, level: float) -> float:
        """Return the value over that of the ellipsoid of a probability: above 1 outside."""
        return self.value / float(chi2.ppf(level, self.degrees))


def squared_errors(
    T_est: np.ndarray, covariance: np.ndarray, T_true: np.ndarray, category: Category
) -> tuple[SquaredError, SquaredError]:
    """Return the squared errors of position and rotation.

    Where the y axis is free the rotation is that of the axis, with two degrees of freedom; else
    three, to the nearest of the category's equivalents.

    Args:
        T_est: (4, 4) object to camera.
        covariance: (6, 6) of its error, as of `ObjectEstimate`.
        T_true: (4, 4).
        category: of the object.
    """
    symmetry = SymmetryBatch.of([category.symmetry])
    rotation = torch.from_numpy(T_true[None, :3, :3].copy())
    nearest = T_true.copy()
    nearest[:3, :3] = symmetry.nearest(rotation, torch.from_numpy(T_est[None, :3, :3].copy()))[0]
    error = pose_difference(T_est, nearest)
    place = error[:3] @ np.linalg.solve(covariance[:3, :3], error[:3])
    # Columns that the rotation's error can be seen along: all, or those across the free axis.
    across = np.eye(3)
    if category.symmetry.free_axis:
        y_axis, true_y = T_est[:3, 1], nearest[:3, 1]
        across = T_est[:3, [0, 2]]
        turn = np.cross(y_axis, true_y)
        sine = np.linalg.norm(turn)
        angle = np.arctan2(sine, y_axis @ true_y)
        error[3:] = turn * (angle / sine if sine > 1e-12 else 0.0)
    seen = across.T @ error[3:]
    turned = seen @ np.linalg.solve(across.T @ covariance[3:, 3:] @ across, seen)
    return SquaredError(float(place), 3), SquaredError(float(turned), len(seen))


def ellipsoid_probabilities(
    T_est: np.ndarray, covariance: np.ndarray, T_true: np.ndarray, category: Category
) -> tuple[float, float]:
    """Return the probability of the ellipsoids of position and rotation that the truth lies on.

    Of honest covariances both are uniform between 0 and 1; arguments as of `squared_errors`.
    """
    place, turned = squared_errors(T_est, covariance, T_true, category)
    return place.probability, turned.probability


def coverage(probabilities: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the shares of the truths within the ellipsoids of `LEVELS`, as JSON values.

    Args:
        probabilities: as of `ellipsoid_probabilities`, of poses that are not turned over.
    """
    if not len(probabilities):
        return {"poses": 0}
    values = np.array(probabilities, dtype=np.float64)
    shares = {
        part: {f"{level:g}": float((column <= level).mean()) for level in LEVELS}
        for part, column in zip(("position", "rotation"), values.T, strict=True)
    }
    return {"poses": len(values), **shares}
