# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measurements of meshes: sizes, symmetries, mirror planes and stable rests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import open3d as o3d
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.categories import RESTS
from genpose_ros.synthesis.meshes import Mesh

__all__ = [
    "ANY",
    "AXES",
    "CLEARLY",
    "Deviations",
    "common_fold",
    "is_mirrored",
    "measure_deviations",
    "stable_rests",
    "symmetry_words",
    "tipping_rad",
]

AXES: tuple[str, ...] = ("x", "y", "z")
#: How often a round shape looks the same in one turn.
ANY = 0
#: A deviation beyond this is none that scanning and modelling make.
CLEARLY = 2.0

#: Turns whose symmetry is looked for, as parts of a full one.
_FOLDS = (2, 3, 4, 5, 6, 8)
#: A shape that these turns, in degrees, map onto itself is round.
_ROUND_DEG = (17.0, 40.0, 67.0, 101.0, 139.0)
#: The share of the surface that must come to lie on the surface: a screw or a seam does not count.
_SHARE = 0.98
#: How far beside it may lie: of the cross-section's diagonal in a turn, of the whole in a mirror,
#: and never less than this part of the whole, which no depth camera sees.
_TOLERANCE, _UNSEEN = 0.03, 0.005
#: Directions and rays of each that find the outer surface, as an outline of a disc.
_DIRECTIONS, _RAYS = 64, 48
#: An object stands if it can be tipped by this angle, on all that reaches this far up, as a part
#: of its diagonal.
_TIPPING_RAD, _FOOT = np.radians(6), 0.005
#: Down is within this angle of y, up or down, in what is not lying.
_UPRIGHT_RAD = np.radians(25)
#: An object lies on a table if this share of the throws end so.
_COMMON = 0.05


@dataclass(frozen=True)
class Deviations:
    """How far a shape's surface lies from where a turn or a mirror puts it, about its box's centre.

    Each is relative to what still counts as the same: up to 1 the shape is symmetric.

    Attributes:
        turns: by axis and count n, of a turn by 1/n; the count `ANY` is the worst of several
            turns.
        mirrors: by the axis across the plane.
    """

    turns: Mapping[tuple[str, int], float]
    mirrors: Mapping[str, float]


def measure_deviations(vertices: np.ndarray, faces: np.ndarray) -> Deviations:
    """Measure the turns and mirror planes of a mesh by its outer surface.

    Args:
        vertices: (V, 3) in the category's frame, centred on the box.
        faces: (F, 3), vertex numbers.
    """
    whole = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    scene = _scene(vertices / whole, faces)
    points = _outer_surface(scene)
    size = np.ptp(vertices, axis=0) / whole
    turns: dict[tuple[str, int], float] = {}
    for i, axis in enumerate(AXES):
        across = max(_TOLERANCE * float(np.linalg.norm(np.delete(size, i))), _UNSEEN)
        degrees = [360 / n for n in _FOLDS] + list(_ROUND_DEG)
        vectors = np.radians(degrees)[:, None] * np.eye(3)[i]
        off = _off(scene, points, Rotation.from_rotvec(vectors).as_matrix()) / across
        turns |= {(axis, n): float(value) for n, value in zip(_FOLDS, off, strict=False)}
        turns[axis, ANY] = float(off.max())
    planes = np.stack([np.diag(1 - 2 * np.eye(3)[i]) for i in range(3)])
    off = _off(scene, points, planes) / _TOLERANCE
    return Deviations(turns, dict(zip(AXES, map(float, off), strict=True)))


def common_fold(measured: Sequence[Deviations], axis: str) -> int:
    """Return how often shapes look the same in a turn about an axis; 1: once, `ANY`: round.

    Most of them have to, and none may be clearly different.

    Args:
        measured: of each shape, at least one.
        axis: x, y or z.
    """
    counts = (ANY, *sorted(_FOLDS, reverse=True))
    return next((n for n in counts if _holds([one.turns[axis, n] for one in measured])), 1)


def is_mirrored(measured: Sequence[Deviations], axis: str) -> bool:
    """Return whether the plane across an axis maps shapes onto themselves, as `common_fold`."""
    return _holds([one.mirrors[axis] for one in measured])


def _holds(deviations: Sequence[float]) -> bool:
    return float(np.median(deviations)) <= 1 and max(deviations) <= CLEARLY


def symmetry_words(folds: Sequence[int]) -> str:
    """Return the words of a manifest for folds about x, y and z, such as `{y: quarter}`."""
    names = {ANY: "any", 2: "half", 4: "quarter"}
    turns = zip(AXES, folds, strict=True)
    return "{" + ", ".join(f"{axis}: {names.get(n, n)}" for axis, n in turns if n != 1) + "}"


