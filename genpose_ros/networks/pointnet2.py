# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""PointNet++ with multi-scale grouping in plain PyTorch, the point encoder of the reference.

Tensors of features keep the channel last, so that a shared layer is one matrix product. Squared
distances are sums of squared differences: the expanded form |a|^2 - 2ab + |b|^2 would lose the
digits that decide which points lie within a radius.
"""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.networks.fused_kernels import fused_kernels

__all__ = [
    "LIGHT_LEVELS",
    "GroupingLevel",
    "MultiScaleEncoder",
    "ball_query",
    "farthest_points",
    "gather_rows",
]

#: Points of a cloud up to which all distances between them are computed at once on a GPU.
_MOST_TABLED = 512
#: Points of a cloud that a fused kernel keeps in registers.
_MOST_IN_REGISTERS = 4096


def farthest_points(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sample farthest points, starting at index 0; return all distances measured on the way too.

    Each next point is the one farthest from all before it, of several the first. When the points
    run out, index 0 comes again.

    Args:
        points: (B, N, 3).
        count: how many to choose, M.

    Returns:
        (B, M) indices, and (B, M, N) squared distances from each chosen point to all points.
    """
    fits = points.dtype == torch.float32 and points.shape[1] <= _MOST_IN_REGISTERS
    kernels = fused_kernels(points) if fits else None
    if kernels is not None:
        fused: tuple[Tensor, Tensor] = kernels.farthest_points(points.detach(), count)
        return fused
    if not points.is_cpu:
        return _farthest_points_on_gpu(points, count)
    order, distances2 = _farthest_points_on_cpu(points.detach().numpy(), count)
    return torch.from_numpy(order), torch.from_numpy(distances2)


