# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node `task_frames`: grasp and task frames of the objects on /tf, and what the arm reaches.

`~/objects` is remapped to the estimator's. For each object, frames `<object>_<frame>` and, of
grasps, `<object>_<frame>_before` are children of the object's own; `~/task_frames` describes all of
them as JSON, with the rings, what is reached, and why other frames are missing. Where no objects
come any more, the description takes all frames back. Nothing is moved.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from tf2_ros import TransformBroadcaster

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.robot.collision import Surroundings, box_obstacle
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.reasons import FrameReason, FrameRefusal
from genpose_ros.robot.task_frames import SeenObject, TaskFrame, TaskFrames, task_frames, with_reach
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions, xarm6_gripper
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.program import run_program
from genpose_ros.ros.robot.seen_objects import seen_object
from genpose_ros.ros.transforms import TransformBuffer

__all__ = ["TaskFramesNode", "description", "main"]

_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
_ROBOTS = ("", "xarm6")
#: A hand that a frame names, as points on a ball of such a radius, metres.
_HAND_M = 0.06
#: So often it is looked whether objects still come, seconds.
_WATCH_S = 0.25


class TaskFramesNode(Node):
    """Publishes task frames of objects and which of them the arm reaches.

    Args:
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        FileNotFoundError: the parameter `grasps` names no file.
        ValueError: the table of grasps has a mistake, or there is no such robot.
    """

    def __init__(self, *, node_name: str = "task_frames", **node_options: Any) -> None:
        super().__init__(node_name, **node_options)
        self._table = GraspTable.read(self._text("grasps", "Table of grasps; empty: the shipped."))
        robot = self._text("robot", "Arm whose reach is told: xarm6, or empty for none.")
        if robot not in _ROBOTS:
            raise ValueError(f"robot is one of {', '.join(filter(None, _ROBOTS))}; got {robot!r}")
        prefix = self._text("prefix", "Before the arm's names of joints and links.")
        base = self._text("base_frame", "The arm's base; empty: the prefix and link_base.")
        self._base = base or f"{prefix}link_base"
        self._tf_prefix = self._text("tf_prefix", "As of the estimator: before objects' frames.")
        self._hand = self._text("hand_frame", "Frame of a hand that holds objects; empty: none.")
        self._table_m = self._number("table_height", 0.0, "Of the table in the base frame, metres.")
        self._silent_s = self._number(
            "silent_s", 3.0, "Without objects for so long, none has frames."
        )
        if not self._silent_s > 0:
            raise ValueError(f"silent_s must be positive, got {self._silent_s:g}")
        self._solver = InverseKinematics(xarm6_collisions(prefix)) if robot else None
        self._items: list[SeenObject] = []
        self._header, self._heard_s = Header(), time.monotonic()
        self._joints: dict[str, float] = {}
        self._transforms = TransformBuffer()
        if self._solver is not None or self._hand:
            self._transforms.listen(self)
        self._broadcaster = TransformBroadcaster(self)
        self._publisher = self.create_publisher(String, "~/task_frames", _LATCHED)
        self.create_subscription(ObjectPoseArray, "objects", self._on_objects, 5)
        self.create_subscription(JointState, "joint_states", self._on_joints, 10)
        self.create_timer(_WATCH_S, self._take_back)

    def _text(self, name: str, description: str) -> str:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return str(self.declare_parameter(name, "", descriptor).value)

    def _number(self, name: str, default: float, description: str) -> float:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        value = self.declare_parameter(name, default, descriptor).value
        return float(default if value is None else value)

    def _on_joints(self, message: JointState) -> None:
        self._joints.update(zip(message.name, message.position, strict=False))

    def _on_objects(self, message: ObjectPoseArray) -> None:
        items = []
        for item in message.objects:
            try:
                items.append(seen_object(item))
            except ValueError as error:
                self.get_logger().warning(f"object left out: {error}", throttle_duration_sec=5.0)
        if not items and message.rejections:
            return  # a refused frame tells nothing new
        self._items, self._header, self._heard_s = items, message.header, time.monotonic()
        found, why = self._frames(items, message.header)
        transforms = [t for frames in found for t in self._transform_messages(frames, message)]
        if transforms:
            self._broadcaster.sendTransform(transforms)
        text = json.dumps(description(found, message.header, self._base if not why else "", why))
        self._publisher.publish(String(data=text))

    def _take_back(self) -> None:
        """Refuse the last objects' frames where no more have come: the description is latched."""
        silent_s = time.monotonic() - self._heard_s
        if not self._items or silent_s <= self._silent_s:
            return
        text = f"no objects came for {silent_s:.1f} s: see that camera, masks and estimator run"
        refusal = FrameRefusal(FrameReason.STALE, text)
        found = [TaskFrames(item=item, refusals=(refusal,)) for item in self._items]
        self._items = []
        self.get_logger().warning(f"the objects' frames are taken back: {text}")
        values = description(found, self._header, "", text)
        self._publisher.publish(String(data=json.dumps(values)))

    def _frames(self, items: Sequence[SeenObject], header: Header) -> tuple[list[TaskFrames], str]:
        """The frames of all objects; and why no reach is known, empty where it is."""
        T_hand = self._transforms.camera_in(self._hand, header) if self._hand else None
        found = []
        for item in items:
            hand = None
            if isinstance(T_hand, np.ndarray):
                hand = _ball(np.linalg.inv(item.T_out_obj) @ np.linalg.inv(T_hand))
            found.append(task_frames(item, self._table, hand_obj=hand, gripper=xarm6_gripper()))
        if self._solver is None:
            return found, "no robot is set"
        T_base_out = self._transforms.camera_in(self._base, header)
        if isinstance(T_base_out, Rejection):
            self.get_logger().warning(
                f"no reach is told: {T_base_out.detail}", throttle_duration_sec=5.0
            )
            return found, T_base_out.detail
        boxes = tuple(box_obstacle(o.name, T_base_out @ o.T_out_obj, o.size_m) for o in items)
        around = Surroundings(self._table_m, boxes)
        near = self._near()
        return [
            with_reach(frames, self._solver, T_base_out, around, near_rad=near) for frames in found
        ], ""

    def _near(self) -> np.ndarray:
        """Where the arm is, by /joint_states; unknown: where it looks down at its table."""
        names = [joint.name for joint in self._solver.collisions.arm.joints] if self._solver else []
        if all(name in self._joints for name in names):
            return np.array([self._joints[name] for name in names])
        return np.array(READY_RAD)

    def _transform_messages(
        self, frames: TaskFrames, message: ObjectPoseArray
    ) -> list[TransformStamped]:
        parent = f"{self._tf_prefix}{frames.item.name}"
        named = []
        for frame in frames.frames:
            named.append((frame.name, frame.T_obj_frame))
            if frame.is_grasp:
                named.append((f"{frame.name}_before", frame.T_obj_before))
        poses = pose_messages(np.array([T for _, T in named]).reshape(-1, 4, 4))
        header = Header(stamp=message.header.stamp, frame_id=parent)
        return [
            TransformStamped(
                header=header,
                child_frame_id=f"{parent}_{name}",
                transform=Transform(
                    translation=Vector3(x=p.position.x, y=p.position.y, z=p.position.z),
                    rotation=p.orientation,
                ),
            )
            for (name, _), p in zip(named, poses, strict=True)
        ]


