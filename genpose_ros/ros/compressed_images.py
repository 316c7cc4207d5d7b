# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Decoding of compressed image messages: compressedDepth as PNG or RVL, and masks."""

import io
import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.message_sizes import (
    MOST_PIXELS,
    cpu_bytes,
    too_long_for_pixels,
    too_many_pixels,
)

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage

__all__ = ["CompressedDepth", "compressed_depth", "compressed_labels", "decode_rvl"]

_PNG = b"\x89PNG\r\n\x1a\n"
#: Before the image stand a number and the two of the quantization, as little-endian floats.
_HEADER = struct.Struct("<i2f")
_SIZE = struct.Struct("<2I")
#: A number of RVL has at most 6 groups of 3 bits, those of 17 bits.
_LONGEST = 6
#: Numbers of RVL that are read at a time, in words of eight at most.
_BLOCK_WORDS = 2**17
#: Bytes that a pixel takes at most: of depth as PNG or RVL, and of a mask with four channels of 16
#: bits.
_DEPTH_BYTES, _MASK_BYTES = 3.0, 8.0
#: Formats of masks; of the others that Pillow knows, one starts programs.
_MASK_FORMATS = ("PNG", "JPEG")


@dataclass(frozen=True)
class CompressedDepth:
    """Depth image as received in a sensor_msgs/CompressedImage, decoded when it is needed.

    Attributes:
        data: the PNG file, or the RVL stream.
        shape: (H, W) of the image.
        rvl: it is an RVL stream.
        quantization: of an image of floats, whose counts are inverse depths: (a, b) of
            depth = a / (count - b), metres; None: counts are those of a 16UC1 image.
    """

    data: bytes
    shape: tuple[int, int]
    rvl: bool = False
    quantization: tuple[float, float] | None = None

    def pixels(self) -> np.ndarray | Rejection:
        """Return the stored pixels, (H, W): uint16 counts, or float32 metres, 0 for none."""
        try:
            counts = self._counts()
        except Exception as error:  # Pillow's readers raise anything
            detail = f"compressed depth image cannot be decoded: {error}"
            return Rejection(Reason.TRUNCATED_IMAGE, detail)
        if counts.dtype != np.uint16 or counts.shape != self.shape:
            detail = f"compressed depth image is {counts.dtype}, expected one channel of 16 bits"
            return Rejection(Reason.BAD_ENCODING, detail)
        if self.quantization is None:
            return counts
        a, b = self.quantization
        with np.errstate(all="ignore"):
            metres = np.float32(a) / (counts.astype(np.float32) - np.float32(b))
        metres[(counts == 0) | ~np.isfinite(metres)] = 0.0
        return metres

    def _counts(self) -> np.ndarray:
        if self.rvl:
            return decode_rvl(self.data, self.shape[0] * self.shape[1]).reshape(self.shape)
        with Image.open(io.BytesIO(self.data), formats=("PNG",)) as image:
            if (image.height, image.width) != self.shape:  # a second head
                raise ValueError(f"it has {image.width} x {image.height} pixels as well")
            return np.asarray(image)


def compressed_depth(
    message: "CompressedImage", most: int = MOST_PIXELS
) -> CompressedDepth | Rejection:
    """Return the depth image of a message of the transports compressedDepth or compressed.

    Args:
        message: its format is such as '16UC1; compressedDepth png', '32FC1; compressedDepth rvl'
            or '16UC1; png compressed'.
        most: images of more pixels are refused.
    """
    held = cpu_bytes(message.data, "compressed depth image")
    if isinstance(held, Rejection):
        return held
    return _depth_of(message.format, memoryview(held), most)


def _depth_of(text: str, data: memoryview, most: int) -> CompressedDepth | Rejection:
    """The depth image in bytes of a format."""
    words = text.lower()
    start = next((i for i in (0, _HEADER.size) if data[i : i + len(_PNG)] == _PNG), None)
    rvl = "rvl" in words
    if start is None and not rvl:
        detail = (
            f"compressed depth image is {text[:48]!r}, expected compressedDepth as png "
            "or rvl; JPEG cannot hold depth"
        )
        return Rejection(Reason.BAD_ENCODING, detail)
    size = _SIZE.size if rvl else 16 + 2 * 4
    begin = _HEADER.size if rvl else int(start or 0)
    if len(data) < begin + size:
        detail = f"compressed depth image has {len(data)} bytes, expected {begin + size} at least"
        return Rejection(Reason.TRUNCATED_IMAGE, detail)
    layout, at = ("<2I", begin) if rvl else (">2I", begin + 16)  # of PNG, in its first chunk
    width, height = struct.unpack_from(layout, data, at)
    if not width * height:
        detail = f"compressed depth image is {width} x {height} pixels"
        return Rejection(Reason.TRUNCATED_IMAGE, detail)
    if width * height > most:
        return too_many_pixels("compressed depth image", width, height, most)
    refused = too_long_for_pixels("compressed depth image", len(data), width * height, _DEPTH_BYTES)
    if refused is not None:
        return refused
    quantization = None
    if words.startswith("32fc1") and begin:
        quantization = _HEADER.unpack_from(data)[1:]
    payload = data[begin + _SIZE.size :] if rvl else data[begin:]
    return CompressedDepth(bytes(payload), (height, width), rvl, quantization)


