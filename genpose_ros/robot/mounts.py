# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Camera mounts: hand-eye calibrations in YAML files, with named frames.

A driver such as realsense-ros publishes its optical frames below `camera_link`. A calibration is
therefore published of that frame, whichever frame it was made for: an optical one has a parent
already, and a second one tears the tree apart.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.robot.xarm6 import T_CAMERA_LINK_OPTICAL
from genpose_ros.yaml_files import read_yaml

__all__ = ["KINDS", "CameraMount", "pose_of"]

#: A camera on the arm, or beside it.
KINDS = ("eye_in_hand", "eye_to_hand")
_FIELDS = ("kind", "parent", "child", "translation_m", "rotation_xyzw", "camera_link", "optical")
#: Quaternions may be longer or shorter than 1 by this.
_UNIT = 1e-3


@dataclass(frozen=True, kw_only=True)
class CameraMount:
    """Where a camera's link is on an arm or beside it.

    Attributes:
        kind: of `KINDS`.
        parent: frame that it is fixed to: the flange, or the base.
        camera_link: frame that is published.
        T_parent_link: (4, 4) its pose, metres.
        T_link_optical: (4, 4) the colour camera's optical frame in it.

    Example:
        >>> mount = CameraMount(
        ...     kind="eye_to_hand", parent="link_base", camera_link="camera_link",
        ...     T_parent_link=np.eye(4)
        ... )
        >>> mount.quat_xyzw.tolist()
        [0.0, 0.0, 0.0, 1.0]
    """

    kind: str
    parent: str
    camera_link: str
    T_parent_link: np.ndarray
    T_link_optical: np.ndarray = field(default_factory=T_CAMERA_LINK_OPTICAL.copy)

    @classmethod
    def read(cls, path: Path | str, *, prefix: str = "") -> "CameraMount":
        """Return the mount of a YAML file.

        Args:
            path: of the file.
            prefix: before the name of the parent, as xarm_ros2's argument.

        Raises:
            FileNotFoundError: no such file.
            ValueError: an entry is missing, unknown or wrong; says which and what to do.
        """
        values = read_yaml(Path(path))
        try:
            return _mount(values, prefix)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @property
    def T_parent_optical(self) -> np.ndarray:
        """Where the optical frame is, (4, 4): what a calibration of it says."""
        return np.asarray(self.T_parent_link @ self.T_link_optical)

    @property
    def quat_xyzw(self) -> np.ndarray:
        """Its rotation as a quaternion, (4,), w positive."""
        quat_xyzw = Rotation.from_matrix(self.T_parent_link[:3, :3]).as_quat()
        return np.asarray(np.where(quat_xyzw[3] < 0, -1.0, 1.0) * quat_xyzw + 0.0)


def _mount(values: object, prefix: str) -> CameraMount:
    if not isinstance(values, dict):
        raise ValueError(f"expected a table with {', '.join(_FIELDS[:5])}, got {values!r}")
    unknown = [str(key) for key in values if key not in _FIELDS]
    missing = [key for key in _FIELDS[:5] if key not in values]
    if unknown or missing:
        what = f"unknown entry {unknown[0]!r}" if unknown else f"missing entry {missing[0]!r}"
        raise ValueError(f"{what}; the entries are {', '.join(_FIELDS)}")
    if values["kind"] not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, got {values['kind']!r}")
    for key in ("parent", "child"):
        if not isinstance(values[key], str) or not values[key].strip("/"):
            raise ValueError(f"{key} is the name of a frame, got {values[key]!r}")
    T_parent_child = pose_of(values, "")
    optical = values.get("optical")
    T_link_optical = T_CAMERA_LINK_OPTICAL if optical is None else pose_of(optical, "optical: ")
    child, link = str(values["child"]), str(values.get("camera_link", "camera_link"))
    if child != link:
        if not child.endswith("optical_frame"):
            raise ValueError(
                f"child is {child}, neither {link} nor one of its optical frames: a calibration of "
                "another frame cannot be published, since that has a parent already"
            )
        T_parent_child = T_parent_child @ np.linalg.inv(T_link_optical)
    parent = f"{prefix}{values['parent']}"
    return CameraMount(
        kind=values["kind"],
        parent=parent,
        camera_link=link,
        T_parent_link=T_parent_child,
        T_link_optical=T_link_optical,
    )


def pose_of(values: object, where: str = "") -> np.ndarray:
    """Return the transform (4, 4) of a table with `translation_m` and `rotation_xyzw`.

    Args:
        values: the table.
        where: stands before complaints.

    Raises:
        ValueError: an entry is missing or wrong, or the quaternion is none of a rotation.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}expected translation_m and rotation_xyzw, got {values!r}")
    T = np.eye(4)
    T[:3, 3] = _numbers(values, "translation_m", 3, where)
    quat_xyzw = _numbers(values, "rotation_xyzw", 4, where)
    length = float(np.linalg.norm(quat_xyzw))
    if abs(length - 1) > _UNIT:
        raise ValueError(
            f"{where}rotation_xyzw has the length {length:.4f}, and a rotation's quaternion has 1: "
            "were numbers left out, or given as angles? The order is x, y, z, w"
        )
    T[:3, :3] = Rotation.from_quat(quat_xyzw / length).as_matrix()
    return T


def _numbers(values: dict[str, Any], key: str, count: int, where: str) -> np.ndarray:
    given = values.get(key)
    numbers = given if isinstance(given, list) else []
    good = [n for n in numbers if type(n) in (int, float) and np.isfinite(n)]
    if len(good) != count or len(numbers) != count:
        raise ValueError(f"{where}{key} is a list of {count} numbers, got {given!r}")
    return np.array(good, dtype=np.float64)
