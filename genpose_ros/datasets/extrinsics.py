# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Extrinsics from files: the transform from one camera's frame to another's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.array_files import read_array
from genpose_ros.files import read_json, read_text
from genpose_ros.geometry.transforms import is_transform
from genpose_ros.yaml_files import parse_yaml

__all__ = ["read_extrinsics"]

#: Bytes of a file, which holds 16 numbers.
_MAX_BYTES = 2**16
#: Names that a 4 x 4 matrix has in files.
_NAMES = ("T", "extrinsics", "extrinsic", "transform", "matrix", "depth_to_color")


def read_extrinsics(path: Path) -> np.ndarray:
    """Return the transform of an extrinsics file, (4, 4), metres.

    Read are a matrix of 4 x 4 (or 3 x 4) numbers row by row, as text, `.npy`, JSON or YAML, alone
    or under a name such as `T`, and `rotation` (9 numbers column by column) with `translation` as
    `ros2 topic echo` prints a realsense2_camera_msgs/Extrinsics.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no rigid transform.
    """
    content = _read(path)
    try:
        matrix = _matrix(content)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} holds no extrinsics: expected 4 x 4 numbers, or rotation (9 numbers) and "
            "translation (3)"
        ) from error
    if not is_transform(matrix):
        raise ValueError(
            f"{path} is no rigid transform in metres: the rotation is not orthonormal, or a number "
            "is not finite"
        )
    return matrix


def _read(path: Path) -> Any:
    if path.suffix == ".npy":
        return read_array(path, _MAX_BYTES)
    if path.suffix == ".json":
        return read_json(path, _MAX_BYTES)
    text = read_text(path, _MAX_BYTES)
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        return parse_yaml(text, path)


def _matrix(content: Any) -> np.ndarray:
    matrix = np.eye(4)
    if isinstance(content, Mapping) and {"rotation", "translation"} <= set(content):
        matrix[:3, :3] = np.asarray(content["rotation"], dtype=np.float64).reshape(3, 3).T
        matrix[:3, 3] = np.asarray(content["translation"], dtype=np.float64).reshape(3)
        return matrix
    if isinstance(content, Mapping):
        content = next((content[name] for name in _NAMES if name in content), None)
    numbers = np.asarray(content, dtype=np.float64).ravel()
    rows = 4 if numbers.size == 16 else 3
    matrix[:rows] = numbers.reshape(rows, 4)
    return matrix