def _farthest_points_on_gpu(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The same, number for number, in a fixed number of small steps, which a GPU is bound by."""
    batch, n_points, _ = points.shape
    planes, flat = points.permute(2, 0, 1).contiguous(), points.reshape(-1, 3)
    first_row = torch.arange(batch, device=points.device) * n_points
    # All distances beforehand save most of each step, as long as there are few points.
    table = None if n_points > _MOST_TABLED else _squared(planes[:, :, :, None], planes[:, :, None])
    nearest = points.new_full((batch, n_points), 1e10)
    index = torch.zeros(batch, dtype=torch.long, device=points.device)
    order, distances2 = [], []
    for _ in range(count):
        rows = first_row + index
        if table is not None:
            to_all = table.flatten(0, 1).index_select(0, rows)
        else:
            to_all = _squared(planes, flat.index_select(0, rows).t().unsqueeze(-1))
        order.append(index)
        distances2.append(to_all)
        nearest = torch.minimum(nearest, to_all)
        index = nearest.argmax(dim=1)
    return torch.stack(order, 1), torch.stack(distances2, 1)


def _squared(planes: Tensor, centres: Tensor) -> Tensor:
    """Squared distances of points, given their coordinates (3, ...) one after the other."""
    x, y, z = (planes - centres).square_()
    return (x + y).add_(z)


def _farthest_points_on_cpu(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The same, number for number: its many small steps take NumPy a quarter of the time."""
    batch, n_points, _ = points.shape
    planes, rows = np.ascontiguousarray(points.transpose(2, 0, 1)), np.arange(batch)
    nearest = np.full((batch, n_points), 1e10, dtype=points.dtype)
    distances2 = np.empty((count, batch, n_points), dtype=points.dtype)
    order = np.zeros((count, batch), dtype=np.int64)
    squares = np.empty_like(planes)
    for k, to_all in enumerate(distances2):
        np.subtract(planes, planes[:, rows, order[k], None], out=squares)
        np.square(squares, out=squares)
        np.add(squares[0], squares[1], out=to_all)
        np.add(to_all, squares[2], out=to_all)
        np.minimum(nearest, to_all, out=nearest)
        if k + 1 < count:
            nearest.argmax(axis=1, out=order[k + 1])
    return np.ascontiguousarray(order.T), distances2.swapaxes(0, 1)


def ball_query(distances2: Tensor, radius: float, count: int) -> Tensor:
    """Return the indices (B, M, count) of the first points, in index order, closer than `radius`.

    Where fewer are close enough the first of them is repeated; where none is, index 0.

    Args:
        distances2: (B, M, N) squared distances from M centres to N points.
        radius: in the unit of the points; a point at exactly this distance is outside.
        count: neighbours per centre.
    """
    radius2 = torch.tensor(radius, dtype=distances2.dtype).square().item()
    inside = distances2 < radius2
    found = inside.sum(-1, keepdim=True)
    # All hits, ordered by centre and then by index; a centre's own begin at `first`.
    hits = inside.flatten(0, 1).nonzero()[:, 1]
    hits = F.pad(hits, (0, 1))
    first = found.flatten().cumsum(0).view_as(found) - found
    slot = torch.arange(count, device=distances2.device).expand(*found.shape[:2], count)
    neighbours = hits[first + torch.where(slot < found, slot, 0)]
    return torch.where(found > 0, neighbours, 0)


def gather_rows(rows: Tensor, index: Tensor) -> Tensor:
    """Return the rows (B, ..., C) at `index` (B, ...) of each batch entry's own (B, N, C)."""
    batch, n_rows, channels = rows.shape
    offset = torch.arange(batch, device=index.device).view(-1, *[1] * (index.ndim - 1)) * n_rows
    picked = rows.reshape(-1, channels).index_select(0, (index + offset).flatten())
    return picked.view(*index.shape, channels)


class SharedLayer(nn.Module):
    """Shared layer on (..., C): 1x1 convolution without bias, batch normalisation, ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        # The reference's modules, so that its parameter names and shapes are met.
        self.conv = nn.Conv2d(n_in, n_out, kernel_size=1, bias=False)
        self.bn = nn.Sequential(OrderedDict(bn=nn.BatchNorm1d(n_out)))

    def affine(self) -> tuple[Tensor, Tensor | None]:
        """Return weight (C_out, C_in) and bias, in evaluation mode with the normalisation."""
        weight = self.conv.weight.flatten(1)
        if self.training:
            return weight, None
        norm = cast(nn.BatchNorm1d, self.bn.bn)
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        return weight * scale[:, None], norm.bias - mean * scale

    def activate(self, x: Tensor) -> Tensor:
        """Apply what follows the affine map: in training mode the normalisation, then ReLU."""
        if self.training:
            x = self.bn(x.flatten(0, -2)).view_as(x)
        return F.relu(x, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.affine()
        return self.activate(F.linear(x, weight, bias))


def _shared_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    layers = [SharedLayer(a, b) for a, b in pairwise(widths)]
    return nn.Sequential(OrderedDict((f"layer{i}", layer) for i, layer in enumerate(layers)))


def _neighbourhood_features(
    mlp: nn.Sequential, offsets: Tensor, features: Tensor | None, neighbours: Tensor
) -> Tensor:
    """Maximum over the neighbours of the MLP of [offset, feature]: (B, M, C_out).

    Args:
        mlp: the shared layers.
        offsets: (B, M, S, 3) neighbour minus centre, metres.
        features: (B, N, C) of all points.
        neighbours: (B, M, S) indices into them.
    """
    first = cast(SharedLayer, mlp[0])
    weight, bias = first.affine()
    x = F.linear(offsets, weight[:, :3], bias)
    if features is not None:
        # The feature columns do not depend on the centre: once per point, not per neighbour.
        x = x + gather_rows(F.linear(features, weight[:, 3:]), neighbours)
    x = first.activate(x)
    return mlp[1:](x).amax(dim=-2)


@dataclass(frozen=True)
class GroupingLevel:
    """Level of multi-scale grouping: number of centres, and radius and layers of each scale.

    Attributes:
        centres: number of centres; 0: one group of all points, at absolute coordinates.
        radii_m: radius of each scale, metres.
        neighbours: neighbours of each scale.
        widths: output widths of the shared layers of each scale.
    """

    centres: int
    radii_m: tuple[float, ...]
    neighbours: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]


#: The reference's 'light' encoder.
LIGHT_LEVELS: tuple[GroupingLevel, ...] = (
    GroupingLevel(512, (0.02, 0.04), (16, 32), ((16, 16, 32), (32, 32, 64))),
    GroupingLevel(256, (0.04, 0.08), (16, 32), ((64, 64, 128), (64, 96, 128))),
    GroupingLevel(128, (0.08, 0.16), (16, 32), ((128, 196, 256), (128, 196, 256))),
    GroupingLevel(0, (), (), ((256, 256, 512), (256, 384, 512))),
)


class SetAbstraction(nn.Module):
    """Set abstraction of one level: a stack of shared layers per scale."""

    def __init__(self, level: GroupingLevel, n_features: int) -> None:
        super().__init__()
        self.level = level
        self.mlps = nn.ModuleList(_shared_mlp((3 + n_features, *w)) for w in level.widths)

    def forward(
        self, points: Tensor, features: Tensor | None, centres: Tensor, distances2: Tensor
    ) -> Tensor:
        """Return the features (B, M, C_out) of the surroundings of the centres.

        Args:
            points: (B, N, 3), metres.
            features: (B, N, C) of the points, or None.
            centres: (B, M, 3).
            distances2: (B, M, N) squared distances from the centres to the points.
        """
        scales = []
        for mlp, radius_m, count in zip(
            self.mlps, self.level.radii_m, self.level.neighbours, strict=True
        ):
            index = ball_query(distances2, radius_m, count)
            offsets = gather_rows(points, index) - centres[:, :, None]
            scales.append(
                _neighbourhood_features(cast(nn.Sequential, mlp), offsets, features, index)
            )
        return torch.cat(scales, dim=-1)

    def pool(self, points: Tensor, features: Tensor) -> Tensor:
        """Return features (B, C_out) of all points (B, N, 3), (B, N, C) together, not recentred."""
        both = torch.cat([points, features], dim=-1)
        return torch.cat([mlp(both).amax(dim=1) for mlp in self.mlps], dim=-1)


class MultiScaleEncoder(nn.Module):
    """Encoder of clouds (B, N, 3), metres, camera frame and not centred, to features (B, 1024)."""

    def __init__(self) -> None:
        super().__init__()
        modules, width = [], 0
        for level in LIGHT_LEVELS:
            modules.append(SetAbstraction(level, width))
            width = sum(w[-1] for w in level.widths)
        self.SA_modules = nn.ModuleList(modules)

    def forward(self, points: Tensor) -> Tensor:
        """Return the features of a batch of clouds, (B, 1024).

        Args:
            points: (B, N, 3), metres, camera frame.

        Raises:
            ValueError: not (B, N, 3), no point, or a coordinate that is not finite.
        """
        if points.ndim != 3 or points.shape[-1] != 3 or points.shape[1] == 0:
            raise ValueError(f"points must be (B, N, 3) with N > 0, got {tuple(points.shape)}")
        if not bool(points.isfinite().all()):
            raise ValueError("points must be finite, got NaN or infinity")
        first, *middle, last = cast(list[SetAbstraction], list(self.SA_modules))
        order, distances2 = farthest_points(points, first.level.centres)
        centres = gather_rows(points, order)
        features = first(points, None, centres, distances2)
        # Sampling points that already are in this order gives them in order: each further level's
        # centres are the first of the level before, and their distances are known.
        distances2 = distances2.gather(2, order[:, None].expand(-1, order.shape[1], -1))
        for module in middle:
            m, n = module.level.centres, features.shape[1]
            features = module(centres[:, :n], features, centres[:, :m], distances2[:, :m, :n])
        return last.pool(centres[:, : features.shape[1]], features)