def compressed_labels(
    message: "CompressedImage", most: int = MOST_PIXELS
) -> np.ndarray | Rejection:
    """Return the labels of a compressed mask, (H, W) unsigned: one channel, or equal ones.

    Args:
        message: a PNG, or a JPEG of a binary mask.
        most: images of more pixels are refused.
    """
    data = cpu_bytes(message.data, "compressed mask")
    if isinstance(data, Rejection):
        return data
    refused = too_long_for_pixels("compressed mask", data.size, most, _MASK_BYTES)
    if refused is not None:
        return refused
    try:
        with Image.open(io.BytesIO(message.data), formats=_MASK_FORMATS) as image:
            if image.width * image.height > most:
                return too_many_pixels("compressed mask", image.width, image.height, most)
            pixels = np.asarray(image)
    except Exception as error:  # Pillow's readers raise anything
        detail = f"compressed mask ({message.format[:48]!r}) cannot be decoded: {error}"
        return Rejection(Reason.TRUNCATED_IMAGE, detail)
    if pixels.ndim == 3 and not (pixels[..., :3] != pixels[..., :1]).any():
        pixels = pixels[..., 0]
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16, np.int32):
        detail = f"compressed mask is {pixels.dtype} of shape {pixels.shape}, expected one channel"
        return Rejection(Reason.BAD_ENCODING, detail)
    return pixels


def decode_rvl(data: bytes, count: int) -> np.ndarray:
    """Return the pixels of an RVL stream (Wilson, Fast Lossless Depth Image Compression, 2017).

    The stream is a sequence of numbers: of zero pixels, of others, and the differences of these
    to the pixel before. Each number is written in groups of 3 bits with a fourth that says whether
    another one follows; 8 of them make a 32-bit word, the first one uppermost.

    Args:
        data: the stream.
        count: of pixels.

    Returns:
        (count,) uint16.

    Raises:
        ValueError: the stream ends too early, or says more pixels.
    """
    numbers = _rvl_numbers(data)
    listed = numbers.data  # a memoryview: its items are Python's numbers, and no copy
    is_difference = np.ones(len(listed), dtype=bool)
    starts, lengths = array("q"), array("q")
    pixel = at = 0
    while pixel < count:
        if at + 1 >= len(listed):
            raise ValueError(f"RVL ends after {pixel} of {count} pixels")
        zeros, others = listed[at], listed[at + 1]
        if (not zeros and pixel) or (not others and pixel + zeros < count):
            raise ValueError("RVL has an empty run")  # which costs as much as a long one
        is_difference[at : at + 2] = False
        starts.append(pixel + zeros)
        lengths.append(others)
        pixel, at = pixel + zeros + others, at + 2 + others
    if pixel > count or at > len(listed):
        raise ValueError(f"RVL has {pixel} pixels, expected {count}")
    differences = numbers[:at][is_difference[:at]]
    values = np.cumsum((differences >> 1) ^ -(differences & 1))
    runs, begins = np.frombuffer(lengths, np.int64), np.frombuffer(starts, np.int64)
    places = np.repeat(begins - (np.cumsum(runs) - runs), runs) + np.arange(len(values))
    pixels = np.zeros(count, dtype=np.uint16)
    pixels[places] = values.astype(np.uint16)
    return pixels


def _rvl_numbers(data: bytes) -> np.ndarray:
    """The numbers of an RVL stream, (N,) int32; what follows the last whole one is left out.

    Read in blocks, as each of its bytes takes a hundred while it is.
    """
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4")
    parts, rest = [np.zeros(0, dtype=np.int32)], np.zeros(0, dtype=np.int32)
    for begin in range(0, len(words), _BLOCK_WORDS):
        block = words[begin : begin + _BLOCK_WORDS, None]
        nibbles = ((block >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.int32).ravel()
        nibbles = np.concatenate((rest, nibbles))
        ends = np.flatnonzero((nibbles & 8) == 0) + 1
        starts = np.concatenate(([0], ends))  # the last one of what the next block goes on with
        if np.diff(np.append(starts, len(nibbles))).max() > _LONGEST:
            raise ValueError("RVL has a number of more than 17 bits")
        rest, nibbles = nibbles[starts[-1] :], nibbles[: starts[-1]]
        if len(ends):
            place = np.arange(len(nibbles)) - np.repeat(starts[:-1], np.diff(starts))
            parts.append(np.add.reduceat((nibbles & 7) << (3 * place), starts[:-1]))
    return np.concatenate(parts, dtype=np.int32, casting="same_kind")
