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
from genpose_ros.robot.segments import segment_point_distances
from genpose_ros.robot.simulation.grasping import (
    ArmRun,
    TaskError,
    believed_surroundings,
    fall_m,
)
from genpose_ros.robot.simulation.world import (
    Solid,
    camera_poses,
    depth_points,
    estimated_objects,
    look,
    on_table,
    tcp_of_camera,
    true_object,
)
from genpose_ros.robot.task_frames import SeenObject, TaskFrame, task_frames, with_reach
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_gripper
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.placement import usual_shape
from genpose_ros.synthesis.primitives import box
from genpose_ros.synthesis.sequences import SequenceFrame

__all__ = ["TASKS", "TaskOutcome", "run_task"]

#: The widest object that scenes hold out to the gripper, metres.
_GRASPABLE_M = 0.075
#: Pouring: tilt that counts, height of the rim above the bowl's, both by the true poses.
_POUR_DEG, _POUR_TARGET_DEG, _POUR_HEIGHT_M = 90.0, 100.0, 0.06
#: Stacking: how far off the axis, how much tilted and how high above its place a bowl may be.
_NESTED_M, _NESTED_DEG, _DROP_M = 0.005, 5.0, 0.02
#: Points of a hand that the arm keeps off are so far apart, metres.
_CELL_M = 0.01
#: Handover: distance that gripper and hand keep.
_APART_M = 0.02
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
class _Scene:
    """What a task has: the run, what is believed, and a hand's points in the object's frame."""

    run: ArmRun
    believed: dict[str, SeenObject]
    frames: list[SequenceFrame]
    q_views: np.ndarray
    hand: np.ndarray | None = None

    def frame(self, name: str, which: str, table: GraspTable) -> TaskFrame:
        """The frame of an object to grasp it by, best reached from where the arm is."""
        item = self.believed[name]
        found = task_frames(item, table, hand_obj=self.hand, gripper=xarm6_gripper())
        refused = [r for r in found.refusals if r.frame in ("", which)]
        if refused:
            raise TaskError(f"{which}: {refused[0].reason.value}")
        wanted = [frame for frame in found.frames if frame.name == which]
        found = replace(found, frames=tuple(wanted))
        run = self.run
        found = with_reach(found, run.solver, np.eye(4), run.around, near_rad=run.q_rad)
        return found.frames[0]


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
    rng = np.random.default_rng([seed, sorted(TASKS).index(task)])
    make, carry_out = TASKS[task]
    solids = {solid.name: solid for solid in make(rng)}
    run = ArmRun(solver, dict(solids), believed_surroundings((), None), np.array(READY_RAD))
    kind = "true" if estimator is None else "estimated"
    errors: dict[str, float] = {}
    try:
        scene = _seen(run, seed, estimator, held="hand" in solids)
        errors = {
            name: 1000 * float(np.linalg.norm((item.T_out_obj - solids[name].T_base_obj)[:3, 3]))
            for name, item in scene.believed.items()
        }
        numbers, failure = carry_out(scene, table)
        if keep is not None:
            keep(run, scene.frames)
    except TaskError as error:
        return TaskOutcome(task, seed, kind, False, str(error), {}, errors)
    if not failure and run.touched:
        failure = f"touched {run.touched[0]}"
    return TaskOutcome(task, seed, kind, not failure, failure, numbers, errors)


def _seen(run: ArmRun, seed: int, estimator: PoseEstimator | None, *, held: bool) -> _Scene:
    """Look from two places; where something is held, the points around it are a hand's."""
    solids = list(run.solids.values())
    table_m = None if held else 0.0
    target = np.array([0.45, 0.0, 0.30]) if held else np.array(_TARGET)
    q_views = _views(run, target)
    if estimator is None:
        frames = look(solids, q_views, seed)
        believed = {s.name: true_object(s) for s in solids if s.category is not None}
    else:
        believed, frames = estimated_objects(solids, q_views, estimator, seed, with_table=not held)
    missing = [s.name for s in solids if s.category is not None and s.name not in believed]
    if missing:
        raise TaskError(f"looking: no pose of {missing[0]}")
    run.q_rad = q_views[-1]
    run.around = believed_surroundings(list(believed.values()), 0.0)
    run.table_m = 0.0 if table_m is not None else -0.05
    hand = None
    if held:
        (item,) = believed.values()
        poses = camera_poses(q_views)
        points = [depth_points(v.frame, T) for v, T in zip(frames, poses, strict=True)]
        hand = hand_points(np.concatenate(points), item)[::5]
        T = item.T_out_obj
        cells = np.unique(np.round(hand / _CELL_M), axis=0) * _CELL_M
        kept = Obstacle("hand", cells @ T[:3, :3].T + T[:3, 3], _CELL_M)
        run.around = replace(run.around, obstacles=(*run.around.obstacles, kept))
    return _Scene(run, believed, frames, q_views, hand)


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


