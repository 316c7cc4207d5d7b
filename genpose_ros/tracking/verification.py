# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Verification of tracked objects: plausible estimates, fresh ones beside them, and the choice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum

import numpy as np

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.tracking import constants
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.state import TrackedObject, area_of, nearest_equivalent
from genpose_ros.tracking.symmetric_poses import are_far_apart, turn_deg, turns_deg
from genpose_ros.tracking.visibility import outside_fractions

__all__ = [
    "Choice",
    "EstimateChoice",
    "Judged",
    "VerifyPriority",
    "choose_estimate",
    "is_clear",
    "record_verification",
    "rejection_reasons",
    "verification_priority",
]


class VerifyPriority(IntEnum):
    """Urgency of comparing a track with an estimate that knows nothing of it."""

    NONE = 0
    DUE = 1  # the last time was long ago
    ENERGY_DROPPED = 2  # its energy is lower than usual
    ALTERNATIVE_SEEN = 3  # another pose was seen last time


class Choice(Enum):
    """Estimate of a track in one frame; the value says why it is this one."""

    NONE = "no plausible estimate"
    SLIVER = "found elsewhere or turned, but too little of it is in sight to be sure"
    WARM = "the estimate around the prediction"
    FRESH_ALONE = "the fresh estimate, as none around the prediction is plausible"
    FRESH_CONTRADICTS = "the fresh estimate, as it clearly contradicts the doubtful pose"
    FRESH_VERIFIED = "the fresh estimate, as verifications in a row saw this pose"


@dataclass(frozen=True)
class EstimateChoice:
    """Estimate that a track goes on with.

    Attributes:
        choice: which one, and why.
        estimate: None where there is none.
        restart: it is far from the prediction: nothing of the motion is to be kept.
    """

    choice: Choice
    estimate: ObjectEstimate | None = None
    restart: bool = False


@dataclass(frozen=True)
class Judged:
    """An estimate of a tracked object, and what it is judged by.

    Attributes:
        estimate: in the frame's camera.
        T_cam_expected: (4, 4) where the motion model has it; None: it may be anywhere.
        residual_m: median distance between the surface seen before, moved along, and the depth;
            NaN where there is nothing to compare.
        symmetry: of the object.
    """

    estimate: ObjectEstimate
    T_cam_expected: np.ndarray | None
    residual_m: float
    symmetry: Symmetry


def rejection_reasons(judged: Sequence[Judged], settings: TrackerSettings) -> list[str]:
    """Return why each of some estimates is not plausible, as a sentence; empty where it is."""
    if not judged:
        return []
    estimates = [item.estimate for item in judged]
    T = np.stack([estimate.T_cam_obj for estimate in estimates])
    symmetries = [item.symmetry for item in judged]
    outside = outside_fractions(
        [estimate.points_cam for estimate in estimates],
        T,
        np.stack([estimate.size_m for estimate in estimates]),
        axisymmetric=[symmetry.free_axis for symmetry in symmetries],
    )
    spread_m = np.sqrt([np.diag(estimate.covariance)[:3].max() for estimate in estimates])
    bound = np.array([item.T_cam_expected is not None for item in judged])
    expected = [
        T[i] if j.T_cam_expected is None else j.T_cam_expected for i, j in enumerate(judged)
    ]
    T_expected = np.stack(expected)
    jump_m = np.linalg.norm(T[:, :3, 3] - T_expected[:, :3, 3], axis=1)
    residual_m = np.array([item.residual_m for item in judged])
    measures = [
        ("share of points outside its box", outside, settings.max_outside_share),
        ("spread of the candidates in metres", spread_m, settings.max_spread_m),
        ("depth residual in metres", np.where(bound, residual_m, 0.0), settings.max_residual_m),
        ("jump in metres", jump_m, settings.max_jump_m),
        ("jump in degrees", turns_deg(T, T_expected, symmetries), settings.max_jump_deg),
    ]
    reasons = [""] * len(judged)
    for name, values, limit in reversed(measures):  # the first of several is told
        for i in np.flatnonzero(values > limit).tolist():
            reasons[i] = f"{name} {values[i]:.3g}, expected at most {limit:g}"
    return reasons


def is_clear(fresh: ObjectEstimate) -> bool:
    """Return whether most candidates of a fresh estimate agree."""
    return bool(fresh.mode_shares) and fresh.mode_shares[0] >= constants.CLEAR_MODE_SHARE


def verification_priority(
    obj: TrackedObject, stamp_ns: int, settings: TrackerSettings
) -> tuple[VerifyPriority, float]:
    """Return how urgent it is to verify a track, and how long ago that was done, in periods.

    The larger pair is the more urgent one: an alternative pose is looked for at once, then come
    tracks whose energy drops against their own mean, then all others, each from time to time.
    """
    if settings.verify_period_s == 0:
        return VerifyPriority.NONE, 0.0
    age = (stamp_ns - obj.verified_ns) / 1e9 / settings.verify_period_s
    if obj.alternative is not None and age > 0:
        return VerifyPriority.ALTERNATIVE_SEEN, age
    if _energy_dropped(obj) and age > constants.ENERGY_DROP_PERIODS:
        return VerifyPriority.ENERGY_DROPPED, age
    return (VerifyPriority.DUE, age) if age >= 1 else (VerifyPriority.NONE, 0.0)


