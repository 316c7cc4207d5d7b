# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Arrays of numbers from MATLAB files of version 5 (before 7.3), such as the meta.mat of YCB-Video.

By Python and NumPy alone: a damaged file lets the reader of SciPy crash the interpreter.
Source of the layout: MathWorks, MAT-File Format, "Level 5 MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genpose_ros.files import read_bytes

__all__ = ["read_matlab"]

_HEADER, _TAG = 128, 8
#: Types of elements: of numbers with NumPy's name, of a whole array, of one that is packed.
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_ARRAY, _PACKED = 14, 15
#: Classes of arrays that hold real numbers, and the flag of complex ones.
_REAL, _COMPLEX = range(6, 16), 0x0800


def read_matlab(path: Path, limit: int) -> dict[str, np.ndarray]:
    """Return the real arrays of a file by their names; texts, structures and others are left out.

    Args:
        path: of the file.
        limit: bytes, as it is and unpacked.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such file of version 5, or damaged.
    """
    data = read_bytes(path, limit)
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None or not data.startswith(b"MATLAB 5.0"):
        raise ValueError(f"{path} is no MATLAB file of version 5 to 7.2: save it with -v7")
    try:
        return dict(_arrays(data[_HEADER:], order, limit))
    except (ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{path} is no MATLAB file that can be read: {error}") from error


def _arrays(data: bytes, order: str, limit: int) -> Iterator[tuple[str, np.ndarray]]:
    for kind, content in _elements(data, order):
        if kind == _PACKED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(content, limit)
            if unpacker.unconsumed_tail:
                raise ValueError(f"it has more than {limit} bytes unpacked")
            parts = [part for k, part in _elements(unpacked, order) if k == _ARRAY]
        else:
            parts = [content] if kind == _ARRAY else []
        for part in parts:
            named = _array(part, order)
            if named is not None:
                yield named


def _array(data: bytes, order: str) -> tuple[str, np.ndarray] | None:
    """Name and numbers, float64, of an array; None: it holds something else."""
    elements = _elements(data, order)
    head = [content for _, content in (next(elements, (0, b"")) for _ in range(3))]
    flags, shape = (np.frombuffer(head[i], f"{order}{t}4") for i, t in ((0, "u"), (1, "i")))
    if not len(flags) or (flags[0] & 0xFF) not in _REAL or flags[0] & _COMPLEX:
        return None
    kind, content = next(elements, (0, b""))
    if kind not in _NUMBERS:
        raise ValueError(f"an array has elements of type {kind}, expected numbers")
    with np.errstate(invalid="ignore"):  # of the many ways to say that it is no number
        numbers = np.frombuffer(content, order + _NUMBERS[kind]).astype(np.float64)
    if (shape < 0).any() or math.prod(shape.tolist()) != len(numbers):
        raise ValueError(f"an array says {shape.tolist()} and has {len(numbers)} numbers")
    return head[2].decode("ascii", "replace"), numbers.reshape(shape, order="F")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element of a file or array."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small one: both in the first half, content in the second
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + _TAG // 2
            end = at + _TAG
        else:
            begin = at + _TAG
            end = begin + size + (0 if kind == _PACKED else -size % _TAG)
        if begin + size > len(data) or size > end - begin:
            raise ValueError(f"an element says {size} bytes and has {len(data) - begin}")
        yield kind, data[begin : begin + size]
        at = end
