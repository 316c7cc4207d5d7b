# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""URDF of an arm, written from its joints and capsules, for rviz, robot_state_publisher and MoveIt.

Its shapes are the capsules that collisions are computed with: a cylinder with a ball at each end.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.robot.collision import Capsule
from genpose_ros.robot.kinematics import Arm, Joint

__all__ = ["arm_urdf", "fixed_joint", "roll_pitch_yaw"]

_EFFORT_NM = 50.0


def arm_urdf(
    arm: Arm,
    capsules: Sequence[Capsule],
    *,
    name: str,
    fixed: Mapping[str, tuple[str, np.ndarray]] | None = None,
) -> str:
    """Return an arm as the text of a URDF.

    Args:
        arm: its joints.
        capsules: visual and collision shapes of its links.
        name: of the robot.
        fixed: frames that do not move against another one: name -> (parent, T_parent_frame).
    """
    robot = ET.Element("robot", name=name)
    for number, link in enumerate([arm.base, *(joint.link for joint in arm.joints)]):
        _link(robot, link, [capsule for capsule in capsules if capsule.link == number])
    parent = arm.base
    for joint in arm.joints:
        _revolute(robot, parent, joint)
        parent = joint.link
    for frame, (its_parent, T_parent_frame) in (fixed or {}).items():
        ET.SubElement(robot, "link", name=frame)
        robot.append(fixed_joint(its_parent, frame, T_parent_frame))
    ET.indent(robot)
    return ET.tostring(robot, encoding="unicode", xml_declaration=True) + "\n"


def fixed_joint(parent: str, child: str, T_parent_child: np.ndarray) -> ET.Element:
    """Return the element of a joint that holds a frame at another one."""
    joint = ET.Element("joint", name=f"{child}_joint", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    _origin(joint, T_parent_child[:3, 3], roll_pitch_yaw(T_parent_child[:3, :3]))
    return joint


def roll_pitch_yaw(R: np.ndarray) -> tuple[float, float, float]:
    """Return the fixed-axis angles of a rotation (3, 3), radians; looking straight up, no yaw.

    Example:
        >>> roll_pitch_yaw(np.eye(3))
        (0.0, 0.0, 0.0)
    """
    level = math.hypot(R[0, 0], R[1, 0])
    pitch = math.atan2(-R[2, 0], level) + 0.0
    if level < 1e-9:
        return math.atan2(-R[1, 2], R[1, 1]) + 0.0, pitch, 0.0
    return math.atan2(R[2, 1], R[2, 2]), pitch, math.atan2(R[1, 0], R[0, 0])


def _link(robot: ET.Element, name: str, capsules: Sequence[Capsule]) -> None:
    link = ET.SubElement(robot, "link", name=name)
    for kind in ("visual", "collision"):
        for capsule in capsules:
            _capsule(link, kind, capsule)


def _capsule(link: ET.Element, kind: str, capsule: Capsule) -> None:
    start, end = np.array(capsule.start_m), np.array(capsule.end_m)
    along, length = end - start, float(np.linalg.norm(end - start))
    turn, _ = Rotation.align_vectors([along], [[0.0, 0.0, 1.0]])
    shapes = [
        ("cylinder", (start + end) / 2, {"radius": capsule.radius_m, "length": length}),
        ("sphere", start, {"radius": capsule.radius_m}),
        ("sphere", end, {"radius": capsule.radius_m}),
    ]
    for shape, centre, sizes in shapes:
        part = ET.SubElement(link, kind)
        _origin(part, centre, roll_pitch_yaw(turn.as_matrix()))
        geometry = ET.SubElement(part, "geometry")
        ET.SubElement(geometry, shape, {key: f"{value:.9g}" for key, value in sizes.items()})


def _revolute(robot: ET.Element, parent: str, joint: Joint) -> None:
    element = ET.SubElement(robot, "joint", name=joint.name, type="revolute")
    ET.SubElement(element, "parent", link=parent)
    ET.SubElement(element, "child", link=joint.link)
    _origin(element, joint.xyz_m, joint.rpy_rad)
    ET.SubElement(element, "axis", xyz="0 0 1")
    limits = {
        "lower": joint.low_rad,
        "upper": joint.high_rad,
        "effort": _EFFORT_NM,
        "velocity": joint.speed_rad_s,
    }
    ET.SubElement(element, "limit", {key: f"{value:.9g}" for key, value in limits.items()})


def _origin(
    parent: ET.Element, xyz: Sequence[float] | np.ndarray, rpy: Sequence[float] | np.ndarray
) -> None:
    texts = {
        key: " ".join(f"{float(v) + 0.0:.9g}" for v in values)
        for key, values in (("xyz", xyz), ("rpy", rpy))
    }
    ET.SubElement(parent, "origin", texts)
