# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of image messages to arrays without cv_bridge: depth in metres and label images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.compressed_images import (
    CompressedDepth,
    compressed_depth,
    compressed_labels,
)
from genpose_ros.ros.message_sizes import (
    MOST_PIXELS,
    cpu_bytes,
    too_long_for_pixels,
    too_many_pixels,
)

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

__all__ = [
    "DEPTH_ENCODINGS",
    "LABEL_ENCODINGS",
    "DepthPixels",
    "depth_m",
    "depth_pixels",
    "label_pixels",
]

#: Depth image as it is stored until somebody needs it; both have a `shape` (H, W).
DepthPixels: TypeAlias = np.ndarray | CompressedDepth


#: So many times the bytes of its pixels may a row take.
_MOST_PADDED = 2


@dataclass(frozen=True)
class _Encoding:
    """Storage of the pixels of an encoding; `metres` per unit for depth."""

    dtype: str
    metres: float = 1.0


#: Depth encodings; the unit follows from the encoding (REP 118): integers are millimetres.
DEPTH_ENCODINGS: dict[str, _Encoding] = {
    "16UC1": _Encoding("u2", 0.001),
    "mono16": _Encoding("u2", 0.001),
    "32FC1": _Encoding("f4"),
}

#: Encodings of label images.
LABEL_ENCODINGS: dict[str, _Encoding] = {
    "mono8": _Encoding("u1"),
    "8UC1": _Encoding("u1"),
    "mono16": _Encoding("u2"),
    "16UC1": _Encoding("u2"),
    "32SC1": _Encoding("i4"),
}


def depth_pixels(
    message: "Image | CompressedImage", most: int = MOST_PIXELS
) -> DepthPixels | Rejection:
    """Return the stored pixels of a depth image, (H, W), as a view into the message.

    Args:
        message: a sensor_msgs/Image in one of `DEPTH_ENCODINGS`, or a CompressedImage, whose pixels
            are decoded later.
        most: images of more pixels are refused.
    """
    if hasattr(message, "format"):
        return compressed_depth(message, most)
    return _pixels(message, DEPTH_ENCODINGS, "depth", most)


def depth_m(stored: DepthPixels, unit_m: float = 0.0) -> np.ndarray | Rejection:
    """Return depth in metres, (H, W) float32, or why the pixels cannot be decoded.

    What is negative or not finite becomes 0, which means 'no measurement'.

    Args:
        stored: what `depth_pixels` gave.
        unit_m: metres per count; 0: integer pixels are millimetres and floating-point ones metres.
    """
    pixels = stored.pixels() if isinstance(stored, CompressedDepth) else stored
    if isinstance(pixels, Rejection):
        return pixels
    if pixels.dtype.kind == "u":
        return pixels.astype(np.float32) * np.float32(unit_m or DEPTH_ENCODINGS["16UC1"].metres)
    metres = pixels.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        metres *= np.float32(unit_m or 1.0)
    metres[~(np.isfinite(metres) & (metres > 0))] = 0.0
    return metres


def label_pixels(
    message: "Image | CompressedImage", most: int = MOST_PIXELS
) -> np.ndarray | Rejection:
    """Return the stored pixels of a label image, (H, W), as a view into the message.

    Args:
        message: a sensor_msgs/Image in one of `LABEL_ENCODINGS`, or a CompressedImage.
        most: images of more pixels are refused.
    """
    if hasattr(message, "format"):
        return compressed_labels(message, most)
    return _pixels(message, LABEL_ENCODINGS, "label", most)


def _pixels(
    message: "Image", encodings: dict[str, _Encoding], what: str, most: int
) -> np.ndarray | Rejection:
    encoding = encodings.get(message.encoding)
    if encoding is None:
        return Rejection(
            Reason.BAD_ENCODING,
            f"{what} image is {message.encoding[:32]!r}, expected one of {', '.join(encodings)}",
        )
    dtype = np.dtype(encoding.dtype).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = int(message.height), int(message.width), int(message.step)
    if not 0 < width * height <= most:
        return _refused_size(what, width, height, most)
    if step < width * dtype.itemsize:
        return Rejection(
            Reason.TRUNCATED_IMAGE,
            f"{what} image has rows of {step} bytes, expected at least {width * dtype.itemsize}",
        )
    data = cpu_bytes(message.data, f"{what} image")
    if isinstance(data, Rejection):
        return data
    if data.size < step * height:
        return Rejection(
            Reason.TRUNCATED_IMAGE,
            f"{what} image has {data.size} bytes, expected {step * height}",
        )
    refused = too_long_for_pixels(
        f"{what} image", data.size, width * height, _MOST_PADDED * dtype.itemsize
    )
    rows = data[: step * height].reshape(height, step)[:, : width * dtype.itemsize]
    return refused or rows.view(dtype)


def _refused_size(what: str, width: int, height: int, most: int) -> Rejection:
    """The rejection of an image without pixels, or with too many."""
    if width * height:
        return too_many_pixels(f"{what} image", width, height, most)
    return Rejection(Reason.TRUNCATED_IMAGE, f"{what} image is {width} x {height} pixels")