def _scene(vertices: np.ndarray, faces: np.ndarray) -> o3d.t.geometry.RaycastingScene:
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(np.ascontiguousarray(vertices, dtype=np.float32)),
        o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
    )
    return scene


def _outer_surface(scene: o3d.t.geometry.RaycastingScene) -> np.ndarray:
    """Points (N, 3) where rays from all around first meet a shape of diagonal 1."""
    rng = np.random.default_rng(0)
    forward = rng.normal(size=(_DIRECTIONS, 1, 3))
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    inside = rng.uniform(-0.5, 0.5, (_DIRECTIONS, _RAYS, 3))
    across = inside - (inside * forward).sum(-1, keepdims=True) * forward
    rays = np.concatenate([across - forward, np.broadcast_to(forward, across.shape)], axis=-1)
    rays = rays.reshape(-1, 6).astype(np.float32)
    distance = scene.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
    met = np.isfinite(distance)
    points: np.ndarray = rays[met, :3] + distance[met, None] * rays[met, 3:]
    return points


def _off(scene: o3d.t.geometry.RaycastingScene, points: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """How far (M,) nearly all of the points come to lie from the surface by each map (M, 3, 3)."""
    moved = np.einsum("mij,nj->mni", maps, points).astype(np.float32)
    distance = scene.compute_distance(o3d.core.Tensor(moved)).numpy()
    off: np.ndarray = np.quantile(distance, _SHARE, axis=1)
    return off


def stable_rests(meshes: Sequence[Mesh]) -> tuple[str, ...]:
    """Return the rests of `RESTS` in which objects are stable on a table, at least one.

    Those of most of the meshes: standing and upside down if they do not tip over soon, lying if
    they end so when they are thrown.

    Args:
        meshes: of a category, in its frame, at least one.
    """
    stable: dict[str, list[bool]] = {rest: [] for rest in RESTS}
    for mesh in meshes:
        centre, hull = _solid(mesh.vertices)
        stable["standing"].append(_tipping_rad(mesh.vertices, centre) >= _TIPPING_RAD)
        stable["lying"].append(_lying_share(centre, hull) >= _COMMON)
        stable["upside_down"].append(_tipping_rad(-mesh.vertices, -centre) >= _TIPPING_RAD)
    rests = tuple(rest for rest in RESTS if np.mean(stable[rest]) >= 0.5)
    return rests or ("lying",)


def tipping_rad(vertices: np.ndarray) -> float:
    """Return the angle by which an object that stands with y up can be tipped before it falls.

    Args:
        vertices: (V, 3) of the object, of even density within its convex hull.

    Returns:
        Radians; 0 where it does not stand.
    """
    return _tipping_rad(vertices, _solid(vertices)[0])


def _tipping_rad(vertices: np.ndarray, centre: np.ndarray) -> float:
    height = vertices[:, 1] - vertices[:, 1].min()
    foot = vertices[height <= _FOOT * np.linalg.norm(np.ptp(vertices, axis=0))][:, [0, 2]]
    try:
        edges = ConvexHull(foot).equations
    except (QhullError, ValueError):  # a point or a line
        return 0.0
    inside = float(-(edges[:, :2] @ centre[[0, 2]] + edges[:, 2]).max())
    return max(math.atan2(inside, centre[1] - vertices[:, 1].min()), 0.0)


def _solid(vertices: np.ndarray) -> tuple[np.ndarray, ConvexHull]:
    """Centre of mass of the convex hull, and the hull."""
    hull = ConvexHull(vertices, qhull_options="QJ Pp")
    middle = vertices.mean(0)
    corners = vertices[hull.simplices]
    volumes = np.abs(np.linalg.det(corners - middle))
    centre = ((corners.sum(1) + middle) / 4 * volumes[:, None]).sum(0) / volumes.sum()
    return centre, hull


def _lying_share(centre: np.ndarray, hull: ConvexHull) -> float:
    """How often an object ends neither standing nor upside down when it is thrown.

    The faces of its convex hull are what it can lie on: from a face that the centre of mass does
    not stand over it rolls on to the next, and each face is hit first as often as its solid angle
    from the centre of mass is large.
    """
    corners = hull.points[hull.simplices]
    normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
    share = _solid_angles(corners - centre)
    ends = _ends(corners, normals, -offsets - normals @ centre, centre, hull.neighbors)
    lying = np.abs(normals[ends][:, 1]) < np.cos(_UPRIGHT_RAD)
    return float(share[lying].sum() / share.sum())


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
