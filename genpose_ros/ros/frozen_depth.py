# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frozen depth: images with new stamps and the pixels of the one before."""

import numpy as np

from genpose_ros.ros.images import DepthPixels

__all__ = ["FrozenDepth"]

#: So many images in a row that are the same are no chance. A depth camera's noise leaves no two the
#: same; what simulators show at rest may well be.
_FROZEN = 10
#: Pixels that are compared first: every one of so many rows and columns.
_ROWS, _COLUMNS = 13, 17


class FrozenDepth:
    """Count of the depth images in a row that are the same, byte for byte.

    Attributes:
        repeats: how many images before the last one were the same as it.
    """

    def __init__(self) -> None:
        self.repeats = 0
        self._stamp_ns: int | None = None
        self._before: DepthPixels | None = None
        self._sample = b""

    def note(self, stamp_ns: int, pixels: DepthPixels) -> None:
        """Note a depth image; one that comes twice, with one stamp, counts once."""
        if stamp_ns == self._stamp_ns:
            return
        sample = _sample(pixels)
        same = self._before is not None and sample == self._sample and _same(pixels, self._before)
        self.repeats = self.repeats + 1 if same else 0
        self._stamp_ns, self._before, self._sample = stamp_ns, pixels, sample

    @property
    def is_news(self) -> bool:
        """Whether the last image makes it worth a line: the tenth repeat, the hundredth, ..."""
        return self.repeats >= _FROZEN and str(self.repeats).strip("0") == "1"

    @property
    def doubt(self) -> str:
        """What there is to wonder about, as half a sentence; empty: nothing."""
        if self.repeats < _FROZEN:
            return ""
        return (
            f"the last {self.repeats + 1} depth images are the same, byte for byte: the camera is "
            "frozen, or simulated without noise"
        )


def _sample(pixels: DepthPixels) -> bytes:
    if isinstance(pixels, np.ndarray):
        return pixels[::_ROWS, ::_COLUMNS].tobytes()
    return bytes(pixels.data[:: _ROWS * _COLUMNS])


def _same(a: DepthPixels, b: DepthPixels) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        # As whole numbers: a NaN is the same as itself.
        kind = f"u{a.dtype.itemsize}"
        alike = a.dtype == b.dtype and a.shape == b.shape
        return alike and np.array_equal(a.view(kind), b.view(kind))
    return not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and a.data == b.data