def record_verification(
    obj: TrackedObject,
    own: ObjectEstimate,
    fresh: ObjectEstimate,
    stamp_ns: int,
    settings: TrackerSettings,
) -> TrackedObject:
    """Return the object after a verification: with the alternative pose, if that was clear.

    Where all candidates lie says how a network sees an object, not which of two poses suits its
    points better: that the energies of the same points say. An alternative that has been seen often
    enough and had less energy than the track's own pose over those checks is forgotten.

    Args:
        obj: before.
        own: the track's own estimate in this frame.
        fresh: an estimate of the same points that knows nothing of the track.
        stamp_ns: of the frame.
        settings: the limits.
    """
    obj = replace(obj, verified_ns=stamp_ns)
    if not _contradicts(fresh, own, symmetry=obj.symmetry):
        return obj.without_alternative()
    alternative = np.linalg.inv(own.T_cam_obj) @ fresh.T_cam_obj
    again = obj.alternative is not None and not are_far_apart(
        alternative, obj.alternative, symmetry=obj.symmetry
    )
    checks = obj.alternative_checks + 1 if again else 1
    gain = _energy_gain(fresh, own) + (obj.alternative_gain if again else 0.0)
    if checks >= settings.pose_switch_checks and gain < 0:
        return obj.without_alternative()
    return replace(obj, alternative=alternative, alternative_checks=checks, alternative_gain=gain)


def choose_estimate(
    obj: TrackedObject,
    T_cam_predicted: np.ndarray,
    warm: ObjectEstimate | None,
    fresh: ObjectEstimate | None,
    settings: TrackerSettings,
) -> EstimateChoice:
    """Return the estimate that a track goes on with.

    Args:
        obj: the track, after `record_verification` where it was verified in this frame.
        T_cam_predicted: (4, 4) where it was expected.
        warm: plausible estimate around the prediction; None: there is none.
        fresh: plausible estimate that knows nothing of the track; None: there is none.
        settings: the limits.
    """
    choice, estimate = _choose_source(obj, warm, fresh, settings)
    if estimate is None or (choice is Choice.WARM and not obj.needs_fresh_start):
        return EstimateChoice(choice, estimate)
    if _is_sliver(obj, estimate, T_cam_predicted, settings):
        return EstimateChoice(Choice.SLIVER)
    if choice is not Choice.WARM:
        estimate = nearest_equivalent(estimate, T_cam_predicted, obj.symmetry)
    restart = are_far_apart(estimate.T_cam_obj, T_cam_predicted, symmetry=obj.symmetry)
    return EstimateChoice(choice, estimate, restart)


def _choose_source(
    obj: TrackedObject,
    warm: ObjectEstimate | None,
    fresh: ObjectEstimate | None,
    settings: TrackerSettings,
) -> tuple[Choice, ObjectEstimate | None]:
    if warm is None:
        return (Choice.NONE, None) if fresh is None else (Choice.FRESH_ALONE, fresh)
    if fresh is None:
        return Choice.WARM, warm
    if obj.needs_fresh_start:
        contradicts = _contradicts(fresh, warm, symmetry=obj.symmetry)
        return (Choice.FRESH_CONTRADICTS, fresh) if contradicts else (Choice.WARM, warm)
    if obj.alternative_checks >= settings.pose_switch_checks:
        return Choice.FRESH_VERIFIED, fresh
    return Choice.WARM, warm


def _contradicts(fresh: ObjectEstimate, own: ObjectEstimate, *, symmetry: Symmetry) -> bool:
    """Whether a fresh estimate is clearly another pose than the track's own."""
    apart = are_far_apart(fresh.T_cam_obj, own.T_cam_obj, symmetry=symmetry)
    return apart and is_clear(fresh)


def _is_sliver(
    obj: TrackedObject,
    estimate: ObjectEstimate,
    T_cam_predicted: np.ndarray,
    settings: TrackerSettings,
) -> bool:
    """Whether an object found again elsewhere or otherwise is too small a part of it to be sure.

    The border of a mask shows what the object is just coming out from behind, and what the image's
    border leaves of an object looks like another side of it.
    """
    distance_m = float(np.linalg.norm(estimate.T_cam_obj[:3, 3] - T_cam_predicted[:3, 3]))
    turned_deg = turn_deg(estimate.T_cam_obj, T_cam_predicted, symmetry=obj.symmetry)
    found_otherwise = distance_m > settings.max_jump_m or turned_deg > settings.max_jump_deg
    return found_otherwise and area_of(estimate) < constants.SLIVER_SHARE * obj.area


def _energy_gain(fresh: ObjectEstimate, own: ObjectEstimate) -> float:
    """How much more energy a fresh estimate has than the track's own; 0 where not known."""
    if fresh.energy is None or own.energy is None:
        return 0.0
    return fresh.energy - own.energy


def _energy_dropped(obj: TrackedObject) -> bool:
    now = obj.estimate.energy
    if now is None or obj.energy is None:
        return False
    return obj.energy - now > constants.ENERGY_DROP * abs(obj.energy)
