# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Errors of the accelerator: memory that does not suffice, and those after which nothing works."""

from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["in_halves_where_memory_lacks", "is_fatal", "is_out_of_memory"]

Result = TypeVar("Result")

_OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED")
_FATAL = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "HIP error")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the accelerator had too little memory, and less work may still be done.

    Args:
        error: that the network raised.

    Example:
        >>> is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory")), is_out_of_memory(
        ...     ValueError("too many points")
        ... )
        (True, False)
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


def is_fatal(error: BaseException) -> bool:
    """Return whether this process cannot use its accelerator any more, whatever it does.

    After a device-side assert, an illegal address or a lost device every later call fails too.

    Args:
        error: that the network raised.

    Example:
        >>> is_fatal(torch.AcceleratorError("CUDA error: device-side assert triggered"))
        True
        >>> is_fatal(torch.OutOfMemoryError("CUDA out of memory"))
        False
    """
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.AcceleratorError) or any(t in str(error) for t in _FATAL)


def in_halves_where_memory_lacks(
    estimate: Callable[[slice], list[Result]], count: int
) -> list[Result]:
    """Return the results of `count` objects; where memory lacks, of half of them at a time.

    Args:
        estimate: estimates the objects of a slice, in their order.
        count: how many there are, 1 or more.

    Raises:
        MemoryError: it does not suffice for half of them either.

    Example:
        >>> def doubled(rows):
        ...     if rows.stop - rows.start > 2:
        ...         raise torch.OutOfMemoryError("CUDA out of memory")
        ...     return [2 * row for row in range(rows.start, rows.stop)]
        >>> in_halves_where_memory_lacks(doubled, 4)
        [0, 2, 4, 6]
    """
    try:
        return estimate(slice(0, count))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Only here, outside of the handler, does nothing hold the tensors of the attempt any more.
    torch.cuda.empty_cache()
    half = -(-count // 2)
    try:
        return [
            result
            for first in range(0, count, half)
            for result in estimate(slice(first, min(first + half, count)))
        ]
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(
            f"the accelerator's memory does not suffice for {half} of {count} objects at a time: "
            "lower batch_size or sampling.candidates, or end what else uses it"
        ) from error
