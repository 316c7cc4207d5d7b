# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mesh folders: objects with category and scale from a manifest, deformed into many shapes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.files import read_json
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.synthesis.device_arrays import DeviceRandom, array_for
from genpose_ros.synthesis.mesh_files import merged, read_mesh, without_unused

__all__ = ["METRIC_DIAGONAL_M", "Mesh", "deform", "deformed", "load_meshes", "make_mesh"]

_MANIFEST_FIELDS = {"category", "file", "split", "metric"}
#: Box diagonals that a mesh in metres may have.
METRIC_DIAGONAL_M = (0.02, 2.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Mesh of one object in the frame of its category.

    Attributes:
        name: the manifest's name.
        category: name of its category.
        metric: whether `vertices` are metres; otherwise the box has unit diagonal.
        vertices: (V, 3), centred on the bounding box.
        faces: (F, 3), counter-clockwise seen from outside where `closed`.
        closed: whether the surface has no border; others are drawn from both sides.
    """

    name: str
    category: str
    metric: bool
    vertices: np.ndarray
    faces: np.ndarray
    closed: bool = False

    @property
    def diagonal(self) -> float:
        """Length of the diagonal of its box."""
        return float(np.linalg.norm(np.ptp(self.vertices, axis=0)))


def load_meshes(
    folder: Path, split: str, categories: CategorySet = NOCS, *, max_faces: int = 3000
) -> tuple[Mesh, ...]:
    """Read the meshes of one split from a folder with a `manifest.json`.

    The manifest is a list of objects with category, file (within the folder), split, metric and,
    if there is one, name.

    Args:
        folder: where the manifest is.
        split: "train", "test" or what else the manifest has.
        categories: that the meshes may be of.
        max_faces: meshes with more triangles are simplified to this many.

    Raises:
        ValueError: no manifest or a broken one, no mesh of that split, an unknown category, or a
            mesh that is missing, empty, not finite, without extent, or metric and not in metres.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    manifest = folder / "manifest.json"
    entries = [entry for entry in _read_manifest(manifest) if entry["split"] == split]
    if not entries:
        raise ValueError(f"{manifest} lists no mesh with split {split!r}")
    return tuple(_load(folder, entry, categories, max_faces) for entry in entries)


def _read_manifest(manifest: Path) -> list[dict[str, Any]]:
    if not manifest.is_file():
        raise ValueError(
            f"{manifest.parent} holds no manifest.json: write one, a list of objects with "
            f"category, file, split and metric for each mesh"
        )
    entries = read_json(manifest)
    if not isinstance(entries, list):
        raise ValueError(f"{manifest} holds no list of meshes")
    for entry in entries:
        missing = _MANIFEST_FIELDS - set(entry if isinstance(entry, dict) else ())
        if missing:
            about = f"{manifest}: {str(entry)[:300]!r}"
            raise ValueError(f"{about} lacks {', '.join(sorted(missing))}")
        texts = all(isinstance(entry[name], str) for name in ("file", "category"))
        if not texts or not isinstance(entry["metric"], bool):
            raise ValueError(
                f"{manifest}: {str(entry)[:300]}: file and category must be text, and metric true "
                "or false"
            )
        path = Path(entry["file"])
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(
                f"{manifest}: {entry['file']:.300} leaves the folder: copy the mesh into it"
            )
    return entries


def _load(folder: Path, entry: dict[str, Any], categories: CategorySet, max_faces: int) -> Mesh:
    file = folder / entry["file"]
    if entry["category"] not in categories:
        raise ValueError(
            f"{entry['file']}: unknown category {entry['category']!r}; "
            f"expected one of {', '.join(categories.names)}"
        )
    if not file.is_file():
        raise ValueError(f"{file} is not there, but the manifest lists it")
    name = str(entry.get("name", entry["file"]))
    vertices, faces = read_mesh(file)
    metric = bool(entry["metric"])
    mesh = make_mesh(name, entry["category"], vertices, faces, metric=metric, max_faces=max_faces)
    low, high = METRIC_DIAGONAL_M
    if metric and not low <= mesh.diagonal <= high:
        raise ValueError(
            f"{file} measures {mesh.diagonal:.3g} m from corner to corner of its box: scale it to "
            f"metres, or set metric to false in the manifest"
        )
    return mesh


def make_mesh(
    name: str,
    category: str,
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    metric: bool,
    max_faces: int = 3000,
) -> Mesh:
    """Return the mesh of an object: simplified, centred on its box, turned outward where closed.

    Args:
        name: of the mesh.
        category: its category's name.
        vertices: (V, 3) in the NOCS frame, metres where `metric`.
        faces: (F, 3), vertex numbers.
        metric: whether the scale is known; otherwise the box gets unit diagonal.
        max_faces: with more triangles it is simplified to this many.

    Raises:
        ValueError: it is to be simplified, and each triangle has lost a corner.
    """
    if len(faces) > max_faces:
        # Triangles that share no corners, as those of STL, would vanish one by one and leave holes.
        vertices, faces = merged(vertices, faces)
        if len(faces) == 0:
            raise ValueError(f"{name} holds no triangle that has three corners: export it anew")
        vertices, faces = _simplified(vertices, faces, max_faces)
    vertices = vertices - (vertices.max(0) + vertices.min(0)) / 2
    if not metric:
        vertices = vertices / float(np.linalg.norm(np.ptp(vertices, 0)))
    faces, closed = _outward(vertices, faces)
    if not closed:
        _log.info("%s has a border: it is drawn from both sides", name)
    return Mesh(name, category, metric, vertices, faces, closed)


def _simplified(
    vertices: np.ndarray, faces: np.ndarray, max_faces: int
) -> tuple[np.ndarray, np.ndarray]:
    import open3d as o3d  # not everywhere that clouds are made

    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(faces.astype(np.int32))
    )
    simple = mesh.simplify_quadric_decimation(max_faces)
    return without_unused(np.asarray(simple.vertices), np.asarray(simple.triangles))


