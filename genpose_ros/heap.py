# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Heap of a process: what frames take stays, instead of coming anew for each of them."""

import ctypes
import os

__all__ = ["keep_heap"]

#: Parameters of glibc's mallopt, as in malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Blocks up to this size come from the heap (glibc takes no more), and so much of it may lie free.
_LARGEST, _FREE = 32 << 20, 128 << 20


def keep_heap() -> bool:
    """Let malloc keep up to 128 MB that are free; returns whether it does.

    By itself glibc gives the memory of an image, its masks and a network's activations back to the
    kernel when they are done, and faults it in again, page by page, for the next ones: 1 ms of an
    image in the node, 10 of 70 ms of twenty objects. What somebody has set in the environment
    holds; other C libraries are left alone.
    """
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _FREE))
