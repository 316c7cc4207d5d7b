# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Camera intrinsics from files: CameraInfo as YAML or JSON, calibration files, frame labels."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.files import read_json, read_yaml
from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["read_camera"]

_log = logging.getLogger(__name__)


def read_camera(path: Path, width: int, height: int) -> PinholeCamera:
    """Return the camera a file describes, checked against an image's size.

    Read are a `sensor_msgs/CameraInfo` as `ros2 topic echo` prints it or as JSON (`k` or `K`), a
    calibration file (`camera_matrix`), and the label of a recorded frame (`K`). Lens distortion is
    not modelled: where the file has some, a warning says so.

    Args:
        path: YAML or JSON.
        width: of the image the camera took, pixels.
        height: of that image, pixels.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no intrinsics in it, bad ones, or those of another image size.
    """
    # Every JSON file is YAML too, but takes a hundred times as long to read as such.
    content = read_json(path) if path.suffix == ".json" else read_yaml(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds no camera: expected the fields of a CameraInfo")
    _check_size(path, content, width, height)
    try:
        camera = PinholeCamera.from_matrix(_matrix(content), width, height)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if _is_distorted(content):
        _log.warning("%s: lens distortion is not modelled; rectify depth and masks first", path)
    return camera


def _matrix(content: Mapping[str, Any]) -> np.ndarray:
    for name in ("k", "K", "camera_matrix"):
        value = content.get(name)
        if isinstance(value, Mapping):
            value = value.get("data")
        if value is not None:
            try:
                return np.asarray(value, dtype=np.float64)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{name} must be 9 numbers, got {value!r:.200}") from error
    raise ValueError("no intrinsic matrix: expected k, K or camera_matrix")


def _check_size(path: Path, content: Mapping[str, Any], width: int, height: int) -> None:
    for names, actual in ((("width", "image_width"), width), (("height", "image_height"), height)):
        for name in names:
            if name in content and content[name] != actual:
                raise ValueError(
                    f"{path}: {name} is {content[name]!r:.100}, but the image has {actual}"
                )


def _is_distorted(content: Mapping[str, Any]) -> bool:
    for name in ("d", "D", "distortion_coefficients"):
        value = content.get(name)
        if isinstance(value, Mapping):
            value = value.get("data")
        if isinstance(value, list) and any(value):
            return True
    return False