def _outward(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, bool]:
    """The faces, turned outward where the surface is closed, and whether it is."""
    # Exporters repeat vertices where texture or normals change.
    _, name = np.unique(vertices.round(9), axis=0, return_inverse=True)
    named = name.ravel()[faces]
    edges = np.concatenate([named[:, [0, 1]], named[:, [1, 2]], named[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    there, back = (np.sort(e[:, 0] * len(vertices) + e[:, 1]) for e in (edges, edges[:, ::-1]))
    closed = bool(np.array_equal(there, back))
    if closed and np.linalg.det(vertices[faces]).sum() < 0:
        faces = faces[:, ::-1]
    return faces, closed


def deform(
    mesh: Mesh, category: Category, rng: np.random.Generator, *, amount: float = 1.0
) -> np.ndarray:
    """Return new vertices (V, 3), metres: another shape with the same canonical frame.

    As FS-Net does: each axis is scaled and a cage around the object is bent, which one the
    category's `deform` says. Rings are a stack around the y axis, each wider or narrower; of a body
    with a handle they are around the body's axis, and the handle reaches further or less far. The
    faces of a box become trapezia: its middle planes stay where they are, so that no direction of
    the frame turns. What the rotations of the category's finite group turn onto each other is
    moved alike, so that the shape keeps its symmetry.

    Args:
        mesh: the object.
        category: of the object.
        rng: source of the draws.
        amount: 1 scales by up to 20 % per axis and bends by up to 12 %; 0 only scales meshes that
            are not metric.
    """
    cage = "rings" if category.deform == "box" and category.symmetry.free_axis else category.deform
    amount = 0.0 if cage == "none" else amount
    scale = 1 + amount * rng.uniform(-0.2, 0.2, 3)
    if cage in ("rings", "handle"):
        scale[2] = scale[0]
    if not mesh.metric:
        scale = scale * rng.uniform(*category.size_m)
    draws = amount * np.concatenate([rng.uniform(-r, r, n) for r, n in _DRAWS[cage]])
    return _bent(mesh.vertices, scale, draws, cage, category)


def deformed(
    mesh: Mesh,
    category: Category,
    rng: "np.random.Generator | DeviceRandom",
    count: int,
    *,
    amount: float = 1.0,
) -> np.ndarray:
    """Return several of what `deform` returns, (count, V, 3); on a device all at once.

    Args:
        mesh, category, rng, amount: as of `deform`.
        count: how many.
    """
    if not isinstance(rng, DeviceRandom):
        return np.stack([deform(mesh, category, rng, amount=amount) for _ in range(count)])
    cage = "rings" if category.deform == "box" and category.symmetry.free_axis else category.deform
    amount = 0.0 if cage == "none" else amount
    scale = 1 + amount * rng.uniform(-0.2, 0.2, (count, 3))
    if cage in ("rings", "handle"):
        scale[:, 2] = scale[:, 0]
    if not mesh.metric:
        scale = scale * rng.uniform(*category.size_m, (count, 1))
    drawn = [rng.uniform(-r, r, (count, n)) for r, n in _DRAWS[cage]]
    draws = amount * np.concatenate(drawn, 1)
    return _bent(array_for(mesh.vertices, rng), scale, draws, cage, category)


def _bent(
    vertices: np.ndarray, scale: np.ndarray, draws: np.ndarray, cage: str, category: Category
) -> np.ndarray:
    """Vertices (..., V, 3) scaled by (..., 3) and bent by the numbers (..., D) of a cage."""
    scale = scale[..., None, :]
    bent = _BENDS[cage](vertices * scale, draws)
    group = category.symmetry.rotations
    for turn in group[1:]:
        bent = bent + _BENDS[cage]((vertices @ turn.T) * scale, draws) @ turn
    bent = bent / len(group)
    moved: np.ndarray = bent - ((bent.max(-2) + bent.min(-2)) / 2)[..., None, :]
    return moved


def _bend_rings(
    vertices: np.ndarray, draws: np.ndarray, axis_x: "np.ndarray | float" = 0.0
) -> np.ndarray:
    """Widen or narrow four rings of a cage around the vertical axis at `axis_x`."""
    x, y, z = (vertices[..., axis] for axis in range(3))
    level = y / np.ptp(y, -1)[..., None]
    taper, rings = 1 + draws[..., :1] * level, 1 + draws[..., 1:5]
    factor = taper * np.interp(level, np.linspace(-0.5, 0.5, 4), rings)
    return np.stack([axis_x + (x - axis_x) * factor, y, z * factor], -1)


def _bend_handle(vertices: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Bend the body around its own axis, which a handle at +x moves off the middle of the box."""
    x = vertices[..., 0]
    width = np.ptp(vertices[..., 2], -1)[..., None]
    axis_x = x.min(-1)[..., None] + width / 2
    bent = _bend_rings(vertices, draws, axis_x)
    edge = axis_x + width / 2
    bent[..., 0] += np.maximum(x - edge, 0) * draws[..., 5:6]
    return bent


def _bend_box(vertices: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Make trapezia of the box's faces, symmetric about its middle planes."""
    whole = vertices / np.ptp(vertices, -2)[..., None, :]
    x, y = whole[..., 0], whole[..., 1]  # from -0.5 to 0.5
    a, b, c, d = (draws[..., number : number + 1] for number in range(4))
    factors = [1 + a * y, 1 + b * x, (1 + c * x) * (1 + d * y)]
    return vertices * np.stack(factors, -1)


#: Kind of cage -> range and number of the random numbers that bend it.
_DRAWS: dict[str, tuple[tuple[float, int], ...]] = {
    "none": ((0.12, 4),),
    "box": ((0.12, 4),),
    "rings": ((0.2, 1), (0.12, 4)),
    "handle": ((0.2, 1), (0.12, 4), (0.3, 1)),
}
#: Kind of cage -> bends vertices (V, 3) by these numbers.
_BENDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "none": _bend_box,
    "box": _bend_box,
    "rings": _bend_rings,
    "handle": _bend_handle,
}
