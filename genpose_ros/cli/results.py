# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimates, rejections and the direction up as JSON."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genpose_ros.estimation import ObjectEstimate, Rejection
    from genpose_ros.estimation.up import UpDirection

__all__ = ["estimate_json", "rejection_json", "up_json"]


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
        "T_cam_other": None if e.T_cam_other is None else e.T_cam_other.tolist(),
        "n_points": e.n_points,
        "rests": e.rests,
        "up_turn_deg": math.degrees(e.up_turn_rad),
        "view_roll_deg": math.degrees(e.view_roll_rad),
        "remarks": [remark.value for remark in e.remarks],
    }


def rejection_json(rejection: "Rejection") -> dict[str, Any]:
    """Return one refusal as JSON holds it."""
    r = rejection
    return {"id": r.instance_id, "reason": r.reason.value, "detail": r.detail}


def up_json(up: "UpDirection") -> dict[str, Any]:
    """Return the direction up as JSON holds it, in the camera's frame."""
    return {
        "source": up.source,
        "direction": up.direction_cam.tolist(),
        "sigma_deg": math.degrees(up.sigma_rad),
        "level_m": up.level_m,
    }
