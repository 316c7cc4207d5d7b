# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Triton kernels of the patch encoder: farthest points and nearest points, one launch each.

To be imported where Triton is; `fused_kernels` says whether it is used. What the kernels are
compared with stands in `pointnet2` and `patch_transformer`.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["farthest_points", "nearest_points"]


@triton.jit  # type: ignore[untyped-decorator]
def _farthest_kernel(points, order, distances2, size, count, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Of one cloud, whose coordinates stay in registers: each next point and its distances."""
    cloud = tl.program_id(0).to(tl.int64)
    index = tl.arange(0, block)
    inside = index < size
    first = points + cloud * size * 3 + index * 3
    x = tl.load(first, mask=inside, other=0.0)
    y = tl.load(first + 1, mask=inside, other=0.0)
    z = tl.load(first + 2, mask=inside, other=0.0)
    nearest = tl.where(inside, 1e10, -1.0)
    chosen = tl.argmax(nearest, 0)  # 0, of the type that the steps give
    for step in range(count):
        row = cloud * count + step
        tl.store(order + row, chosen.to(tl.int64))
        taken = index == chosen
        dx = x - tl.sum(tl.where(taken, x, 0.0), 0)
        dy = y - tl.sum(tl.where(taken, y, 0.0), 0)
        dz = z - tl.sum(tl.where(taken, z, 0.0), 0)
        to_all = (dx * dx + dy * dy) + dz * dz
        tl.store(distances2 + row * size + index, to_all, mask=inside)
        nearest = tl.where(inside, tl.minimum(nearest, to_all), -1.0)
        chosen = tl.argmax(nearest, 0)


@triton.jit  # type: ignore[untyped-decorator]
def _nearest_kernel(distances, found, size, count, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Of one row of distances: the smallest, again and again without those before."""
    row = tl.program_id(0).to(tl.int64)
    index = tl.arange(0, block)
    left = tl.load(distances + row * size + index, mask=index < size, other=float("inf"))
    for step in range(count):
        best = tl.argmin(left, 0)
        tl.store(found + row * count + step, best.to(tl.int64))
        left = tl.where(index == best, float("inf"), left)


def farthest_points(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return what `pointnet2.farthest_points` does, number for number, in one launch.

    Args:
        points: (B, N, 3) float32.
        count: how many to choose, M.
    """
    batch, size, _ = points.shape
    points = points.contiguous()
    order = torch.empty(batch, count, dtype=torch.int64, device=points.device)
    distances2 = torch.empty(batch, count, size, dtype=points.dtype, device=points.device)
    # Without fused multiplications, whose digits would choose other points of equally far ones.
    _farthest_kernel[(batch,)](
        points,
        order,
        distances2,
        size,
        count,
        block=triton.next_power_of_2(size),
        enable_fp_fusion=False,
    )
    return order, distances2


def nearest_points(distances: Tensor, count: int) -> Tensor:
    """Return the indices (..., count) of the smallest of distances (..., N), the nearest first.

    Args:
        distances: float32, finite.
        count: how many, N at most.
    """
    rows, size = distances.contiguous(), distances.shape[-1]
    shape = (*distances.shape[:-1], count)
    found = torch.empty(shape, dtype=torch.int64, device=distances.device)
    block = triton.next_power_of_2(size)
    _nearest_kernel[(rows.numel() // size,)](rows, found, size, count, block=block)
    return found
