# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Memory of this process as the kernel, glibc and Python count it, and how fast it grows.

Resident memory moves in steps of a megabyte, as allocators ask for it: it shows a leak only after
thousands of images. What malloc and Python have given out and not got back is counted to the byte
and to the object, and shows a leak of a few hundred bytes an image within hundreds of them.
"""

import ctypes
import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MB, _KB, _PAGE = 1e6, 1e3, 4096
#: Images of an hour at 30 Hz.
_HOUR = 108_000


class _MallInfo2(ctypes.Structure):
    """`struct mallinfo2` of glibc 2.33 and newer, bytes and counts."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """Memory at one moment.

    Attributes:
        resident_mb: pages that the kernel holds for the process, but for those of files, which it
            takes away where memory is short.
        in_use_mb: what was asked of malloc, by any thread, and not given back.
        free_mb: what malloc keeps of what was given back to it.
        blocks: objects of up to 512 bytes that Python holds, a count.
    """

    resident_mb: float
    in_use_mb: float
    free_mb: float
    blocks: int


@dataclass(frozen=True)
class Growth:
    """Growth over a stretch of images: a straight line through the samples of each.

    Attributes:
        resident_mb: over the whole stretch.
        malloc_kb: an image.
        blocks: an image.
        hour_mb: of resident memory in an hour at 30 images a second.
        hour_error_mb: the standard error of that, which allows for samples that follow the one
            before.
    """

    resident_mb: float
    malloc_kb: float
    blocks: float
    hour_mb: float
    hour_error_mb: float


def memory() -> Memory:
    """Measure; what waits for Python's garbage collector is collected first."""
    gc.collect()
    info = _mallinfo()
    resident, of_files = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return Memory(
        resident_mb=(resident - of_files) * _PAGE / _MB,
        in_use_mb=(info.uordblks + info.hblkhd) / _MB,
        free_mb=info.fordblks / _MB,
        blocks=sys.getallocatedblocks(),
    )


def growth(images: Sequence[int], samples: Sequence[Memory]) -> Growth:
    """Growth over samples that were taken after so many images each; three samples at least."""
    counts = np.asarray(images, dtype=float)

    def slope(values: Sequence[float]) -> float:
        return float(np.polyfit(counts, values, 1)[0])

    resident_mb = [s.resident_mb for s in samples]
    mb_an_image = slope(resident_mb)
    return Growth(
        resident_mb=mb_an_image * float(counts[-1] - counts[0]),
        malloc_kb=slope([s.in_use_mb for s in samples]) * _MB / _KB,
        blocks=slope([float(s.blocks) for s in samples]),
        hour_mb=mb_an_image * _HOUR,
        hour_error_mb=slope_error(counts, np.asarray(resident_mb)) * _HOUR,
    )


def slope_error(x: np.ndarray, y: np.ndarray) -> float:
    """The standard error of the slope of a straight line through points.

    Residuals that follow the one before, as those of memory taken in steps do, are worth fewer
    points: of n with the correlation r from one to the next, n (1 - r) / (1 + r).

    Args:
        x: (n,), n >= 3.
        y: (n,).
    """
    residuals = y - np.polyval(np.polyfit(x, y, 1), x)
    scatter = float(residuals @ residuals)
    if scatter == 0.0:
        return 0.0
    r = min(max(float(residuals[1:] @ residuals[:-1]) / scatter, 0.0), 0.99)
    variance = scatter / (len(x) - 2) / float(np.sum((x - x.mean()) ** 2))
    return float(np.sqrt(variance * (1 + r) / (1 - r)))


def _mallinfo() -> _MallInfo2:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _MallInfo2
    info: _MallInfo2 = mallinfo2()
    return info
