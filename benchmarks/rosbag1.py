"""Depth images out of ROS 1 bags, as librealsense records them; no ROS needed."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["depth_images"]

_CONNECTION, _MESSAGE, _CHUNK = 7, 2, 5


def depth_images(bag: Path) -> list[np.ndarray]:
    """Return all 16-bit images (H, W) of a bag, in millimetres.

    Raises:
        ValueError: the file is no ROS 1 bag, or compressed otherwise than by LZ4.
    """
    data = bag.read_bytes()
    if not data.startswith(b"#ROSBAG V2.0\n"):
        raise ValueError(f"{bag} is no ROS 1 bag")
    types: dict[bytes, bytes] = {}
    images = []
    for header, chunk in _records(data, data.index(b"\n") + 1):
        if header["op"][0] != _CHUNK:
            continue
        for inner, content in _records(_uncompressed(header["compression"], chunk), 0):
            if inner["op"][0] == _CONNECTION:
                types[inner["conn"]] = _fields(content)["type"]
            elif inner["op"][0] == _MESSAGE and types[inner["conn"]] == b"sensor_msgs/Image":
                images.append(_image(content))
    return [image for image in images if image is not None]


def _records(data: bytes, position: int) -> Iterator[tuple[dict[str, bytes], bytes]]:
    while position < len(data):
        header, position = _block(data, position)
        content, position = _block(data, position)
        yield _fields(header), content


def _block(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes with their length before them, and where they end."""
    (length,) = struct.unpack_from("<I", data, position)
    end = position + 4 + length
    return data[position + 4 : end], end


def _fields(header: bytes) -> dict[str, bytes]:
    fields, position = {}, 0
    while position < len(header):
        field, position = _block(header, position)
        name, value = field.split(b"=", 1)
        fields[name.decode()] = value
    return fields


def _image(message: bytes) -> np.ndarray | None:
    """The image of a sensor_msgs/Image of 16 bits; None for others."""
    _, position = _block(message, 12)  # after sequence number and stamp: the frame's name
    height, width = struct.unpack_from("<II", message, position)
    encoding, position = _block(message, position + 8)
    if encoding not in (b"mono16", b"16UC1"):
        return None
    pixels, _ = _block(message, position + 5)  # after the byte order and the row's length
    return np.frombuffer(pixels, "<u2").reshape(height, width)


def _uncompressed(compression: bytes, chunk: bytes) -> bytes:
    if compression == b"none":
        return chunk
    if compression != b"lz4":
        raise ValueError(f"compression {compression.decode()} is not supported")
    return _lz4_frame(chunk)


def _lz4_frame(frame: bytes) -> bytes:
    flags = frame[4]
    position, checksum = 7 + (8 if flags & 8 else 0), 4 if flags & 16 else 0
    out = bytearray()
    while True:
        (length,) = struct.unpack_from("<I", frame, position)
        if length == 0:
            return bytes(out)
        stored, length = length >> 31, length & 0x7FFFFFFF
        block = frame[position + 4 : position + 4 + length]
        if stored:
            out += block
        else:
            _lz4_block(block, out)
        position += 4 + length + checksum


def _lz4_block(block: bytes, out: bytearray) -> None:
    """Append what a block holds: literals, then a copy of what came before, and so on."""
    position = 0

    def length(nibble: int) -> int:
        nonlocal position
        total = nibble
        while nibble == 15:
            total += block[position]
            position += 1
            if block[position - 1] != 255:
                break
        return total

    while position < len(block):
        token = block[position]
        position += 1
        literals = length(token >> 4)
        out += block[position : position + literals]
        position += literals
        if position >= len(block):
            return  # the last sequence has no copy
        back = block[position] | block[position + 1] << 8
        position += 2
        count = 4 + length(token & 15)
        start = len(out) - back
        # A copy may run into what it writes.
        while count > 0:
            piece = out[start : start + min(count, len(out) - start)]
            out += piece
            count -= len(piece)
