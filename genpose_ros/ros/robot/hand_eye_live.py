# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looks at one object by a running estimator and /tf, for `genpose check-hand-eye`.

Nothing is moved: whoever drives the arm goes from place to place and rests there for two images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.robot.hand_eye import Sighting
from genpose_ros.robot.looks import Looks
from genpose_ros.ros.robot.seen_objects import pose_matrix
from genpose_ros.ros.transforms import TransformBuffer

__all__ = ["LiveFrames", "LiveLooks", "look_live"]

#: Least score of the axis of an object that is looked at, and seconds between two hints.
_SCORE, _HINT_S = 0.5, 5.0


@dataclass(frozen=True, kw_only=True)
class LiveFrames:
    """Names that the looks depend on.

    Attributes:
        node: name of the estimator's node.
        base: frame of the arm's base.
        flange: frame of its flange.
        camera: the camera's optical frame.
        eye_to_hand: whether the camera stands beside the arm.
        category: of the object; empty: the first one that is seen alone.
    """

    node: str = "/genpose"
    base: str = "link_base"
    flange: str = "link_eef"
    camera: str = "camera_color_optical_frame"
    eye_to_hand: bool = False
    category: str = ""


class LiveLooks:
    """Listener that takes a look whenever the arm is at rest somewhere new.

    Attributes:
        looks: those that count.
        category: of the object that is looked at; empty: none was seen yet.
        T_mount_cam: (4, 4) the calibration by /tf: on the flange, or in the base frame of a camera
            beside the arm; None: not known yet.
        problem: why the last message gave no look; empty: it did, or the arm moved.

    Args:
        node: subscribes.
        frames: names.
        looks: where they go.
        taken: called after each.
    """

    def __init__(
        self, node: Node, frames: LiveFrames, looks: Looks, taken: Callable[["LiveLooks"], None]
    ) -> None:
        self.looks, self.category = looks, frames.category
        self.T_mount_cam: np.ndarray | None = None
        self.problem = f"nothing on {frames.node.rstrip('/')}/objects: does the estimator run?"
        self._frames, self._taken = frames, taken
        self._transforms = TransformBuffer()
        self._transforms.listen(node)
        node.create_subscription(
            ObjectPoseArray, f"{frames.node.rstrip('/')}/objects", self._on_objects, 5
        )

    def _on_objects(self, message: ObjectPoseArray) -> None:
        try:
            sighting = self._sighting(message)
        except ValueError as error:
            self.problem = str(error)
            return
        self.problem = ""
        if self.looks.add(sighting):
            self._taken(self)

    def _sighting(self, message: ObjectPoseArray) -> Sighting:
        """The object of a message, and where the flange was.

        Raises:
            ValueError: there is none, or a transform is missing; says what to do.
        """
        names, header = self._frames, message.header
        item = self._object(message)
        T_base_flange = self._found(
            names.base, SimpleNamespace(stamp=header.stamp, frame_id=names.flange)
        )
        mount = names.base if names.eye_to_hand else names.flange
        T_mount_cam = self._found(mount, SimpleNamespace(stamp=header.stamp, frame_id=names.camera))
        T_cam_out = np.eye(4)
        if header.frame_id != names.camera:
            T_cam_out = self._found(names.camera, header)
        self.category, self.T_mount_cam = item.class_name, T_mount_cam
        return Sighting(T_base_flange, T_cam_out @ pose_matrix(item.pose.pose))

    def _object(self, message: ObjectPoseArray) -> ObjectPose:
        """The one object that is looked at.

        Raises:
            ValueError: it is not there, not alone, or tracked.
        """
        seen = [item for item in message.objects if item.score_axis >= _SCORE]
        wanted = [o for o in seen if not self.category or o.class_name == self.category]
        what = self.category or "object"
        if not wanted:
            raise ValueError(f"no {what} is seen with a score of {_SCORE:g}: look from nearer")
        if len(wanted) > 1:
            raise ValueError(f"{len(wanted)} objects are seen: leave one, or name its --category")
        (item,) = wanted
        if item.tracking_state != ObjectPose.STATE_UNTRACKED:
            raise ValueError(
                "the object is tracked, and tracks are smoothed over the looks: set mode to "
                "estimate"
            )
        return item

    def _found(self, frame: str, header: Any) -> np.ndarray:
        found = self._transforms.camera_in(frame, header)
        if isinstance(found, Rejection):
            raise ValueError(f"{found.detail}; name the frames as --base, --flange, --camera-frame")
        return found


def look_live(
    frames: LiveFrames,
    wanted: int,
    taken: Callable[[LiveLooks], None],
    waiting: Callable[[str], None],
) -> LiveLooks:
    """Take looks until there are as many as wanted, or Ctrl-C.

    Args:
        frames: names.
        wanted: how many looks.
        taken: called after each.
        waiting: called every few seconds with why nothing is taken; empty: the arm has not moved
            on.
    """
    context = rclpy.Context()
    context.init()
    node = Node("genpose_check_hand_eye", context=context)
    live = LiveLooks(node, frames, Looks(wanted), taken)
    node.create_timer(_HINT_S, lambda: waiting(live.problem))
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        while not live.looks.complete and context.ok():
            executor.spin_once(timeout_sec=0.5)
    except KeyboardInterrupt:
        pass  # the looks so far are judged
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        context.try_shutdown()
    return live
