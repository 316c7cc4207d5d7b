# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mesh files (PLY, OBJ, STL, OFF, glTF) of any origin: triangles, or a sentence about the file."""

import io
import json
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MESH_SUFFIXES", "merged", "read_mesh", "without_unused"]

#: Endings of the mesh files that are read, in lower case.
MESH_SUFFIXES: tuple[str, ...] = (".ply", ".obj", ".stl", ".off", ".gltf", ".glb")

#: Largest file, bytes, and most triangles of an object.
_MOST_BYTES, _MOST_TRIANGLES = 200_000_000, 3_000_000
#: Most elements that a glTF file announces: corners, their normals and more of each triangle.
_MOST_ELEMENTS = 8 * _MOST_TRIANGLES
#: Coordinates beyond this, in the file's unit, are damage.
_FARTHEST = 1e12
#: Extensions of glTF that change the looks alone.
_LOOKS = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "MSFT_texture_", "KHR_lights_")


class _UnusableError(ValueError):
    """A mesh that is well formed, but of no use here."""


def read_mesh(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the triangles of a mesh file; bodies of a scene become one mesh, in the scene's frame.

    Args:
        file: its ending, one of `MESH_SUFFIXES`, is the format.

    Returns:
        Vertices (V, 3) float64 in the file's frame and unit, each a corner of a triangle, and
        triangles (F, 3) int64.

    Raises:
        ValueError: another ending, too large, or damaged: no triangles, numbers that are not
            finite, triangles of vertices that are not there, flat.
        OSError: it cannot be read.
    """
    if file.suffix.lower() not in MESH_SUFFIXES:
        raise ValueError(f"{file} is no mesh: its name ends in none of {', '.join(MESH_SUFFIXES)}")
    data = _content(file)
    try:
        vertices, faces = _joined(_parts(file, data))
    except _UnusableError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{file} cannot be read without the package {error.name}: pip install {error.name}"
        ) from error
    # A parser may stumble over foreign bytes in any way, and how says nothing to the user.
    except Exception as error:
        raise ValueError(
            f"{file} is damaged, or no {file.suffix[1:].upper()} in spite of its name: export it "
            "anew"
        ) from error
    if len(faces) == 0:
        raise ValueError(f"{file} holds no triangles: is it a mesh (PLY, OBJ, STL, OFF, glTF)?")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"{file} is broken: triangles name vertices that are not there")
    if not np.isfinite(vertices).all() or np.abs(vertices).max() > _FARTHEST:
        raise ValueError(f"{file} is broken: coordinates that are not finite; export it anew")
    # A stray vertex would count as a part of the object, whose box gives its middle and scale.
    vertices, faces = without_unused(vertices, faces)
    if (np.ptp(vertices, 0) <= 0).any():
        raise ValueError(f"{file} is flat: its box has an edge of length 0")
    return vertices, faces


def merged(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a mesh with each place once, though exporters repeat vertices at seams of textures.

    Vertices that no triangle uses and triangles that have lost a corner are left out; the order
    stays.

    Args:
        vertices: (V, 3).
        faces: (F, 3), vertex numbers.
    """
    vertices, faces = without_unused(vertices, faces)
    # Zeros of either sign are the same place.
    _, first, name = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    corners = place[name.ravel()][faces]
    lost = (corners == np.roll(corners, 1, axis=1)).any(axis=1)
    return vertices[first[order]], corners[~lost]


def without_unused(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles (F, 3) with those of the vertices (V, 3) that are corners of one."""
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    if used.all():
        return vertices, faces
    return vertices[used], (np.cumsum(used) - 1)[faces]


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(
            f"{file} has {size / 1e6:.0f} MB, more than {_MOST_BYTES / 1e6:.0f}: simplify the mesh "
            "(100,000 triangles are plenty)"
        )
    return file.read_bytes()


def _parts(file: Path, data: bytes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Vertices and triangles of each body of a file's scene, in the scene's frame."""
    import trimesh  # takes the better part of a second

    kind = file.suffix.lower()[1:]
    others = _gltf_buffers(file, _gltf_header(data)) if kind in ("gltf", "glb") else {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        scene = trimesh.load_scene(
            io.BytesIO(data), file_type=kind, resolver=others, process=False, skip_materials=True
        )
        for node in scene.graph.nodes_geometry:
            T_scene_body, name = scene.graph[node]
            body = scene.geometry[name]
            if isinstance(body, trimesh.Trimesh):
                vertices = np.asarray(body.vertices, dtype=np.float64)
                if not np.array_equal(T_scene_body, np.eye(4)):
                    vertices = vertices @ T_scene_body[:3, :3].T + T_scene_body[:3, 3]
                yield vertices, np.asarray(body.faces, dtype=np.int64)


def _joined(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = [np.zeros((0, 3))], [np.zeros((0, 3), dtype=np.int64)]
    corners = triangles = 0
    for more_vertices, more_faces in parts:
        vertices.append(more_vertices)
        faces.append(more_faces + corners)
        corners += len(more_vertices)
        triangles += len(more_faces)
        # The same body can stand in a scene any number of times. Triangles of STL share no corner.
        if max(triangles, corners / 3) > _MOST_TRIANGLES:
            raise _UnusableError(f"more than {_MOST_TRIANGLES} triangles: simplify it")
    return np.concatenate(vertices), np.concatenate(faces)


def _gltf_header(data: bytes) -> dict[str, Any]:
    """The description in a glTF file, checked for what would make its reader run for ever."""
    text = data
    if data[:4] == b"glTF":
        (length,) = struct.unpack_from("<I", data, 12)
        text = data[20 : 20 + length]
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("its description is no table")
    strange = [e for e in header.get("extensionsRequired", []) if not str(e).startswith(_LOOKS)]
    if strange:
        raise _UnusableError(f"it needs {strange[0]}: export it without compression")
    elements = sum(abs(int(accessor["count"])) for accessor in header.get("accessors", []))
    if elements > _MOST_ELEMENTS:
        raise _UnusableError(f"{elements} elements, more than {_MOST_ELEMENTS}: simplify it")
    below = [child for node in header.get("nodes", []) for child in node.get("children", [])]
    roots = [root for scene in header.get("scenes", []) for root in scene.get("nodes", [])]
    if len(set(below)) < len(below) or set(below) & set(roots):
        raise _UnusableError("its nodes are no trees: export it anew")
    return header


def _gltf_buffers(file: Path, header: dict[str, Any]) -> dict[str, bytes]:
    """Contents of the files beside a glTF file that it names."""
    buffers = {}
    for uri in (buffer.get("uri", "") for buffer in header.get("buffers", [])):
        if not uri or uri.startswith("data:"):
            continue
        if Path(uri).name != uri or not (file.parent / uri).is_file():
            raise _UnusableError(f"it needs {uri!r}, which is not beside it: export it as GLB")
        buffers[uri] = _content(file.parent / uri)
    return buffers
