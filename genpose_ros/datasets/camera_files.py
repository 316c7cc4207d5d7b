# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Camera intrinsics from files: CameraInfo as YAML or JSON, calibrations, those of data sets."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.array_files import read_array
from genpose_ros.datasets.matlab_files import read_matlab
from genpose_ros.files import read_json, read_text
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.yaml_files import YAML_LIMIT, PlainLoader, parse_yaml

__all__ = ["CAMERA_FILES", "CameraFile", "read_camera", "read_camera_file"]

_log = logging.getLogger(__name__)

#: Bytes of binary camera files, and numbers that a matrix in text has at most, with some to spare.
_MAX_BYTES, _MAX_NUMBERS = 2**20, 20

#: What can be read, for messages.
CAMERA_FILES = (
    "a CameraInfo or calibration (YAML or JSON; k, camera_matrix, cam_K, intrinsic_matrix or "
    "fx, fy, cx, cy), 9 numbers as text or .npy, or a meta.mat"
)
_K_NAMES = (
    "k", "K", "camera_matrix", "cameraMatrix", "cam_K", "intrinsic_matrix", "intrinsics",
    "intrinsic", "camera_intrinsics", "camera_intrinsic", "mtx",
)  # fmt: skip
_P_NAMES = ("p", "P", "projection_matrix")
_D_NAMES = ("d", "D", "distortion_coefficients", "dist_coeffs", "distCoeffs")
#: Focal lengths and principal point by themselves; the RealSense SDK says ppx and ppy.
_SINGLE_NAMES = (("fx",), ("fy",), ("cx", "ppx"), ("cy", "ppy"))
#: Numbers beside the intrinsics that tell the depth image's unit.
_SCALE_NAMES = ("depth_scale", "factor_depth")
#: A depth scale from here on counts per metre (1000), one up to there metres per count (0.001);
#: those between are millimetres per count (BOP: 1.0, 0.1).
_PER_METRE, _METRES = 100.0, 0.005


@dataclass(frozen=True)
class CameraFile:
    """Content of a camera file.

    Attributes:
        path: of the file.
        calibration: of the camera.
        depth_unit_m: metres per count of its depth images; None: the file does not say.
    """

    path: Path
    calibration: Calibration
    depth_unit_m: float | None = None

    def camera(self, width: int, height: int, *, rectified: bool = True) -> PinholeCamera:
        """Return the camera, checked against an image's size; what is doubtful is logged.

        Args:
            width: of the image the camera took, pixels.
            height: of that image, pixels.
            rectified: the image is rectified, see `Calibration.camera`.

        Raises:
            ValueError: the intrinsics are none, or of another image size.
        """
        full = self.calibration
        told = full.image_size or (full.width or width, full.height or height)
        if told != (width, height):
            raise ValueError(
                f"{self.path} is of images of {told[0]} x {told[1]} pixels (width x height), but "
                f"the depth image has {width} x {height}: give the camera_info of this resolution"
            )
        try:
            camera = full.camera((width, height), rectified=rectified)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error
        for doubt in full.doubts((width, height), rectified=rectified):
            _log.warning("%s %s", self.path, doubt)
        return camera


def read_camera(path: Path, width: int, height: int, *, rectified: bool = True) -> PinholeCamera:
    """Return the camera a file describes, checked against an image's size.

    Args:
        path: see `read_camera_file`.
        width: of the image the camera took, pixels.
        height: of that image, pixels.
        rectified: the image is rectified, so that P counts where the file has one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no intrinsics in it, bad ones, or those of another image size.
    """
    return read_camera_file(path).camera(width, height, rectified=rectified)


def read_camera_file(path: Path, image: str = "") -> CameraFile:
    """Return what a camera file says.

    Read are a `sensor_msgs/CameraInfo` as `ros2 topic echo` prints it or as JSON, calibrations of
    ROS and OpenCV (`camera_matrix`, `projection_matrix`), the label of a recorded frame (`K`),
    FoundationPose's `cam_K.txt`, BOP's `camera.json` and `scene_camera.json` (`cam_K`,
    `depth_scale`), Open3D's `intrinsic_matrix`, `fx fy cx cy` by name, and `meta.mat` of YCB-Video
    and GraspNet. A depth scale below 0.005 is taken as metres per count, one of 100 or more as
    counts per metre, and any other one as millimetres per count.

    Args:
        path: of the file.
        image: name of the image, which chooses among the cameras of a `scene_camera.json`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no intrinsics in it.
    """
    content = _described(_read(path), image, path)
    try:
        return CameraFile(path, _calibration(content), _depth_unit_m(content))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> Mapping[str, Any]:
    """The content of a file as a table; a matrix alone is called K."""
    if path.suffix == ".mat":
        return read_matlab(path, _MAX_BYTES)
    if path.suffix == ".npy":
        return {"K": _square(read_array(path, _MAX_BYTES))}
    # Every JSON file is YAML too, but takes a hundred times as long to read as such.
    content = read_json(path) if path.suffix == ".json" else _read_lines(path)
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds no camera: expected {CAMERA_FILES}")
    return content