def _vessel(rng: np.random.Generator, names: Sequence[str], at: tuple[float, float]) -> Solid:
    """A can or bottle that the gripper can span, on the table near a place."""
    name = str(rng.choice(names))
    while True:
        shape = usual_shape(name, rng)
        size_m = np.ptp(shape.vertices, axis=0)
        if size_m[[0, 2]].max() < _GRASPABLE_M and size_m[1] < 0.25:
            break
    x, y = np.array(at) + rng.uniform(-0.05, 0.05, 2)
    T = on_table(size_m, x, y, rng.uniform(0, 2 * np.pi))
    return Solid(name, name, shape.vertices, shape.faces, T)


def _bowl(
    rng: np.random.Generator, name: str, at: tuple[float, float], like: Solid | None
) -> Solid:
    if like is None:
        while True:
            shape = usual_shape("bowl", rng)
            size_m = np.ptp(shape.vertices, axis=0)
            if size_m[[0, 2]].max() < 0.18:
                break
        vertices, faces = shape.vertices, shape.faces
    else:
        vertices, faces = like.vertices, like.faces
    x, y = np.array(at) + rng.uniform(-0.04, 0.04, 2)
    T = on_table(np.ptp(vertices, axis=0), x, y, rng.uniform(0, 2 * np.pi))
    return Solid(name, "bowl", vertices, faces, T)


def _pour_scene(rng: np.random.Generator) -> list[Solid]:
    return [_vessel(rng, ("bottle", "can"), (0.42, -0.17)), _bowl(rng, "bowl", (0.44, 0.15), None)]


def _stack_scene(rng: np.random.Generator) -> list[Solid]:
    below = _bowl(rng, "bowl below", (0.44, 0.16), None)
    return [below, _bowl(rng, "bowl", (0.42, -0.16), below)]


def _handover_scene(rng: np.random.Generator) -> list[Solid]:
    """A bottle or can on a palm that comes from one side, the thumb against it, off the table."""
    solid = _vessel(rng, ("bottle", "can"), (0.46, 0.0))
    lean = transform(rpy_rad=tuple(rng.normal(0, np.radians(8), 3)))
    T = solid.T_base_obj.copy()
    T[2, 3] = rng.uniform(0.28, 0.36)
    T[:3, :3] = lean[:3, :3] @ T[:3, :3]
    side = rng.uniform(-0.4 * np.pi, 0.4 * np.pi)  # where the arm of the hand comes from
    away = turned_about(2, side)
    width_m, height_m = float(solid.size_m[[0, 2]].max()), float(solid.size_m[1])
    sizes = np.array([[0.10, 0.08, 0.025], [0.02, 0.07, 0.05], [0.25, 0.07, 0.07]])
    below = -height_m / 2
    centres = np.array(
        [
            [0.0, 0.0, below - 0.014],
            [width_m / 2 + 0.012, 0.0, below + 0.03],
            [0.17, 0.0, below - 0.05],
        ]
    )
    parts = box(sizes, rounding=0.004).moved(centres)
    count = parts.vertices.shape[1]
    faces = np.concatenate([parts.faces + i * count for i in range(len(sizes))])
    hand = np.eye(4)
    hand[:3, :3], hand[:3, 3] = lean[:3, :3] @ away, T[:3, 3]
    return [solid.moved(T), Solid("hand", None, parts.vertices.reshape(-1, 3), faces, hand)]


def _pour(scene: _Scene, table: GraspTable) -> tuple[dict[str, float], str]:
    """Take the vessel, bring its lip over the bowl, tilt it about the lip."""
    run = scene.run
    name = next(n for n in scene.believed if n != "bowl")
    vessel = scene.believed[name]
    run.grasp(vessel, scene.frame(name, "grasp_side", table))
    lip = task_frames(vessel, table).frame("pour")
    fill = task_frames(scene.believed["bowl"], table).frame("fill")
    if lip is None or fill is None:
        raise TaskError("pour: no frame to pour from or into")
    over = (scene.believed["bowl"].T_out_obj @ fill.T_obj_frame)[:3, 3] + [0, 0, _POUR_HEIGHT_M]
    T_tcp_obj = np.linalg.inv(vessel.T_out_obj @ _taken_at(run, vessel)) @ vessel.T_out_obj
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
            carried = len(run.held_at)
            run.go(tilting)
            return _judge_pour(run, name, carried)
    raise TaskError("pour: no tilting motion within the arm's reach was found")


def _nearest_first(
    run: ArmRun, T_base_tcp: np.ndarray, around: Surroundings
) -> list[tuple[int, np.ndarray]]:
    """Those of many frames (N, 4, 4) that are reached, by index, the least motion first."""
    reaches = run.solver.solve(T_base_tcp, around, near_rad=run.q_rad)
    found = [(i, reach.q_rad) for i, reach in enumerate(reaches) if reach.q_rad is not None]
    return sorted(found, key=lambda row: float(np.abs(row[1] - run.q_rad).max()))


def _taken_at(run: ArmRun, item: SeenObject) -> np.ndarray:
    """The believed T_obj_tcp of the grasp: the tool where it closed, before it lifted."""
    T_base_tcp = run.T_base_tcp.copy()
    T_base_tcp[2, 3] -= 0.1  # the lift
    return np.asarray(np.linalg.inv(item.T_out_obj) @ T_base_tcp)


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


