# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rows of what is known of objects beside their points: one array per batch, and its parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.evidence import SizeTable
from genpose_ros.estimation.packing import Layout, columns
from genpose_ros.estimation.rest_prior import stance_shares
from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks.interface import Up
from genpose_ros.networks.score_calibration import SizeSpread

__all__ = ["CategoryRows", "KnownObjects", "object_rows"]


class CategoryRows:
    """Part of the rows that follows from the categories, made once for each.

    Args:
        members: of every symmetry group, smaller ones filled up, so that all rows are as long.
        sizes: that categories have, by name.
    """

    def __init__(self, members: int, sizes: dict[str, SizeSpread]) -> None:
        self.members, self._sizes = members, sizes
        self._rows: dict[Category, np.ndarray] = {}

    @property
    def layout(self) -> Layout:
        """Of the rows (see `packing`)."""
        return (
            ("free", ()),
            ("mirrored", ()),
            ("stance_shares", (3,)),
            ("size_mean", (3,)),
            ("size_precision", (3, 3)),
            ("symmetries", (self.members, 3, 3)),
        )

    def of(self, category: Category) -> np.ndarray:
        """Return the row of a category, float64."""
        row = self._rows.get(category)
        if row is None:
            symmetry = SymmetryBatch.of([category.symmetry], members=self.members)
            sizes = SizeTable.of([self._sizes.get(category.name)])
            parts = [
                [float(category.symmetry.free_axis), float(category.mirror)],
                stance_shares([category]),
                sizes.mean,
                sizes.precision,
                symmetry.rotations,
            ]
            row = np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in parts])
            self._rows[category] = row
        return row


@dataclass(frozen=True)
class KnownObjects:
    """What is known of B objects beside their points.

    Attributes:
        symmetry: of the objects.
        mirrored: (B,) bool, whose every second view may be mirrored.
        stance_shares: (B, 3) as of `rest_prior.stance_shares`.
        sizes: of their categories.
        up: which way is up.
        T_cam_start: (B, 4, 4) that the candidates start around; None: the centre of the prior.
    """

    symmetry: SymmetryBatch
    mirrored: Tensor
    stance_shares: Tensor
    sizes: SizeTable
    up: Up
    T_cam_start: Tensor | None

    @classmethod
    def of(cls, rows: Tensor, layout: Layout) -> "KnownObjects":
        """Return the parts of rows (B, W), on their device and without a copy from the host.

        Args:
            rows: as of `object_rows`, float64.
            layout: as of the same.
        """
        parts = columns(rows, layout)
        return cls(
            SymmetryBatch(parts["free"] > 0, parts["symmetries"]),
            parts["mirrored"] > 0,
            parts["stance_shares"],
            SizeTable(parts["size_mean"], parts["size_precision"]),
            Up(parts["up_direction"].float(), parts["up_level_m"].float()),
            parts.get("T_cam_start"),
        )


def object_rows(
    clouds: Sequence[ObjectCloud],
    categories: Sequence[Category],
    rows_of: CategoryRows,
    T_cam_start: np.ndarray | None = None,
) -> tuple[np.ndarray, Layout]:
    """Return the rows (B, W) float64 of objects, and their layout.

    Args:
        clouds: of the objects, which say which way is up.
        categories: of the objects.
        rows_of: what follows from those.
        T_cam_start: (B, 4, 4), or None.
    """
    up = np.zeros((len(clouds), 4))
    up[:, 3] = np.nan
    for row, cloud in zip(up, clouds, strict=True):
        if cloud.up_cam is not None:
            row[:3] = cloud.up_cam.direction_cam
            row[3] = np.nan if cloud.up_cam.level_m is None else cloud.up_cam.level_m
    columns = [np.stack([rows_of.of(category) for category in categories]), up]
    layout = (*rows_of.layout, ("up_direction", (3,)), ("up_level_m", ()))
    if T_cam_start is not None:
        columns.append(np.asarray(T_cam_start, dtype=np.float64).reshape(len(clouds), 16))
        layout = (*layout, ("T_cam_start", (4, 4)))
    return np.concatenate(columns, axis=1), layout
