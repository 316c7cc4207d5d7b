# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ground truth poses of a NOCS frame, from whichever file of the user's holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.nocs_files import (
    MetaRow,
    NocsSplit,
    read_coordinates,
    read_meta,
    read_pickle,
    require,
)
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import category_name

__all__ = [
    "MugOrigin",
    "NocsObject",
    "PoseSource",
    "move_mug_origin",
    "pose_from_coordinates",
    "read_truth",
]

#: Objects with fewer pixels of depth have no label, by the rules of the data set.
_MIN_PIXELS = 64
#: Sides of the boxes in two files may differ by this much in sum, pixels.
_BOX_TOLERANCE_PX = 5
_PNP_ERROR_PX = 3.0


class PoseSource(str, Enum):
    """Source of a frame's true poses; the value is what reports show."""

    LABEL = "label.pkl"
    GTS = "gts"
    COORDINATES = "coordinate map"


class MugOrigin(str, Enum):
    """Origin of mugs: the centre of the box, or the axis of the body."""

    BOX = "box"
    BODY = "body"


@dataclass(frozen=True)
class NocsObject:
    """Object of a frame and its true pose.

    Attributes:
        instance_id: its value in the mask image.
        category: category name.
        model: name of its model.
        T_cam_obj: (4, 4) float64, a rotation and a translation in metres, without scale.
        scale_m: length of the model's unit, metres: of the diagonal of its box.
        box: (4,) float64 pixels: top, left, bottom, right; the last two lie outside.
        handle_visible: whether a mug's handle is seen; None where no file tells.
        size_m: (3,) edges of its box, metres; None where no file tells, or for another origin.
    """

    instance_id: int
    category: str
    model: str
    T_cam_obj: np.ndarray
    scale_m: float
    box: np.ndarray
    handle_visible: bool | None = None
    size_m: np.ndarray | None = None


def read_truth(
    root: Path,
    split: NocsSplit,
    name: str,
    instance_ids: np.ndarray,
    depth_m: np.ndarray,
    mug_origin: MugOrigin = MugOrigin.BOX,
) -> tuple[tuple[NocsObject, ...], PoseSource]:
    """Return the objects of a frame with their poses, and what these come from.

    From its label; else from the folder `gts`, where it fits the mask; else from the coordinate
    map. The last gives rotations to 0.1 degrees. For Real its distances depend on the depth
    image, to about 2 %, unless `obj_models` holds the model's size.

    Args:
        root: folder of the data sets.
        split: of the frame.
        name: of the frame, such as `test/scene_1/0000`.
        instance_ids: (H, W), of its mask.
        depth_m: (H, W), metres.
        mug_origin: wanted; labels have `body`, the other files `box`.

    Raises:
        FileNotFoundError: a file that is needed is missing.
        ValueError: one is damaged, or they contradict each other.
    """
    base = root / split.dataset / name
    label = base.with_name(f"{base.name}_label.pkl")
    if label.is_file():
        objects = _from_label(label, read_pickle(label))
        return _with_origin(root, objects, MugOrigin.BODY, mug_origin), PoseSource.LABEL
    rows = _labelled_rows(base.with_name(f"{base.name}_meta.txt"), instance_ids, depth_m)
    objects = _from_gts(root, split, name, rows, instance_ids) if rows else ()
    source = PoseSource.GTS
    if len(objects) != len(rows):
        objects = _from_coordinates(root, split, name, rows, instance_ids, depth_m)
        source = PoseSource.COORDINATES
    return _with_origin(root, objects, MugOrigin.BOX, mug_origin), source


def pose_from_coordinates(
    coordinates: np.ndarray,
    pixels: np.ndarray,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    scale_m: float | None = None,
) -> tuple[np.ndarray, float]:
    """Return (T_cam_obj, scale_m) of an object whose pixels' object coordinates are known.

    The pixels alone give the pose up to its scale (PnP); the model's size or the depth the scale.

    Args:
        coordinates: (M, 3), in units of the box's diagonal.
        pixels: (M, 2) as (u, v).
        depth_m: (M,) metres, 0 where there is none; without `scale_m` at least one is needed.
        camera: of the image.
        scale_m: the box's diagonal, metres, where it is known.

    Raises:
        ValueError: no pose fits.
    """
    import cv2

    matrix, pixels = camera.matrix, np.ascontiguousarray(pixels, dtype=np.float64)
    found, _, _, inliers = cv2.solvePnPRansac(
        coordinates, pixels, matrix, None,
        flags=cv2.SOLVEPNP_SQPNP, reprojectionError=_PNP_ERROR_PX,
    ) if len(pixels) >= 4 else (False, None, None, None)  # fmt: skip
    if not found or inliers is None or len(inliers) < len(pixels) / 2:
        raise ValueError(f"no pose fits the object coordinates of {len(pixels)} pixels")
    kept = inliers.ravel()
    _, vector, offset = cv2.solvePnP(
        coordinates[kept], pixels[kept], matrix, None, flags=cv2.SOLVEPNP_SQPNP
    )
    vector, offset = cv2.solvePnPRefineLM(
        coordinates[kept], pixels[kept], matrix, None, vector, offset
    )
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, :3] = cv2.Rodrigues(vector)[0]
    if scale_m is None:
        measured = kept[depth_m[kept] > 0]
        if not len(measured):
            raise ValueError("no pixel of the object has a depth")
        z = coordinates[measured] @ T_cam_obj[2, :3] + offset[2]
        scale_m = float(np.median(depth_m[measured] / z))
    T_cam_obj[:3, 3] = scale_m * offset.ravel()
    return T_cam_obj, scale_m


