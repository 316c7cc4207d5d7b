# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Patch transformer, the light point encoder: local patches as tokens of a small transformer."""

import numpy as np
import torch
from torch import Tensor, nn

from genpose_ros.networks.fused_kernels import fused_kernels
from genpose_ros.networks.pointnet2 import farthest_points, gather_rows

__all__ = ["PatchTransformer", "nearest_points"]

#: Indices that fit into the last bits of a distance, 13 of 23.
_MOST_IN_BITS = 2**13 - 1


class PatchTransformer(nn.Module):
    """Encoder of clouds as patches around well-spread centres, which attend to each other.

    Args:
        patches: centres per cloud, chosen by farthest point sampling.
        neighbours: points per patch, the nearest ones.
        subset: points used of each cloud, the first ones: clouds come in random order.
        width: token width.
        layers: transformer layers.
        heads: attention heads.
        up: take what is known of the direction up.

    Raises:
        ValueError: `width` cannot be divided among the heads.
    """

    def __init__(
        self,
        *,
        patches: int,
        neighbours: int,
        subset: int,
        width: int,
        layers: int,
        heads: int,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.patches, self.neighbours, self.subset = patches, neighbours, subset
        self.local = nn.Sequential(nn.Linear(6, 64), nn.GELU(), nn.Linear(64, width))
        self.after_max = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.place = nn.Sequential(nn.Linear(3, 64), nn.GELU(), nn.Linear(64, width))
        self.view = nn.Sequential(nn.Linear(4, 64), nn.GELU(), nn.Linear(64, width))
        self.up = _silent(nn.Linear(5, 64), nn.GELU(), nn.Linear(64, width)) if up else None
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.out_features = 2 * width

    def forward(
        self, points: Tensor, view: Tensor, patches: int = 0, up: Tensor | None = None
    ) -> Tensor:
        """Return features (B, out_features).

        Args:
            points: (B, N, 3), N >= 1, in random order, centred, in units in which an object is
                about 1 large.
            view: (B, 4) direction and log distance of the cloud's centre from the camera.
            patches: other than the usual number; 0: that one.
            up: (B, 5) direction against gravity, height of the cloud's centre above its support
                and whether that is known; rows of zeros where nothing is; None: nowhere.
        """
        points = points[:, : self.subset]
        with torch.no_grad():
            order, distances2 = farthest_points(points, patches or self.patches)
            # Of fewer points all are neighbours; taking one twice would not change the maximum.
            count = min(self.neighbours, points.shape[1])
            nearest = nearest_points(distances2, count)
        centres = gather_rows(points, order)
        around = gather_rows(points, nearest)
        local = self._patch_features(torch.cat((around - centres.unsqueeze(2), around), -1))
        tokens = self.after_max(local) + self.place(centres)
        first = self.view(view)
        if up is not None and self.up is not None:
            known = (up[:, :3] != 0).any(1, keepdim=True)
            first = first + torch.where(known, self.up(up), 0.0)
        tokens = torch.cat((first.unsqueeze(1), tokens), 1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return torch.cat((tokens[:, 0], tokens[:, 1:].amax(1)), -1)

    def compile_patches(self) -> None:
        """Compile the layers that see every neighbour; the transformer stays as it is."""
        self._patch_features = torch.compile(self._patch_features)  # type: ignore[method-assign]

    def _patch_features(self, neighbours: Tensor) -> Tensor:
        """Features (B, P, width) of patches of neighbours (B, P, S, 6)."""
        return self.local(neighbours).amax(2)


def _silent(*layers: nn.Module) -> nn.Sequential:
    """The layers in turn, the last one zero: weights from before them go on from where they are."""
    for parameter in layers[-1].parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(*layers)


class _Block(nn.Module):
    """Self-attention and a two-layer perceptron, each on normalised tokens (B, T, C) and added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} attention heads")
        self.heads = heads
        self.norm_attention, self.norm_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        qkv = self.qkv(self.norm_attention(tokens)).view(batch, count, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        # With this few tokens, plain products are faster on a CPU than the fused attention.
        weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        seen = weights.softmax(-1).to(value.dtype) @ value
        tokens = tokens + self.merge(seen.transpose(1, 2).reshape(batch, count, width))
        return tokens + self.perceptron(self.norm_perceptron(tokens))


def nearest_points(distances: Tensor, count: int) -> Tensor:
    """Return the indices (..., count) of the smallest of distances (..., N), in any order.

    On a CPU, of distances that differ by less than 1e-3 of themselves, either may be taken.

    Args:
        distances: float32, none negative.
        count: how many.
    """
    kernels = fused_kernels(distances)
    if kernels is not None:
        fused: Tensor = kernels.nearest_points(distances, count)
        return fused
    if not distances.is_cpu:
        return distances.topk(count, dim=-1, largest=False, sorted=False).indices
    size = distances.shape[-1]
    low = (1 << (size - 1).bit_length()) - 1
    if low > _MOST_IN_BITS:
        order = np.argpartition(distances.numpy(), count - 1, axis=-1)
        return torch.from_numpy(order[..., :count].copy())
    # The bits of such floats are in their order; with the index in place of the last ones, numbers
    # are partitioned instead of indices, which NumPy does by vector instructions.
    keys = distances.numpy().view(np.int32) & np.int32(~low)
    keys |= np.arange(size, dtype=np.int32)
    keys.partition(count - 1, axis=-1)
    return torch.from_numpy((keys[..., :count] & np.int32(low)).astype(np.int64))
