# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Covariance of a pose's error, from the spread of its candidates and what they share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation.evidence import EVIDENCE
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.transforms import with_uniform_angle

__all__ = ["error_covariances"]

_ANGLE, _TILT = EVIDENCE.index("log_angle_deg"), EVIDENCE.index("log_tilt_deg")
#: Variance of an angle that is not known at all.
_UNIFORM = math.pi**2 / 3
#: The shared turn grows with the mean tilt of the candidates, in degrees and 1, to this power.
_TILT_POWER = 1.75
#: The shared turn is that of an object of this size, metres, a metre away; of others it goes with
#: the square root of distance over size.
_SIZE_M = 0.2


@dataclass(frozen=True)
class _Errors:
    """Errors beyond what candidates spread, those that all of a cloud share as standard deviations.

    Fitted to simulated sequences and views, with the released weights and the default settings, of
    which more steps spread candidates more; `benchmarks/covariance.py` measures what they do.

    Attributes:
        gain: by which the spread of the pooled candidates says too little, in variance.
        across: of the position across the line of sight, metres per metre of distance, for each
            degree (and 1) of the candidates' mean angle from the pose.
        along: the same along the line of sight, where depth errs most.
        turn_rad: of the rotation, for candidates without tilt.
    """

    gain: float
    across: float
    along: float
    turn_rad: float


#: Candidates drawn from nothing tell much by their spread; those around a known pose, of few steps,
#: are closer to each other than to the truth.
_FRESH = _Errors(2.9, 3.5e-5, 1.05e-4, math.radians(0.035))
_TRACKED = _Errors(1.4, 4.2e-4, 1.25e-3, math.radians(0.225))


def error_covariances(estimates: Sequence[ObjectEstimate], *, tracked: bool = False) -> np.ndarray:
    """Return the covariances of B estimates' errors: more than their candidates' spread.

    Candidates of one cloud differ less among each other than from the truth: the depth errs for all
    of them, most along the line of sight, and so does the network. By how much shows in how far
    apart all of them are, those of other modes included, and, where they start from nothing, in how
    probable the pose is: what the model's calibration says of it (`ObjectEstimate.error_factors`)
    comes on top. No angle about a free axis comes out less known than not at all.

    Args:
        estimates: their covariances are the spread (`uncertainty.pose_covariance`) or, of tracks,
            that of the motion filter.
        tracked: whether their candidates started around a known pose.

    Returns:
        (B, 6, 6) of x, y, z and the rotation vector, axes of the camera, metres and radians.
    """
    if not estimates:
        return np.zeros((0, 6, 6))
    errors = _TRACKED if tracked else _FRESH
    T = np.stack([estimate.T_cam_obj for estimate in estimates])
    spread = np.stack([estimate.covariance for estimate in estimates])
    sizes_m = np.linalg.norm([estimate.size_m for estimate in estimates], axis=1)
    angle, tilt = np.array([[_degrees(e, _ANGLE), _degrees(e, _TILT)] for e in estimates]).T
    centre, y_axis = T[:, :3, 3], T[:, :3, 1]
    sight, squared = centre[:, :, None] * centre[:, None, :], (centre**2).sum(1)
    covariance = errors.gain * spread
    across = errors.across**2 * (squared[:, None, None] * np.eye(3) - sight)
    place = (1 + angle)[:, None, None] ** 2 * (across + errors.along**2 * sight)
    covariance[:, :3, :3] += place
    farther = _SIZE_M * np.sqrt(squared) / np.maximum(sizes_m, 1e-3)
    turn = errors.turn_rad**2 * (1 + tilt) ** (2 * _TILT_POWER) * farther
    covariance[:, 3:, 3:] += np.minimum(turn, _UNIFORM)[:, None, None] * np.eye(3)
    if not tracked:
        covariance *= _factors(estimates)
    about = (y_axis[:, None] @ spread[:, 3:, 3:] @ y_axis[:, :, None])[:, 0, 0]
    free = about >= (1 - 1e-6) * _UNIFORM
    covariance[free] = with_uniform_angle(covariance[free], y_axis[free])
    return covariance


def _factors(estimates: Sequence[ObjectEstimate]) -> np.ndarray:
    """Factors (B, 6, 6) of covariances, of `ObjectEstimate.error_factors`."""
    deviation = np.sqrt(np.repeat([estimate.error_factors for estimate in estimates], 3, axis=1))
    factors: np.ndarray = deviation[:, :, None] * deviation[:, None, :]
    return factors


def _degrees(estimate: ObjectEstimate, index: int) -> float:
    """A mean deviation among the evidence, degrees; 0 where there is no evidence."""
    return math.expm1(estimate.evidence[index]) if len(estimate.evidence) > index else 0.0
