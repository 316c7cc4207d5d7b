"""Mesh folders: objects with category and scale from a manifest, deformed into many shapes."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open3d as o3d

from genpose_ros.geometry.categories import CATEGORIES, SYMMETRIC_ABOUT_Y

__all__ = ["DIAGONAL_M", "Mesh", "deform", "load_meshes"]

#: Realistic box diagonals, metres, for meshes without a metric scale.
DIAGONAL_M: dict[str, tuple[float, float]] = {
    "bottle": (0.15, 0.35),
    "bowl": (0.15, 0.30),
    "camera": (0.13, 0.25),
    "can": (0.08, 0.18),
    "laptop": (0.35, 0.55),
    "mug": (0.12, 0.18),
}


@dataclass(frozen=True)
class Mesh:
    """One object in the NOCS frame.

    Attributes:
        name: the manifest's name.
        category: its category.
        metric: whether `vertices` are metres; otherwise the box has unit diagonal.
        vertices: (V, 3), centred on the bounding box.
        faces: (F, 3).
    """

    name: str
    category: str
    metric: bool
    vertices: np.ndarray
    faces: np.ndarray


def load_meshes(folder: Path, split: str, *, max_faces: int = 3000) -> tuple[Mesh, ...]:
    """Read the meshes of one split from a folder with a `manifest.json`.

    Raises:
        ValueError: no manifest, no mesh of that split, or a mesh without triangles.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise ValueError(
            f"{folder} holds no manifest.json (category, file, split, metric per mesh)"
        )
    entries = [entry for entry in json.loads(manifest.read_text()) if entry["split"] == split]
    if not entries:
        raise ValueError(f"{manifest} lists no mesh with split {split!r}")
    return tuple(_load(folder, entry, max_faces) for entry in entries)


def _load(folder: Path, entry: dict, max_faces: int) -> Mesh:
    if entry["category"] not in CATEGORIES:
        raise ValueError(f"{entry['file']}: unknown category {entry['category']!r}")
    mesh = o3d.io.read_triangle_mesh(str(folder / entry["file"]))
    if len(mesh.triangles) == 0:
        raise ValueError(f"{folder / entry['file']} holds no triangles")
    if len(mesh.triangles) > max_faces:
        mesh = mesh.simplify_quadric_decimation(max_faces)
    vertices = np.asarray(mesh.vertices)
    vertices = vertices - (vertices.max(0) + vertices.min(0)) / 2
    if not entry["metric"]:
        vertices = vertices / np.linalg.norm(np.ptp(vertices, 0))
    faces = np.asarray(mesh.triangles)
    return Mesh(entry["name"], entry["category"], entry["metric"], vertices, faces)


def deform(mesh: Mesh, rng: np.random.Generator, *, amount: float = 1.0) -> np.ndarray:
    """Return new vertices (V, 3), metres: per-axis scale, taper along y, realistic overall size.

    x and z scale together for categories that are symmetric about y.

    Args:
        mesh: the object.
        rng: source of the draws.
        amount: 1 deforms by up to 20 % per axis, 0 only scales meshes that are not metric.
    """
    scale = 1 + amount * rng.uniform(-0.2, 0.2, 3)
    if mesh.category in SYMMETRIC_ABOUT_Y:
        scale[2] = scale[0]
    if not mesh.metric:
        scale = scale * rng.uniform(*DIAGONAL_M[mesh.category])
    vertices = mesh.vertices * scale
    if mesh.category in {"bottle", "bowl", "can", "mug"}:
        level = vertices[:, 1] / np.ptp(vertices[:, 1])
        taper = 1 + amount * rng.uniform(-0.2, 0.2) * level
        vertices = vertices * np.stack([taper, np.ones_like(taper), taper], -1)
    return vertices - (vertices.max(0) + vertices.min(0)) / 2
