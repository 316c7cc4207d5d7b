# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects drawn in a batch: procedural shapes and deformed meshes, six categories mixed."""

from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis.meshes import Mesh, deform
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.shapes import make_shapes
from genpose_ros.synthesis.vessels import USUAL, VesselVariety

__all__ = ["Objects", "draw_objects"]


@dataclass(frozen=True)
class Objects:
    """Batch of n objects, in groups that share their triangles.

    Attributes:
        groups: of each group, the objects' numbers (k,) and their k meshes.
        category: (n,) index into `CATEGORIES`.
    """

    groups: tuple[tuple[np.ndarray, MeshBatch], ...]
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.category)

    @property
    def size_m(self) -> np.ndarray:
        """(n, 3) edges of the boxes along the axes of the frame the vertices are in."""
        size = np.empty((len(self), 3))
        for rows, meshes in self.groups:
            size[rows] = meshes.extents
        return size

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
        lowest = np.empty(len(self))
        for rows, meshes in self.groups:
            along = meshes.vertices @ axis[rows, :, None].astype(meshes.vertices.dtype)
            lowest[rows] = along[..., 0].min(1)
        return lowest

    def outline(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest tangents x / z and y / z, each (n, 2), of objects placed."""
        low, high = np.empty((len(self), 2)), np.empty((len(self), 2))
        for rows, meshes in self.groups:
            x, y, z = np.ascontiguousarray(np.moveaxis(meshes.vertices, 2, 0))
            for axis, values in enumerate((x, y)):
                tangents = values / np.maximum(z, 0.05)
                low[rows, axis], high[rows, axis] = tangents.min(1), tangents.max(1)
        return low, high


def draw_objects(
    n: int,
    rng: np.random.Generator,
    *,
    categories: tuple[str, ...] = CATEGORIES,
    meshes: tuple[Mesh, ...] = (),
    mesh_share: float = 0.0,
    deformation: float = 1.0,
    vessels: VesselVariety = USUAL,
) -> Objects:
    """Draw n objects, balanced over the categories, in random order.

    Args:
        n: how many.
        rng: source of the draws.
        categories: which to draw from.
        meshes: objects used, deformed, for `mesh_share` of the objects of their category.
        mesh_share: see `meshes`.
        deformation: see `deform`.
        vessels: variety of the procedural bottles, bowls, cans and mugs.
    """
    category = rng.permutation(np.resize([CATEGORIES.index(name) for name in categories], n))
    groups: list[tuple[np.ndarray, MeshBatch]] = []
    for index in np.unique(category):
        rows = np.flatnonzero(category == index)
        known = [mesh for mesh in meshes if mesh.category == CATEGORIES[index]]
        chosen = np.full(len(rows), -1)
        if known:
            scanned = rng.random(len(rows)) < mesh_share
            chosen = np.where(scanned, rng.integers(len(known), size=len(rows)), -1)
        for number, mesh in enumerate(known):
            of_mesh = rows[chosen == number]
            if len(of_mesh):
                vertices = [deform(mesh, rng, amount=deformation) for _ in of_mesh]
                groups.append(
                    (of_mesh, MeshBatch(np.stack(vertices), mesh.faces, closed=mesh.closed))
                )
        if (chosen < 0).any():
            shapes = make_shapes(CATEGORIES[index], int((chosen < 0).sum()), rng, vessels)
            groups.append((rows[chosen < 0], shapes))
    return Objects(tuple(groups), category)