def _read_lines(path: Path) -> Any:
    """What a text file holds: 9 or 16 numbers alone, or YAML."""
    text = read_text(path, YAML_LIMIT)
    words = text.replace(",", " ").split(maxsplit=_MAX_NUMBERS)
    try:
        return {"K": _square(np.array([float(word) for word in words]))}
    except ValueError:
        if text.startswith("%YAML:"):  # OpenCV's own way to write it
            text = text.partition("\n")[2]
        return parse_yaml(text, path, _OpenCvLoader)


class _OpenCvLoader(PlainLoader):
    """Loader that knows the matrices of OpenCV."""


_OpenCvLoader.add_constructor(
    "tag:yaml.org,2002:opencv-matrix", lambda loader, node: loader.construct_mapping(node, True)
)


def _square(numbers: np.ndarray) -> np.ndarray:
    """K (3, 3) of 9 numbers, or of the 16 of a 4 x 4 matrix around it."""
    if numbers.size == 16:
        return numbers.reshape(4, 4)[:3, :3]
    if numbers.size != 9:
        raise ValueError(f"K must have 9 numbers, got {numbers.size}")
    return numbers.reshape(3, 3)


def _described(content: Mapping[str, Any], image: str, path: Path) -> Mapping[str, Any]:
    """The table that has the intrinsics: the content itself, or one of its parts."""
    if _has_intrinsics(content):
        return content
    parts = {
        str(name): part
        for name, part in content.items()
        if isinstance(part, Mapping) and _has_intrinsics(part)
    }
    if len(parts) == 1:
        return next(iter(parts.values()))
    number = Path(image).stem.lstrip("0") or "0"
    if number in parts:
        return parts[number]
    if parts:
        raise ValueError(
            f"{path} has the cameras {', '.join(list(parts)[:8])}: name the depth image like one "
            "of them, or give a file with a single camera"
        )
    raise ValueError(f"{path} has no intrinsics: expected {CAMERA_FILES}")


def _has_intrinsics(content: Mapping[str, Any]) -> bool:
    named = any(_value(content, names) is not None for names in (_K_NAMES, _P_NAMES))
    return named or all(any(n in content for n in names) for names in _SINGLE_NAMES)


def _value(content: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any] | None:
    """The first of some entries that is there, with its name; of a matrix its data."""
    for name in names:
        value = content.get(name)
        if isinstance(value, Mapping):
            value = value.get("data")
        if value is not None:
            return name, value
    return None


def _calibration(content: Mapping[str, Any]) -> Calibration:
    region, binning = content.get("roi"), ("binning_x", "binning_y")
    region = region if isinstance(region, Mapping) else {}
    return Calibration(
        k=_k(content),
        p=_numbers(content, _P_NAMES, 12),
        d=_numbers(content, _D_NAMES, None),
        width=_count(content, ("width", "image_width")),
        height=_count(content, ("height", "image_height")),
        region=(
            _count(region, ("x_offset",)), _count(region, ("y_offset",)),
            _count(region, ("width",)), _count(region, ("height",)),
        ),
        binning=(_count(content, binning[:1]), _count(content, binning[1:])),
    )  # fmt: skip


def _k(content: Mapping[str, Any]) -> tuple[float, ...]:
    """K row by row; Open3D writes it column by column, which the last row betrays."""
    if _value(content, _K_NAMES) is None and all(
        any(n in content for n in names) for names in _SINGLE_NAMES
    ):
        fx, fy, cx, cy = (_number(content, names) for names in _SINGLE_NAMES)
        return fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0
    k = np.array(_numbers(content, _K_NAMES, 9)).reshape(3, 3)
    by_columns = k[2, :2].any() and not k[:2, 2].any()
    return tuple((k.T if by_columns else k).ravel().tolist())


def _numbers(
    content: Mapping[str, Any], names: tuple[str, ...], count: int | None
) -> tuple[float, ...]:
    """So many numbers of the first entry that is there; zeros where none is."""
    found = _value(content, names)
    if found is None:
        return (0.0,) * (count or 0)
    name, value = found
    try:
        numbers = np.asarray(value, dtype=np.float64).ravel()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} must be {count or 'some'} numbers, got {value!r:.200}") from error
    if count is not None and numbers.size != count:
        raise ValueError(f"{name} must be {count} numbers, got {numbers.size}: {value!r:.200}")
    return tuple(numbers.tolist())


def _number(content: Mapping[str, Any], names: tuple[str, ...]) -> float:
    name = next(name for name in names if name in content)
    try:
        return float(np.asarray(content[name], dtype=np.float64).item())
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} must be a number, got {content[name]!r:.200}") from error


def _count(content: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """A number of pixels; 0: not said."""
    name = next((name for name in names if name in content), None)
    if name is None:
        return 0
    value = _number(content, (name,))
    if not (value >= 0 and value == int(value)):
        raise ValueError(f"{name} must be a number of pixels, got {content[name]!r:.200}")
    return int(value)


def _depth_unit_m(content: Mapping[str, Any]) -> float | None:
    name = next((name for name in _SCALE_NAMES if name in content), None)
    if name is None:
        return None
    scale = _number(content, (name,))
    if not 0 < scale < np.inf:
        raise ValueError(f"{name} must be positive, got {scale:g}")
    if scale >= _PER_METRE:
        return 1.0 / scale
    return scale if scale <= _METRES else scale / 1000