def move_mug_origin(mug: NocsObject, shift: np.ndarray, factor: float, to: MugOrigin) -> NocsObject:
    """Return a mug with its pose's origin moved between the box's centre and the body's axis.

    A model point p with the origin in the box is `factor * (p + shift)` with it on the axis.
    The size is known no longer.

    Args:
        mug: with the other origin.
        shift: (3,), in units of the model.
        factor: change of the unit.
        to: the origin wanted.
    """
    in_box = mug.scale_m if to is MugOrigin.BODY else mug.scale_m * factor
    offset_m = in_box * mug.T_cam_obj[:3, :3] @ np.asarray(shift, dtype=np.float64)
    T_cam_obj = mug.T_cam_obj.copy()
    T_cam_obj[:3, 3] += -offset_m if to is MugOrigin.BODY else offset_m
    scale_m = in_box / factor if to is MugOrigin.BODY else in_box
    return replace(mug, T_cam_obj=T_cam_obj, scale_m=float(scale_m), size_m=None)


def _with_origin(
    root: Path, objects: Sequence[NocsObject], has: MugOrigin, wanted: MugOrigin
) -> tuple[NocsObject, ...]:
    if has is wanted or not any(o.category == "mug" for o in objects):
        return tuple(objects)
    path = root / "obj_models" / "mug_meta.pkl"
    try:
        shifts = _mug_shifts(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}; it moves mugs' origins from the {has.value} to the {wanted.value}, "
            f"which is not needed for mug origin {has.value!r}"
        ) from error
    moved = []
    for item in objects:
        if item.category == "mug":
            if item.model not in shifts:
                raise ValueError(f"{path} lacks the mug {item.model}")
            item = move_mug_origin(item, *shifts[item.model], wanted)  # noqa: PLW2901
        moved.append(item)
    return tuple(moved)


@lru_cache(maxsize=4)
def _mug_shifts(path: Path) -> dict[str, tuple[np.ndarray, float]]:
    content = read_pickle(path)
    try:
        return {
            str(model): (np.asarray(meta[0], dtype=np.float64).reshape(3), float(meta[1]))
            for model, meta in content.items()
        }
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a shift and a scale for each mug: {error}") from error


