# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Joint paths without collisions, and how long an arm takes for them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import Arm

__all__ = ["JointMotion", "joint_path", "timed_path"]

#: Positions along a path are this far apart, by the joint that moves most.
_STEP_RAD = 0.06
#: Places on the way that are tried where the straight way is blocked.
_DETOURS = 60


def joint_path(
    solver: InverseKinematics,
    from_rad: np.ndarray,
    to_rad: np.ndarray,
    around: Surroundings,
    *,
    seed: int = 0,
) -> np.ndarray | None:
    """Return joint positions (N, J) from one position to another that touch nothing.

    Straight in joint space or, where that is blocked, by way of one place of a bounded number.

    Args:
        solver: of the arm.
        from_rad: (J,).
        to_rad: (J,).
        around: what must not be touched.
        seed: of the places that are tried.

    Returns:
        None where no way was found.
    """
    rng = np.random.default_rng(seed)
    arm = solver.collisions.arm
    middle = (from_rad + to_rad) / 2
    spread = np.linspace(0.3, 1.5, _DETOURS)[:, None] * rng.normal(size=(_DETOURS, len(middle)))
    places = np.clip(middle + spread, arm.low_rad, arm.high_rad)
    free = solver.collisions.clearance(places, around) > solver.margin_m
    for stops in ((), *((place,) for place in places[free])):
        ways = [from_rad, *stops, to_rad]
        path = np.concatenate([_straight(a, b) for a, b in pairwise(ways)])
        if (solver.collisions.clearance(path, around) > 0).all():
            return path
    return None


def _straight(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    count = max(int(np.ceil(np.abs(b - a).max() / _STEP_RAD)), 1)
    return np.asarray(a + np.linspace(0, 1, count + 1)[:, None] * (b - a))


@dataclass(frozen=True)
class JointMotion:
    """Motion of an arm's joints over time.

    Attributes:
        times_s: (N,), growing, from 0.
        q_rad: (N, J).
    """

    times_s: np.ndarray
    q_rad: np.ndarray

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Return the joint positions (M, J) at times (M,); at rest before and after."""
        columns = [np.interp(times_s, self.times_s, column) for column in self.q_rad.T]
        return np.stack(columns, -1)


def timed_path(arm: Arm, path_rad: np.ndarray, *, speed_share: float = 0.25) -> JointMotion:
    """Return a path with times, no joint faster than its share, from rest to rest.

    The pace grows and falls as a sine over the whole of it, so that its peak is the share.

    Args:
        arm: whose joints have speed limits.
        path_rad: (N, J).
        speed_share: of those limits.
    """
    steps = np.abs(np.diff(path_rad, axis=0)) / (speed_share * arm.speed_rad_s)
    even_s = np.concatenate([[0.0], np.cumsum(steps.max(1, initial=1e-6))])
    share = even_s / even_s[-1]
    # Where the pace is that of a sine, half a cosine tells how far it has got.
    times_s = even_s[-1] * np.pi / 2 * np.arccos(1 - 2 * share) / np.pi
    return JointMotion(times_s, path_rad)