def _ball(T_obj_hand: np.ndarray) -> np.ndarray:
    """Points (26, 3) on a ball around a hand's frame."""
    grid = np.indices((3, 3, 3)).reshape(3, -1).T - 1.0
    directions = grid[np.any(grid != 0, axis=1)]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(T_obj_hand[:3, 3] + _HAND_M * directions)


def description(
    found: Sequence[TaskFrames], header: Header, base: str, why_no_reach: str
) -> dict[str, Any]:
    """Return all frames as plain values: poses as rows (x, y, z, qx, qy, qz, qw) in the object.

    Args:
        found: of all objects.
        header: of the poses.
        base: frame of the arm's base; empty where no reach is told.
        why_no_reach: empty where it is.
    """
    stamp = header.stamp.sec + 1e-9 * header.stamp.nanosec
    return {
        "stamp": stamp,
        "frame_id": header.frame_id,
        "base_frame": base,
        "no_reach_because": why_no_reach,
        "objects": [
            {
                "object": frames.item.name,
                "category": frames.item.category.name,
                "frames": [_frame_values(frame) for frame in frames.frames],
                "refused": [
                    {"frame": r.frame, "reason": r.reason.value, "detail": r.detail}
                    for r in frames.refusals
                ],
            }
            for frames in found
        ],
    }


def _frame_values(frame: TaskFrame) -> dict[str, Any]:
    reach = frame.reach
    return {
        "frame": frame.name,
        "is_grasp": frame.is_grasp,
        "opening_m": round(frame.opening_m, 4),
        "before_m": frame.before_m,
        "chosen": frame.chosen,
        "reachable": reach.outcome.value,
        "in_the_way": reach.obstacle,
        "why_not": "" if reach.reachable else reach.outcome.text,
        "joints_rad": None if reach.q_rad is None else [round(float(q), 5) for q in reach.q_rad],
        "ring": [
            {
                "pose": _row(T),
                "reachable": r.outcome.value if (r := _of(frame, i)) else "unknown",
            }
            for i, T in enumerate(frame.T_obj_ring)
        ],
    }


def _of(frame: TaskFrame, index: int) -> Any:
    return frame.reaches[index] if frame.reaches else None


def _row(T: np.ndarray) -> list[float]:
    (pose,) = pose_messages(T[None])
    p, q = pose.position, pose.orientation
    return [round(float(v), 6) for v in (p.x, p.y, p.z, q.x, q.y, q.z, q.w)]


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_program("task_frames", TaskFramesNode, rclpy.spin, args)


if __name__ == "__main__":
    main()
