# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of finished estimates: finite numbers, the category's sizes, the workspace."""

import math
from collections.abc import Sequence

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate

__all__ = [
    "check_finite",
    "check_size",
    "check_workspace",
    "distance_to_camera_m",
    "is_unusual_size",
]

#: What cameras count depth in that do not count millimetres: RealSense L515, TUM's recordings,
#: RealSense D405.
_COUNTS_MM = (0.25, 0.2, 0.1)

#: Times that an object's diagonal may be beyond its category's sizes before that is worth a remark:
#: estimates of recorded and simulated objects were off by 1.16 at most.
_UNUSUAL = 1.3


def distance_to_camera_m(T_cam_obj: np.ndarray) -> float:
    """Return the Euclidean distance of an object's origin from the camera, metres.

    Args:
        T_cam_obj: (4, 4), object to camera.

    Example:
        >>> T_cam_obj = np.eye(4)
        >>> T_cam_obj[:3, 3] = 0.3, 0.0, 0.4
        >>> distance_to_camera_m(T_cam_obj)
        0.5
    """
    # Without squares, which overflow for an absurd position.
    return math.hypot(*T_cam_obj[:3, 3])


def check_finite(estimate: ObjectEstimate) -> Rejection | None:
    """Return which number of an estimate is NaN or infinite, as a rejection; None: all are finite.

    Args:
        estimate: all its numbers count, those of the candidates and the points too.
    """
    energies = estimate.energy_rotation, estimate.energy_translation
    numbers: dict[str, np.ndarray | Sequence[float] | float] = {
        "pose": estimate.T_cam_obj,
        "covariance": estimate.covariance,
        "size": estimate.size_m,
        "score": estimate.score,
        "score of the axis": estimate.score_axis,
        "detection score": estimate.detection_score,
        "energy": [e for e in energies if e is not None],
        "mode shares": estimate.mode_shares,
        "pose of the second mode": [] if estimate.T_cam_other is None else estimate.T_cam_other,
        "candidates": estimate.T_cam_candidates,
        "points": estimate.points_cam,
    }
    for name, values in numbers.items():
        if not _all_finite(values):
            detail = f"{name} of the {estimate.category} is not finite"
            return Rejection(Reason.NOT_FINITE, detail, estimate.instance_id)
    return None


def _all_finite(values: np.ndarray | Sequence[float] | float) -> bool:
    if isinstance(values, np.ndarray):
        return bool(np.isfinite(values).all())
    return all(map(math.isfinite, values if isinstance(values, (list, tuple)) else (values,)))


def check_size(
    estimate: ObjectEstimate, size_m: tuple[float, float], factor: float
) -> Rejection | None:
    """Return why an estimate is no object of its category by its size, as a rejection; None: it is.

    A depth image in other units, other intrinsics and a mask over several objects show in the size.

    Args:
        estimate: its size finite.
        size_m: smallest and largest diagonal of the category's boxes, metres; a smallest of 0
            leaves the size from below unchecked.
        factor: how many times larger or smaller than these the diagonal may be; 0: any.
    """
    diagonal_m = math.hypot(*estimate.size_m)
    smallest_m, largest_m = size_m
    if not factor or smallest_m / factor <= diagonal_m <= largest_m * factor:
        return None
    edges = " x ".join(f"{100 * edge:.3g}" for edge in estimate.size_m)
    unit_mm = next((mm for mm in _COUNTS_MM if smallest_m <= diagonal_m * mm <= largest_m), None)
    unit = "in another unit" if unit_mm is None else f"counted in {unit_mm:g} mm"
    value = "" if unit_mm is None else f" {unit_mm / 1000:g}"
    detail = (
        f"a {estimate.category} of {edges} cm, {diagonal_m:.2g} m across where "
        f"{smallest_m / factor:.2g} to {largest_m * factor:.2g} m are expected: is the depth "
        f"{unit} (depth.unit, --depth-unit{value}), are the intrinsics those of another "
        "resolution, or is the mask that of several objects? See size_factor"
    )
    return Rejection(Reason.IMPLAUSIBLE_SIZE, detail, estimate.instance_id)


def is_unusual_size(estimate: ObjectEstimate, size_m: tuple[float, float]) -> bool:
    """Return whether an estimate is clearly larger or smaller than objects of its category.

    Args:
        estimate: its size finite.
        size_m: smallest and largest diagonal of the category's boxes, metres.
    """
    diagonal_m = math.hypot(*estimate.size_m)
    return not size_m[0] / _UNUSUAL <= diagonal_m <= size_m[1] * _UNUSUAL


def check_workspace(estimate: ObjectEstimate, workspace_m: float) -> Rejection | None:
    """Return why an estimate lies too far away, as a rejection; None: it is within the workspace.

    Args:
        estimate: in the camera frame, its pose finite.
        workspace_m: largest distance of the object's origin from the camera, metres.
    """
    distance_m = distance_to_camera_m(estimate.T_cam_obj)
    if distance_m <= workspace_m:
        return None
    detail = (
        f"the {estimate.category} is {distance_m:.3g} m away, expected at most {workspace_m:g} m"
    )
    return Rejection(Reason.OUTSIDE_WORKSPACE, detail, estimate.instance_id)
