# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated arm that grasps and carries: plans by what is believed, and meets what is there.

Geometry decides: what lies between the closing fingers is held, what the arm's capsules reach into
is a collision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from genpose_ros.robot.collision import Obstacle, Surroundings, box_obstacle
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.planning import joint_path
from genpose_ros.robot.segments import segment_point_distances
from genpose_ros.robot.simulation.world import Solid
from genpose_ros.robot.task_frames import SeenObject, TaskFrame
from genpose_ros.robot.xarm6 import GRIPPER_OPENING_M
from genpose_ros.synthesis.render import cast

__all__ = ["ArmRun", "Moment", "TaskError", "believed_surroundings", "fall_m", "straight_way"]

#: Steps of straight motions, metres.
_STEP_M = 0.01
#: The fingers' pads in the tool's frame: half their width, and from where to where along z, metres.
_PAD_M, _PAD_Z_M = 0.01, (-0.02, 0.006)
#: Vertical rays are so far apart; solids that are nearer touch.
_RAY_M, _CONTACT_M = 0.003, 0.0015
#: Collisions less deep than this are the capsules' coarseness.
_TOUCH_M = 0.004


class TaskError(Exception):
    """Task that could not be carried out; the text says at which step and why."""


def believed_surroundings(objects: Sequence[SeenObject], table_m: float | None) -> Surroundings:
    """Return what an arm should keep off: a box around each object, and the table.

    Args:
        objects: in the base frame.
        table_m: height of the table; None: there is none.
    """
    boxes = tuple(box_obstacle(o.name, o.T_out_obj, np.asarray(o.size_m)) for o in objects)
    return Surroundings(table_m, boxes)


def fall_m(upper: Solid, lower: Solid) -> float:
    """Return how far a solid would fall straight down until it meets another one, metres.

    Along vertical rays, 3 mm apart; a metre where none meets both, less than 0 where they overlap.
    """
    footprint = upper.vertices @ upper.T_base_obj[:3, :3].T + upper.T_base_obj[:3, 3]
    low, high = footprint.min(0), footprint.max(0)
    x, y = np.meshgrid(*[np.arange(low[i], high[i], _RAY_M) for i in (0, 1)], indexing="ij")
    start = np.stack([x, y, np.full_like(x, -1.0)], -1)
    up = np.broadcast_to([0.0, 0.0, 1.0], start.shape)
    bottom = cast([_placed(upper)], up, start)
    start[..., 2] = 2.0
    top = cast([_placed(lower)], -up, start)
    both = (bottom.part == 0) & (top.part == 0)
    if not both.any():
        return 1.0
    return float(((bottom.depth_m - 1.0) - (2.0 - top.depth_m))[both].min())


