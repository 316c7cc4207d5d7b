"""Checks of estimates before they are published: finite numbers, rotations, the workspace."""

import math
from collections.abc import Iterable

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate

__all__ = ["check_estimate", "publishable"]

#: How far R R^T may be from the identity.
_ROTATION_TOLERANCE = 1e-3


def publishable(
    estimates: Iterable[ObjectEstimate], workspace_m: float
) -> tuple[tuple[ObjectEstimate, ...], tuple[Rejection, ...]]:
    """Return the estimates that may be published, and why the others may not.

    Args:
        estimates: in the camera's frame.
        workspace_m: as of `check_estimate`.
    """
    kept, rejections = [], []
    for estimate in estimates:
        rejection = check_estimate(estimate, workspace_m)
        if rejection is None:
            kept.append(estimate)
        else:
            rejections.append(rejection)
    return tuple(kept), tuple(rejections)


def check_estimate(estimate: ObjectEstimate, workspace_m: float) -> Rejection | None:
    """Return why an estimate must not be published; None when it may.

    tf2 refuses NaN but takes infinity and 1e300, so numbers must be finite and the position must
    lie in the workspace.

    Args:
        estimate: in the camera's frame.
        workspace_m: radius of the workspace, a ball about the camera, metres.
    """
    numbers = {
        "pose": estimate.T_cam_obj,
        "covariance": estimate.covariance,
        "size": estimate.size_m,
        "score": estimate.score,
        "detection score": estimate.detection_score,
        "energy": [estimate.energy_rotation or 0.0, estimate.energy_translation or 0.0],
        "mode shares": estimate.mode_shares,
        "candidates": estimate.T_cam_candidates,
        "points": estimate.points_cam,
    }
    for name, values in numbers.items():
        if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
            detail = f"{name} of the {estimate.category} is not finite"
            return Rejection(Reason.NOT_FINITE, detail, estimate.instance_id)
    rotation = estimate.T_cam_obj[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=_ROTATION_TOLERANCE):
        detail = f"orientation of the {estimate.category} is no rotation"
        return Rejection(Reason.NOT_FINITE, detail, estimate.instance_id)
    # Without squares, which overflow for an absurd position.
    distance_m = math.hypot(*estimate.T_cam_obj[:3, 3])
    if distance_m > workspace_m:
        detail = (
            f"the {estimate.category} is {distance_m:.3g} m away, "
            f"expected at most {workspace_m:g} m"
        )
        return Rejection(Reason.OUTSIDE_WORKSPACE, detail, estimate.instance_id)
    return None
