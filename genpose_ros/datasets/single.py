# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frame from a user's own files: depth, mask, camera, and the class of each id."""

import logging
import os
from pathlib import Path

import numpy as np

from genpose_ros.datasets.camera_files import read_camera_file
from genpose_ros.datasets.extrinsics import read_extrinsics
from genpose_ros.datasets.images import read_depth_m, read_labels
from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.label_images import (
    LabelImage,
    check_aspect,
    read_label_image,
    scaled_labels,
)
from genpose_ros.files import read_json
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.geometry.registration import mask_at_pixels, pixels_in_image

__all__ = ["read_classes", "read_frame"]

_log = logging.getLogger(__name__)

#: A mask of 16 bits or more with so many values is a depth image.
_VALUES_OF_DEPTH = 256
#: Ids that are listed in a message.
_SHOWN = 12


def read_frame(
    depth: Path,
    mask: Path,
    camera: Path,
    classes: str | None = None,
    depth_unit_m: float | None = None,
    *,
    rectified: bool = True,
    background: int = 0,
    mask_camera: Path | None = None,
    extrinsics: Path | None = None,
    categories: CategorySet = NOCS,
    names: ClassNames | None = None,
) -> Frame:
    """Return the frame of a depth image, a label image and a camera file.

    Args:
        depth: see `read_depth_m`.
        mask: see `read_labels`; scaled to the depth image where it is of another size.
        camera: see `read_camera_file`.
        classes: see `read_classes`; None: the instances that the camera file lists.
        depth_unit_m: metres per count of the depth image; None: as the camera file says, else
            0.001 for integers and 1 for floats.
        rectified: the images are rectified, see `Calibration.camera`.
        background: value of the mask where there is no object, see `read_label_image`.
        mask_camera: camera file of the image that was segmented, where the depth image is not
            aligned to it; None: it is.
        extrinsics: how the depth camera's frame lies in that camera's, see `read_extrinsics`.
        categories: see `read_classes`.
        names: see `read_classes`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be used, the files do not fit together, or a class is missing or
            unknown.
    """
    described = read_camera_file(camera, depth.name)
    depth_m = _depth_m(depth, depth_unit_m, described.depth_unit_m, camera)
    found = _label_image(mask, background)
    height, width = depth_m.shape
    pinhole = described.camera(width, height, rectified=rectified)
    view = None
    if mask_camera is None:
        labels = _scaled(found.labels, depth_m.shape, mask)
    else:
        other = _mask_camera(mask_camera, found.labels.shape, rectified=rectified)
        labels = _scaled(found.labels, (other.height, other.width), mask)
        view = pixels_in_image(depth_m, pinhole, other, _extrinsics(extrinsics))
    ids = found.values.tolist()
    listed = _listed(classes, ids, camera, categories, names or ClassNames.shipped())
    if not listed:
        raise ValueError(
            "which object is what? give --classes, such as 1=mug,2=bowl, or mug where all are "
            f"mugs ({mask} has {_ids_text(ids)})"
        )
    missing = [number for number in listed if number not in ids]
    if missing:
        _log.warning("%s has no object %s; it has %s", mask, _text(missing), _ids_text(ids))
    masks = {number: (labels == number) & (number in ids) for number in listed}
    if view is not None:
        masks = {number: mask_at_pixels(seen, view) for number, seen in masks.items()}
    instances = tuple(Instance(i, name, masks[i]) for i, name in listed.items())
    return Frame(depth_m, pinhole, instances)


def _label_image(mask: Path, background: int) -> LabelImage:
    """The label image in a file, with what there is to be told of it."""
    stored = read_labels(mask)
    _refuse_depth(stored, mask)
    try:
        found = read_label_image(stored, background)
    except ValueError as error:
        raise ValueError(f"{mask}: {error}") from error
    if found.doubt:
        _log.warning("%s: %s", mask, found.doubt)
    return found


def _listed(
    classes: str | None, ids: list[int], camera: Path, categories: CategorySet, names: ClassNames
) -> dict[int, str]:
    """The objects with their categories: as given, or as the camera file lists them."""
    if classes:
        return read_classes(classes, ids, categories, names)
    return _classes_of_label(camera, categories, names)


