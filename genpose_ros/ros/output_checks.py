# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of estimates before they are published: finite numbers, rotations, the workspace."""

from collections.abc import Iterable

import numpy as np

from genpose_ros.estimation.checks import check_finite, check_workspace
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
    return (
        check_finite(estimate)
        or _check_rotation(estimate)
        or check_workspace(estimate, workspace_m)
    )


def _check_rotation(estimate: ObjectEstimate) -> Rejection | None:
    rotation = estimate.T_cam_obj[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() <= _ROTATION_TOLERANCE:
        return None
    detail = f"orientation of the {estimate.category} is no rotation"
    return Rejection(Reason.NOT_FINITE, detail, estimate.instance_id)
