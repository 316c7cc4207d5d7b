# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of colour image messages to RGB arrays without cv_bridge."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.message_sizes import (
    MOST_PIXELS,
    cpu_bytes,
    too_long_for_pixels,
    too_many_pixels,
)

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image

__all__ = ["COLOR_ENCODINGS", "color_pixels"]

#: Channels of an encoding and which of them are red, green and blue.
COLOR_ENCODINGS: dict[str, tuple[int, tuple[int, int, int]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "8UC3": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
#: Bytes that a pixel takes in a file at most: four channels of 16 bits.
_MOST_BYTES = 8.0


def color_pixels(
    message: "Image | CompressedImage", most: int = MOST_PIXELS
) -> np.ndarray | Rejection:
    """Return the pixels of a colour image, (H, W, 3) uint8, RGB, or why there are none.

    Args:
        message: a sensor_msgs/Image in one of `COLOR_ENCODINGS`, or a CompressedImage (JPEG, PNG).
        most: images of more pixels are refused.
    """
    if hasattr(message, "format"):
        return _decoded(message, most)
    known = COLOR_ENCODINGS.get(message.encoding)
    if known is None:
        return Rejection(
            Reason.BAD_ENCODING,
            f"colour image is {message.encoding[:32]!r}, expected one of "
            f"{', '.join(COLOR_ENCODINGS)}",
        )
    channels, order = known
    height, width, step = int(message.height), int(message.width), int(message.step)
    if width * height > most:
        return too_many_pixels("colour image", width, height, most)
    data = cpu_bytes(message.data, "colour image")
    if isinstance(data, Rejection):
        return data
    refused = _refused(width, height, step, channels, data.size)
    if refused is not None:
        return refused
    rows = data[: step * height].reshape(height, step)[:, : width * channels]
    pixels: np.ndarray = rows.reshape(height, width, channels)[..., list(order)]
    return pixels


def _refused(width: int, height: int, step: int, channels: int, n_bytes: int) -> Rejection | None:
    """Why the numbers of an image do not fit each other; None: they do."""
    row = width * channels
    if width * height == 0 or step < row or n_bytes < step * height:
        return Rejection(
            Reason.TRUNCATED_IMAGE,
            f"colour image is {width} x {height} with rows of {step} bytes and has {n_bytes} "
            f"bytes, expected rows of {row} at least",
        )
    return too_long_for_pixels("colour image", n_bytes, width * height, 2.0 * channels)


def _decoded(message: "CompressedImage", most: int) -> np.ndarray | Rejection:
    """A JPEG or PNG. Its size is looked at first: a small file may hold a huge image."""
    data = cpu_bytes(message.data, "compressed colour image")
    if isinstance(data, Rejection):
        return data
    refused = too_long_for_pixels("compressed colour image", data.size, most, _MOST_BYTES)
    if refused is not None:
        return refused
    size = _size_of(message.data)
    if size is not None and size[0] * size[1] > most:
        return too_many_pixels("compressed colour image", *size, most)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if size is not None else None
    if image is None:
        detail = f"compressed colour image is {message.format[:48]!r} and no whole JPEG or PNG"
        return Rejection(Reason.TRUNCATED_IMAGE, detail)
    pixels: np.ndarray = image[..., ::-1]
    return pixels


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height by the head of a JPEG or PNG; None: it is neither."""
    import io

    from PIL import Image as Picture

    try:
        with Picture.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return image.width, image.height
    except Exception:  # Pillow's readers raise anything
        return None
