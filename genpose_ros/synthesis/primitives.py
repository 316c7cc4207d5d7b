# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batches of simple meshes with one shared topology: lathes, boxes, tubes.

A batch holds n meshes of V vertices; all of them share the same triangles, so that thousands of
different shapes are made by a handful of array operations.
"""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["MeshBatch", "box", "lathe", "merge", "profile", "slab", "tube"]


@dataclass(frozen=True)
class MeshBatch:
    """Batch of n meshes over the same triangles.

    Attributes:
        vertices: (n, V, 3) metres, object frame.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        closed: whether the surfaces have no border, so that their back is never seen.
    """

    vertices: np.ndarray
    faces: np.ndarray
    closed: bool = True

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest coordinates, each (n, 3) metres."""
        # numpy is twenty times faster along a contiguous axis than across three columns.
        coordinates = self.vertices.swapaxes(1, 2).copy()
        return coordinates.min(2), coordinates.max(2)

    @property
    def extents(self) -> np.ndarray:
        """Edge lengths of the axis-aligned bounding boxes, (n, 3) metres."""
        low, high = self.bounds
        return high - low

    def centred(self) -> "MeshBatch":
        """The same meshes with the centre of their bounding box at the origin."""
        low, high = self.bounds
        return self.moved(-(low + high) / 2)

    def moved(self, offset: np.ndarray) -> "MeshBatch":
        """The same meshes, each shifted by its row of `offset` (n, 3)."""
        return replace(self, vertices=self.vertices + offset[:, None])

    def turned(self, rotation: np.ndarray) -> "MeshBatch":
        """The same meshes, each rotated about the origin by its `rotation` (n, 3, 3)."""
        return replace(self, vertices=self.vertices @ np.swapaxes(rotation, 1, 2))

    def only(self, present: np.ndarray, anchor: np.ndarray) -> "MeshBatch":
        """The same meshes where `present` (n,); elsewhere shrunk to the point `anchor` (n, 3)."""
        kept = np.where(present[:, None, None], self.vertices, anchor[:, None])
        return replace(self, vertices=kept)


