# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numpy images from and to sensor_msgs/Image: the part of cv_bridge that is used here.

Stands in for the real package, which is not on PyPI. Left out: compressed images, Bayer and YUV.
"""

import array
import sys

import cv2
import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

__all__ = ["CvBridge", "CvBridgeError"]

#: Type and number of channels of the named encodings.
_ENCODINGS = {
    "mono8": ("uint8", 1),
    "mono16": ("uint16", 1),
    "bgr8": ("uint8", 3),
    "rgb8": ("uint8", 3),
    "bgra8": ("uint8", 4),
    "rgba8": ("uint8", 4),
}
_DEPTHS = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}
_COLOURS = {"mono8": "GRAY", "bgr8": "BGR", "rgb8": "RGB", "bgra8": "BGRA", "rgba8": "RGBA"}


class CvBridgeError(TypeError):
    """An image could not be converted."""


def _layout(encoding: str) -> tuple[np.dtype, int]:
    """Type and number of channels of an encoding, by name or as in OpenCV (16UC1)."""
    if encoding in _ENCODINGS:
        kind, channels = _ENCODINGS[encoding]
        return np.dtype(kind), channels
    depth, _, channels = encoding.partition("C")
    if depth not in _DEPTHS or not (channels or "1").isdigit():
        raise CvBridgeError(f"unknown encoding {encoding!r}")
    return np.dtype(_DEPTHS[depth]), int(channels or 1)


class CvBridge:
    """Converts images; without state."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """Return the image (H, W) or (H, W, channels), in `desired_encoding` if one is given.

        Raises:
            CvBridgeError: unknown encodings, no conversion between them, or too little data.
        """
        kind, channels = _layout(img_msg.encoding)
        row = img_msg.width * channels * kind.itemsize
        data = np.frombuffer(img_msg.data, dtype=np.uint8)
        if img_msg.step < row or data.size < img_msg.step * img_msg.height:
            raise CvBridgeError(
                f"{data.size} bytes with step {img_msg.step} are too few for "
                f"{img_msg.width}x{img_msg.height} {img_msg.encoding}"
            )
        rows = data[: img_msg.step * img_msg.height].reshape(img_msg.height, img_msg.step)[:, :row]
        image = np.ascontiguousarray(rows).view(kind)
        if bool(img_msg.is_bigendian) != (sys.byteorder == "big"):
            image = image.byteswap()
        if channels > 1:
            image = image.reshape(img_msg.height, img_msg.width, channels)
        return _converted(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(
        self, cvim: np.ndarray, encoding: str = "passthrough", header: Header | None = None
    ) -> Image:
        """Return a message with the image (H, W) or (H, W, channels).

        Raises:
            TypeError: not an array.
            CvBridgeError: the array does not fit the encoding.
        """
        if not isinstance(cvim, np.ndarray):
            raise TypeError(f"expected a numpy array, got {type(cvim).__name__}")
        channels = 1 if cvim.ndim == 2 else cvim.shape[2]
        if encoding == "passthrough":
            depth = next((k for k, v in _DEPTHS.items() if np.dtype(v) == cvim.dtype), None)
            if depth is None:
                raise CvBridgeError(f"no encoding for arrays of {cvim.dtype}")
            encoding = f"{depth}C{channels}"
        elif (cvim.dtype, channels) != _layout(encoding):
            raise CvBridgeError(f"{cvim.dtype} with {channels} channels is not {encoding}")
        return Image(
            header=header if header is not None else Header(),
            height=cvim.shape[0],
            width=cvim.shape[1],
            encoding=encoding,
            is_bigendian=int(sys.byteorder == "big"),
            step=cvim.shape[1] * channels * cvim.itemsize,
            data=array.array("B", np.ascontiguousarray(cvim).tobytes()),
        )


def _converted(image: np.ndarray, encoding: str, desired: str) -> np.ndarray:
    if desired in ("passthrough", encoding):
        return image
    if encoding in _COLOURS and desired in _COLOURS:
        name = f"COLOR_{_COLOURS[encoding]}2{_COLOURS[desired]}"
        return cv2.cvtColor(image, getattr(cv2, name))
    # The same memory under another name: mono16 and 16UC1, bgr8 and 8UC3.
    if _layout(encoding) == _layout(desired):
        return image
    raise CvBridgeError(f"no conversion from {encoding} to {desired}")
