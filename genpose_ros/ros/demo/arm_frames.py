# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames of a simulated xArm6 with the camera on its flange: images, joints and links."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from genpose_ros.robot.xarm6 import (
    T_CAMERA_LINK_OPTICAL,
    T_EEF_CAMERA_LINK,
    T_EEF_TCP,
    xarm6,
)
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.demo.moving_frames import WORLD, MovingFrames

__all__ = ["ArmFrames"]


class ArmFrames(MovingFrames):
    """Messages of an arm that looks at its table from several places, and back.

    Args:
        seed: of the objects and the views.
        seconds: length of the motion, before it goes back the way it came.
        rate_hz: images per second.
        optical: name of the camera's optical frame.
        progress: called after each image with how many are made, and of how many.
    """

    def __init__(
        self,
        seed: int,
        seconds: float,
        rate_hz: float,
        optical: str,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        from genpose_ros.robot.simulation.survey import arm_survey

        survey = arm_survey(seed, frames=max(2, round(seconds * rate_hz)), rate_hz=rate_hz)
        self._T_world_cam = []
        self._q_rad, self._arm, self._optical = survey.q_rad, xarm6(), optical
        self._render(f"arm_{seed}", survey.sequence, progress)
        # The room's frame has y up; the world of an arm is its base, z up.
        self._T_world_cam = [survey.camera_pose(i) for i in range(len(self._q_rad))]

    def joint_state(self, number: int, header: Header) -> JointState:
        """Return the joints' positions at an image."""
        return JointState(
            header=Header(stamp=header.stamp),
            name=[joint.name for joint in self._arm.joints],
            position=[float(q) for q in self._q_rad[self._index(number)]],
        )

    def transforms(self, number: int, header: Header) -> list[TransformStamped]:
        """Return the arm's frames at an image, from the world to the optical one."""
        links = self._arm.links(self._q_rad[self._index(number)][None])[0]
        names = [self._arm.base, *(joint.link for joint in self._arm.joints)]
        steps = [links[0], *(np.linalg.inv(a) @ b for a, b in pairwise(links))]
        chain = [(WORLD, self._arm.base, np.eye(4))]
        chain += list(zip(names, names[1:], steps, strict=False))
        stem = self._optical.removesuffix("_color_optical_frame")
        chain += [
            (names[-1], "link_eef", np.eye(4)),
            ("link_eef", "link_tcp", T_EEF_TCP),
            ("link_eef", f"{stem}_link", T_EEF_CAMERA_LINK),
            (f"{stem}_link", f"{stem}_color_frame", np.eye(4)),
            (f"{stem}_color_frame", self._optical, T_CAMERA_LINK_OPTICAL),
        ]
        poses = pose_messages(np.array([T for _, _, T in chain]))
        return [
            TransformStamped(
                header=Header(stamp=header.stamp, frame_id=parent),
                child_frame_id=child,
                transform=Transform(
                    translation=Vector3(x=p.position.x, y=p.position.y, z=p.position.z),
                    rotation=p.orientation,
                ),
            )
            for (parent, child, _), p in zip(chain, poses, strict=True)
        ]