def profile(*points: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Put (radius, height) pairs, each (n,) or (n, k), side by side: (n, P) each, for `lathe`."""
    pairs = [np.broadcast_arrays(radius, height) for radius, height in points]
    return np.column_stack([r for r, _ in pairs]), np.column_stack([y for _, y in pairs])


def merge(*parts: MeshBatch) -> MeshBatch:
    """Put several batches of n meshes together, part by part."""
    starts = np.cumsum([0] + [part.vertices.shape[1] for part in parts[:-1]])
    return MeshBatch(
        np.concatenate([part.vertices for part in parts], 1),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
    )


def _grid_faces(rows: int, columns: int, close_rows: bool = False) -> np.ndarray:
    """Triangles of a (rows, columns) vertex grid whose columns wrap around."""
    row, column = np.meshgrid(
        np.arange(rows if close_rows else rows - 1), np.arange(columns), indexing="ij"
    )
    below, right = (row + 1) % rows, (column + 1) % columns
    a, b = row * columns + column, row * columns + right
    c, d = below * columns + column, below * columns + right
    return np.concatenate(
        [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, c, b), (c, d, b))]
    )


def _flattened(rings: np.ndarray) -> np.ndarray:
    """(n, rings, around, 3) as (n, V, 3), n = 0 included."""
    return rings.reshape(len(rings), rings.shape[1] * rings.shape[2], 3)


def lathe(
    radius: np.ndarray,
    height: np.ndarray,
    *,
    segments: int = 32,
    roundness: np.ndarray | None = None,
    flatness: np.ndarray | None = None,
) -> MeshBatch:
    """Turn profiles about the y axis.

    Args:
        radius: (n, P) distance from the axis along each profile, metres.
        height: (n, P) y along each profile, metres, from the bottom's centre over the outside.
        segments: vertices around the axis.
        roundness: (n,) exponent of the superellipse cross-section: 2 round, 6 nearly square.
        flatness: (n,) factor on z, for oval cross-sections.
    """
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    exponent = np.full(len(radius), 2.0) if roundness is None else roundness
    stretch = (np.abs(cos) ** exponent[:, None] + np.abs(sin) ** exponent[:, None]) ** (
        -1 / exponent[:, None]
    )
    if flatness is None:
        flatness = np.ones(len(radius))
    ring = radius[:, :, None] * stretch[:, None]
    vertices = np.stack(
        [
            ring * cos,
            np.broadcast_to(height[:, :, None], ring.shape),
            ring * sin * flatness[:, None, None],
        ],
        -1,
    )
    return MeshBatch(_flattened(vertices), _grid_faces(radius.shape[1], segments))


def box(size: np.ndarray, *, rounding: np.ndarray | float = 0.0) -> MeshBatch:
    """Boxes centred at the origin with edges `size` (n, 3), metres.

    `rounding` (n,) is the radius, metres, of the four edges along y.
    """
    x, z = _outline(size, rounding)
    half, zero = size[:, 1:2] / 2 * np.ones_like(x), np.zeros_like(x)
    return _rings([(zero, -half, zero), (x, -half, z), (x, half, z), (zero, half, zero)])


def slab(
    size: np.ndarray,
    *,
    rounding: np.ndarray | float = 0.0,
    inset: np.ndarray | float = 0.0,
    recess: np.ndarray | float = 0.0,
    taper: np.ndarray | float = 1.0,
) -> MeshBatch:
    """Boxes as `box` makes them, whose upper face may be smaller and sunk within a frame.

    Args:
        size: (n, 3) edges, metres.
        rounding: (n,) radius of the four edges along y, metres.
        inset: (n,) width of the frame around the sunk part of the upper face, metres.
        recess: (n,) how deep that part lies, metres.
        taper: (n,) edges of the upper face in those of the lower one.
    """
    n = len(size)
    x, z = _outline(size, rounding)
    half, zero = size[:, 1:2] / 2 * np.ones_like(x), np.zeros_like(x)
    narrow = np.broadcast_to(taper, n)[:, None]
    inner = narrow * (1 - 2 * np.broadcast_to(inset, n)[:, None] / size[:, [0, 2]].min(1)[:, None])
    floor = half - np.broadcast_to(recess, n)[:, None]
    return _rings(
        [
            (zero, -half, zero),
            (x, -half, z),
            (x * narrow, half, z * narrow),
            (x * inner, half, z * inner),
            (x * inner, floor, z * inner),
            (zero, floor, zero),
        ]
    )


def _outline(size: np.ndarray, rounding: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """x and z (n, 16) around rectangles with rounded corners."""
    n, corners, steps = len(size), 4, 4
    radius = np.minimum(np.broadcast_to(rounding, n), size[:, [0, 2]].min(1) / 2 * 0.98)[:, None]
    angle = (np.arange(corners * steps) // steps) * (np.pi / 2) + np.tile(
        np.linspace(0, np.pi / 2, steps), corners
    )
    quadrant = np.arange(corners * steps) // steps
    sign_x, sign_z = np.array([1, -1, -1, 1])[quadrant], np.array([1, 1, -1, -1])[quadrant]
    x = sign_x * (size[:, :1] / 2 - radius) + radius * np.cos(angle)
    return x, sign_z * (size[:, 2:] / 2 - radius) + radius * np.sin(angle)


def _rings(rings: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> MeshBatch:
    """Rings of (x, y, z), each (n, S), joined one after the other; the ends are points."""
    vertices = np.stack([np.stack(ring, -1) for ring in rings], 1)
    count, around = vertices.shape[1:3]
    return MeshBatch(_flattened(vertices), _grid_faces(count, around))


def tube(
    path: np.ndarray, normal: np.ndarray, thickness: np.ndarray, width: np.ndarray
) -> MeshBatch:
    """Sweep an ellipse along planar paths in the xy plane, closed at both ends.

    Args:
        path: (n, P, 2) centre line, metres.
        normal: (n, P, 2) unit normal of the path.
        thickness: (n,) radius along the normal, metres.
        width: (n,) radius along z, metres.
    """
    segments = 8
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    path, normal = (np.concatenate([a[:, :1], a, a[:, -1:]], 1) for a in (path, normal))
    open_ring = np.ones(path.shape[1])
    open_ring[[0, -1]] = 0  # the caps: rings shrunk to a point
    along = thickness[:, None, None] * open_ring[:, None] * np.cos(angle)
    across = width[:, None, None] * open_ring[:, None] * np.sin(angle)
    xy = path[:, :, None] + normal[:, :, None] * along[..., None]
    vertices = np.concatenate([xy, across[..., None]], -1)
    return MeshBatch(_flattened(vertices), _grid_faces(path.shape[1], segments))
