# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inverse kinematics without collisions: damped least squares from many starts at once.

All targets, such as a ring of equivalent grasps, and all their starts are rows of one batch.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from scipy.spatial import cKDTree

from genpose_ros.robot.collision import CollisionModel, Surroundings
from genpose_ros.robot.kinematics import frame_error

__all__ = ["InverseKinematics", "Reach", "Reachability"]

#: Positions that the starts are chosen of, the nearest to a target first.
_LIBRARY = 8192
#: Metres that count as much as a radian, where frames are compared.
_METRES_PER_RADIAN = 0.3
#: A solution is off by less: metres and radians.
_TOLERANCE = np.array([2e-4] * 3 + [1e-3] * 3)
#: A joint that moves more between two frames of a path jumps.
_JUMP_RAD = 0.5
#: Largest step of a joint, radians, and damping by the squared error (Sugihara, 2011).
_STEP_RAD, _DAMPING = 0.6, (1e-6, 0.02)
_TURN = 2 * np.pi


class Reachability(str, Enum):
    """Whether an arm can take a frame with its tool, and if not, why.

    Example:
        >>> Reachability("out_of_reach").text
        'no joint position puts the tool there: bring it nearer, or take another frame'
    """

    REACHABLE = "reachable"
    OUT_OF_REACH = "out_of_reach"
    IN_COLLISION = "in_collision"
    NO_GRASP = "no_grasp"
    UNKNOWN = "unknown"

    @property
    def text(self) -> str:
        """The outcome in a few words, for people."""
        return _TEXTS[self]


_TEXTS = {
    Reachability.REACHABLE: "the arm can take it",
    Reachability.OUT_OF_REACH: (
        "no joint position puts the tool there: bring it nearer, or take another frame"
    ),
    Reachability.IN_COLLISION: (
        "the arm would touch itself or something there: clear the way, or take another frame"
    ),
    Reachability.NO_GRASP: "a part of the object, no place for the gripper",
    Reachability.UNKNOWN: "no arm is known: set robot, and see that its frames are on /tf",
}


@dataclass(frozen=True)
class Reach:
    """Whether a frame can be reached, and how.

    Attributes:
        outcome: what was found.
        q_rad: (J,) joint position, radians; None: there is none.
        clearance_m: of that position, or of the freest one that collides, metres.
        obstacle: what is in the way where it collides.
    """

    outcome: Reachability
    q_rad: np.ndarray | None = None
    clearance_m: float = 0.0
    obstacle: str = ""

    @property
    def reachable(self) -> bool:
        """Whether there is a joint position."""
        return self.outcome is Reachability.REACHABLE


