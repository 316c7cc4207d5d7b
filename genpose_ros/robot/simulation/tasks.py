# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tasks of the paper's robot experiments (C.3) in the simulated arm: pour, stack, hand over.

The arm sees its objects from two places, plans by their estimated or true poses, and moves; what
happened is judged by the true geometry alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.robot.collision import Obstacle, Surroundings
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.hand import hand_points
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform, turned_about
from genpose_ros.robot.simulation.grasping import ArmRun, TaskError, believed_surroundings
from genpose_ros.robot.simulation.judging import judge_handover, judge_pour, judge_stack
from genpose_ros.robot.simulation.scenes import SCENES
from genpose_ros.robot.simulation.world import (
    camera_poses,
    depth_points,
    estimated_objects,
    look,
    tcp_of_camera,
    true_object,
)
from genpose_ros.robot.task_frames import SeenObject, TaskFrame, task_frames, with_reach
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions, xarm6_gripper
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.sequences import SequenceFrame

__all__ = [
    "TASKS",
    "TaskOutcome",
    "TaskScene",
    "lower_into",
    "run_task",
    "taken_by_the_rim",
    "tilt_over",
]

#: Pouring: tilt that is aimed at, and height of the vessel's lip above the bowl's rim.
_POUR_TARGET_DEG, _POUR_HEIGHT_M = 100.0, 0.06
#: Points of a hand that the arm keeps off are so far apart, metres.
_CELL_M = 0.01
_EYES = ((0.12, 0.30, 0.52), (0.12, -0.30, 0.52))
_TARGET = (0.45, 0.0, 0.05)


@dataclass(frozen=True)
class TaskOutcome:
    """What came of a task.

    Attributes:
        task: its name.
        seed: of the scene.
        poses: true or estimated.
        success: whether all that counts held.
        failure: why not, in a few words; empty where it did.
        numbers: what was measured, lengths in metres and angles in degrees.
        pose_errors_mm: distances of the believed positions from the true ones.
    """

    task: str
    seed: int
    poses: str
    success: bool
    failure: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    pose_errors_mm: Mapping[str, float] = field(default_factory=dict)


