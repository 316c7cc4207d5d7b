# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects in a batch: shapes of several categories, in groups that share their triangles."""

from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.synthesis.primitives import MeshBatch

__all__ = ["Objects"]


@dataclass(frozen=True)
class Objects:
    """Batch of n objects, in groups that share their triangles.

    Attributes:
        groups: of each group, the objects' numbers (k,) and their k meshes.
        category: (n,) index into the categories of their library.
    """

    groups: tuple[tuple[np.ndarray, MeshBatch], ...]
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.category)

    @property
    def size_m(self) -> np.ndarray:
        """(n, 3) edges of the boxes along the axes of the frame the vertices are in."""
        return self._in_order([meshes.extents for _, meshes in self.groups])

    def placed(self, rotation: np.ndarray, translation: np.ndarray) -> "Objects":
        """The objects turned by (n, 3, 3) and moved by (n, 3), in single precision."""
        turn, move = rotation.astype(np.float32), translation.astype(np.float32)
        groups = tuple(
            (
                rows,
                replace(meshes, vertices=meshes.vertices.astype(np.float32))
                .turned(turn[rows])
                .moved(move[rows]),
            )
            for rows, meshes in self.groups
        )
        return Objects(groups, self.category)

    def lowest(self, axis: np.ndarray) -> np.ndarray:
        """(n,) smallest coordinate of each object along its `axis` (n, 3)."""
        lowest = []
        for rows, meshes in self.groups:
            along = meshes.vertices @ axis[rows, :, None].astype(meshes.vertices.dtype)
            lowest.append(along[..., 0].min(1).astype(np.float64))
        return self._in_order(lowest)

    def outline(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest tangents x / z and y / z, each (n, 2), of objects placed."""
        low, high = [], []
        for _, meshes in self.groups:
            x, y, z = np.moveaxis(meshes.vertices, 2, 0).copy()
            tangents = [values / np.maximum(z, 0.05) for values in (x, y)]
            low.append(np.stack([t.min(1) for t in tangents], -1).astype(np.float64))
            high.append(np.stack([t.max(1) for t in tangents], -1).astype(np.float64))
        return self._in_order(low), self._in_order(high)

    def _in_order(self, parts: list[np.ndarray]) -> np.ndarray:
        """Values of the groups as values (n, ...) of the objects."""
        order = np.argsort(np.concatenate([rows for rows, _ in self.groups]))
        together: np.ndarray = np.concatenate(parts)[order]
        return together