def _placed(solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    T = solid.T_base_obj
    return solid.vertices @ T[:3, :3].T + T[:3, 3], solid.faces


def straight_way(T_from: np.ndarray, T_to: np.ndarray, *, step_m: float = _STEP_M) -> np.ndarray:
    """Return frames (N, 4, 4) of a straight motion without turning, the start left out."""
    offset = T_to[:3, 3] - T_from[:3, 3]
    count = max(int(np.ceil(np.linalg.norm(offset) / step_m)), 1)
    way = np.repeat(T_to[None], count, 0)
    way[:, :3, 3] = T_from[:3, 3] + np.linspace(0, 1, count + 1)[1:, None] * offset
    return way


@dataclass(frozen=True)
class Moment:
    """Moment of a run, as a picture shows it.

    Attributes:
        text: what the arm does.
        q_rad: (J,) where it is.
        solids: what is really there.
        believed: objects as they are believed to be; empty: they are not shown.
    """

    text: str
    q_rad: np.ndarray
    solids: tuple[Solid, ...]
    believed: tuple[SeenObject, ...] = ()


@dataclass
class ArmRun:
    """Run of a task in the simulated arm: where it is, what it holds, what it touched.

    Attributes:
        solver: of the arm.
        solids: what is really there, by name.
        around: what is believed to be there.
        q_rad: (J,) where the arm is.
        table_m: the true height of the table; None: there is none to touch.
        path_rad: all positions it went through.
        held: name of what it holds; empty: nothing.
        held_at: (4, 4) where that was after each step.
        carried: steps of `held_at` before the motion that counts.
        touched: what it collided with, in order.
        moments: what is worth a picture, in order.
        T_obj_taken: (4, 4) the tool where the fingers closed, in the frame of the object as it is
            believed to be.
        opening_m: between the fingers since they closed, as a gripper tells.
    """

    solver: InverseKinematics
    solids: dict[str, Solid]
    around: Surroundings
    q_rad: np.ndarray
    table_m: float | None = 0.0
    path_rad: list[np.ndarray] = field(default_factory=list)
    held_at: list[np.ndarray] = field(default_factory=list)
    held: str = ""
    carried: int = 0
    touched: list[str] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    T_obj_taken: np.ndarray = field(default_factory=lambda: np.eye(4))
    opening_m: float = GRIPPER_OPENING_M
    _T_tcp_held: np.ndarray = field(default_factory=lambda: np.eye(4))

    @property
    def T_base_tcp(self) -> np.ndarray:
        """The tool's frame, (4, 4)."""
        return np.asarray(self.solver.collisions.arm.tcp(self.q_rad[None])[0])

    def mark(self, text: str, believed: Sequence[SeenObject] = ()) -> None:
        """Keep this moment for a picture."""
        here = tuple(self.solids.values())
        self.moments.append(Moment(text, self.q_rad, here, tuple(believed)))

    def go(self, path_rad: np.ndarray, *, spared: Sequence[str] = ()) -> None:
        """Move through joint positions (N, J); what is held moves along.

        Args:
            path_rad: where to.
            spared: solids that the gripper is meant to be at.
        """
        free = [s for name, s in self.solids.items() if name not in (self.held, *spared)]
        obstacles = tuple(Obstacle(s.name, s.surface(0.01), 0.0) for s in free)
        there = Surroundings(self.table_m, obstacles)
        clearance = self.solver.collisions.clearance(path_rad, there)
        worst = int(clearance.argmin())
        if clearance[worst] < -_TOUCH_M:
            self.touched.append(self.solver.collisions.in_the_way(path_rad[worst], there))
        for q in path_rad:
            self.q_rad = q
            self.path_rad.append(q)
            if self.held:
                carried = self.solids[self.held].moved(self.T_base_tcp @ self._T_tcp_held)
                self.solids[self.held] = carried
                self.held_at.append(carried.T_base_obj)

    def go_to(self, q_rad: np.ndarray, step: str, *, spared: Sequence[str] = ()) -> None:
        """Move to a joint position by a way without collisions, by what is believed.

        Raises:
            TaskError: there is none.
        """
        around = self.around.without(*spared)
        path = joint_path(self.solver, self.q_rad, q_rad, around)
        if path is None:
            raise TaskError(f"{step}: no way without collision was found")
        self.go(path, spared=spared)

    def go_straight(self, T_base_tcp: np.ndarray, step: str, *, spared: Sequence[str] = ()) -> None:
        """Move the tool straight to a place (4, 4).

        Raises:
            TaskError: the arm's reach ends before.
        """
        path = self.solver.follow(self.q_rad, straight_way(self.T_base_tcp, T_base_tcp))
        if path is None:
            raise TaskError(f"{step}: the straight way leaves the arm's reach")
        self.go(path, spared=spared)

    def grasp(self, item: SeenObject, frame: TaskFrame, *, lift_m: float = 0.1) -> None:
        """Take an object by a frame that was found reachable, and lift it.

        Raises:
            TaskError: no frame is reachable, no way leads there, or nothing is between the fingers.
        """
        if not frame.reach.reachable:
            raise TaskError(f"{frame.name}: {frame.reach.outcome.text}")
        tool, path = self._way_in(item, frame)
        self.go(path)
        self._enter(tool, item.name, frame.name)
        self._close(item.name, frame.name)
        self.T_obj_taken = np.linalg.inv(item.T_out_obj) @ self.T_base_tcp
        self.mark(f"takes it ({frame.name})")
        raised = self.T_base_tcp.copy()
        raised[2, 3] += lift_m
        self.go_straight(raised, "lifting")
        self.mark("lifts it")

    def _way_in(self, item: SeenObject, frame: TaskFrame) -> tuple[np.ndarray, np.ndarray]:
        """Where the tool goes, (4, 4), and joint positions (N, J) to before it.

        The frames of the ring that are reached are tried in turn, the least motion first.
        """
        around = self.around.without(item.name)
        far = [
            np.inf if r.q_rad is None else float(np.abs(r.q_rad - self.q_rad).max())
            for r in frame.reaches
        ]
        for index in np.argsort(far)[: np.isfinite(far).sum()]:
            tool = item.T_out_obj @ frame.T_obj_ring[index]
            before = tool @ transform((0.0, 0.0, -frame.before_m))
            (reach,) = self.solver.solve(before[None], around, near_rad=self.q_rad)
            if reach.q_rad is None:
                continue
            entry = self.solver.follow(reach.q_rad, straight_way(before, tool))
            if entry is None or (self.solver.collisions.clearance(entry, around) < 0).any():
                continue
            path = joint_path(self.solver, self.q_rad, reach.q_rad, self.around)
            if path is not None:
                return tool, path
        raise TaskError(f"{frame.name}: no way to it without collision was found")

    def _enter(self, tool: np.ndarray, name: str, step: str) -> None:
        """Go in with open fingers; the object that is taken must not be run into."""
        self.go_straight(tool, step, spared=[name])
        if self._fingers_meet(self.solids[name]):
            self.touched.append(name)
            raise TaskError(f"{step}: a finger runs into it")

    def _fingers_meet(self, solid: Solid) -> bool:
        ends = self.solver.collisions.segments(self.q_rad[None])[0]
        points = solid.surface()
        for part, capsule in enumerate(self.solver.collisions.capsules):
            if capsule.link == 6:
                gaps = segment_point_distances(ends[part, 0], ends[part, 1], points)
                if gaps.min() < capsule.radius_m - _TOUCH_M:
                    return True
        return False

    def _close(self, name: str, step: str) -> None:
        """Close the fingers: what is between them moves to the middle and is held."""
        solid, T = self.solids[name], self.T_base_tcp
        local = (solid.surface() - T[:3, 3]) @ T[:3, :3]
        low, high = _PAD_Z_M
        pads = (np.abs(local[:, 0]) < _PAD_M) & (local[:, 2] > low) & (local[:, 2] < high)
        between = local[pads & (np.abs(local[:, 1]) < GRIPPER_OPENING_M / 2), 1]
        if not len(between):
            raise TaskError(f"{step}: nothing is between the fingers")
        self.opening_m = float(np.ptp(between))
        shift = -(between.max() + between.min()) / 2
        moved = T @ transform((0.0, float(shift), 0.0)) @ np.linalg.inv(T) @ solid.T_base_obj
        self.solids[name], self.held = solid.moved(moved), name
        self._T_tcp_held = np.linalg.inv(T) @ moved

    def lower_until_contact(self, T_base_tcp: np.ndarray, name: str) -> None:
        """Lower what is held towards a place (4, 4), until it or a finger touches a solid.

        As an arm does that stops at a force.

        Raises:
            TaskError: the arm's reach ends before.
        """
        way = straight_way(self.T_base_tcp, T_base_tcp, step_m=0.002)
        path = self.solver.follow(self.q_rad, way)
        if path is None:
            raise TaskError("lowering: the straight way leaves the arm's reach")
        for q in path:
            self.go(q[None], spared=[name])
            if fall_m(self.solids[self.held], self.solids[name]) < _CONTACT_M:
                return
            if self._fingers_meet(self.solids[name]):
                return

    def release(self) -> str:
        """Open the fingers; returns the name of what was held."""
        name, self.held, self.opening_m = self.held, "", GRIPPER_OPENING_M
        self.mark("lets go")
        return name

    def gap(self, name: str, other: str) -> float:
        """Return the distance between the surfaces of two solids, metres."""
        tree = cKDTree(self.solids[other].surface())
        return float(tree.query(self.solids[name].surface())[0].min())
