# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Points spread evenly over whole surfaces, those that no camera sees included."""

import numpy as np

from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.primitives import MeshBatch

__all__ = ["spread_points", "surfaces_of"]

#: Fractions of successive multiples of these fill the unit square evenly (Roberts' R2 sequence).
_STEPS = (0.7548776662466927, 0.5698402909980532)


def surfaces_of(objects: Objects, count: int) -> np.ndarray:
    """Points (n, count, 3) float32 on the surfaces of n objects, in the frame of their vertices."""
    points = np.empty((len(objects), count, 3), np.float32)
    for rows, meshes in objects.groups:
        points[rows] = spread_points(meshes, count)
    return points


def spread_points(meshes: MeshBatch, count: int) -> np.ndarray:
    """Points (n, count, 3) on n meshes, as many for each piece of the same area.

    The same meshes have the same points: equal steps of area along the triangles' order, and
    evenly spread places within them.
    """
    corners = meshes.vertices[:, meshes.faces]
    first, second, third = (corners[:, :, corner] for corner in range(3))
    area = np.linalg.norm(np.cross(second - first, third - first), axis=-1)
    upto = area.cumsum(1)
    steps = (np.arange(count) + 0.5) / count
    face = np.stack([row.searchsorted(steps * row[-1]) for row in upto])
    face = np.minimum(face, area.shape[1] - 1)
    one, other = (np.modf(0.5 + step * np.arange(count))[0] for step in _STEPS)
    # The square's root keeps the density of places in a triangle even.
    weights = np.stack((1 - np.sqrt(one), np.sqrt(one) * (1 - other), np.sqrt(one) * other), -1)
    chosen = np.take_along_axis(corners, face[:, :, None, None], 1)
    points: np.ndarray = np.einsum("nkca,kc->nka", chosen, weights)
    return points