@dataclass
class InverseKinematics:
    """Solver for joint positions that put an arm's tool at given frames, free of collisions.

    Attributes:
        collisions: the arm and its capsules.
        starts: for each target, at each try.
        tries: bounded restarts, each from other starts, while nothing is found.
        iterations: of a try, at most.
        margin_m: clearance that a position must have, metres.
    """

    collisions: CollisionModel
    starts: int = 6
    tries: int = 2
    iterations: int = 18
    margin_m: float = 0.005
    seed: int = 0
    _library: np.ndarray = field(init=False, repr=False)
    _tree: cKDTree = field(init=False, repr=False)

    def __post_init__(self) -> None:
        arm = self.collisions.arm
        low, high = np.maximum(arm.low_rad, -np.pi), np.minimum(arm.high_rad, np.pi)
        rng = np.random.default_rng(self.seed)
        drawn = rng.uniform(low, high, (2 * _LIBRARY, len(low)))
        free = self.collisions.clearance(drawn, Surroundings()) > 0
        self._library = drawn[free][:_LIBRARY]
        self._tree = cKDTree(_features(arm.tcp(self._library)))

    def solve(
        self,
        T_base_tcp: np.ndarray,
        around: Surroundings | None = None,
        *,
        near_rad: np.ndarray | None = None,
    ) -> tuple[Reach, ...]:
        """Return for each frame whether and how the arm reaches it.

        Of several joint positions the one nearest to `near_rad` is taken, by the joint that moves
        farthest.

        Args:
            T_base_tcp: (N, 4, 4), wanted frames of the tool, base frame, metres.
            around: what must not be touched; None: nothing but the arm itself.
            near_rad: (J,) or for each frame (N, J), where the arm is; None: all joints at 0.
        """
        around = around or Surroundings()
        near = np.zeros(len(self.collisions.arm.joints)) if near_rad is None else near_rad
        near = np.broadcast_to(near, (len(T_base_tcp), len(self.collisions.arm.joints)))
        found: list[Reach | None] = [None] * len(T_base_tcp)
        for number in range(self.tries):
            open_rows = [i for i, reach in enumerate(found) if reach is None or not reach.reachable]
            if not open_rows:
                break
            targets, here = T_base_tcp[open_rows], near[open_rows]
            starts = self._starts(targets, number, here)
            count = starts.shape[1]
            targets = np.repeat(targets, count, 0)
            q_rad = self._descend(starts.reshape(len(targets), -1), targets)
            per_row = self._chosen(q_rad, targets, count, around, np.repeat(here, count, 0))
            for i, reach in zip(open_rows, per_row, strict=True):
                if found[i] is None or reach.outcome is not Reachability.OUT_OF_REACH:
                    found[i] = reach
        return tuple(reach or Reach(Reachability.OUT_OF_REACH) for reach in found)

    def follow(self, q_rad: np.ndarray, T_base_tcp: np.ndarray) -> np.ndarray | None:
        """Return the joint positions (N, J) along a path of frames, each begun at the one before.

        Args:
            q_rad: (J,), where the arm is.
            T_base_tcp: (N, 4, 4), a few millimetres and degrees apart.

        Returns:
            None where the path leaves the arm's reach, or a joint would have to jump.
        """
        paths, whole = self.follow_all(np.asarray(q_rad)[None], T_base_tcp[None])
        return paths[0] if whole[0] else None

    def follow_all(
        self, q_rad: np.ndarray, T_base_tcp: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the joint positions (B, N, J) along many paths at once, and which of them hold.

        Args:
            q_rad: (B, J), where each begins.
            T_base_tcp: (B, N, 4, 4), as of `follow`.

        Returns:
            The paths, and (B,) bool: false where one leaves the arm's reach or a joint jumps.
        """
        here = np.array(q_rad, dtype=np.float64)
        paths = np.empty((*T_base_tcp.shape[:2], here.shape[1]))
        whole = np.ones(len(here), dtype=bool)
        for step in range(T_base_tcp.shape[1]):
            rows = np.flatnonzero(whole)
            target = T_base_tcp[rows, step]
            there = self._descend(here[rows].copy(), target)
            error = np.abs(frame_error(self.collisions.arm.tcp(there), target))
            near = np.abs(there - here[rows]).max(1, initial=0.0) < _JUMP_RAD
            whole[rows] = (error < _TOLERANCE).all(1) & near
            here[rows] = paths[rows, step] = there
        return paths, whole

    def _starts(self, targets: np.ndarray, number: int, near: np.ndarray) -> np.ndarray:
        """Joint positions (N, S, J) to begin with: nearest ones of the library, and where it is."""
        first = number * self.starts
        _, indices = self._tree.query(
            _features(targets), k=range(first + 1, first + self.starts + 1)
        )
        starts = self._library[np.asarray(indices).reshape(len(targets), -1)]
        return np.concatenate([near[:, None], starts], 1) if number == 0 else starts

    def _descend(self, q_rad: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Joint positions (B, J), within limits, that damped steps lead to; not all get there."""
        arm = self.collisions.arm
        low, high = arm.low_rad, arm.high_rad
        q_rad = np.clip(q_rad, low, high)
        going = np.arange(len(q_rad))
        least, share = _DAMPING
        for _ in range(self.iterations):
            T, jacobian = arm.tcp_and_jacobian(q_rad[going])
            error = frame_error(T, targets[going])
            away = (np.abs(error) > _TOLERANCE / 4).any(1)
            if not away.all():
                going, error, jacobian = going[away], error[away], jacobian[away]
                if not len(going):
                    break
            normal = jacobian.swapaxes(1, 2) @ jacobian
            damping = least + share * (error**2).sum(1)
            normal += damping[:, None, None] * np.eye(normal.shape[-1])
            slope = jacobian.swapaxes(1, 2) @ error[..., None]
            step = np.linalg.solve(normal, slope)[..., 0]
            longest = np.abs(step).max(1, keepdims=True)
            step *= np.minimum(1.0, _STEP_RAD / np.maximum(longest, 1e-12))
            q_rad[going] = np.clip(q_rad[going] + step, low, high)
        return q_rad

    def _chosen(
        self,
        q_rad: np.ndarray,
        targets: np.ndarray,
        count: int,
        around: Surroundings,
        near: np.ndarray,
    ) -> list[Reach]:
        """For each target the best of its `count` rows."""
        arm = self.collisions.arm
        error = frame_error(arm.tcp(q_rad), targets)
        arrived = (np.abs(error) < _TOLERANCE).all(1)
        q_rad = _unwound(q_rad, near, arm.low_rad, arm.high_rad)
        clearance = np.full(len(q_rad), -np.inf)
        if arrived.any():
            clearance[arrived] = self.collisions.clearance(q_rad[arrived], around)
        far = np.abs(q_rad - near).max(1)
        results = []
        for first in range(0, len(q_rad), count):
            rows = slice(first, first + count)
            free = clearance[rows] >= self.margin_m
            if free.any():
                best = first + int(np.where(free, far[rows], np.inf).argmin())
                results.append(
                    Reach(Reachability.REACHABLE, q_rad[best].copy(), float(clearance[best]))
                )
            elif arrived[rows].any():
                best = first + int(clearance[rows].argmax())
                way = self.collisions.in_the_way(q_rad[best], around)
                results.append(Reach(Reachability.IN_COLLISION, None, float(clearance[best]), way))
            else:
                results.append(Reach(Reachability.OUT_OF_REACH))
        return results


def _features(T: np.ndarray) -> np.ndarray:
    """Numbers (N, 9) whose distance tells how far frames are apart, in metres."""
    x, z = T[:, :3, 0], T[:, :3, 2]
    return np.concatenate([T[:, :3, 3], _METRES_PER_RADIAN * x, _METRES_PER_RADIAN * z], 1)


def _unwound(q_rad: np.ndarray, near: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The same positions with whole turns taken off where that leads nearer to `near`."""
    turned = q_rad - _TURN * np.round((q_rad - near) / _TURN)
    return np.where((turned >= low) & (turned <= high), turned, q_rad)
