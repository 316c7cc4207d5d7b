# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Task frames of an estimated object: where to grasp, pour, stack and take it from a hand.

Uncertain poses give none, and say why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry import rotation_error_deg
from genpose_ros.robot.collision import Capsule, Surroundings
from genpose_ros.robot.grasps import FrameSpec, GraspTable, Trust
from genpose_ros.robot.inverse import InverseKinematics, Reach, Reachability
from genpose_ros.robot.kinematics import transform, turned_about
from genpose_ros.robot.reasons import FrameReason, FrameRefusal
from genpose_ros.robot.segments import segment_point_distances

__all__ = ["SeenObject", "TaskFrame", "TaskFrames", "away_from_hand", "task_frames", "with_reach"]

#: Clearance between gripper and hand that a handover needs.
HAND_CLEARANCE_M = 0.03


@dataclass(frozen=True, kw_only=True)
class SeenObject:
    """Estimated or tracked object, as far as task frames depend on it.

    Attributes:
        name: of its frame.
        category: what it is.
        T_out_obj: (4, 4) its pose, metres, in whatever frame is used.
        size_m: (3,) edges of its box along its own axes, metres.
        score: probability of its pose.
        score_axis: of its place and y axis alone.
        T_out_other: (4, 4) pose of the second mode; None: there is none.
        other_share: share of the candidates in the second mode.
        confirmed: whether it is tracked and seen often enough, or not tracked at all.
        coasting: whether its pose is predicted, not seen.
        age_s: how long ago it was seen, seconds.
        unusual_size: whether its size is not that of its category.
    """

    name: str
    category: Category
    T_out_obj: np.ndarray
    size_m: np.ndarray
    score: float = 1.0
    score_axis: float = 1.0
    T_out_other: np.ndarray | None = None
    other_share: float = 0.0
    confirmed: bool = True
    coasting: bool = False
    age_s: float = 0.0
    unusual_size: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskFrame:
    """Frame of an object for a task, and the equivalent ones around it.

    Attributes:
        name: such as `grasp_side`.
        T_obj_ring: (R, 4, 4) equivalent frames, metres, object frame; of grasps, where the tool
            centre point goes.
        opening_m: what the fingers span; 0 of frames that are no grasps.
        before_m: how far before it, along its own z axis, the tool stops first.
        chosen: index of the frame to take.
        reaches: of each frame of the ring, where an arm was asked; empty: none was.
        is_grasp: whether the gripper goes there.
    """

    name: str
    T_obj_ring: np.ndarray
    opening_m: float = 0.0
    before_m: float = 0.0
    chosen: int = 0
    reaches: tuple[Reach, ...] = ()
    is_grasp: bool = False

    @property
    def T_obj_frame(self) -> np.ndarray:
        """The chosen frame, (4, 4)."""
        return np.asarray(self.T_obj_ring[self.chosen])

    @property
    def T_obj_before(self) -> np.ndarray:
        """Where the tool stops before it, (4, 4)."""
        return np.asarray(self.T_obj_frame @ transform((0.0, 0.0, -self.before_m)))

    @property
    def reach(self) -> Reach:
        """Whether an arm reaches the chosen frame."""
        if not self.is_grasp:
            return Reach(Reachability.NO_GRASP)
        return self.reaches[self.chosen] if self.reaches else Reach(Reachability.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class TaskFrames:
    """Task frames of an object, and why it lacks others.

    Attributes:
        item: the object.
        frames: in the table's order.
        refusals: of single frames, or of all.
    """

    item: SeenObject
    frames: tuple[TaskFrame, ...] = ()
    refusals: tuple[FrameRefusal, ...] = field(default_factory=tuple)

    def frame(self, name: str) -> TaskFrame | None:
        """Return the frame of a name; None: there is none, and `refusals` tells why."""
        return next((frame for frame in self.frames if frame.name == name), None)


def task_frames(
    item: SeenObject,
    table: GraspTable,
    *,
    hand_obj: np.ndarray | None = None,
    gripper: Sequence[Capsule] = (),
) -> TaskFrames:
    """Return the frames of an object that its pose is sure enough for.

    Args:
        item: the object.
        table: frames of its category, in its axes.
        hand_obj: (M, 3) points of a hand that holds it, metres, object frame; None: there is none.
        gripper: capsules in the frame of the tool centre point, which a hand must stay clear of.
    """
    specs = table.frames_of(item.category.name)
    whole = _refused_object(item, table.trust, bool(specs))
    if whole is not None:
        return TaskFrames(item=item, refusals=(whole,))
    frames, refusals = [], []
    for spec in specs:
        refusal = _unsure(item, spec, table.trust) or _too_wide(item, spec, table)
        frame = None if refusal else _frame(item, spec, table)
        if frame is not None and spec.hand:
            frame, refusal = away_from_hand(frame, hand_obj, gripper)
        if frame is not None:
            frames.append(frame)
        if refusal is not None:
            refusals.append(refusal)
    return TaskFrames(item=item, frames=tuple(frames), refusals=tuple(refusals))


def _refused_object(item: SeenObject, trust: Trust, known: bool) -> FrameRefusal | None:
    """Why nothing is offered of an object at all."""
    name = item.category.name
    if not known:
        text = f"the table of grasps has no {name}; name a file that has as the parameter grasps"
        return FrameRefusal(FrameReason.NO_FRAMES, text)
    if not item.confirmed:
        text = "seen too seldom to be trusted, or lost: wait until it is confirmed"
        return FrameRefusal(FrameReason.NOT_CONFIRMED, text)
    if item.coasting:
        text = f"predicted, last seen {item.age_s:.1f} s ago: look at it again"
        return FrameRefusal(FrameReason.COASTING, text)
    if item.age_s > trust.stale_s:
        text = f"seen {item.age_s:.1f} s ago, more than {trust.stale_s:g} s: look at it again"
        return FrameRefusal(FrameReason.STALE, text)
    if item.unusual_size:
        edges = " x ".join(f"{1000 * edge:.0f}" for edge in item.size_m)
        text = f"{edges} mm is no usual {name}: check the depth's unit and the class"
        return FrameRefusal(FrameReason.UNUSUAL_SIZE, text)
    return None


def _unsure(item: SeenObject, spec: FrameSpec, trust: Trust) -> FrameRefusal | None:
    """Why the pose is not sure enough for a frame."""
    score = item.score if spec.yaw else item.score_axis
    if score < trust.score:
        yaw_alone = spec.yaw and item.score_axis >= trust.score
        reason = FrameReason.UNSURE_YAW if yaw_alone else FrameReason.LOW_SCORE
        what = "how it is turned about its y axis" if yaw_alone else "its pose"
        text = f"{what} has a score of {score:.2f}, less than {trust.score:g}: look from elsewhere"
        return FrameRefusal(reason, text, spec.name)
    if item.other_share < trust.second_mode:
        return None
    turn_deg, moved_m = _mode_difference(item, spec.yaw)
    if turn_deg <= trust.second_mode_deg and moved_m <= trust.second_mode_m:
        return None
    text = (
        f"{100 * item.other_share:.0f} % of the candidates say another pose, turned by "
        f"{turn_deg:.0f} degrees and moved by {1000 * moved_m:.0f} mm: look from elsewhere"
    )
    return FrameRefusal(FrameReason.SECOND_MODE, text, spec.name)


def _mode_difference(item: SeenObject, yaw: bool) -> tuple[float, float]:
    """Angle, degrees, and distance, metres, of the second mode, modulo what does not matter."""
    T, other = item.T_out_obj, item.T_out_other
    if other is None:
        return 0.0, 0.0
    if yaw:
        turn_deg = float(rotation_error_deg(T[:3, :3], other[:3, :3], item.category))
    else:
        turn_deg = float(np.degrees(np.arccos(np.clip(T[:3, 1] @ other[:3, 1], -1.0, 1.0))))
    return turn_deg, float(np.linalg.norm(T[:3, 3] - other[:3, 3]))


def _too_wide(item: SeenObject, spec: FrameSpec, table: GraspTable) -> FrameRefusal | None:
    width_m, gripper = spec.width_m(item.size_m, table.gripper), table.gripper
    if width_m <= gripper.opening_m - gripper.spare_m:
        return None
    text = (
        f"{1000 * width_m:.0f} mm are to be spanned with {1000 * gripper.spare_m:.0f} mm to spare, "
        f"and the gripper opens {1000 * gripper.opening_m:.0f} mm"
    )
    return FrameRefusal(FrameReason.TOO_WIDE, text, spec.name)


def _frame(item: SeenObject, spec: FrameSpec, table: GraspTable) -> TaskFrame:
    """The frame and its equivalents: all around a round object, else as table and group say."""
    category = item.category
    size_m = np.asarray(item.size_m, dtype=np.float64)
    if category.symmetry.free_axis:
        angles = np.arange(table.ring) * (2 * np.pi / table.ring)
    else:
        angles = np.radians(spec.around)
    local = np.eye(4)
    local[:3, :3], local[:3, 3] = spec.R_obj_frame, spec.origin(size_m)
    ring = [_turned(local, angle, spec.axis_point(size_m)) for angle in angles]
    if not category.symmetry.free_axis:
        group = [_rotation(R) for R in category.symmetry.rotations]
        ring = [R @ frame for R in group for frame in ring]
    return TaskFrame(
        name=spec.name,
        T_obj_ring=np.array(ring),
        opening_m=spec.width_m(size_m, table.gripper),
        before_m=spec.before_m,
        is_grasp=spec.is_grasp,
    )


def _turned(T_obj_frame: np.ndarray, angle_rad: float, through: np.ndarray) -> np.ndarray:
    """A frame turned about the y direction through a point."""
    turn = _rotation(turned_about(1, angle_rad))
    turn[:3, 3] = through - turn[:3, :3] @ through
    return np.asarray(turn @ T_obj_frame)


def _rotation(R: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = R
    return T


def away_from_hand(
    frame: TaskFrame, hand_obj: np.ndarray | None, gripper: Sequence[Capsule]
) -> tuple[TaskFrame | None, FrameRefusal | None]:
    """Return a frame with those of its ring that keep clear of a hand, the clearest one chosen.

    Args:
        frame: to choose of.
        hand_obj: (M, 3) points of the hand, metres, object frame.
        gripper: capsules in the frame of the tool centre point.
    """
    if hand_obj is None or not len(hand_obj):
        text = "no hand is seen at it: a handover needs one"
        return None, FrameRefusal(FrameReason.NO_HAND, text, frame.name)
    clearances = np.array([_hand_clearance(T, hand_obj, gripper) for T in frame.T_obj_ring])
    clear = np.flatnonzero(clearances >= HAND_CLEARANCE_M)
    if not len(clear):
        text = (
            f"the gripper would be within {1000 * max(clearances.max(), 0):.0f} mm of the hand, "
            f"{1000 * HAND_CLEARANCE_M:.0f} mm are wanted: hold it elsewhere"
        )
        return None, FrameRefusal(FrameReason.HAND_TOO_NEAR, text, frame.name)
    order = clear[np.argsort(-clearances[clear], kind="stable")]
    return replace(frame, T_obj_ring=frame.T_obj_ring[order], chosen=0), None


def _hand_clearance(
    T_obj_tcp: np.ndarray, hand_obj: np.ndarray, gripper: Sequence[Capsule]
) -> float:
    """Distance of a gripper from the points of a hand, metres."""
    seen = (hand_obj - T_obj_tcp[:3, 3]) @ T_obj_tcp[:3, :3]
    if not gripper:
        return float(np.linalg.norm(seen, axis=1).min())
    gaps = [
        segment_point_distances(np.array(part.start_m), np.array(part.end_m), seen).min()
        - part.radius_m
        for part in gripper
    ]
    return float(min(gaps))


def with_reach(
    frames: TaskFrames,
    solver: InverseKinematics,
    T_base_out: np.ndarray,
    around: Surroundings | None = None,
    *,
    near_rad: np.ndarray | None = None,
) -> TaskFrames:
    """Return the frames with what an arm reaches of them, the best of each ring chosen.

    Of grasps the frame before it has to be reached too, by joints that move little in between. Of
    those that are, the one is chosen to which the arm's joints move least; of a handover, the
    clearest of the hand.

    Args:
        frames: of an object, in some frame.
        solver: of the arm.
        T_base_out: (4, 4), that frame to the arm's base.
        around: what the arm must not touch; the object itself is left out by its name.
        near_rad: (J,) where the arm is.
    """
    surroundings = (around or Surroundings()).without(frames.item.name)
    T_base_obj = T_base_out @ frames.item.T_out_obj
    near = np.zeros(len(solver.collisions.arm.joints)) if near_rad is None else near_rad
    marked = [
        _reached(frame, solver, T_base_obj, surroundings, near) if frame.is_grasp else frame
        for frame in frames.frames
    ]
    return replace(frames, frames=tuple(marked))


def _reached(
    frame: TaskFrame,
    solver: InverseKinematics,
    T_base_obj: np.ndarray,
    around: Surroundings,
    near: np.ndarray,
) -> TaskFrame:
    tools = T_base_obj @ frame.T_obj_ring
    back = transform((0.0, 0.0, -frame.before_m))
    reaches = list(solver.solve(tools @ back, around, near_rad=near))
    rows = [i for i, before in enumerate(reaches) if before.q_rad is not None]
    before_rad = np.array([reaches[i].q_rad for i in rows]).reshape(len(rows), near.shape[-1])
    at_once = solver.solve(tools[rows], around, near_rad=before_rad) if rows else ()
    for i, reach in zip(rows, at_once, strict=True):
        reaches[i] = reach
    far = [np.inf if r.q_rad is None else float(np.abs(r.q_rad - near).max()) for r in reaches]
    chosen = int(np.argmin(far)) if np.isfinite(min(far)) else _most_telling(reaches)
    return replace(frame, reaches=tuple(reaches), chosen=chosen)


def _most_telling(reaches: Sequence[Reach]) -> int:
    """Where nothing is reached, the frame that failed last: in collision rather than too far."""
    colliding = [i for i, r in enumerate(reaches) if r.outcome is Reachability.IN_COLLISION]
    return colliding[0] if colliding else 0