@dataclass
class TaskScene:
    """Scene of a task as the arm sees it.

    Attributes:
        run: of the arm; `run.solids` is what is really there.
        believed: objects by name, in the base frame, as estimated or as they are.
        grasps: table of grasps.
        frames: what the camera saw.
        hand: (M, 3) points of a hand in the frame of the object that it holds, metres; None: none.
        pose_errors_mm: distances of the believed positions from the true ones.
    """

    run: ArmRun
    believed: dict[str, SeenObject] = field(default_factory=dict)
    grasps: GraspTable = field(default_factory=GraspTable.shipped)
    frames: list[SequenceFrame] = field(default_factory=list)
    hand: np.ndarray | None = None
    pose_errors_mm: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        task: str,
        seed: int,
        solver: InverseKinematics | None = None,
        grasps: GraspTable | None = None,
    ) -> "TaskScene":
        """Return the scene of a task, not looked at yet; same arguments, same scene.

        Args:
            task: of `TASKS`.
            seed: 0 or more.
            solver: of the arm; None: the xArm6's.
            grasps: table of grasps; None: the shipped one.
        """
        rng = np.random.default_rng([seed, sorted(SCENES).index(task)])
        solids = {solid.name: solid for solid in SCENES[task](rng)}
        solver = solver or InverseKinematics(xarm6_collisions())
        run = ArmRun(solver, solids, believed_surroundings((), None), np.array(READY_RAD))
        return cls(run, grasps=grasps or GraspTable.shipped())

    def look(self, seed: int, estimator: PoseEstimator | None) -> None:
        """Look from two places; where something is held, the points around it are a hand's.

        Args:
            seed: of the sensor's errors.
            estimator: of poses; None: the true ones are believed.

        Raises:
            TaskError: the camera cannot be brought there, or an object is not found.
        """
        run, held = self.run, "hand" in self.run.solids
        solids = list(run.solids.values())
        target = np.array([0.45, 0.0, 0.30]) if held else np.array(_TARGET)
        q_views = _views(run, target)
        if estimator is None:
            self.frames = look(solids, q_views, seed)
            self.believed = {s.name: true_object(s) for s in solids if s.category is not None}
        else:
            self.believed, self.frames = estimated_objects(
                solids, q_views, estimator, seed, with_table=not held
            )
        missing = [s.name for s in solids if s.category is not None and s.name not in self.believed]
        if missing:
            raise TaskError(f"looking: no pose of {missing[0]}")
        self.pose_errors_mm = {
            name: 1000 * float(np.linalg.norm((item.T_out_obj - _truth(run, name))[:3, 3]))
            for name, item in self.believed.items()
        }
        run.q_rad = q_views[-1]
        run.around = believed_surroundings(list(self.believed.values()), 0.0)
        run.table_m = -0.05 if held else 0.0
        if held:
            self._see_hand(q_views)
        run.mark("looks; blue: what it believes", tuple(self.believed.values()))

    def frame(self, name: str, which: str) -> TaskFrame:
        """Return the frame of an object to grasp it by, best reached from where the arm is.

        Raises:
            TaskError: the object has no such frame; says why.
        """
        item = self.believed[name]
        found = task_frames(item, self.grasps, hand_obj=self.hand, gripper=xarm6_gripper())
        refused = [r for r in found.refusals if r.frame in ("", which)]
        if refused:
            raise TaskError(f"{which}: {refused[0].reason.value}")
        wanted = [frame for frame in found.frames if frame.name == which]
        found = replace(found, frames=tuple(wanted))
        run = self.run
        found = with_reach(found, run.solver, np.eye(4), run.around, near_rad=run.q_rad)
        return found.frames[0]

    def part(self, name: str, which: str) -> TaskFrame:
        """Return a frame of an object that is no grasp, such as where to pour from.

        Raises:
            TaskError: the object has no such frame.
        """
        frame = task_frames(self.believed[name], self.grasps).frame(which)
        if frame is None:
            raise TaskError(f"{which}: {name} has no such frame")
        return frame

    def _see_hand(self, q_views: np.ndarray) -> None:
        (item,) = self.believed.values()
        pairs = zip(self.frames, camera_poses(q_views), strict=True)
        points = [depth_points(view.frame, T) for view, T in pairs]
        self.hand = hand_points(np.concatenate(points), item)[::5]
        T = item.T_out_obj
        cells = np.unique(np.round(self.hand / _CELL_M), axis=0) * _CELL_M
        kept = Obstacle("hand", cells @ T[:3, :3].T + T[:3, 3], _CELL_M)
        around = self.run.around
        self.run.around = replace(around, obstacles=(*around.obstacles, kept))


def run_task(
    task: str,
    seed: int,
    *,
    solver: InverseKinematics,
    table: GraspTable,
    estimator: PoseEstimator | None = None,
    keep: Callable[[ArmRun, Sequence[SequenceFrame]], None] | None = None,
) -> TaskOutcome:
    """Make a scene, look at it, carry a task out and judge it; same arguments, same outcome.

    Args:
        task: of `TASKS`.
        seed: of scene and sensor.
        solver: of the arm.
        table: of grasps.
        estimator: of poses; None: the true ones are used.
        keep: called with the run and the frames that were seen, such as to draw them.
    """
    scene = TaskScene.of(task, seed, solver, table)
    kind = "true" if estimator is None else "estimated"
    try:
        scene.look(seed, estimator)
        numbers, failure = TASKS[task](scene)
        if keep is not None:
            keep(scene.run, scene.frames)
    except TaskError as error:
        return TaskOutcome(task, seed, kind, False, str(error), {}, scene.pose_errors_mm)
    if not failure and scene.run.touched:
        failure = f"touched {scene.run.touched[0]}"
    return TaskOutcome(task, seed, kind, not failure, failure, numbers, scene.pose_errors_mm)


def _truth(run: ArmRun, name: str) -> np.ndarray:
    return run.solids[name].T_base_obj