def _from_label(path: Path, label: Any) -> tuple[NocsObject, ...]:
    try:
        class_ids = [int(c) for c in label["class_ids"]]
        scales = np.asarray(label["scales"], dtype=np.float64).reshape(len(class_ids))
        sizes, handles = label.get("size"), label.get("handle_visibility")
        return tuple(
            NocsObject(
                instance_id=int(label["instance_ids"][i]),
                category=category_name(class_id),
                model=str(label["model_list"][i]),
                T_cam_obj=_rigid(label["rotations"][i], label["translations"][i]),
                scale_m=float(scales[i]),
                box=np.asarray(label["bboxes"][i], dtype=np.float64).reshape(4),
                handle_visible=None if handles is None else bool(handles[i]),
                size_m=None
                if sizes is None
                else scales[i] * np.asarray(sizes[i], dtype=np.float64).reshape(3),
            )
            for i, class_id in enumerate(class_ids)
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a NOCS label: {error!r}") from error


def _rigid(rotation: Any, translation: Any) -> np.ndarray:
    """A pose without scale, orthogonal to double precision; files have single."""
    u, _, vt = np.linalg.svd(np.asarray(rotation, dtype=np.float64).reshape(3, 3))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = u @ vt, np.asarray(translation, dtype=np.float64).reshape(3)
    if np.linalg.det(T[:3, :3]) < 0:
        raise ValueError("a rotation of a file is a reflection")
    return T


def _labelled_rows(
    path: Path, instance_ids: np.ndarray, depth_m: np.ndarray
) -> tuple[MetaRow, ...]:
    """The rows of the six categories that are in the mask, with enough pixels of depth."""
    pixels = np.bincount(instance_ids[depth_m > 0], minlength=256)
    return tuple(
        row
        for row in read_meta(path)
        if row.class_id > 0 and 0 < row.instance_id < 255 and pixels[row.instance_id] >= _MIN_PIXELS
    )


def _from_gts(
    root: Path, split: NocsSplit, name: str, rows: Sequence[MetaRow], instance_ids: np.ndarray
) -> tuple[NocsObject, ...]:
    """The rows' objects from `gts`; fewer than rows when it has no such frame or does not fit."""
    _, scene, number = name.split("/")
    stems = dict.fromkeys((split.name, split.part))  # both names are about
    paths = [root / "gts" / split.name / f"results_{stem}_{scene}_{number}.pkl" for stem in stems]
    path = next((p for p in paths if p.is_file()), None)
    content = read_pickle(path) if path is not None else None
    if content is None:
        return ()
    try:
        return _match_gts(content, rows, instance_ids, split.camera)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a NOCS ground truth: {error!r}") from error


def _match_gts(
    content: Mapping[str, Any],
    rows: Sequence[MetaRow],
    instance_ids: np.ndarray,
    camera: PinholeCamera,
) -> tuple[NocsObject, ...]:
    """Each row's object, by class and box where the file has them, else in the given order."""
    poses = np.asarray(content["gt_RTs"], dtype=np.float64).reshape(-1, 4, 4)
    classes, boxes = content.get("gt_class_ids"), content.get("gt_bboxes")
    handles = content.get("handle_visibility", content.get("gt_handle_visibility"))
    sizes = content.get("gt_scales")
    if (classes is None or boxes is None) and len(poses) != len(rows):
        return ()
    objects: list[NocsObject] = []
    free = list(range(len(poses)))
    for order, row in enumerate(rows):
        box = _box(instance_ids == row.instance_id)
        if classes is None or boxes is None:
            k = order if _projects_into(poses[order], box, camera) else None
        else:
            k = next(
                (j for j in free if classes[j] == row.class_id and _is_box(boxes[j], box)), None
            )
        if k is None:
            continue
        free.remove(k)
        scale_m = float(np.cbrt(np.linalg.det(poses[k][:3, :3])))
        objects.append(
            NocsObject(
                instance_id=row.instance_id,
                category=category_name(row.class_id),
                model=row.model,
                T_cam_obj=_rigid(poses[k][:3, :3] / scale_m, poses[k][:3, 3]),
                scale_m=scale_m,
                box=box,
                handle_visible=None if handles is None else bool(handles[k]),
                size_m=None if sizes is None else scale_m * np.asarray(sizes[k], np.float64),
            )
        )
    return tuple(objects)


def _is_box(stored: Any, box: np.ndarray) -> bool:
    """Whether a stored box (4,) is the one of the pixels, to a few pixels in all."""
    difference = np.abs(np.asarray(stored, np.float64) - box).sum()
    return bool(difference <= _BOX_TOLERANCE_PX)


def _projects_into(pose: np.ndarray, box: np.ndarray, camera: PinholeCamera) -> bool:
    """Whether an object's centre is seen in its box, grown by half for what is hidden of it."""
    u, v = camera.project(pose[:3, 3])
    top, left, bottom, right = box
    high, wide = (bottom - top) / 2, (right - left) / 2
    return bool(top - high <= v <= bottom + high and left - wide <= u <= right + wide)


def _from_coordinates(
    root: Path,
    split: NocsSplit,
    name: str,
    rows: Sequence[MetaRow],
    instance_ids: np.ndarray,
    depth_m: np.ndarray,
) -> tuple[NocsObject, ...]:
    folder = root / split.dataset / name
    path = folder.with_name(f"{folder.name}_coord.png")
    try:
        coordinates = read_coordinates(require(path))
    except FileNotFoundError as error:
        label = folder.with_name(f"{folder.name}_label.pkl")
        raise FileNotFoundError(
            f"{error}; poses come from it, as neither {label.name} nor the folder gts has them"
        ) from error
    objects = []
    for row in rows:
        mask = instance_ids == row.instance_id
        v, u = np.nonzero(mask)
        try:
            T_cam_obj, scale_m = pose_from_coordinates(
                coordinates[v, u], np.stack((u, v), -1), depth_m[v, u], split.camera,
                _model_scale_m(root, split, row.model),
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"{path}, instance {row.instance_id}: {error}") from error
        category = category_name(row.class_id)
        objects.append(
            NocsObject(row.instance_id, category, row.model, T_cam_obj, scale_m, _box(mask))
        )
    return tuple(objects)


def _model_scale_m(root: Path, split: NocsSplit, model: str) -> float | None:
    """The diagonal of a scanned model's box, which `obj_models` has beside the model."""
    path = root / "obj_models" / split.name / f"{model}.txt"
    if split.is_rendered or not path.is_file():
        return None
    try:
        return float(np.linalg.norm(np.loadtxt(path)))
    except ValueError as error:
        raise ValueError(f"{path}: expected the three edges of a box: {error}") from error


def _box(mask: np.ndarray) -> np.ndarray:
    """The box of a mask that is not empty: top, left, bottom, right, the last two outside."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1], dtype=np.float64)
