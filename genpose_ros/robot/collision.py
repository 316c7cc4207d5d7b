# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Collisions of an arm with itself, a table and objects: capsules around its links."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from genpose_ros.robot.kinematics import Arm
from genpose_ros.robot.segments import segment_distances, segment_point_distances

__all__ = ["Capsule", "CollisionModel", "Obstacle", "Surroundings", "box_obstacle"]


#: Up to here distances of obstacles are exact.
_EXACT_M = 0.05


@dataclass(frozen=True)
class Capsule:
    """Capsule around a part of a link: all within a distance of a segment.

    Attributes:
        name: of the part, for texts.
        link: 0 for the base, i for the link that joint i (from 1 on) moves.
        start_m: (3,) one end of the segment in the link's frame, metres.
        end_m: (3,) the other end.
        radius_m: metres.
    """

    name: str
    link: int
    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


@dataclass(frozen=True)
class Obstacle:
    """Body that the arm must not touch: balls around points of its surface.

    Attributes:
        name: for texts.
        points: (N, 3) metres, base frame, nearer to each other than the balls are wide.
        radius_m: of the balls, metres.
    """

    name: str
    points: np.ndarray
    radius_m: float = 0.0

    @property
    def ball(self) -> tuple[np.ndarray, float]:
        """Centre (3,) and radius of a ball around all of it, metres."""
        centre = (self.points.min(0) + self.points.max(0)) / 2
        reach = float(np.linalg.norm(self.points - centre, axis=1).max())
        return centre, reach + self.radius_m


@dataclass(frozen=True)
class Surroundings:
    """What stands around an arm.

    Attributes:
        table_m: height of the table in the base frame, metres; None: there is none. Base and
            shoulder stand on it and are not held against it.
        obstacles: bodies.
    """

    table_m: float | None = None
    obstacles: tuple[Obstacle, ...] = field(default_factory=tuple)

    def without(self, *names: str) -> "Surroundings":
        """Return the surroundings without some obstacles, such as what is to be grasped."""
        kept = tuple(item for item in self.obstacles if item.name not in names)
        return Surroundings(self.table_m, kept)


def box_obstacle(
    name: str, T_base_box: np.ndarray, size_m: np.ndarray, *, spacing_m: float = 0.02
) -> Obstacle:
    """Return a box as an obstacle.

    Args:
        name: for texts.
        T_base_box: (4, 4), the box's frame, whose origin is its centre.
        size_m: (3,) edge lengths, metres.
        spacing_m: how far points are apart at most, which is the balls' diameter too.

    Example:
        >>> box = box_obstacle("crate", np.eye(4), np.array([0.1, 0.1, 0.1]), spacing_m=0.05)
        >>> len(box.points), float(abs(box.points).max())
        (26, 0.05)
    """
    counts = np.maximum(np.ceil(size_m / spacing_m).astype(int), 1) + 1
    axes = [np.linspace(-s / 2, s / 2, n) for s, n in zip(size_m, counts, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    shell = (np.abs(np.abs(grid) - size_m / 2) < 1e-9).any(1)
    points = grid[shell] @ T_base_box[:3, :3].T + T_base_box[:3, 3]
    return Obstacle(name, points, spacing_m / 2)


class CollisionModel:
    """Clearance of an arm in any position, by the capsules around its links.

    Args:
        arm: its kinematics.
        capsules: around its links; what is fixed to the last link, such as a gripper, too.
        neighbours: names of capsules that always touch, beside those of links next to each other:
            they are not held against each other.
    """

    def __init__(
        self,
        arm: Arm,
        capsules: Sequence[Capsule],
        *,
        neighbours: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.arm, self.capsules = arm, tuple(capsules)
        self._link = np.array([c.link for c in capsules])
        self._ends = np.array([[c.start_m, c.end_m] for c in capsules])
        self._radius = np.array([c.radius_m for c in capsules])
        first, second = np.triu_indices(len(self.capsules), 1)
        touching = {frozenset(pair) for pair in neighbours}
        far = [
            abs(capsules[i].link - capsules[j].link) > 1
            and frozenset((capsules[i].name, capsules[j].name)) not in touching
            for i, j in zip(first.tolist(), second.tolist(), strict=True)
        ]
        self._pairs = first[far], second[far]
        self._over_table = np.flatnonzero(self._link >= 2)

    def segments(self, q_rad: np.ndarray) -> np.ndarray:
        """Return the capsules' segments (B, C, 2, 3), metres, base frame, at positions (B, J)."""
        links = self.arm.links(q_rad)
        base = np.broadcast_to(np.eye(4), (len(links), 1, 4, 4))
        frames = np.concatenate([base, links], 1)[:, self._link]
        turned = self._ends @ frames[..., :3, :3].swapaxes(-1, -2)
        ends: np.ndarray = turned + frames[..., None, :3, 3]
        return ends

    def clearance(self, q_rad: np.ndarray, around: Surroundings) -> np.ndarray:
        """Return how far the arm is from itself and its surroundings, (B,) metres.

        Negative where it is in collision. Of obstacles farther away than 5 cm it may be less than
        it is, but not less than 5 cm.

        Args:
            q_rad: (B, J), radians.
            around: in the base frame.
        """
        ends = self.segments(q_rad)
        parts = [self._self_clearance(ends)]
        if around.table_m is not None:
            parts.append(self._table_clearance(ends, around.table_m))
        parts += [self._obstacle_clearance(ends, item) for item in around.obstacles]
        return np.asarray(np.min(parts, axis=0))

    def in_the_way(self, q_rad: np.ndarray, around: Surroundings) -> str:
        """Return what one position (J,) is nearest to, as words: `the arm itself`, `the table`."""
        ends = self.segments(q_rad[None])
        found = [(float(self._self_clearance(ends)[0]), "the arm itself")]
        if around.table_m is not None:
            found.append((float(self._table_clearance(ends, around.table_m)[0]), "the table"))
        found += [
            (float(self._obstacle_clearance(ends, item)[0]), item.name) for item in around.obstacles
        ]
        return min(found)[1]

    def _self_clearance(self, ends: np.ndarray) -> np.ndarray:
        first, second = self._pairs
        a, b = ends[:, first], ends[:, second]
        distances = segment_distances(a[..., 0, :], a[..., 1, :], b[..., 0, :], b[..., 1, :])
        return np.asarray((distances - self._radius[first] - self._radius[second]).min(1))

    def _table_clearance(self, ends: np.ndarray, table_m: float) -> np.ndarray:
        lowest = ends[..., 2][:, self._over_table].min(-1)
        return np.asarray((lowest - self._radius[self._over_table] - table_m).min(1))

    def _obstacle_clearance(self, ends: np.ndarray, obstacle: Obstacle) -> np.ndarray:
        """To the ball around it where that is far enough, else to its points."""
        centre, reach = obstacle.ball
        a, b = ends[..., 0, :], ends[..., 1, :]
        coarse = segment_point_distances(a, b, centre) - reach - self._radius
        near = coarse < _EXACT_M
        if near.any():
            rows = np.flatnonzero(near)
            starts, stops = a.reshape(-1, 1, 3)[rows], b.reshape(-1, 1, 3)[rows]
            fine = segment_point_distances(starts, stops, obstacle.points[None]).min(1)
            radius = np.broadcast_to(self._radius, near.shape).reshape(-1)[rows]
            coarse = coarse.copy()
            coarse.reshape(-1)[rows] = fine - obstacle.radius_m - radius
        return np.asarray(coarse.min(1))
