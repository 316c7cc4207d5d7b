# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pose errors by the NOCS rules, with medians and shares of many of them."""

from collections.abc import Sequence

import numpy as np

from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry import rotation_error_deg

__all__ = ["THRESHOLDS", "pose_errors", "share_within", "summarise"]

#: The (degrees, centimetres) pairs that poses are counted within.
THRESHOLDS: tuple[tuple[int, int], ...] = ((5, 2), (5, 5), (10, 2), (10, 5))


def pose_errors(
    T_est: np.ndarray, T_true: np.ndarray, category: str | Category, handle_visible: bool = True
) -> tuple[float, float]:
    """Return rotation error in degrees and translation error in centimetres.

    By the NOCS rules: for bottle, bowl, can and a mug without visible handle the rotation error is
    the angle between the y axes; for categories with a finite group the smallest over it.

    Args:
        T_est, T_true: (4, 4), object to camera, metres.
        category: as of `rotation_error_deg`.
        handle_visible: as of `rotation_error_deg`.
    """
    angle = rotation_error_deg(T_est[:3, :3], T_true[:3, :3], category, handle_visible)
    return float(angle), 100.0 * float(np.linalg.norm(T_est[:3, 3] - T_true[:3, 3]))


def share_within(
    rotation_errors_deg: Sequence[float],
    translation_errors_cm: Sequence[float],
    degrees: float,
    centimetres: float,
) -> float:
    """Return the share in [0, 1] of the poses within both limits; NaN of no poses."""
    if not len(rotation_errors_deg):
        return float("nan")
    within = np.asarray(rotation_errors_deg) <= degrees
    within &= np.asarray(translation_errors_cm) <= centimetres
    return float(within.mean())


def summarise(errors: Sequence[tuple[float, float] | None]) -> dict[str, float | int | None]:
    """Return count, medians and shares of poses, None standing for an object that was missed.

    A missed object counts as infinitely wrong. Medians and shares that do not exist are None.

    Args:
        errors: rotation errors in degrees and translation errors in centimetres.
    """
    pairs = [(np.inf, np.inf) if e is None else e for e in errors]
    degrees, centimetres = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    summary: dict[str, float | int | None] = {
        "instances": len(pairs),
        "missed": sum(e is None for e in errors),
        "median_rotation_error_deg": _median(degrees),
        "median_translation_error_cm": _median(centimetres),
    }
    for limit_deg, limit_cm in THRESHOLDS:
        share = share_within(degrees.tolist(), centimetres.tolist(), limit_deg, limit_cm)
        summary[f"share_{limit_deg}deg{limit_cm}cm"] = share if pairs else None
    return summary


def _median(values: np.ndarray) -> float | None:
    if not len(values):
        return None
    # The lower of two middle values would hide a missed object, numpy's mean makes it infinite.
    median = float(np.median(values))
    return median if np.isfinite(median) else None
