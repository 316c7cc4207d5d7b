# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Packing of a batch's numbers into one tensor, so that one copy brings them from the device."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

__all__ = ["Layout", "columns", "pack", "unpack"]

#: Names of the parts, in their order, with the shape that each has per row.
Layout = tuple[tuple[str, tuple[int, ...]], ...]


def pack(parts: Mapping[str, Tensor]) -> tuple[Tensor, Layout]:
    """Return tensors (B, ...) side by side as one (B, W) float64, and how to tell them apart.

    Args:
        parts: by name, numbers or truths.

    Example:
        >>> parts = {"size_m": torch.ones(2, 3), "rests": torch.tensor([True, False])}
        >>> packed, layout = pack(parts)
        >>> packed.tolist(), layout
        ([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]], (('size_m', (3,)), ('rests', ())))
    """
    flat = [part.reshape(len(part), -1).to(torch.float64) for part in parts.values()]
    layout = tuple((name, tuple(part.shape[1:])) for name, part in parts.items())
    return torch.cat(flat, dim=1), layout


def unpack(packed: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """Return the parts (B, ...) of a packed array (B, W), float64 each.

    Args:
        packed: as `pack` made it.
        layout: as it said.

    Example:
        >>> parts = unpack(np.array([[1.0, 2.0, 3.0, 1.0]]), (("size_m", (3,)), ("rests", ())))
        >>> parts["size_m"].tolist(), parts["rests"].tolist()
        ([[1.0, 2.0, 3.0]], [1.0])
    """
    parts, first = {}, 0
    for name, shape in layout:
        width = math.prod(shape)
        parts[name] = packed[:, first : first + width].reshape(len(packed), *shape)
        first += width
    return parts


def columns(rows: Tensor, layout: Layout) -> dict[str, Tensor]:
    """Return the parts (B, ...) of rows (B, W) on their device, without a copy from the host.

    Args:
        rows: parts side by side, as of `pack`.
        layout: of the rows.

    Example:
        >>> parts = columns(torch.tensor([[1.0, 2.0, 3.0]]), (("size_m", (2,)), ("rests", ())))
        >>> parts["size_m"].tolist(), parts["rests"].tolist()
        ([[1.0, 2.0]], [3.0])
    """
    parts = rows.split([math.prod(shape) for _, shape in layout], dim=1)
    return {
        name: part.reshape(len(rows), *shape)
        for (name, shape), part in zip(layout, parts, strict=True)
    }
