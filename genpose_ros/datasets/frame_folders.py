# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded RGB-D frames: one folder each, with depth.png, mask.png, color.jpg and label.json."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.camera_files import read_camera
from genpose_ros.datasets.images import read_color, read_depth_m, read_labels
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.files import read_json
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS, CategorySet

__all__ = ["RecordedFrame", "RecordedInstance", "Truth", "find_frames", "load_frame"]

_LABEL, _DEPTH, _MASK, _COLOR = "label.json", "depth.png", "mask.png", "color.jpg"
#: From a camera's frame to that of `PinholeCamera.turned`.
_QUARTER_TURN = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


class Truth(str, Enum):
    """Source of an instance's pose; the value is what reports show."""

    DATASET = "dataset"
    PSEUDO = "pseudo"
    NONE = "none"


@dataclass(frozen=True)
class RecordedInstance:
    """Labelled object of a recorded frame.

    Attributes:
        id: its value in the mask image.
        category: category name.
        mask: (H, W) bool.
        truth: kind of its pose.
        T_cam_obj: (4, 4) float64, object to camera, metres; None without truth.
        size_m: (3,) edge lengths of its box, metres; None when not known.
        name: of the very object, as its mesh has it; empty when not known.
    """

    id: int
    category: str
    mask: np.ndarray
    truth: Truth = Truth.NONE
    T_cam_obj: np.ndarray | None = None
    size_m: np.ndarray | None = None
    name: str = ""

    def turned(self) -> "RecordedInstance":
        """Return the object in an image that was turned a quarter clockwise."""
        T = self.T_cam_obj
        pose = None if T is None else _QUARTER_TURN @ T
        return replace(self, mask=np.rot90(self.mask, -1).copy(), T_cam_obj=pose)


@dataclass(frozen=True)
class RecordedFrame:
    """Recorded frame with its labelled objects.

    Attributes:
        name: as in its label, else the folder's name.
        depth_m: (H, W) float32, metres; 0 where there is no measurement.
        camera: of depth and colour.
        instances: the labelled objects.
        color: (H, W, 3) uint8, RGB; None when there is no colour image.
    """

    name: str
    depth_m: np.ndarray
    camera: PinholeCamera
    instances: tuple[RecordedInstance, ...]
    color: np.ndarray | None = None

    def to_frame(self) -> Frame:
        """Return what the estimator takes."""
        instances = tuple(Instance(i.id, i.category, i.mask) for i in self.instances)
        return Frame(self.depth_m, self.camera, instances, frame_id=self.name)

    def turned(self, quarters: int) -> "RecordedFrame":
        """Return the frame as a camera rolled about its optical axis sees it, its truth too.

        Args:
            quarters: clockwise turns of the image by 90 degrees.
        """
        frame = self
        for _ in range(quarters % 4):
            frame = replace(
                frame,
                depth_m=np.rot90(frame.depth_m, -1).copy(),
                camera=frame.camera.turned(),
                instances=tuple(instance.turned() for instance in frame.instances),
                color=None if frame.color is None else np.rot90(frame.color, -1).copy(),
            )
        return frame


def find_frames(root: Path) -> list[Path]:
    """Return the folders at or below `root` that hold a frame, sorted.

    Raises:
        FileNotFoundError: there is no such folder, or no frame in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder")
    folders = sorted(label.parent for label in root.rglob(_LABEL) if not label.is_dir())
    if not folders:
        raise FileNotFoundError(
            f"no recorded frame in {root}: expected folders with {_DEPTH}, {_MASK} and {_LABEL}"
        )
    return folders


def load_frame(folder: Path, categories: CategorySet = NOCS) -> RecordedFrame:
    """Load the frame of one folder.

    Depth is uint16 millimetres, the mask an image of instance ids with 0 for the background.

    Args:
        folder: of the frame.
        categories: that the objects may be of, by name or alias.

    Raises:
        FileNotFoundError: depth, mask or label is missing.
        ValueError: a file is damaged, sizes differ, or the label lacks something.
    """
    folder = Path(folder)
    depth_m, labels = read_depth_m(folder / _DEPTH), read_labels(folder / _MASK)
    if labels.shape != depth_m.shape:
        raise ValueError(f"{folder}: the mask is {labels.shape}, the depth image {depth_m.shape}")
    height, width = depth_m.shape
    label = _read_label(folder / _LABEL)
    color = read_color(folder / _COLOR) if (folder / _COLOR).is_file() else None
    if color is not None and color.shape[:2] != depth_m.shape:
        raise ValueError(f"{folder}: the colour image is {color.shape}, depth {depth_m.shape}")
    return RecordedFrame(
        name=str(label.get("frame", folder.resolve().name)),
        depth_m=depth_m,
        camera=read_camera(folder / _LABEL, width, height),
        instances=tuple(_instance(item, labels, folder, categories) for item in label["instances"]),
        color=color,
    )


def _read_label(path: Path) -> dict[str, Any]:
    label = read_json(path)
    if not isinstance(label, dict) or not isinstance(label.get("instances"), list):
        raise ValueError(f"{path} has no list of instances")
    return label


def _instance(
    item: Mapping[str, Any], labels: np.ndarray, folder: Path, categories: CategorySet
) -> RecordedInstance:
    try:
        instance_id, name = int(item["id"]), str(item["category"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / _LABEL}: an instance lacks {error}") from error
    category = categories.find(name)
    if category is None:
        raise ValueError(
            f"{folder / _LABEL}: unknown category {name!r}; expected one of "
            f"{', '.join(categories.names)}"
        )
    T_cam_obj = _pose(item, folder)
    size_m = None if item.get("size_m") is None else _numbers(item, "size_m", (3,), folder)
    return RecordedInstance(
        id=instance_id,
        category=category.name,
        mask=labels == instance_id,
        truth=_truth(item, T_cam_obj),
        T_cam_obj=T_cam_obj,
        size_m=size_m,
        name=str(item.get("name", "")),
    )


def _pose(item: Mapping[str, Any], folder: Path) -> np.ndarray | None:
    if item.get("R") is None or item.get("t") is None:
        return None
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, :3] = _numbers(item, "R", (3, 3), folder)
    T_cam_obj[:3, 3] = _numbers(item, "t", (3,), folder)
    return T_cam_obj


def _numbers(
    item: Mapping[str, Any], name: str, shape: tuple[int, ...], folder: Path
) -> np.ndarray:
    try:
        values = np.asarray(item[name], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(
            f"{folder / _LABEL}: {name} must be numbers of shape {shape}, got {item[name]!r:.200}"
        )
    return values


def _truth(item: Mapping[str, Any], T_cam_obj: np.ndarray | None) -> Truth:
    if T_cam_obj is None:
        return Truth.NONE
    pseudo = str(item.get("gt", "")).upper().startswith("PSEUDO")
    return Truth.PSEUDO if pseudo else Truth.DATASET
