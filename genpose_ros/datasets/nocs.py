# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NOCS data sets CAMERA and REAL275, read from a user's disk.

Below one root: `CAMERA` and `Real` with the images, `camera_full_depths`, `gts`, `obj_models` and
`mrcnn_results`. Nothing is downloaded; what is missing is named, with where it comes from.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.images import read_color
from genpose_ros.datasets.nocs_files import (
    NocsSplit,
    nocs_split,
    read_composed_depth_m,
    read_instance_ids,
    read_object_depth_m,
    read_pickle,
    require,
)
from genpose_ros.datasets.nocs_truth import MugOrigin, NocsObject, PoseSource, read_truth
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CATEGORIES

__all__ = [
    "NocsDetection",
    "NocsFrame",
    "find_nocs_frames",
    "has_detections",
    "has_list",
    "load_nocs_frame",
]

_log = logging.getLogger(__name__)

_RESULTS = "mrcnn_results"
_IMAGES = ("mask.png", "depth.png", "color.png", "meta.txt")


@dataclass(frozen=True)
class NocsDetection:
    """Detection: one object that the detector found.

    Attributes:
        instance: its mask, category and score; the id counts the frame's detections from 0.
        box: (4,) float64 pixels: top, left, bottom, right; the last two lie outside.
    """

    instance: Instance
    box: np.ndarray


@dataclass(frozen=True)
class NocsFrame:
    """Frame of a NOCS data set.

    Attributes:
        name: as in the list files, such as `test/scene_1/0000`.
        depth_m: (H, W) float32, metres; 0 where there is no measurement.
        camera: of depth and colour.
        color: (H, W, 3) uint8, RGB.
        instance_ids: (H, W) int32, the mask image; 0 is background.
        objects: the true objects.
        pose_source: where their poses come from.
        detections: of the detector; None when there are no results of it.
    """

    name: str
    depth_m: np.ndarray
    camera: PinholeCamera
    color: np.ndarray
    instance_ids: np.ndarray
    objects: tuple[NocsObject, ...]
    pose_source: PoseSource
    detections: tuple[NocsDetection, ...] | None = None

    def true_detections(self) -> tuple[NocsDetection, ...]:
        """Return what a perfect detector would have found."""
        return tuple(
            NocsDetection(
                Instance(o.instance_id, o.category, self.instance_ids == o.instance_id), o.box
            )
            for o in self.objects
        )

    def to_frame(self) -> Frame:
        """Return what the estimator takes: the detections, without a detector the true masks."""
        found = self.true_detections() if self.detections is None else self.detections
        return Frame(
            self.depth_m, self.camera, tuple(d.instance for d in found), frame_id=self.name
        )


def find_nocs_frames(root: Path, split: str) -> list[str]:
    """Return the names of a split's frames: from its list file, else all that are complete.

    The list, which the data set's pre-processing makes, leaves out frames that are of no use.

    Args:
        root: folder of the data sets.
        split: `camera_train`, `val`, `real_train` or `real_test`.

    Raises:
        FileNotFoundError: there are none.
        ValueError: unknown split, or a line of the list is no frame's name.
    """
    chosen, root = nocs_split(split), Path(root)
    listed = root / chosen.list_file
    if listed.is_file():
        names = listed.read_text(encoding="utf-8").split()
        wrong = [n for n in names if n.count("/") != 2 or not n.startswith(f"{chosen.part}/")]
        if wrong:
            raise ValueError(f"{listed}: expected {chosen.part}/SCENE/NUMBER, got {wrong[0]!r}")
        if names:
            return names
        raise FileNotFoundError(f"{listed} names no frame")
    folder = root / chosen.dataset
    bases = [str(m).removesuffix(_IMAGES[0]) for m in (folder / chosen.part).glob("*/*_mask.png")]
    complete = sorted(b for b in bases if all(Path(b + end).is_file() for end in _IMAGES))
    if not complete:
        raise FileNotFoundError(
            f"no frame of {split} in {root}: expected {chosen.list_file} and images such as "
            f"{chosen.dataset}/{chosen.part}/SCENE/0000_mask.png; unpack the data sets from the "
            "NOCS project page (github.com/hughw19/NOCS_CVPR2019) into one folder"
        )
    _log.info("%s is missing, taking all %d complete frames", listed, len(complete))
    return [Path(b[:-1]).relative_to(folder).as_posix() for b in complete]


