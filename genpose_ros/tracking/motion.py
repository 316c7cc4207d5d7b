# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Motion filter: one error-state Kalman filter of constant velocity on SE(3) per object.

The state is pose and velocity in one fixed frame. Its error is (position, rotation vector,
velocity, angular velocity), all in the axes of the fixed frame: R = exp(r) R_estimated.
"""

from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.single_rotations import rotation_from_vector
from genpose_ros.geometry.transforms import pose_difference, rotate_covariance
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


def predict(motion: Motion, stamp_ns: int, noise: MotionNoise) -> Motion:
    """Return the motion at another time, with fading velocity and growing covariance.

    Backwards in time only the pose moves.
    """
    dt = (stamp_ns - motion.stamp_ns) / 1e9
    if dt == 0:
        return motion
    fade_s = _fade_s()
    reach = fade_s * -np.expm1(-abs(dt) / fade_s) * np.sign(dt)
    fade = np.exp(-max(dt, 0.0) / fade_s)
    # F P F^T with F = [[1, diag(reach)], [0, diag(fade)]], rows first, then columns.
    covariance = motion.covariance.copy()
    covariance[:6] += reach[:, None] * covariance[6:]
    covariance[6:] *= fade[:, None]
    covariance[:, :6] += covariance[:, 6:] * reach
    covariance[:, 6:] *= fade
    covariance += _process_noise(reach, abs(dt), noise)
    T = _displaced(motion.T_fixed_obj, motion.velocity * reach)
    return Motion(stamp_ns, T, motion.velocity * fade, covariance)


def correct(motion: Motion, T_fixed_obj: np.ndarray, covariance: np.ndarray) -> Motion:
    """Return the motion after the pose was measured at its time (Kalman update, Joseph form).

    Args:
        motion: predicted to the time of the measurement.
        T_fixed_obj: (4, 4) measured pose.
        covariance: (6, 6) of the measurement: position, rotation vector, fixed axes.
    """
    P = motion.covariance
    gain = np.linalg.solve(P[:6, :6] + covariance, P[:6]).T
    error = gain @ pose_difference(motion.T_fixed_obj, T_fixed_obj)
    T = _displaced(motion.T_fixed_obj, error[:6])
    keep = np.eye(12)
    keep[:, :6] -= gain
    P = keep @ P @ keep.T + gain @ covariance @ gain.T
    return Motion(motion.stamp_ns, T, motion.velocity + error[6:], (P + P.T) / 2)


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


def _displaced(T: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """A pose moved and turned by a difference (6,); the opposite of `pose_difference`."""
    T = T.copy()
    T[:3, 3] += difference[:3]
    T[:3, :3] = rotation_from_vector(difference[3:]) @ T[:3, :3]
    return T


def _process_noise(reach: np.ndarray, dt: float, noise: MotionNoise) -> np.ndarray:
    """Covariance (12, 12) that white acceleration adds in a time `dt`."""
    q = constants.ACCELERATION_S * np.repeat(
        [noise.acceleration_m_s2**2, noise.angular_acceleration_rad_s2**2], 3
    )
    steps, axes = np.abs(reach), np.arange(6)
    Q = np.zeros((12, 12))
    Q[axes, axes] = q * steps**3 / 3
    Q[axes, axes + 6] = Q[axes + 6, axes] = q * steps**2 / 2
    Q[axes + 6, axes + 6] = q * np.minimum(dt, _fade_s())
    return Q
