# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frame from a user's own files: depth, mask, camera, and the class of each id."""

from pathlib import Path

import numpy as np

from genpose_ros.datasets.camera_files import read_camera
from genpose_ros.datasets.images import read_depth_m, read_labels
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.files import read_json
from genpose_ros.geometry.categories import NOCS, CategorySet

__all__ = ["read_classes", "read_frame"]


def read_frame(
    depth: Path,
    mask: Path,
    camera: Path,
    classes: str | None = None,
    depth_unit_m: float = 0.001,
    *,
    categories: CategorySet = NOCS,
) -> Frame:
    """Return the frame of a depth image, a label image and a camera file.

    Args:
        depth: see `read_depth_m`.
        mask: see `read_labels`; its size must be that of the depth image.
        camera: see `read_camera`.
        classes: see `read_classes`; None: the instances that the camera file lists.
        depth_unit_m: metres per count of an integer depth image.
        categories: see `read_classes`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be used, sizes differ, or a class is missing or unknown.
    """
    depth_m, labels = read_depth_m(depth, depth_unit_m), read_labels(mask)
    if labels.shape != depth_m.shape:
        raise ValueError(f"{mask} is {labels.shape}, the depth image {depth_m.shape}")
    height, width = depth_m.shape
    pinhole = read_camera(camera, width, height)
    named = read_classes(classes, categories) if classes else _classes_of_label(camera)
    if not named:
        found = ", ".join(str(i) for i in np.unique(labels) if i)
        raise ValueError(
            f"which object is what? give --classes, such as 1=mug,2=bowl (ids in {mask}: {found})"
        )
    instances = tuple(Instance(i, name, labels == i) for i, name in named.items())
    return Frame(depth_m, pinhole, instances)


def read_classes(text: str, categories: CategorySet = NOCS) -> dict[int, str]:
    """Return categories by instance id from '1=mug,2=bowl' or from a label file.

    Args:
        text: the list, or the path of the file.
        categories: that the list may name, by their names or aliases.

    Raises:
        FileNotFoundError: neither such a list nor a file.
        ValueError: a part is not id=category, names no known category, or an id twice.
    """
    if "=" not in text:
        if not Path(text).is_file():
            raise FileNotFoundError(
                f"classes must be a list such as 1=mug,2=bowl or a label file, got {text!r}"
            )
        return _classes_of_label(Path(text))
    named: dict[int, str] = {}
    for part in text.split(","):
        number, _, name = (word.strip() for word in part.partition("="))
        category = categories.find(name)
        if not number.isdecimal() or int(number) == 0 or category is None:
            raise ValueError(
                "expected id=class with an id of 1 or more and a class of "
                f"{', '.join(categories.names)}: {part!r}"
            )
        if int(number) in named:
            raise ValueError(f"id {int(number)} is given two classes: {text!r}")
        named[int(number)] = category.name
    return named


def _classes_of_label(path: Path) -> dict[int, str]:
    """What a label file lists; nothing for other files that can be read."""
    try:
        content = read_json(path)
        return {int(item["id"]): str(item["category"]) for item in content["instances"]}
    except (ValueError, KeyError, TypeError):
        return {}
