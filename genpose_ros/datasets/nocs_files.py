# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files of the NOCS data sets one by one: their places, encodings and makers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genpose_ros.datasets.images import is_coloured, read_color, read_depth_m
from genpose_ros.datasets.pickles import parse_pickle
from genpose_ros.files import read_bytes
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CATEGORIES

__all__ = [
    "NOCS_SPLITS",
    "MetaRow",
    "NocsSplit",
    "nocs_split",
    "read_composed_depth_m",
    "read_coordinates",
    "read_instance_ids",
    "read_meta",
    "read_object_depth_m",
    "read_pickle",
    "require",
]

#: What CAMERA's depth images hold where there is no object.
_NO_DEPTH = 32001

#: Bytes of a pickle; results for a hundred detections have 31 million.
_PICKLE_LIMIT = 2**28

_PROJECT = "the NOCS project page (github.com/hughw19/NOCS_CVPR2019)"
_PREPROCESSING = "the data set's pre-processing (github.com/mentian/object-deformnet, preprocess/)"

#: How to get a missing file, by the end of its name.
_SOURCES = {
    "_composed.png": f"unpack camera_composed_depth.zip of {_PROJECT}",
    "_label.pkl": f"made by pose_data.py of {_PREPROCESSING}",
    "_list.txt": f"made by pose_data.py of {_PREPROCESSING}",
    "mug_meta.pkl": f"made by shape_data.py of {_PREPROCESSING}",
    ".png": f"unpack the images of CAMERA or Real from {_PROJECT}",
    ".txt": f"unpack the images of CAMERA or Real from {_PROJECT}",
}


class MetaRow(NamedTuple):
    """Line of a meta file: instance id, NOCS class id (0: a distractor), model name."""

    instance_id: int
    class_id: int
    model: str


@dataclass(frozen=True)
class NocsSplit:
    """Part of the data sets.

    Attributes:
        name: `camera_train`, `val`, `real_train` or `real_test`.
        dataset: folder of the data set, `CAMERA` or `Real`.
        part: folder in it: train, val or test.
        camera: of all its images.
    """

    name: str
    dataset: str
    part: str
    camera: PinholeCamera

    @property
    def list_file(self) -> str:
        """The file that names the frames, relative to the root."""
        return f"{self.dataset}/{self.part}_list.txt"

    @property
    def is_rendered(self) -> bool:
        """Whether objects are rendered into images of real tables (CAMERA)."""
        return self.dataset == "CAMERA"


_CAMERA = PinholeCamera(577.5, 577.5, 319.5, 239.5, 640, 480)
_REAL = PinholeCamera(591.0125, 590.16775, 322.525, 244.11084, 640, 480)

#: The parts that can be read, by name.
NOCS_SPLITS: dict[str, NocsSplit] = {
    "camera_train": NocsSplit("camera_train", "CAMERA", "train", _CAMERA),
    "val": NocsSplit("val", "CAMERA", "val", _CAMERA),
    "real_train": NocsSplit("real_train", "Real", "train", _REAL),
    "real_test": NocsSplit("real_test", "Real", "test", _REAL),
}


def nocs_split(name: str) -> NocsSplit:
    """Return the split of a name.

    Raises:
        ValueError: there is no such split.
    """
    if name not in NOCS_SPLITS:
        raise ValueError(f"unknown split {name!r}; expected one of {', '.join(NOCS_SPLITS)}")
    return NOCS_SPLITS[name]


def require(path: Path) -> Path:
    """Return the path of a file that must be there.

    Raises:
        FileNotFoundError: it is not; the message says where such files come from.
    """
    if not path.is_file():
        source = next((how for end, how in _SOURCES.items() if path.name.endswith(end)), "")
        raise FileNotFoundError(f"{path} is missing: {source or 'part of the NOCS data sets'}")
    return path


def read_pickle(path: Path) -> Any:
    """Return what a pickle holds: arrays of numbers, numbers, text, lists, tuples and dicts.

    Nothing that the file names is called, so that a file cannot run code; see `parse_pickle`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, too large, or it asks for something else.
    """
    try:
        return parse_pickle(read_bytes(require(path), _PICKLE_LIMIT))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def read_object_depth_m(path: Path) -> np.ndarray:
    """Return a `_depth.png` as (H, W) float32 metres, 0 where there is none.

    Real has 16 bits of millimetres. CAMERA has colours, depth = 256 G + R with 32001 for no depth,
    and the rendered objects only.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or neither of the two.
    """
    if not is_coloured(require(path)):
        return read_depth_m(path)
    values = read_color(path)
    # 8 bits times 256 would overflow.
    depth_mm = values[..., 1].astype(np.int32) * 256 + values[..., 0]
    depth_mm[depth_mm == _NO_DEPTH] = 0
    return (depth_mm * 0.001).astype(np.float32)


def read_composed_depth_m(
    root: Path, split: NocsSplit, name: str, instance_ids: np.ndarray
) -> np.ndarray:
    """Return the depth of a CAMERA frame with the table behind its objects, (H, W) float32 metres.

    A folder of one scene without the scene's level is taken too, where it agrees with the objects.

    Args:
        root: folder of the data sets.
        split: of CAMERA.
        name: of the frame, such as `val/00000/0000`.
        instance_ids: (H, W), of its mask.

    Raises:
        FileNotFoundError: not there.
        ValueError: it shows other objects than the frame.
    """
    folder, (part, scene, number) = root / "camera_full_depths", name.split("/")
    path = folder / part / scene / f"{number}_composed.png"
    flat = folder / part / f"{number}_composed.png"
    if path.is_file() or not flat.is_file():
        return read_depth_m(require(path))
    depth_m = read_depth_m(flat)
    objects_m = read_object_depth_m(root / split.dataset / f"{name}_depth.png")
    on_object = (instance_ids > 0) & (objects_m > 0)
    if depth_m.shape != objects_m.shape or not np.allclose(
        depth_m[on_object], objects_m[on_object], atol=1e-3
    ):
        raise ValueError(f"{flat} is not of frame {name}: expected {path}")
    return depth_m


def read_instance_ids(path: Path) -> np.ndarray:
    """Return a `_mask.png` as (H, W) int32: 0 for the background (255 in the file), else ids.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image.
    """
    values = read_color(require(path))[..., 0]
    return np.where(values == 255, 0, values).astype(np.int32)


def read_coordinates(path: Path) -> np.ndarray:
    """Return a `_coord.png` as (H, W, 3) float64: object coordinates, the box's centre at 0.

    In units of the box's diagonal: from -0.5 to 0.5.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image.
    """
    coordinates = read_color(require(path)) / 255.0 - 0.5
    coordinates[..., 2] *= -1.0  # blue counts against z
    return coordinates


def read_meta(path: Path) -> list[MetaRow]:
    """Return the lines of a `_meta.txt`: `id class model`, in CAMERA `id class synset model`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line is something else.
    """
    rows = []
    for line in require(path).read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < 3 or not (words[0].isdigit() and words[1].isdigit()):
            raise ValueError(f"{path}: expected 'id class model', got {line!r}")
        if int(words[1]) > len(CATEGORIES):
            raise ValueError(f"{path}: expected a class from 0 to {len(CATEGORIES)}, got {line!r}")
        rows.append(MetaRow(int(words[0]), int(words[1]), words[-1]))
    return rows
