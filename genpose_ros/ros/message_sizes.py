# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sizes of messages and images, and rejections of what is larger than is taken."""

from array import array
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection

__all__ = [
    "MB",
    "MOST_PIXELS",
    "check_bytes",
    "cpu_bytes",
    "message_bytes",
    "too_long_for_pixels",
    "too_many_pixels",
]

#: Pixels of an image where nothing else is said: those of 4096 x 3072.
MOST_PIXELS = 4096 * 3072
#: What a Python object with a few numbers takes, bytes.
_OBJECT = 200
#: A megabyte, in bytes.
MB = 1_000_000
#: What an image may have beside its pixels, bytes: padding, and notes in a file.
_BESIDE_PIXELS = 2**20
#: What `_large_fields` has found out.
_LARGE_FIELDS: dict[type, tuple[str, ...]] = {}


def message_bytes(message: Any) -> int:
    """Return about how much memory a message, or a sequence of messages, holds, bytes.

    Exact for what is large: pixels, texts and lists of numbers. Lists of messages without lists of
    their own, such as the points of a polygon, are only counted.
    """
    if isinstance(message, (bytes, bytearray, str)):
        return len(message)
    if isinstance(message, array):
        return len(message) * message.itemsize
    if isinstance(message, np.ndarray):
        return int(message.nbytes)
    if isinstance(message, (list, tuple)):
        if message and _is_flat(message[0]):
            return len(message) * _OBJECT
        return sum(map(message_bytes, message))
    return _OBJECT + sum(message_bytes(getattr(message, name)) for name in _large_fields(message))


def cpu_bytes(data: Any, what: str) -> np.ndarray | Rejection:
    """Return the bytes of a message's field, (N,) uint8; refused where they are somewhere else.

    Such as on a GPU, which is where ROS 2 Lyrical's buffers may be.

    Args:
        data: the field.
        what: holds it, in a sentence.
    """
    try:
        return np.frombuffer(data, dtype=np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        detail = f"{what}'s data cannot be read as memory of the CPU: {error}"
        return Rejection(Reason.BAD_ENCODING, detail)


def check_bytes(n_bytes: int, most_mb: int, what: str) -> Rejection | None:
    """Return why a message is not taken: it alone holds more than all may; None: it is taken.

    Args:
        n_bytes: of the message.
        most_mb: setting `limits.held_mb`.
        what: the message's name in a sentence.
    """
    if n_bytes <= most_mb * MB:
        return None
    detail = f"{what} holds {n_bytes / MB:.1f} MB, more than {most_mb} (limits.held_mb)"
    return Rejection(Reason.TOO_LARGE, detail)


def too_many_pixels(what: str, width: int, height: int, most: int) -> Rejection:
    """Return the rejection of an image that has more than `most` pixels."""
    detail = f"{what} is {width} x {height} pixels, more than {most} (limits.pixels)"
    return Rejection(Reason.TOO_LARGE, detail)


def too_long_for_pixels(
    what: str, n_bytes: int, pixels: int, bytes_per_pixel: float
) -> Rejection | None:
    """Return why an image's data is not taken: it is far more than pixels need; None: it is taken.

    A few pixels in a message of hundreds of megabytes would hold, or cost to decode, all of them.

    Args:
        what: the image's name in a sentence.
        n_bytes: of its data.
        pixels: that it says it has, or that it may have at most.
        bytes_per_pixel: that the largest genuine image of its kind takes.
    """
    most = int(pixels * bytes_per_pixel) + _BESIDE_PIXELS
    if n_bytes <= most:
        return None
    detail = f"{what} has {n_bytes} bytes, more than the {most} that {pixels} pixels may take"
    return Rejection(Reason.TOO_LARGE, detail)


def _is_flat(message: Any) -> bool:
    """Whether something is a number, or a message of numbers alone."""
    if isinstance(message, (int, float, bool)):
        return True
    if isinstance(message, (bytes, str, list, tuple, array, np.ndarray)):
        return False
    return all(_is_flat(getattr(message, name)) for name in _fields(message))


def _large_fields(message: Any) -> tuple[str, ...]:
    """The names of the fields that hold more than a few numbers; looked up once for each class."""
    kind = type(message)
    if kind not in _LARGE_FIELDS:
        _LARGE_FIELDS[kind] = tuple(
            name for name in _fields(message) if not _is_flat(getattr(message, name))
        )
    return _LARGE_FIELDS[kind]


def _fields(message: Any) -> list[str]:
    """The names of a message's fields, as ROS has them or a bag's reader; of others none."""
    if is_dataclass(message):
        return [item.name for item in fields(message) if not item.name.startswith("__")]
    return list(getattr(message, "get_fields_and_field_types", dict)())
