# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Targets of symmetric objects: all their poses that look alike, and which one noise comes from."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.geometry import Category
from genpose_ros.geometry.symmetry_groups import SymmetryBatch

__all__ = ["CategorySymmetries", "paired_with_noise"]


class CategorySymmetries(nn.Module):
    """Table of the symmetries of categories, on the device of the module it is part of.

    Args:
        categories: whose symmetries they are, in the order of their indices.
    """

    free: Tensor
    rotations: Tensor

    def __init__(self, categories: Iterable[Category]) -> None:
        super().__init__()
        table = SymmetryBatch.of([c.symmetry for c in categories], dtype=torch.float32)
        self.register_buffer("free", table.free, persistent=False)
        self.register_buffer("rotations", table.rotations, persistent=False)

    def forward(self, category: Tensor) -> SymmetryBatch:
        """The symmetries of objects of these categories, (B,) indices."""
        return SymmetryBatch(self.free[category], self.rotations[category])


def paired_with_noise(forms: Tensor, free: Tensor, noise: Tensor) -> Tensor:
    """Return for each draw of noise the equivalent pose vector that is nearest to it, (B, D, 9).

    This is the optimal transport, by squared distance, between standard normal noise and the poses
    that look alike, all of them equally probable: nearest ones have the least cost, and as the
    symmetry's rotations map the normal distribution onto itself each pose gets its share. Noise
    then flows straight to a pose of its own, instead of first to the mean of all.

    Args:
        forms: (B, G, 9) pose vectors, one per member of the group.
        free: (B,) bool; the y axis of these is free: the x axis may be any one perpendicular to it.
        noise: (B, D, 9) standard normal.
    """
    forms, towards = forms.unsqueeze(2), noise.unsqueeze(1)
    x, y, offset = (part.expand(-1, -1, noise.shape[1], -1) for part in forms.split(3, -1))
    x_noise, y_noise, _ = towards.split(3, -1)
    across = x_noise - (x_noise * y).sum(-1, keepdim=True) * y
    x = torch.where(free.view(-1, 1, 1, 1), F.normalize(across, dim=-1), x)
    # All forms are of one length: the nearest one has the largest product.
    product = (x * x_noise + y * y_noise).sum(-1, keepdim=True)
    best = product.argmax(1, keepdim=True).expand(-1, -1, -1, 9)
    return torch.cat((x, y, offset), -1).gather(1, best).squeeze(1)
