# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Folders of four made-up categories, to train on: simple_categories.py FOLDER [NAME ...].

drill (no symmetry), banana (bent to one side only), box (half turns about three axes) and tin
(quarter turns about its own axis): six meshes each, four to train and two held out, and their
category.yaml. Then: genpose category check FOLDER/drill
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from genpose_ros.synthesis.primitives import MeshBatch, box, lathe, merge, profile

MESHES, HELD_OUT = 6, 2

MANIFESTS = {
    "drill": """\
name: drill
aliases: [power drill, cordless_drill]
frame: {up: +z, front: +x, unit: mm}   # as CAD programs write it
symmetry: {}
mirror: true                           # left and right alike
size_m: [0.18, 0.36]
rests: [standing, lying]
deform: box
""",
    "banana": """\
name: banana
aliases: [yellow banana]
frame: {up: +y, front: +x, unit: m}
symmetry: {}
mirror: true
size_m: [0.15, 0.29]
rests: [standing, lying]
deform: box
""",
    "box": """\
name: box
aliases: [carton, cereal box]
frame: {up: +y, front: +x, unit: m}    # y the longest edge, x the shortest, in every mesh
symmetry: {x: half, y: half}           # half turns about z follow
mirror: true
size_m: [0.15, 0.36]
rests: [standing, lying]
deform: box
""",
    "tin": """\
name: tin
aliases: [tea tin, caddy]
frame: {up: +y, front: +x, unit: m}    # the front is one of the four sides
symmetry: {y: quarter}
mirror: true
size_m: [0.1, 0.3]
rests: [standing, lying, upside_down]
deform: rings                          # stays as wide as it is deep
""",
}


def drill(rng: np.random.Generator) -> MeshBatch:
    """A motor with a chuck to the front, a handle and a battery under it."""
    radius, length = rng.uniform(0.028, 0.037), rng.uniform(0.12, 0.17)
    tip, grip = rng.uniform(0.03, 0.06), rng.uniform(0.09, 0.13)
    lean = np.radians(rng.uniform(0, 14))
    outline = [(0, 0), (0.8, 0), (1, 0.1), (1, 0.8), (0.85, 1), (0, 1)]
    motor = turned(outline, radius, length, about_x=True)
    chuck = turned([(0, 0), (0.55, 0), (0.55, 0.3), (0.25, 1), (0, 1)], radius, tip, about_x=True)
    handle = block(0.045, grip, 0.036, rounding=0.012).turned(about_z(-lean)[None])
    battery = block(rng.uniform(0.085, 0.12), rng.uniform(0.035, 0.055), 0.065, rounding=0.01)
    at = 0.3 * length
    return merge(
        motor,
        chuck.moved(offset(0.98 * length)),
        handle.moved(offset(at - 0.5 * grip * np.sin(lean), -0.5 * grip - 0.6 * radius)),
        battery.moved(offset(at - grip * np.sin(lean), -grip - 0.7 * radius)),
    )


def banana(rng: np.random.Generator) -> MeshBatch:
    """An arc that opens upward, with a stem at the front."""
    length, thickness = rng.uniform(0.18, 0.23), rng.uniform(0.017, 0.021)
    bend = np.radians(rng.uniform(70, 110))
    along = np.array([0, 0, 0.03, 0.12, 0.3, 0.5, 0.66, 0.77, 0.83, 1, 1])
    thick = np.array([0, 0.25, 0.4, 0.8, 0.98, 1, 0.93, 0.6, 0.32, 0.3, 0]) * thickness
    angle, around = (along - 0.5) * bend, np.linspace(0, 2 * np.pi, 20, endpoint=False)
    reach = length / bend - thick[:, None] * np.cos(around)
    x, y = reach * np.sin(angle)[:, None], -reach * np.cos(angle)[:, None]
    z = thick[:, None] * np.sin(around)
    rings = lathe(np.ones((1, len(along))), np.ones((1, len(along))), segments=len(around))
    return MeshBatch(np.stack([x, y, z], -1).reshape(1, -1, 3), rings.faces[:, ::-1])


def carton(rng: np.random.Generator) -> MeshBatch:
    """A box whose edges along x, z and y are longer in this order."""
    return block(rng.uniform(0.04, 0.06), rng.uniform(0.2, 0.28), rng.uniform(0.1, 0.14))


def tin(rng: np.random.Generator) -> MeshBatch:
    """A square tin with a round lid."""
    width, height = rng.uniform(0.06, 0.11), rng.uniform(0.08, 0.17)
    neck, lid = rng.uniform(0.28, 0.42), rng.uniform(0.015, 0.03)
    outline = [(0.0, 0.0), (neck, 0.0), (neck, 1.0), (0.0, 1.0)]
    body = block(width, height, width, rounding=rng.uniform(0.004, 0.012))
    return merge(body, turned(outline, width, lid).moved(offset(0, 0.499 * height)))


def block(x: float, y: float, z: float, rounding: float = 0.0) -> MeshBatch:
    """A box around the origin; its edges along y are rounded."""
    return box(np.array([[x, y, z]]), rounding=rounding)


def turned(
    outline: list[tuple[float, float]], radius: float, length: float, *, about_x: bool = False
) -> MeshBatch:
    """A turned part from the origin along y, or x: (radius, place) pairs from end to end."""
    points = [(np.array([radius * r]), np.array([length * place])) for r, place in outline]
    part = lathe(*profile(*points))
    return part.turned(about_z(-np.pi / 2)[None]) if about_x else part


def about_z(angle: float) -> np.ndarray:
    """The rotation (3, 3) about z by radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def offset(x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """A shift (1, 3) in metres."""
    return np.array([[x, y, 0.0]])


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a mesh as PLY, in text."""
    head = f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    points = "".join(f"{x:.6g} {y:.6g} {z:.6g}\n" for x, y, z in vertices)
    path.write_text(head + points + "".join(f"3 {a} {b} {c}\n" for a, b, c in faces))


SHAPES: dict[str, Callable[[np.random.Generator], MeshBatch]] = {
    "drill": drill,
    "banana": banana,
    "box": carton,
    "tin": tin,
}


def write_category(folder: Path, name: str, seed: int = 0) -> None:
    """Write the meshes and the category.yaml of one of the four categories."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, *name.encode()])
    for number in range(MESHES):
        shape = SHAPES[name](rng).centred()
        vertices = shape.vertices[0]
        if name == "drill":  # z up, millimetres
            vertices = 1000 * vertices[:, [0, 2, 1]] * [1, -1, 1]
        write_ply(folder / f"{name}_{number}.ply", vertices, shape.faces)
    split = MESHES - HELD_OUT
    listed = [", ".join(f"{name}_{i}.ply" for i in part) for part in
              (range(split), range(split, MESHES))]  # fmt: skip
    meshes = f"meshes: {{train: [{listed[0]}], test: [{listed[1]}]}}\n"
    (folder / "category.yaml").write_text(MANIFESTS[name] + meshes)


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1][0] == "-" or not set(sys.argv[2:]) <= set(SHAPES):
        sys.exit(f"simple_categories.py FOLDER [{'|'.join(SHAPES)} ...]")
    for chosen in sys.argv[2:] or SHAPES:
        write_category(Path(sys.argv[1]) / chosen, chosen)
        print(f"{Path(sys.argv[1]) / chosen}: {MESHES} meshes and category.yaml")