def _views(run: ArmRun, target: np.ndarray) -> np.ndarray:
    """Joint positions (B, J) from which the camera looks at a place, by any roll it reaches."""
    found = []
    for eye in _EYES:
        at = np.array(eye) + np.array([0.0, 0.0, max(float(target[2]) - 0.1, 0.0)])
        # `look_at` has y up, the base z: the two differ by a quarter turn about x.
        quarter = transform(rpy_rad=(np.pi / 2, 0.0, 0.0))
        T = quarter @ look_at(quarter[:3, :3].T @ at, quarter[:3, :3].T @ target)
        rolls = np.stack([T @ transform(rpy_rad=(0, 0, a)) for a in np.arange(12) * np.pi / 6])
        reaches = run.solver.solve(tcp_of_camera(rolls), run.around, near_rad=run.q_rad)
        good = [reach.q_rad for reach in reaches if reach.q_rad is not None]
        if good:
            found.append(min(good, key=lambda q: float(np.abs(q - run.q_rad).max())))
    if not found:
        raise TaskError("looking: the camera cannot be brought there")
    return np.array(found)


def _pour(scene: TaskScene) -> tuple[dict[str, float], str]:
    """Take the vessel, bring its lip over the bowl, tilt it about the lip."""
    vessel = next(name for name in scene.believed if name != "bowl")
    scene.run.grasp(scene.believed[vessel], scene.frame(vessel, "grasp_side"))
    tilt_over(scene, vessel, "bowl")
    return judge_pour(scene.run, vessel, "bowl")


def _stack(scene: TaskScene) -> tuple[dict[str, float], str]:
    """Take a bowl by its rim, bring it over the other one, lower it and let go."""
    frame = scene.frame("bowl", "grasp_top")
    scene.run.grasp(scene.believed["bowl"], frame)
    lower_into(scene, "bowl", "bowl below")
    return judge_stack(scene.run, "bowl", "bowl below")


def _handover(scene: TaskScene) -> tuple[dict[str, float], str]:
    """Take the object on the side away from the hand, and draw it back."""
    run = scene.run
    (name,) = scene.believed
    frame = scene.frame(name, "handover")
    begun = len(run.path_rad)
    run.grasp(scene.believed[name], frame, lift_m=0.08)
    return judge_handover(run, begun)


#: Task -> what carries it out in a scene that was looked at, and judges it.
TASKS: dict[str, Callable[[TaskScene], tuple[dict[str, float], str]]] = {
    "pour": _pour,
    "stack": _stack,
    "handover": _handover,
}


def tilt_over(scene: TaskScene, name: str, into: str) -> None:
    """Bring the lip of what is held over a bowl and tilt it about the lip.

    Args:
        scene: where the vessel was grasped.
        name: of the vessel.
        into: name of the bowl.

    Raises:
        TaskError: no such motion is within reach.
    """
    run, vessel, bowl = scene.run, scene.believed[name], scene.believed[into]
    lip, fill = scene.part(name, "pour"), scene.part(into, "fill")
    over = (bowl.T_out_obj @ fill.T_obj_frame)[:3, 3] + [0, 0, _POUR_HEIGHT_M]
    T_tcp_obj = np.linalg.inv(run.T_obj_taken)
    tilts = np.radians(np.arange(0, _POUR_TARGET_DEG + 1, 4))
    height_m = float(vessel.size_m[1])
    starts, ways = _pour_ways(over, height_m, T_tcp_obj, lip.T_obj_ring, tilts)
    around = run.around.without(name)
    ordered = _nearest_first(run, starts, around)[:40]
    if ordered:
        every = np.stack([ways[i] for i, _ in ordered])
        paths, whole = run.solver.follow_all(np.stack([q for _, q in ordered]), every)
        for tilting in paths[whole]:
            if (run.solver.collisions.clearance(tilting, around) < 0).any():
                continue
            run.go_to(tilting[0], "to the bowl", spared=[name])
            run.carried = len(run.held_at)
            run.go(tilting)
            run.mark("pours")
            return
    raise TaskError("pour: no tilting motion within the arm's reach was found")


