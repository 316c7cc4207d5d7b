# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""UFACTORY xArm6 with its gripper and a RealSense D435 on the flange: joints, limits, capsules.

Joint origins, limits and the frames of gripper and camera are the numbers that the public package
xarm_description names, right angles exact instead of four digits. The capsules were laid around
the arm's dimensions by hand, a centimetre or so wider than the links.
"""

import math
from dataclasses import replace

from genpose_ros.robot.collision import Capsule, CollisionModel
from genpose_ros.robot.kinematics import Arm, Joint, transform
from genpose_ros.robot.urdf import arm_urdf

__all__ = [
    "GRIPPER_OPENING_M",
    "READY_RAD",
    "T_CAMERA_LINK_OPTICAL",
    "T_EEF_CAMERA_LINK",
    "T_EEF_TCP",
    "XARM6_NEIGHBOURS",
    "xarm6",
    "xarm6_capsules",
    "xarm6_collisions",
    "xarm6_gripper",
    "xarm6_urdf",
]

_QUARTER = math.pi / 2
_SPEED = 3.14

#: Number of the last link.
_FLANGE = 6
#: What the gripper spans when it is open, metres.
GRIPPER_OPENING_M = 0.085
#: Tool centre point between the fingertips, seen from the flange (`link_eef`).
T_EEF_TCP = transform((0.0, 0.0, 0.172))
#: Where xarm_description's `add_d435i_links` puts `camera_link`, seen from `link_eef`.
T_EEF_CAMERA_LINK = transform((0.06746, -0.0175, 0.0237), (math.pi, -_QUARTER, 0.0))
#: An optical frame (x right, y down, z forward) in a frame with x forward, y left, z up (REP 103).
T_CAMERA_LINK_OPTICAL = transform(rpy_rad=(-_QUARTER, 0.0, -_QUARTER))
#: Parts that lie on each other at a joint that the links between are too short for.
XARM6_NEIGHBOURS = (("base", "upper arm"), ("forearm", "wrist"))
#: A position that looks down at the table in front, from which all of it is within reach.
READY_RAD = (0.0, -0.75, -0.85, 0.0, 1.60, 0.0)


def xarm6(prefix: str = "") -> Arm:
    """Return the arm with its gripper's tool centre point.

    Args:
        prefix: before the names of joints and links, as xarm_ros2's argument.

    Example:
        >>> arm = xarm6("left_")
        >>> arm.base, [joint.name for joint in arm.joints][:2]
        ('left_link_base', ['left_joint1', 'left_joint2'])
    """
    rows = (
        ((0.0, 0.0, 0.267), 0.0, -2 * math.pi, 2 * math.pi),
        ((0.0, 0.0, 0.0), -_QUARTER, -2.059, 2.0944),
        ((0.0535, -0.2845, 0.0), 0.0, -3.927, 0.19198),
        ((0.0775, 0.3425, 0.0), -_QUARTER, -2 * math.pi, 2 * math.pi),
        ((0.0, 0.0, 0.0), _QUARTER, -1.69297, math.pi),
        ((0.076, 0.097, 0.0), -_QUARTER, -2 * math.pi, 2 * math.pi),
    )
    joints = tuple(
        Joint(f"{prefix}joint{i}", f"{prefix}link{i}", xyz, (roll, 0.0, 0.0), low, high, _SPEED)
        for i, (xyz, roll, low, high) in enumerate(rows, start=1)
    )
    return Arm(joints, T_EEF_TCP, f"{prefix}link_base")


def xarm6_capsules(opening_m: float = GRIPPER_OPENING_M) -> tuple[Capsule, ...]:
    """Return capsules around the links, the gripper's palm and fingers, and the camera.

    Args:
        opening_m: how far the gripper is open.
    """
    finger_m = opening_m / 2 + 0.012
    return (
        Capsule("base", 0, (0.0, 0.0, 0.03), (0.0, 0.0, 0.17), 0.07),
        Capsule("shoulder", 1, (0.0, 0.0, -0.03), (0.0, 0.0, 0.0), 0.075),
        Capsule("upper arm", 2, (0.0, 0.0, 0.0), (0.0535, -0.2845, 0.0), 0.065),
        Capsule("elbow", 3, (0.0, 0.0, 0.0), (0.0775, 0.08, 0.0), 0.065),
        Capsule("forearm", 3, (0.0775, 0.08, 0.0), (0.0775, 0.28, 0.0), 0.042),
        Capsule("wrist", 5, (0.0, 0.0, 0.0), (0.07, 0.0, 0.0), 0.045),
        Capsule("hand", 5, (0.076, 0.02, 0.0), (0.076, 0.06, 0.0), 0.033),
        Capsule("flange", 6, (0.0, 0.0, -0.02), (0.0, 0.0, 0.0), 0.04),
        Capsule("palm", 6, (0.0, -0.03, 0.055), (0.0, 0.03, 0.055), 0.04),
        Capsule("finger", 6, (0.0, finger_m, 0.10), (0.0, finger_m, 0.165), 0.012),
        Capsule("other finger", 6, (0.0, -finger_m, 0.10), (0.0, -finger_m, 0.165), 0.012),
        Capsule("camera", 6, (0.067, -0.04, 0.01), (0.067, 0.04, 0.01), 0.02),
    )


def xarm6_gripper(opening_m: float = GRIPPER_OPENING_M) -> tuple[Capsule, ...]:
    """Return the capsules of flange, gripper and camera in the frame of the tool centre point."""
    back_m = float(T_EEF_TCP[2, 3])
    return tuple(
        replace(
            part,
            start_m=(*part.start_m[:2], part.start_m[2] - back_m),
            end_m=(*part.end_m[:2], part.end_m[2] - back_m),
        )
        for part in xarm6_capsules(opening_m)
        if part.link == _FLANGE
    )


def xarm6_collisions(prefix: str = "", opening_m: float = GRIPPER_OPENING_M) -> CollisionModel:
    """Return the collision model of the arm with an open gripper and its camera."""
    return CollisionModel(xarm6(prefix), xarm6_capsules(opening_m), neighbours=XARM6_NEIGHBOURS)


def xarm6_urdf(prefix: str = "", *, camera: bool = True) -> str:
    """Return the arm as a URDF, with xarm_ros2's names of joints and links.

    Args:
        prefix: before all names, as xarm_ros2's argument.
        camera: whether the camera's frames are in it, as with `add_d435i_links`.
    """
    fixed = {
        f"{prefix}link_eef": (f"{prefix}link6", transform()),
        f"{prefix}link_tcp": (f"{prefix}link_eef", T_EEF_TCP),
    }
    if camera:
        link = f"{prefix}camera_link"
        fixed[link] = (f"{prefix}link_eef", T_EEF_CAMERA_LINK)
        fixed[f"{prefix}camera_color_frame"] = (link, transform())
        optical = f"{prefix}camera_color_optical_frame"
        fixed[optical] = (f"{prefix}camera_color_frame", T_CAMERA_LINK_OPTICAL)
    return arm_urdf(xarm6(prefix), xarm6_capsules(), name=f"{prefix}xarm6", fixed=fixed)
