# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Smooth motions of objects and cameras, as poses at given times."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

__all__ = ["carry", "eased", "look_at", "poses", "rates", "survey", "sweep", "wander"]

#: Knots of a random spline, and how many of them are run through at most.
_KNOTS = 96


def poses(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Return transforms (F, 4, 4) of rotations and translations, either of which may be one.

    Args:
        rotation: (F, 3, 3) or (3, 3).
        translation: (F, 3) or (3,), metres.
    """
    shape = np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    T = np.zeros((*shape, 4, 4))
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = rotation, translation, 1.0
    return T


def look_at(eye: np.ndarray, target: np.ndarray, roll_rad: float = 0.0) -> np.ndarray:
    """Return T_fixed_cam (4, 4) of a camera at `eye` that looks at `target`; y is up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    upright = np.stack([right, np.cross(forward, right), forward], -1)
    return poses(upright @ Rotation.from_euler("z", roll_rad).as_matrix(), eye)


def rates(T: np.ndarray, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return speeds in m/s and turning rates in deg/s between successive poses, (F - 1,) each."""
    seconds = np.diff(times_s)
    speed = np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1) / seconds
    turn = Rotation.from_matrix(T[:-1, :3, :3].transpose(0, 2, 1) @ T[1:, :3, :3])
    return speed, np.degrees(turn.magnitude()) / seconds


def eased(times_s: np.ndarray, ease_s: float) -> np.ndarray:
    """Return the times (F,) at which a motion is where one from rest to rest has got to.

    Its pace grows evenly from nothing to 1 in the first `ease_s` and falls so in the last.

    Args:
        times_s: (F,), growing, from 0.
        ease_s: 0 or more; half the whole time at most is taken.
    """
    end_s = float(times_s[-1])
    ease_s = min(ease_s, end_s / 2)
    if ease_s == 0:
        return times_s
    begun = np.minimum(times_s, ease_s)
    ending = np.maximum(times_s - (end_s - ease_s), 0.0)
    return times_s - begun + (begun**2 - ending**2) / (2 * ease_s)


def wander(
    times_s: np.ndarray, half_range: np.ndarray, speed: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a spline (F, D) through random knots, with `speed` as its root mean square.

    Args:
        times_s: (F,).
        half_range: (D,), knots lie within plus and minus this.
        speed: in the units of `half_range` per second.
        rng: source of the knots.
    """
    knots = rng.uniform(-1, 1, (_KNOTS, len(half_range))) * half_range
    spline = CubicSpline(np.arange(_KNOTS), knots)
    # Time is scaled so that the speed comes out right; a fast run uses more of the knots.
    pace = speed / _root_mean_square(spline(np.linspace(0, 16, 1000), 1))
    for _ in range(4):
        at = pace * times_s
        if at[-1] > _KNOTS - 1:
            raise ValueError(f"a speed of {speed:g} in so small a range needs too many turns")
        pace *= speed / _root_mean_square(pace * spline(at, 1))
    return np.asarray(spline(pace * times_s))


def _root_mean_square(velocity: np.ndarray) -> float:
    return float(np.sqrt((velocity**2).sum(-1).mean()))


def carry(
    times_s: np.ndarray,
    half_range_m: np.ndarray,
    speed: float,
    rate_deg_s: float,
    rng: np.random.Generator,
    *,
    tilt_deg: float = 20.0,
) -> np.ndarray:
    """Return poses (F, 4, 4) of something carried about by a hand, relative to its place.

    Args:
        times_s: (F,).
        half_range_m: (3,).
        speed: root mean square, m/s.
        rate_deg_s: of yaw and tilt together, about the root mean square.
        rng: source of the path.
        tilt_deg: how far off upright it is held, at most about twice this.
    """
    translation = wander(times_s, half_range_m, speed, rng)
    limits = np.array([tilt_deg, 120.0, tilt_deg])
    angles = wander(times_s, limits, rate_deg_s, rng)
    turn = Rotation.from_euler("y", angles[:, 1:2], degrees=True)
    tilt = Rotation.from_rotvec(angles * [1, 0, 1], degrees=True)
    return poses((tilt * turn).as_matrix(), translation)


def sweep(
    T_fixed_cam: np.ndarray,
    times_s: np.ndarray,
    speed: float,
    rate_deg_s: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return T_fixed_cam (F, 4, 4) of a camera on a hand that circles, pans, tilts and rolls.

    Args:
        T_fixed_cam: (4, 4), what it moves about.
        times_s: (F,).
        speed: on a circle of 12 cm, m/s.
        rate_deg_s: root mean square of the turning rate.
        rng: source of phases and directions.
    """
    sense, phases = rng.choice([-1.0, 1.0]), rng.uniform(0, 2 * np.pi, 3)
    radius = 0.12
    around = sense * speed / radius * times_s + phases[0]
    offset = radius * np.stack([np.cos(around), np.sin(around), 0 * around], -1)

    def turned(pace: float, at: np.ndarray) -> np.ndarray:
        cone, roll = pace * at + phases[1], 0.6 * pace * at + phases[2]
        vector = np.stack([6 * np.cos(cone), 6 * np.sin(cone), 15 * np.sin(roll)], -1)
        return Rotation.from_rotvec(vector, degrees=True).as_matrix()

    pace, long = 1.0, np.linspace(0, 60, 6000)
    for _ in range(3):
        _, rate = rates(poses(turned(pace, long), np.zeros(3)), long)
        pace *= rate_deg_s / float(np.sqrt((rate**2).mean()))
    moved: np.ndarray = T_fixed_cam @ poses(turned(pace, times_s), offset)
    return moved


def survey(
    eye: np.ndarray, target: np.ndarray, times_s: np.ndarray, speed: float, rate_deg_s: float
) -> np.ndarray:
    """Return T_fixed_cam (F, 4, 4) of a camera on an arm that passes by what it looks at and rolls.

    With an arm's accelerations: between poses 0.2 s apart it moves almost evenly.

    Args:
        eye: (3,) middle of its way, metres.
        target: (3,) what it looks at.
        times_s: (F,).
        speed: root mean square, m/s.
        rate_deg_s: root mean square of the roll.
    """
    reach_m = 0.3
    sideways = look_at(eye, target)[:3, 0]
    along = reach_m * np.sin(np.sqrt(2) * speed / reach_m * times_s)
    roll_rad = np.deg2rad(np.sqrt(2) * rate_deg_s) * np.sin(times_s)
    ways = zip(along, roll_rad, strict=True)
    return np.stack([look_at(eye + a * sideways, target, roll) for a, roll in ways])
