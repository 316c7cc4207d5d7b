# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node `moveit_bridge`: objects as collision objects of MoveIt's planning scene.

Takes the estimator's `objects`, or anybody's `detections` (vision_msgs/Detection3DArray), both of
which name tracked objects (others are told apart by where they are), and tells `/collision_object`
of what appears, moves and goes. What MoveIt holds at a link, as `/attached_collision_object` tells,
is left alone.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from moveit_msgs.msg import AttachedCollisionObject, CollisionObject
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.duration import Duration
from rclpy.node import Node
from vision_msgs.msg import Detection3DArray

from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.program import run_program
from genpose_ros.ros.robot.collision_objects import SHAPES, PlacedObject, PlanningScene
from genpose_ros.ros.robot.seen_objects import object_frame

__all__ = ["MoveItBridge", "main"]

#: States of objects that are seen now; others stay where they are until their time is over.
_SEEN = (ObjectPose.STATE_UNTRACKED, ObjectPose.STATE_CONFIRMED)
#: At the end it is waited for so long that the removals are heard, seconds.
_HEARD_S = 0.5
_MESH_FILES = {".obj", ".ply", ".stl"}


class MoveItBridge(Node):
    """Tells MoveIt's planning scene of the objects that are seen.

    Args:
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter is not valid.
    """

    def __init__(self, *, node_name: str = "moveit_bridge", **node_options: Any) -> None:
        super().__init__(node_name, **node_options)
        shape = str(
            self._declare("shape", "auto", f"What stands for objects: {', '.join(SHAPES)}.")
        )
        live_s = float(self._declare("live_s", 2.0, "Unseen for so long, an object is removed."))
        padding_m = float(self._declare("padding", 0.005, "Added to objects on all sides, metres."))
        self._least = float(
            self._declare(
                "min_score",
                0.5,
                "Least score of an object to appear: of `objects` that of axis and place.",
            )
        )
        if shape not in SHAPES:
            raise ValueError(f"shape is one of {', '.join(SHAPES)}; got {shape!r}")
        if not (live_s > 0 and 0 <= padding_m < 1):
            raise ValueError("live_s must be positive and padding between 0 and 1 m")
        self._scene = PlanningScene(shape=shape, live_s=live_s, padding_m=padding_m)
        if shape == "mesh":
            folder = str(
                self._declare("mesh_folder", "", "Folder with <category>.obj, .ply, .stl.")
            )
            self._scene.meshes = _unit_meshes(folder)
        self._told = False
        self._publisher = self.create_publisher(CollisionObject, "/collision_object", 50)
        self.create_subscription(ObjectPoseArray, "objects", self._on_objects, 10)
        self.create_subscription(Detection3DArray, "detections", self._on_detections, 10)
        self.create_subscription(
            AttachedCollisionObject, "/attached_collision_object", self._on_attached, 10
        )
        self.create_timer(0.5, lambda: self._send(self._scene.expired(time.monotonic())))

    def _declare(self, name: str, default: Any, description: str) -> Any:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return self.declare_parameter(name, default, descriptor).value

    def _on_objects(self, message: ObjectPoseArray) -> None:
        objects = []
        for item in message.objects:
            # How a mug is turned about its axis decides little about the room that it takes.
            if item.tracking_state in _SEEN and item.score_axis >= self._least:
                edges = (item.size.x, item.size.y, item.size.z)
                tracked = item.tracking_state != ObjectPose.STATE_UNTRACKED
                name, category = object_frame(item), item.class_name
                objects.append(PlacedObject(name, category, item.pose.pose, edges, tracked))
        self._send(self._scene.update(objects, message.header, time.monotonic()))
        seen = sum(item.tracking_state in _SEEN for item in message.objects)
        self._say_if_none(seen, "objects")

    def _on_detections(self, message: Detection3DArray) -> None:
        objects = []
        for number, item in enumerate(message.detections):
            if not item.results:
                continue
            hypothesis = item.results[0].hypothesis
            size = item.bbox.size
            # A coasting object has the score 0: it stays where it is until its time is over.
            if hypothesis.score >= self._least:
                name = item.id or f"{hypothesis.class_id}_{number}"
                edges = (size.x, size.y, size.z)
                category, pose = hypothesis.class_id, item.bbox.center
                objects.append(PlacedObject(name, category, pose, edges, bool(item.id)))
        self._send(self._scene.update(objects, message.header, time.monotonic()))
        self._say_if_none(len(message.detections), "detections")

    def _on_attached(self, message: AttachedCollisionObject) -> None:
        attached = message.object.operation != CollisionObject.REMOVE
        self._scene.attach(message.object.id, attached, message.link_name)

    def _send(self, messages: Sequence[CollisionObject]) -> None:
        for message in messages:
            self._publisher.publish(message)
            self._told = True

    def _say_if_none(self, count: int, topic: str) -> None:
        """Say so where objects come and none of them has ever been one for MoveIt."""
        if count and not self._told:
            self.get_logger().warning(
                f"none of the {count} objects on {topic} is put into the planning scene: each "
                f"needs a score of min_score = {self._least:g} or more, a pose and a size",
                throttle_duration_sec=10,
            )

    def destroy_node(self) -> None:
        """Take what was put into the scene out of it again."""
        if rclpy.ok(context=self.context):
            removals = self._scene.clear()
            self._send(removals)
            if removals:
                self._publisher.wait_for_all_acked(Duration(seconds=_HEARD_S))
        super().destroy_node()


def _unit_meshes(folder: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The meshes of a folder by category, scaled to edges of 1 and centred; their axes are kept.

    Raises:
        ValueError: there is none.
    """
    import trimesh

    found = {}
    files = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    for path in files:
        if path.suffix.lower() in _MESH_FILES:
            mesh: Any = trimesh.load(path, force="mesh")
            vertices = np.asarray(mesh.vertices, dtype=np.float64)
            low, high = vertices.min(0), vertices.max(0)
            found[path.stem] = ((vertices - (low + high) / 2) / (high - low), np.array(mesh.faces))
    if not found:
        raise ValueError(
            f"shape mesh needs a folder with files such as mug.obj as mesh_folder, got {folder!r}"
        )
    return found


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_program("moveit_bridge", MoveItBridge, rclpy.spin, args, says_goodbye=True)


if __name__ == "__main__":
    main()
