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
        resident_mb: pages that the kernel holds for the process.
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
    """

    resident_mb: float
    malloc_kb: float
    blocks: float


def memory() -> Memory:
    """Measure; what waits for Python's garbage collector is collected first."""
    gc.collect()
    info = _mallinfo()
    return Memory(
        resident_mb=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / _MB,
        in_use_mb=(info.uordblks + info.hblkhd) / _MB,
        free_mb=info.fordblks / _MB,
        blocks=sys.getallocatedblocks(),
    )


def growth(samples: Sequence[Memory], images: int) -> Growth:
    """Growth over samples that were taken evenly over so many images."""

    def line(values: Sequence[float]) -> float:
        return float(np.polyfit(np.linspace(0.0, 1.0, len(values)), values, 1)[0])

    return Growth(
        resident_mb=line([s.resident_mb for s in samples]),
        malloc_kb=line([s.in_use_mb for s in samples]) * _MB / _KB / images,
        blocks=line([float(s.blocks) for s in samples]) / images,
    )


def _mallinfo() -> _MallInfo2:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _MallInfo2
    info: _MallInfo2 = mallinfo2()
    return info
