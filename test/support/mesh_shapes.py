# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simple meshes of known symmetry, and folders of them, for the tests of own categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

Shape = tuple[np.ndarray, np.ndarray]


def box(x: float, y: float, z: float) -> Shape:
    """A box about the origin: half turns, or more where edges are equal."""
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) / 2
    faces = [
        [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
        [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
    ]  # fmt: skip
    return corners * [x, y, z], np.array(faces)


def prism(sides: int, radius: float, height: float) -> Shape:
    """A regular prism along y with a corner on +x."""
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(angle), np.zeros(sides), -np.sin(angle)], axis=1) * radius
    up = np.array([0, height / 2, 0])
    vertices = np.concatenate([ring - up, ring + up, [-up, up]])
    i, j = np.arange(sides), (np.arange(sides) + 1) % sides
    low, high = np.full(sides, 2 * sides), np.full(sides, 2 * sides + 1)
    faces = [
        (i, j, j + sides),
        (i, j + sides, i + sides),
        (low, j, i),
        (high, i + sides, j + sides),
    ]
    return vertices, np.concatenate([np.stack(corners, axis=1) for corners in faces])


def joined(*shapes: Shape) -> Shape:
    """Several bodies as one mesh."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in shapes)])
    faces = [faces + start for (_, faces), start in zip(shapes, starts[:-1], strict=True)]
    return np.concatenate([vertices for vertices, _ in shapes]), np.concatenate(faces)


def moved(shape: Shape, x: float, y: float, z: float) -> Shape:
    """The shape elsewhere."""
    return shape[0] + [x, y, z], shape[1]


def hammer(scale: float = 1.0) -> Shape:
    """A handle along y with a head that reaches to +x: no symmetry, mirror plane z = 0; metres."""
    parts = (box(0.03, 0.2, 0.03), moved(box(0.12, 0.04, 0.05), 0.03, 0.12, 0))
    vertices, faces = joined(*parts)
    return vertices * scale, faces


def write_ply(file: Path, shape: Shape) -> Path:
    """Write a mesh as text."""
    vertices, faces = shape
    rows = [" ".join(repr(float(v)) for v in vertex) for vertex in vertices]
    rows += ["3 " + " ".join(str(int(i)) for i in face) for face in faces]
    head = (
        f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    file.write_text(head + "\n".join(rows) + "\n")
    return file


FRAME = "frame: {up: +y, front: +x, unit: m}"


def write_category(
    folder: Path,
    shapes: Sequence[Shape] | Mapping[str, Shape],
    *lines: str,
    name: str = "thing",
    frame: str = FRAME,
) -> Path:
    """Write a category's folder: meshes by name or as a.ply, b.ply and so on, and the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(shapes, Mapping):
        shapes = {f"{chr(97 + i)}.ply": shape for i, shape in enumerate(shapes)}
    for file, shape in shapes.items():
        write_ply(folder / file, shape)
    (folder / "category.yaml").write_text("\n".join([f"name: {name}", frame, *lines]) + "\n")
    return folder
