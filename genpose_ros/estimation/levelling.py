# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Levelling of a rolled camera: the networks see clouds as of a camera whose image is upright.

Most cameras that networks are trained with are mounted upright, and where nothing in a cloud tells
an object's top from its bottom, the image's top does. Of a camera on a wrist, or one mounted upside
down, that is wrong. Where the direction up is known, clouds are turned about the optical axis until
up is the image's up, and poses are turned back: what a pose's accuracy is then no longer depends on
the roll. A turn about the optical axis changes neither depth nor what is visible.
"""

from dataclasses import replace

import numpy as np

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.transforms import rotate_covariance

__all__ = ["camera_roll_rad", "leaves_roll_open", "levelled_cloud", "levelling", "turned_back"]

#: Rolls up to here are common where cameras are mounted upright, radians.
_UPRIGHT_RAD = np.radians(20.0)
#: Share of up that lies in the image plane at least: of a camera that looks straight down, or up,
#: no roll is upright. Fitted planes have to be surer: a lid or a wall that faces the camera and is
#: taken for the support would turn objects over.
_IN_IMAGE, _IN_IMAGE_OF_PLANES = 0.25, 0.5


def camera_roll_rad(up_cam: UpDirection | None) -> float:
    """Return how far the camera is rolled about its optical axis, radians in (-pi, pi].

    0 where nothing is known of up, or where up hardly lies in the image plane.

    Example:
        >>> upright = UpDirection(np.array([0.0, -1.0, 0.0]))
        >>> rolled = UpDirection(np.array([1.0, 0.0, 0.0]))
        >>> camera_roll_rad(upright), round(float(np.degrees(camera_roll_rad(rolled))))
        (0.0, 90)
    """
    if up_cam is None:
        return 0.0
    right, down, _ = np.asarray(up_cam.direction_cam, dtype=np.float64).tolist()
    least = _IN_IMAGE_OF_PLANES if up_cam.source == "plane" else _IN_IMAGE
    if np.hypot(right, down) < least:
        return 0.0
    return float(np.arctan2(right, -down))


def leaves_roll_open(up_cam: UpDirection | None) -> bool:
    """Return whether the camera may be rolled and what is known of up does not say by how much.

    So it is where nothing is known of up, and where a plane is seen too steeply to be sure. Of a
    camera that looks nearly straight down no roll is upright.

    Example:
        >>> plane = UpDirection(np.array([0.0, -0.4, -np.sqrt(0.84)]), source="plane")
        >>> leaves_roll_open(plane), leaves_roll_open(replace(plane, source="tf"))
        (True, False)
    """
    if up_cam is None:
        return True
    in_image = float(np.hypot(*up_cam.direction_cam[:2]))
    return up_cam.source == "plane" and _IN_IMAGE <= in_image < _IN_IMAGE_OF_PLANES


def levelling(up_cam: UpDirection | None) -> np.ndarray | None:
    """Return the rotation (3, 3) from the camera's frame to the levelled camera's.

    None: the camera is upright, or nothing tells.
    """
    roll = camera_roll_rad(up_cam)
    if abs(roll) <= _UPRIGHT_RAD:
        return None
    cos, sin = np.cos(roll), np.sin(roll)
    # Turned back by the roll: up, (sin, -cos) in the image, becomes (0, -1).
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def levelled_cloud(cloud: ObjectCloud, rotation: np.ndarray) -> ObjectCloud:
    """Return a cloud, and what it knows of up, in the levelled camera's frame.

    Args:
        cloud: camera frame.
        rotation: (3, 3) as of `levelling`.
    """
    up_cam = cloud.up_cam
    if up_cam is not None:  # a level along it stays where it is
        up_cam = replace(up_cam, direction_cam=rotation @ up_cam.direction_cam)
    return replace(cloud, points_cam=cloud.points_cam @ rotation.T, up_cam=up_cam)


def turned_back(numbers: dict[str, np.ndarray], rotation: np.ndarray) -> dict[str, np.ndarray]:
    """Return an estimate's numbers, those in the levelled camera's frame turned to the camera's.

    Args:
        numbers: of one object, as of `FrameProgram.conclude`.
        rotation: (3, 3) as of `levelling`.
    """
    back = rotation.T
    turned = dict(numbers)
    for name in ("rotation", "other_rotation", "candidate_rotation"):
        turned[name] = back @ numbers[name]
    for name in ("translation", "other_translation", "candidate_translation"):
        turned[name] = numbers[name] @ rotation
    turned["covariance"] = rotate_covariance(numbers["covariance"], back)
    return turned
