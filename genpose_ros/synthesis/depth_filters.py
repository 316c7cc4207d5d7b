# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Filters that camera drivers apply to depth images: decimation, smoothing, filling of holes.

They do what librealsense's processing blocks do, in their order. Its temporal filter is not here:
on a scene at rest it is less noise, which the sensor's draws hold.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genpose_ros.synthesis.device_arrays import tensor_of

__all__ = [
    "DriverFilters",
    "decimated",
    "draw_driver_filters",
    "filled",
    "filter_depth",
    "smoothed",
]

#: Stands for a missing depth, further from any other than an edge.
_MISSING_M = 1e3


@dataclass(frozen=True)
class DriverFilters:
    """Filters of n cameras, each (n,).

    Attributes:
        passes: of the smoothing, 0 for none.
        alpha: weight of a pixel beside that of the smoothed ones before it.
        delta_m: steps of more than this are edges and stay, metres.
        decimation: 2 or 4: one depth for so many rows and columns; 1 for none.
        filling: 0: none; 1: holes take the depth on their left; 2: the furthest around them.
    """

    passes: np.ndarray
    alpha: np.ndarray
    delta_m: np.ndarray
    decimation: np.ndarray
    filling: np.ndarray


def draw_driver_filters(n: int, rng: np.random.Generator) -> DriverFilters:
    """Draw filters as drivers are configured: smoothing for 3 of 10, others for few."""
    return DriverFilters(
        passes=rng.integers(1, 6, n) * (rng.random(n) < 0.3),
        alpha=rng.uniform(0.4, 0.6, n),
        delta_m=rng.uniform(0.008, 0.032, n),
        decimation=rng.choice([1, 2, 4], n, p=[0.9, 0.08, 0.02]),
        filling=rng.choice(3, n, p=[0.88, 0.06, 0.06]),
    )


def filter_depth(depth_m: Tensor, draw: DriverFilters, per_px: np.ndarray) -> Tensor:
    """Depth (n, H, W) as the drivers pass it on, 0 for holes.

    Args:
        depth_m: (n, H, W) metres, 0 for holes.
        draw: the filters.
        per_px: (n,) camera pixels per array pixel.
    """
    depth = depth_m.clone()
    factor = np.rint(draw.decimation / per_px)
    for size in (2, 4):
        chosen = np.flatnonzero((factor == size) | ((factor == 3) & (size == 2)))
        rows = tensor_of(chosen, depth.device)
        if len(rows):
            depth[rows] = decimated(depth[rows], size)
    # A step of the array is several of the camera's, and each takes its share.
    alpha = 1 - (1 - draw.alpha) ** per_px
    for number in range(int(draw.passes.max(initial=0))):
        rows = tensor_of(np.flatnonzero(draw.passes > number), depth.device)
        weight, delta = (
            tensor_of(values, depth.device, torch.float32)[rows] for values in (alpha, draw.delta_m)
        )
        depth[rows] = smoothed(depth[rows], weight, delta)
    for way in (1, 2):
        rows = tensor_of(np.flatnonzero(draw.filling == way), depth.device)
        if len(rows):
            depth[rows] = filled(depth[rows], furthest=way == 2)
    return depth


def smoothed(depth_m: Tensor, alpha: Tensor, delta_m: Tensor) -> Tensor:
    """One pass of the edge-preserving recursive filter: right, left, down, up; holes stay.

    A pixel takes `alpha` of itself and the rest of its smoothed predecessor, unless the two are
    more than `delta_m` apart.

    Args:
        depth_m: (n, H, W) metres, 0 for holes.
        alpha: (n,).
        delta_m: (n,) metres.
    """
    n, height, width = depth_m.shape
    missing = depth_m <= 0
    depth = depth_m.masked_fill(missing, _MISSING_M)
    for axis, across in ((2, height), (1, width)):
        # Along the first axis each step is one stretch of memory.
        lines = depth.movedim(axis, 0).contiguous()
        keep = (1 - alpha)[:, None].expand(n, across)
        limit = delta_m[:, None].expand(n, across)
        _recursive(lines, keep, limit)
        _recursive(lines.flip(0), keep, limit, into=lines)
        depth = lines.movedim(0, axis)
    return depth.masked_fill(missing, 0).contiguous()


def _recursive(lines: Tensor, keep: Tensor, limit: Tensor, into: Tensor | None = None) -> None:
    """Filter (L, n, M) along its first axis in place; with `into` backwards, from its flip."""
    last = lines[0]
    for number, line in enumerate(lines[1:], 1):
        step = last - line
        last = line + step * keep * (step.abs() <= limit)
        if into is None:
            lines[number] = last
        else:
            into[-1 - number] = last


def decimated(depth_m: Tensor, size: int) -> Tensor:
    """Every block of `size` rows and columns replaced by its median depth, holes left out."""
    n, height, width = depth_m.shape
    blocks = depth_m.view(n, height // size, size, width // size, size).transpose(2, 3)
    values = blocks.reshape(n, height // size, width // size, size * size)
    known = (values > 0).sum(3, keepdim=True)
    ordered = values.masked_fill(values <= 0, torch.inf).sort(dim=3).values
    median = ordered.gather(3, (known - 1).clamp_min(0) // 2)[..., 0]
    median = median.masked_fill(known[..., 0] == 0, 0)
    return median.repeat_interleave(size, 1).repeat_interleave(size, 2)


def filled(depth_m: Tensor, *, furthest: bool) -> Tensor:
    """Holes filled with the depth on their left, or with the furthest of left, above and below.

    Holes that reach the border stay where nothing lies beyond them.
    """
    from_left = _carried(depth_m, 2)
    if not furthest:
        return from_left
    above, below = _carried(depth_m, 1), _carried(depth_m.flip(1), 1).flip(1)
    return torch.where(depth_m > 0, depth_m, from_left.maximum(above).maximum(below))


def _carried(depth: Tensor, axis: int) -> Tensor:
    """Every hole with the value of the last pixel before it along an axis."""
    shape = [1, 1, 1]
    shape[axis] = -1
    place = torch.arange(depth.shape[axis], device=depth.device).view(shape)
    last = torch.where(depth > 0, place, 0).cummax(axis).values
    return depth.gather(axis, last)
