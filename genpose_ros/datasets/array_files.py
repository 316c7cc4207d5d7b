# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Small arrays of numbers from .npy files."""

import io
from pathlib import Path

import numpy as np

from genpose_ros.files import read_bytes

__all__ = ["read_array"]


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
        # Not mapped: a file that shrinks meanwhile would end the process.
        array: np.ndarray = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a damaged header can raise anything
        raise ValueError(f"{path} is not an array of numbers, or damaged: {error}") from error
    return array