def has_list(root: Path, split: str) -> bool:
    """Return whether there is a list of a split's frames."""
    return (Path(root) / nocs_split(split).list_file).is_file()


def has_detections(root: Path, split: str) -> bool:
    """Return whether there is a folder of detector results for a split."""
    return (Path(root) / _RESULTS / nocs_split(split).name).is_dir()


def load_nocs_frame(
    root: Path,
    split: str,
    name: str,
    *,
    mug_origin: MugOrigin = MugOrigin.BOX,
    composed_depth: bool = True,
) -> NocsFrame:
    """Load one frame.

    Args:
        root: folder of the data sets.
        split: see `find_nocs_frames`.
        name: of the frame, as `find_nocs_frames` gives it.
        mug_origin: where the poses of mugs have their origin.
        composed_depth: of CAMERA, take the depth of table and objects from `camera_full_depths`;
            otherwise that of the objects alone.

    Raises:
        FileNotFoundError: a file is missing; the message says where it comes from.
        ValueError: a file is damaged, or files contradict each other.
    """
    root, chosen = Path(root), nocs_split(split)
    base = f"{root / chosen.dataset / name}_"
    instance_ids = read_instance_ids(Path(base + "mask.png"))
    if chosen.is_rendered and composed_depth:
        depth_m = read_composed_depth_m(root, chosen, name, instance_ids)
    else:
        depth_m = read_object_depth_m(Path(base + "depth.png"))
    color = read_color(require(Path(base + "color.png")))
    expected = (chosen.camera.height, chosen.camera.width)
    for what, image in (("mask", instance_ids), ("depth", depth_m), ("colour", color)):
        if image.shape[:2] != expected:
            raise ValueError(f"{base}*: the {what} image is {image.shape[:2]}, not {expected}")
    objects, source = read_truth(root, chosen, name, instance_ids, depth_m, mug_origin)
    detections = _detections(root, chosen, name) if has_detections(root, split) else None
    return NocsFrame(name, depth_m, chosen.camera, color, instance_ids, objects, source, detections)


def _detections(root: Path, split: NocsSplit, name: str) -> tuple[NocsDetection, ...]:
    _, scene, number = name.split("/")
    folder = root / _RESULTS / split.name
    names = [f"results_{stem}_{scene}_{number}.pkl" for stem in (split.part, split.name)]
    path = next((folder / n for n in names if (folder / n).is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{folder / names[0]} is missing: made by the detector, Mask R-CNN; its results for "
            "NOCS are published with github.com/mentian/object-deformnet. Without the folder "
            f"{_RESULTS}/{split.name} the true masks are taken"
        )
    return parse_detections(path, read_pickle(path), (split.camera.height, split.camera.width))


def parse_detections(path: Path, content: Any, shape: tuple[int, int]) -> tuple[NocsDetection, ...]:
    """Return what a file of the detector's results holds.

    Args:
        path: of the file, for messages.
        content: as of `read_pickle`.
        shape: height and width of the image, pixels.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _parse_detections(content, shape)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a result of the detector: {error!r:.300}") from error


def _parse_detections(content: Any, shape: tuple[int, int]) -> tuple[NocsDetection, ...]:
    class_ids = np.asarray(content["class_ids"], dtype=np.int64).ravel()
    if not len(class_ids):
        return ()
    masks = np.asarray(content["masks"])
    if masks.shape != (*shape, len(class_ids)):
        raise ValueError(f"masks have shape {masks.shape}, expected {(*shape, len(class_ids))}")
    boxes = np.asarray(content["rois"], dtype=np.float64).reshape(len(class_ids), 4)
    scores = np.asarray(content["scores"], dtype=np.float64).reshape(len(class_ids))
    return tuple(
        NocsDetection(
            Instance(i, CATEGORIES[c - 1], masks[..., i].astype(bool), float(scores[i])), boxes[i]
        )
        for i, c in enumerate(class_ids)
        if 1 <= c <= len(CATEGORIES)
    )