def read_classes(
    text: str,
    ids: "list[int] | tuple[int, ...]" = (),
    categories: CategorySet = NOCS,
    names: ClassNames | None = None,
) -> dict[int, str]:
    """Return categories by instance id.

    Args:
        text: a list such as '1=mug,2=cup' or '1:mug', one class for all objects such as 'mug', or
            the path of a label file.
        ids: of the objects there are, for one class for all.
        categories: that may be named.
        names: other words for them; None: the shipped table.

    Raises:
        FileNotFoundError: neither a list nor a class nor a file.
        ValueError: a part is not id=class, means no known category, or an id is given twice.
    """
    names = names or ClassNames.shipped()
    if "=" not in text and ":" not in text:
        category = names.find(text, categories)
        if category is not None:
            return dict.fromkeys(ids, category)
    # Not by Path, which raises for lists that are too long to be a name.
    if os.path.isfile(text):  # noqa: PTH113
        return _classes_of_label(Path(text), categories, names)
    if "=" not in text and ":" not in text:
        raise FileNotFoundError(
            "classes must be a list such as 1=mug,2=bowl, one class of "
            f"{', '.join(categories.names)} for all objects, or a label file, got {text!r:.200}"
        )
    listed: dict[int, str] = {}
    for part in text.split(","):
        number, _, name = (word.strip() for word in part.replace(":", "=", 1).partition("="))
        category = names.find(name, categories)
        if not (number.isascii() and number.isdecimal() and len(number) < 19) or category is None:
            raise ValueError(
                "expected id=class with a number and a class of "
                f"{', '.join(categories.names)}: {part!r:.200}"
            )
        if int(number) in listed:
            raise ValueError(f"id {int(number)} is given two classes: {text!r:.200}")
        listed[int(number)] = category
    return listed


def _mask_camera(path: Path, shape: tuple[int, ...], *, rectified: bool) -> PinholeCamera:
    """The camera of the segmented image, which is of the mask's size unless the file says more."""
    calibration = read_camera_file(path).calibration
    try:
        size = calibration.image_size or (shape[1], shape[0])
        camera = calibration.camera(size, rectified=rectified)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for doubt in calibration.doubts(size, rectified=rectified):
        _log.warning("%s %s", path, doubt)
    return camera


def _extrinsics(path: Path | None) -> np.ndarray:
    if path is None:
        raise ValueError(
            "a mask of another camera (--mask-camera) needs --extrinsics, from the depth camera to "
            "that one"
        )
    return read_extrinsics(path)


def _depth_m(path: Path, given_m: float | None, told_m: float | None, camera: Path) -> np.ndarray:
    """The depth image, in the unit that the user gave or else the camera file tells."""
    if given_m is None and told_m is not None and told_m != 0.001:
        _log.warning("depth in units of %g m, as %s says", told_m, camera)
    return read_depth_m(path, given_m, count_m=told_m or 0.001)


def _refuse_depth(labels: np.ndarray, mask: Path) -> None:
    """Refuse a depth image that was given as mask."""
    if labels.dtype.itemsize == 1:
        return
    values = np.unique(labels)
    if len(values) >= _VALUES_OF_DEPTH:
        raise ValueError(
            f"{mask} has {len(values)} values up to {values[-1]}, as a depth image has: are "
            "--depth and --mask swapped?"
        )


def _scaled(labels: np.ndarray, shape: tuple[int, int], mask: Path) -> np.ndarray:
    """The labels at the size of the depth image."""
    if labels.shape == shape:
        return labels
    problem = check_aspect(labels.shape, shape)
    if problem:
        raise ValueError(f"{mask}: {problem}")
    _log.warning(
        "%s is %d x %d and is scaled to the depth image's %d x %d",
        mask, *labels.shape[::-1], *shape[::-1],
    )  # fmt: skip
    return scaled_labels(labels, shape)


def _ids_text(ids: list[int]) -> str:
    """Words about the ids of a mask."""
    if not ids:
        return "no object: all of it is background"
    return f"the {'id' if len(ids) == 1 else 'ids'} {_text(ids)}"


def _text(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more


def _classes_of_label(path: Path, categories: CategorySet, names: ClassNames) -> dict[int, str]:
    """What a label file lists, words by their categories; nothing for other files."""
    try:
        content = read_json(path)
        listed = {int(item["id"]): str(item["category"]) for item in content["instances"]}
    except (ValueError, KeyError, TypeError):
        return {}
    return {number: names.find(name, categories) or name for number, name in listed.items()}
