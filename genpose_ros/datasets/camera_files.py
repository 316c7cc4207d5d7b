"""Camera intrinsics from files: CameraInfo as YAML or JSON, calibration files, frame labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["read_camera"]


def read_camera(path: Path, width: int, height: int) -> PinholeCamera:
    """Return the camera a file describes, checked against an image's size.

    Read are a `sensor_msgs/CameraInfo` as `ros2 topic echo` prints it or as JSON (`k` or `K`), a
    calibration file (`camera_matrix`), and the label of a recorded frame (`K`).

    Args:
        path: YAML or JSON.
        width, height: of the image the camera took, pixels.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no intrinsics in it, bad ones, or those of another image size.
    """
    import yaml

    try:
        # Every JSON file is YAML. Topic dumps are several documents, the first one counts.
        content = next(iter(yaml.safe_load_all(path.read_text(encoding="utf-8"))), None)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is neither YAML nor JSON") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds no camera: expected the fields of a CameraInfo")
    _check_size(path, content, width, height)
    try:
        return PinholeCamera.from_matrix(_matrix(content), width, height)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def _matrix(content: Mapping[str, Any]) -> np.ndarray:
    for name in ("k", "K", "camera_matrix"):
        value = content.get(name)
        if isinstance(value, Mapping):
            value = value.get("data")
        if value is not None:
            return np.asarray(value, dtype=np.float64)
    raise ValueError("no intrinsic matrix: expected k, K or camera_matrix")


def _check_size(path: Path, content: Mapping[str, Any], width: int, height: int) -> None:
    for names, actual in ((("width", "image_width"), width), (("height", "image_height"), height)):
        for name in names:
            if name in content and content[name] != actual:
                raise ValueError(f"{path}: {name} is {content[name]}, but the image has {actual}")
