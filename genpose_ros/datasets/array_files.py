# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Arrays of numbers from .npy files."""

import io
import math
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from genpose_ros.files import read_bytes

__all__ = ["array_of", "read_array"]

#: Readers of a header by the version of the format.
_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def read_array(path: Path, limit: int) -> np.ndarray:
    """Return the array of an .npy file.

    Args:
        path: of the file.
        limit: its bytes at most.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as of `read_bytes`; no array of numbers, or damaged.
    """
    data = read_bytes(path, limit)
    try:
        return array_of(data)
    except Exception as error:  # a damaged header can raise anything
        raise ValueError(f"{path} is not an array of numbers, or damaged: {error}") from error


def array_of(data: bytes) -> np.ndarray:
    """Return the array of an .npy file's content, which is not mapped: files may shrink meanwhile.

    One that claims more than it holds is refused before memory is asked for.

    Raises:
        ValueError: of an unknown version, of objects, or of less than it claims. What a damaged
            header makes NumPy raise comes through as it is.
    """
    stream = io.BytesIO(data)
    version = npy_format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is not known")
    shape, by_columns, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError("objects are not read")
    held, claimed = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if claimed > held or min(shape, default=0) < 0:
        raise ValueError(f"it claims {claimed} bytes and holds {held}")
    numbers = np.frombuffer(data, dtype, math.prod(shape), stream.tell())
    return numbers.reshape(shape, order="F" if by_columns else "C")
