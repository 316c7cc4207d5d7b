# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measurements of meshes: sizes, symmetries, mirror planes and stable rests."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull

from genpose_ros.geometry.categories import RESTS
from genpose_ros.synthesis.meshes import Mesh

__all__ = ["rest_shares", "stable_rests"]

#: Down is within this angle of an axis for a stance to be standing or upside down.
_UPRIGHT_RAD = np.radians(25)
#: A rest that fewer of the throws end in is left out.
_RARE = 0.03


def stable_rests(meshes: Sequence[Mesh]) -> tuple[str, ...]:
    """Return the rests of `RESTS` in which objects come to lie on a table.

    Args:
        meshes: of a category, in its frame.
    """
    shares = np.mean([list(rest_shares(mesh.vertices).values()) for mesh in meshes], axis=0)
    # The commonest one always counts.
    least = min(_RARE, shares.max())
    return tuple(rest for rest, share in zip(RESTS, shares, strict=True) if share >= least)


def rest_shares(vertices: np.ndarray) -> dict[str, float]:
    """Return how often an object comes to rest standing, lying and upside down when it is thrown.

    The faces of its convex hull are what it can lie on: from a face that the centre of mass does
    not stand over it rolls on to the next, and each face is hit first as often as its solid angle
    from the centre of mass is large.

    Args:
        vertices: (V, 3) of the object, y up.

    Returns:
        Shares by the names of `RESTS`; they sum to 1.
    """
    hull = ConvexHull(vertices, qhull_options="QJ Pp")
    corners = vertices[hull.simplices]
    volumes = np.abs(np.linalg.det(corners - vertices.mean(0)))
    centre = ((corners.sum(1) + vertices.mean(0)) / 4 * volumes[:, None]).sum(0) / volumes.sum()
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    share = _solid_angles(corners - centre) / (4 * np.pi)
    ends = _ends(corners, normals, -offsets - normals @ centre, centre, hull.neighbors)
    down = normals[ends][:, 1]
    steep = np.cos(_UPRIGHT_RAD)
    standing, upside_down = share[down < -steep].sum(), share[down > steep].sum()
    total = share.sum()
    lying = max(total - standing - upside_down, 0.0)
    found = {"standing": standing, "lying": lying, "upside_down": upside_down}
    return {rest: float(found[rest] / total) for rest in RESTS}


def _solid_angles(corners: np.ndarray) -> np.ndarray:
    """Solid angle (F,) of triangles (F, 3, 3) seen from the origin (Van Oosterom, Strackee)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    ab, bc, ca = (np.einsum("ij,ij->i", *p) for p in ((a, b), (b, c), (c, a)))
    below = la * lb * lc + ab * lc + bc * la + ca * lb
    angles: np.ndarray = 2 * np.arctan2(np.abs(np.linalg.det(corners)), below)
    return angles


def _ends(
    corners: np.ndarray,
    normals: np.ndarray,
    heights: np.ndarray,
    centre: np.ndarray,
    neighbors: np.ndarray,
) -> np.ndarray:
    """The face (F,) of a hull that the object rolls to from each: always to a lower centre."""
    foot = centre + heights[:, None] * normals
    # Beyond which edge the centre of mass stands; neighbour i lies across from corner i.
    step = np.arange(len(corners))
    worst = np.zeros(len(corners))
    for i in range(3):
        a, b = corners[:, (i + 1) % 3], corners[:, (i + 2) % 3]
        inward = np.cross(normals, b - a)
        inward *= np.sign(np.einsum("ij,ij->i", inward, corners[:, i] - a))[:, None]
        inward /= np.linalg.norm(inward, axis=1, keepdims=True) + 1e-300
        beyond = -np.einsum("ij,ij->i", foot - a, inward)
        rolls = (beyond > worst) & (heights[neighbors[:, i]] < heights)
        step = np.where(rolls, neighbors[:, i], step)
        worst = np.where(rolls, beyond, worst)
    for _ in range(int(np.ceil(np.log2(len(corners) + 1)))):
        step = step[step]
    return step
