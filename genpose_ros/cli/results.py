# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimates and rejections as JSON."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genpose_ros.estimation import ObjectEstimate, Rejection

__all__ = ["estimate_json", "rejection_json"]


def estimate_json(estimate: "ObjectEstimate") -> dict[str, Any]:
    """Return one object as JSON holds it, in the camera's frame."""
    e = estimate
    return {
        "id": e.instance_id,
        "class": e.category,
        "position_m": e.T_cam_obj[:3, 3].tolist(),
        "quaternion_xyzw": e.quat_wxyz[[1, 2, 3, 0]].tolist(),
        "tilt_deg": e.tilt_deg,
        "T_cam_obj": e.T_cam_obj.tolist(),
        "size_m": e.size_m.tolist(),
        "score": e.score,
        "score_axis": e.score_axis,
        "covariance": e.covariance.tolist(),
        "energy_rotation": e.energy_rotation,
        "energy_translation": e.energy_translation,
        "mode_shares": list(e.mode_shares),
        "n_points": e.n_points,
    }


def rejection_json(rejection: "Rejection") -> dict[str, Any]:
    """Return one refusal as JSON holds it."""
    r = rejection
    return {"id": r.instance_id, "reason": r.reason.value, "detail": r.detail}