def lower_into(scene: TaskScene, name: str, below: str) -> None:
    """Bring a bowl that is held by its rim over another one, lower it until it touches, let go.

    Args:
        scene: where the bowl was grasped.
        name: of the bowl.
        below: name of the other one.

    Raises:
        TaskError: the place cannot be reached.
    """
    run = scene.run
    item = scene.believed[below]
    nest = item.T_out_obj @ scene.part(below, "stack").T_obj_frame
    T_obj_tcp = taken_by_the_rim(run.T_obj_taken, scene.believed[name].size_m, run.opening_m)
    upright = transform(tuple(nest[:3, 3]), (np.pi / 2, 0.0, 0.0))
    turns = [transform(rpy_rad=(0.0, a, 0.0)) for a in np.arange(24) * (np.pi / 12)]
    low = np.stack([upright @ turn @ T_obj_tcp for turn in turns])
    high = low.copy()
    low[:, 2, 3] -= 0.01
    high[:, 2, 3] += 0.10
    around = run.around.without(name, below)
    for i, q in _nearest_first(run, high, around)[:8]:
        if run.solver.follow(q, np.stack([high[i], low[i]])) is None:
            continue
        run.go_to(q, "over the other bowl", spared=[name])
        run.lower_until_contact(low[i], below)
        run.release()
        return
    raise TaskError("stack: the place cannot be reached")


def taken_by_the_rim(T_obj_tcp: np.ndarray, size_m: np.ndarray, opening_m: float) -> np.ndarray:
    """Return where the tool is in a round object after its fingers have closed on the wall.

    The fingers put the middle of what is between them into their own middle. Its outer side is the
    rim's, whose radius is known, and their opening, which a gripper tells, is how far the wall goes
    inwards from there at the height of the pads, however thick and slanted it is.

    Args:
        T_obj_tcp: (4, 4) where the tool went, its y axis across the wall, metres, object frame.
        size_m: (3,) edges of the object's box, metres.
        opening_m: between the closed fingers.
    """
    out = np.array([T_obj_tcp[0, 3], 0.0, T_obj_tcp[2, 3]])
    radius_m = float(np.linalg.norm(out))
    y = T_obj_tcp[:3, 1]
    inwards = -np.sign(y @ out)  # the way of the tool's y axis that leads to the middle
    beyond_m = float(size_m[0] + size_m[2]) / 4 - radius_m  # the rim, outside of the tool
    moved = T_obj_tcp.copy()
    moved[:3, 3] += inwards * (opening_m / 2 - beyond_m) * y
    return moved


def _nearest_first(
    run: ArmRun, T_base_tcp: np.ndarray, around: Surroundings
) -> list[tuple[int, np.ndarray]]:
    """Those of many frames (N, 4, 4) that are reached, by index, the least motion first."""
    reaches = run.solver.solve(T_base_tcp, around, near_rad=run.q_rad)
    found = [(i, reach.q_rad) for i, reach in enumerate(reaches) if reach.q_rad is not None]
    return sorted(found, key=lambda row: float(np.abs(row[1] - run.q_rad).max()))


def _pour_ways(
    over: np.ndarray,
    height_m: float,
    T_tcp_obj: np.ndarray,
    T_obj_ring: np.ndarray,
    tilts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Tool frames (N, 4, 4) to begin with, and (N, tilts, 4, 4) to tilt through.

    For every direction to pour to and every lip of the ring. The lip stays over the place, and as
    much higher as the vessel hangs below it: it comes down while it is tilted.
    """
    hangs = height_m * np.maximum(np.cos(tilts), 0.0)
    ways = []
    for heading in np.arange(12) * (np.pi / 6):
        upright = transform(tuple(over), (0.0, 0.0, heading)) @ transform(rpy_rad=(np.pi / 2, 0, 0))
        for T_obj_lip in T_obj_ring:
            T_lip_tcp = np.linalg.inv(T_tcp_obj @ T_obj_lip)
            turns = np.stack([upright @ _about_x(angle) @ T_lip_tcp for angle in tilts])
            turns[:, 2, 3] += hangs
            ways.append(turns)
    every = np.array(ways)
    return every[:, 0], every


def _about_x(angle_rad: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = turned_about(0, angle_rad)
    return T
