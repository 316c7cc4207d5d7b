"""Whether to believe an estimate of a tracked object: geometry first, then what checks say."""

from dataclasses import replace

import numpy as np

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.symmetry import is_symmetric
from genpose_ros.geometry.transforms import pose_difference
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.state import TrackMemory
from genpose_ros.tracking.visibility import outside_fraction

__all__ = ["check_due", "checked", "doubt", "far_apart", "is_clear", "turn_deg"]

#: Poses farther apart than this are not the same seen twice.
_OTHER_POSE_DEG, _OTHER_POSE_M = 25.0, 0.05
#: A check speaks clearly when so much of its candidates lie in one mode.
_CLEAR_SHARE = 0.7
#: A relative drop of the energy against the track's own mean that asks for a check.
_ENERGY_DROP = 0.1


def turn_deg(T_a: np.ndarray, T_b: np.ndarray, *, symmetric: bool) -> float:
    """Return the angle between two poses, degrees; of round objects that between the y axes."""
    if symmetric:
        sine = np.linalg.norm(np.cross(T_a[:3, 1], T_b[:3, 1]))
        return float(np.degrees(np.arctan2(sine, T_a[:3, 1] @ T_b[:3, 1])))
    return float(np.degrees(np.linalg.norm(pose_difference(T_a, T_b)[3:])))


def far_apart(T_a: np.ndarray, T_b: np.ndarray, *, symmetric: bool) -> bool:
    """Return whether two poses are so different that they are not the same one seen twice."""
    distance = float(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3]))
    return distance > _OTHER_POSE_M or turn_deg(T_a, T_b, symmetric=symmetric) > _OTHER_POSE_DEG


def doubt(
    estimate: ObjectEstimate,
    T_cam_expected: np.ndarray | None,
    residual_m: float,
    settings: TrackerSettings,
) -> str:
    """Return why an estimate is not plausible, as a sentence; empty where it is.

    Args:
        estimate: of a tracked object.
        T_cam_expected: (4, 4) where the motion model has it; None: it may be anywhere.
        residual_m: median distance between the surface seen before, moved along, and the depth;
            NaN where there is nothing to compare.
        settings: the limits.
    """
    symmetric = is_symmetric(estimate.category)
    outside = outside_fraction(
        estimate.points_cam, estimate.T_cam_obj, estimate.size_m, symmetric=symmetric
    )
    spread_m = float(np.sqrt(np.diag(estimate.covariance)[:3].max()))
    measures = [
        ("share of points outside its box", outside, settings.max_outside_share),
        ("spread of the candidates in metres", spread_m, settings.max_spread_m),
    ]
    if T_cam_expected is not None:
        jump_m = float(np.linalg.norm(estimate.T_cam_obj[:3, 3] - T_cam_expected[:3, 3]))
        jump_deg = turn_deg(estimate.T_cam_obj, T_cam_expected, symmetric=symmetric)
        measures += [
            ("depth residual in metres", residual_m, settings.max_residual_m),
            ("jump in metres", jump_m, settings.max_jump_m),
            ("jump in degrees", jump_deg, settings.max_jump_deg),
        ]
    for name, value, limit in measures:
        if value > limit:
            return f"{name} {value:.3g}, expected at most {limit:g}"
    return ""


def is_clear(check: ObjectEstimate) -> bool:
    """Return whether most candidates of a fresh estimate agree.

    Energies are not asked: they tell good from bad candidates of one mode, hardly modes.
    """
    return bool(check.mode_shares) and check.mode_shares[0] >= _CLEAR_SHARE


def check_due(memory: TrackMemory, stamp_ns: int, settings: TrackerSettings) -> float:
    """Return how urgent it is to check a track against a fresh estimate; 0: it is not.

    A rival seen last time is looked for at once; a track whose energy drops against its own mean,
    and every track from time to time.
    """
    if settings.verify_period_s == 0:
        return 0.0
    age = (stamp_ns - memory.checked_ns) / 1e9 / settings.verify_period_s
    if memory.rival is not None and age > 0:
        return 100.0 + age
    dropped = _energy_dropped(memory) and age > 0.2
    return age + 10.0 * dropped if age >= 1 or dropped else 0.0


def checked(
    memory: TrackMemory, own: ObjectEstimate, check: ObjectEstimate, stamp_ns: int
) -> TrackMemory:
    """Return the memory after a check: with the rival it saw, if it saw one clearly.

    Args:
        memory: before.
        own: the track's own estimate in this frame.
        check: a fresh one of the same points.
        stamp_ns: of the frame.
    """
    memory = replace(memory, checked_ns=stamp_ns)
    symmetric = memory.symmetric
    apart = far_apart(own.T_cam_obj, check.T_cam_obj, symmetric=symmetric)
    if not apart or not is_clear(check):
        return replace(memory, rival=None, rival_checks=0)
    rival = np.linalg.inv(own.T_cam_obj) @ check.T_cam_obj
    same = memory.rival is not None and not far_apart(rival, memory.rival, symmetric=symmetric)
    return replace(memory, rival=rival, rival_checks=memory.rival_checks + 1 if same else 1)


def _energy_dropped(memory: TrackMemory) -> bool:
    now = memory.estimate.energy
    if now is None or memory.energy is None:
        return False
    return memory.energy - now > _ENERGY_DROP * abs(memory.energy)
