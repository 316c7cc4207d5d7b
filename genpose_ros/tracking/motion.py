# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Motion filter: one error-state Kalman filter of constant velocity on SE(3) per object, batched.

The state is pose and velocity in one fixed frame. Its error is (position, rotation vector,
velocity, angular velocity), all in the axes of the fixed frame: R = exp(r) R_estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.transforms import displaced_poses, pose_differences, rotate_covariance
from genpose_ros.tracking import constants

__all__ = [
    "Motion",
    "MotionNoise",
    "change_frame",
    "correct",
    "initial_motion",
    "predict",
    "significant_velocity",
]


@dataclass(frozen=True)
class MotionNoise:
    """Standard deviations of accelerations, m/s^2 and rad/s^2, that last `ACCELERATION_S` each."""

    acceleration_m_s2: float
    angular_acceleration_rad_s2: float


@dataclass(frozen=True)
class Motion:
    """Pose and velocity of one object at one time, and how sure they are.

    Attributes:
        stamp_ns: the time.
        T_fixed_obj: (4, 4) pose.
        velocity: (6,) of the object's origin and its angular velocity, m/s and rad/s, fixed axes.
        covariance: (12, 12) of position, rotation, velocity, angular velocity.
    """

    stamp_ns: int
    T_fixed_obj: np.ndarray
    velocity: np.ndarray
    covariance: np.ndarray


def initial_motion(stamp_ns: int, T_fixed_obj: np.ndarray, covariance: np.ndarray) -> Motion:
    """Return the motion of an object seen once: at rest, as far as anyone knows.

    Args:
        stamp_ns: when it was seen.
        T_fixed_obj: (4, 4) pose.
        covariance: (6, 6) of the pose.
    """
    unknown = np.repeat([constants.INITIAL_SPEED_M_S, constants.INITIAL_TURN_RAD_S], 3)
    full = np.diag(np.concatenate((np.zeros(6), unknown**2)))
    full[:6, :6] = covariance
    return Motion(stamp_ns, T_fixed_obj, np.zeros(6), full)


def predict(motions: Sequence[Motion], stamp_ns: int, noise: MotionNoise) -> list[Motion]:
    """Return the motions at another time, with fading velocities and growing covariances.

    Backwards in time only the poses move.
    """
    if not motions:
        return []
    dt = np.array([(stamp_ns - motion.stamp_ns) / 1e9 for motion in motions])[:, None]
    T, velocity, covariance = _stacked(motions)
    fade_s = _fade_s()
    reach = fade_s * -np.expm1(-np.abs(dt) / fade_s) * np.sign(dt)
    fade = np.exp(-np.maximum(dt, 0.0) / fade_s)
    # F P F^T with F = [[1, diag(reach)], [0, diag(fade)]], rows first, then columns.
    covariance[:, :6] += reach[:, :, None] * covariance[:, 6:]
    covariance[:, 6:] *= fade[:, :, None]
    covariance[:, :, :6] += covariance[:, :, 6:] * reach[:, None]
    covariance[:, :, 6:] *= fade[:, None]
    covariance += _process_noise(reach, np.abs(dt), noise)
    parts = zip(
        motions, displaced_poses(T, velocity * reach), velocity * fade, covariance, strict=True
    )
    return [m if m.stamp_ns == stamp_ns else Motion(stamp_ns, *own) for m, *own in parts]


def correct(
    motions: Sequence[Motion], T_fixed_obj: np.ndarray, covariances: np.ndarray
) -> list[Motion]:
    """Return the motions after the poses were measured (Kalman update, Joseph form).

    Args:
        motions: predicted to the times of the B measurements.
        T_fixed_obj: (B, 4, 4) measured poses.
        covariances: (B, 6, 6) of the measurements: position, rotation vector, fixed axes.
    """
    if not motions:
        return []
    T, velocity, P = _stacked(motions)
    gain = np.linalg.solve(P[:, :6, :6] + covariances, P[:, :6]).swapaxes(1, 2)
    error = (gain @ pose_differences(T, T_fixed_obj)[:, :, None])[:, :, 0]
    keep = np.broadcast_to(np.eye(12), P.shape).copy()
    keep[:, :, :6] -= gain
    P = keep @ P @ keep.swapaxes(1, 2) + gain @ covariances @ gain.swapaxes(1, 2)
    P = (P + P.swapaxes(1, 2)) / 2
    parts = zip(motions, displaced_poses(T, error[:, :6]), velocity + error[:, 6:], P, strict=True)
    return [Motion(m.stamp_ns, *own) for m, *own in parts]


def significant_velocity(motion: Motion) -> np.ndarray:
    """Return the velocity (6,) less what may be noise: an object at rest stays at rest.

    Both parts shrink by their variance over their square, as Stein's estimator does.
    """
    parts = []
    for part in (slice(0, 3), slice(3, 6)):
        velocity = motion.velocity[part]
        variance = np.trace(motion.covariance[6:, 6:][part, part])
        square = max(float(velocity @ velocity), 1e-12)
        parts.append(velocity * max(0.0, 1.0 - variance / square))
    return np.concatenate(parts)


def change_frame(motion: Motion, T_new_old: np.ndarray) -> Motion:
    """Return the motion as seen from another fixed frame, at rest in it as far as anyone knows.

    Args:
        motion: in the old frame.
        T_new_old: (4, 4), old to new frame.
    """
    pose = rotate_covariance(motion.covariance[:6, :6], T_new_old[:3, :3])
    return initial_motion(motion.stamp_ns, T_new_old @ motion.T_fixed_obj, pose)


def _fade_s() -> np.ndarray:
    """Times (6,) that velocities fade with, so that long predictions come to rest."""
    return np.repeat([constants.VELOCITY_FADE_S, constants.TURN_FADE_S], 3)


def _stacked(motions: Sequence[Motion]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses (B, 4, 4), velocities (B, 6) and covariances (B, 12, 12), none of them shared."""
    return (
        np.stack([motion.T_fixed_obj for motion in motions]),
        np.stack([motion.velocity for motion in motions]),
        np.stack([motion.covariance for motion in motions]),
    )


def _process_noise(reach: np.ndarray, dt: np.ndarray, noise: MotionNoise) -> np.ndarray:
    """Covariances (B, 12, 12) that white acceleration adds in times (B, 1)."""
    q = constants.ACCELERATION_S * np.repeat(
        [noise.acceleration_m_s2**2, noise.angular_acceleration_rad_s2**2], 3
    )
    steps, axes = np.abs(reach), np.arange(6)
    Q = np.zeros((len(reach), 12, 12))
    Q[:, axes, axes] = q * steps**3 / 3
    Q[:, axes, axes + 6] = Q[:, axes + 6, axes] = q * steps**2 / 2
    Q[:, axes + 6, axes + 6] = q * np.minimum(dt, _fade_s())
    return Q