def _judge_pour(run: ArmRun, name: str, carried: int) -> tuple[dict[str, float], str]:
    vessel, bowl = run.solids[name], run.solids["bowl"]
    T, half = vessel.T_base_obj, vessel.size_m[1] / 2
    tilt_deg = float(np.degrees(np.arccos(np.clip(T[2, 1], -1, 1))))
    rim = vessel.vertices[vessel.vertices[:, 1] > half - 0.004]
    rim = rim @ T[:3, :3].T + T[:3, 3]
    lowest = rim[rim[:, 2].argmin()]
    aside_m = float(np.linalg.norm((lowest - bowl.T_base_obj[:3, 3])[:2]))
    radius_m = float(bowl.size_m[[0, 2]].min() / 2)
    above_m = float(lowest[2] - bowl.T_base_obj[2, 3] - bowl.size_m[1] / 2)
    gaps = []
    for T_base_obj in run.held_at[carried::3]:
        run.solids[name] = vessel.moved(T_base_obj)
        gaps.append(run.gap(name, "bowl"))
    run.solids[name] = vessel
    gap_m = min(gaps)
    numbers = {"tilt_deg": tilt_deg, "aside_m": aside_m, "above_m": above_m, "gap_m": gap_m}
    if tilt_deg < _POUR_DEG:
        return numbers, "not tilted far enough"
    if aside_m > radius_m - 0.01 or above_m < 0:
        return numbers, "the lip is not over the bowl"
    return numbers, "touched the bowl" if gap_m < 0.002 else ""


def _stack(scene: _Scene, table: GraspTable) -> tuple[dict[str, float], str]:
    """Take a bowl by its rim, bring it over the other one, lower it and let go."""
    run, bowl, below = scene.run, scene.believed["bowl"], scene.believed["bowl below"]
    run.grasp(bowl, scene.frame("bowl", "grasp_top", table))
    place = task_frames(below, table).frame("stack")
    if place is None:
        raise TaskError("stack: no frame to stack on")
    T_obj_tcp = _taken_at(run, bowl)
    nest = below.T_out_obj @ place.T_obj_frame
    upright = transform(tuple(nest[:3, 3]), (np.pi / 2, 0.0, 0.0))
    turns = [transform(rpy_rad=(0.0, a, 0.0)) for a in np.arange(24) * (np.pi / 12)]
    low = np.stack([upright @ turn @ T_obj_tcp for turn in turns])
    high = low.copy()
    low[:, 2, 3] -= 0.01
    high[:, 2, 3] += 0.10
    around = run.around.without("bowl", "bowl below")
    for i, q in _nearest_first(run, high, around)[:8]:
        if run.solver.follow(q, np.stack([high[i], low[i]])) is None:
            continue
        run.go_to(q, "over the other bowl", spared=["bowl"])
        run.lower_until_contact(low[i], "bowl below")
        run.release()
        return _judge_stack(run)
    raise TaskError("stack: the place cannot be reached")


def _judge_stack(run: ArmRun) -> tuple[dict[str, float], str]:
    bowl, below = run.solids["bowl"], run.solids["bowl below"]
    offset = bowl.T_base_obj[:3, 3] - below.T_base_obj[:3, 3]
    aside_m = float(np.linalg.norm(offset[:2]))
    tilt_deg = float(np.degrees(np.arccos(np.clip(bowl.T_base_obj[2, 1], -1, 1))))
    drop_m = fall_m(bowl, below)
    numbers = {"aside_m": aside_m, "tilt_deg": tilt_deg, "drop_m": drop_m}
    if aside_m > _NESTED_M:
        return numbers, "off the axis"
    if tilt_deg > _NESTED_DEG:
        return numbers, "tilted"
    return numbers, "let go too high" if drop_m > _DROP_M else ""


def _handover(scene: _Scene, table: GraspTable) -> tuple[dict[str, float], str]:
    """Take the object on the side away from the hand, and draw it back."""
    run = scene.run
    (name,) = scene.believed
    frame = scene.frame(name, "handover", table)
    begun = len(run.path_rad)
    run.grasp(scene.believed[name], frame, lift_m=0.08)
    hand = run.solids["hand"].surface(0.005)
    segments = run.solver.collisions.segments(np.array(run.path_rad[begun:]))
    gaps = []
    for i, capsule in enumerate(run.solver.collisions.capsules):
        if capsule.link == 6:
            ends = segments[:, i, :, None]
            gap = segment_point_distances(ends[:, 0], ends[:, 1], hand[None]).min()
            gaps.append(float(gap) - capsule.radius_m)
    numbers = {"apart_m": min(gaps)}
    return numbers, "" if min(gaps) >= _APART_M else "gripper and hand too near"


#: Task -> what makes its scene, and what carries it out.
TASKS: dict[
    str,
    tuple[
        Callable[[np.random.Generator], list[Solid]],
        Callable[[_Scene, GraspTable], tuple[dict[str, float], str]],
    ],
] = {
    "pour": (_pour_scene, _pour),
    "stack": (_stack_scene, _stack),
    "handover": (_handover_scene, _handover),
}
