# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mesh files of five formats, and what is made of damaged ones."""

import json
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from mesh_shapes import box, hammer, write_ply

from genpose_ros.synthesis.mesh_files import MESH_SUFFIXES, merged, read_mesh

VERTICES, FACES = hammer()


def corners(mesh: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The corners of the triangles, (3 F, 3), in an order of their own."""
    vertices, faces = mesh
    flat = vertices[faces].reshape(-1, 3).round(6)
    return flat[np.lexsort(flat.T)]


def exported(
    folder: Path, suffix: str, scene: trimesh.Scene | trimesh.Trimesh | None = None
) -> Path:
    file = folder / f"mesh{suffix}"
    mesh = trimesh.Trimesh(VERTICES, FACES, process=False) if scene is None else scene
    mesh.export(file)
    return file


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_every_format_gives_the_same_triangles(tmp_path, suffix):
    # OBJ and PLY are written with six to eight decimals, STL and glTF in single precision.
    read = read_mesh(exported(tmp_path, suffix))
    assert read[0].dtype == np.float64
    assert read[1].dtype == np.int64
    np.testing.assert_allclose(corners(read), corners((VERTICES, FACES)), atol=2e-6)


def test_endings_are_read_in_any_case(tmp_path):
    file = exported(tmp_path, ".stl").rename(tmp_path / "MESH.STL")
    assert len(read_mesh(file)[1]) == len(FACES)


def test_bodies_of_a_scene_stand_where_its_nodes_put_them(tmp_path):
    cube = trimesh.creation.box((1, 2, 3))
    scene = trimesh.Scene()
    turned = trimesh.transformations.rotation_matrix(np.pi / 2, [0, 0, 1])
    turned[:3, 3] = [10, 0, 0]
    scene.add_geometry(cube)
    scene.add_geometry(cube, transform=turned)
    vertices, faces = read_mesh(exported(tmp_path, ".glb", scene))
    assert len(faces) == 24
    np.testing.assert_allclose(vertices.min(0), [-0.5, -1, -1.5], atol=1e-6)
    np.testing.assert_allclose(vertices.max(0), [11, 1, 1.5], atol=1e-6)


def test_polygons_become_triangles_and_materials_are_not_looked_for(tmp_path):
    file = tmp_path / "quad.obj"
    file.write_text(
        "mtllib ../../etc/passwd\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 1\nvt 0 0\nvt 1 1\n"
        "f 1/1 2/2 3/1 4/2\n"
    )
    vertices, faces = read_mesh(file)
    assert len(faces) == 2
    assert len(merged(vertices, faces)[0]) == 4


@pytest.mark.parametrize("suffix", [".ply", ".off", ".glb"])
def test_vertices_that_no_triangle_uses_are_left_out(tmp_path, suffix):
    strayed = np.vstack([[[0, 9.0, 0]], VERTICES, [[0, -9.0, 0]]])
    mesh = trimesh.Trimesh(strayed, FACES + 1, process=False)
    read = read_mesh(exported(tmp_path, suffix, mesh))
    np.testing.assert_allclose(np.ptp(read[0], 0), np.ptp(VERTICES, 0), atol=2e-6)
    np.testing.assert_allclose(corners(read), corners((VERTICES, FACES)), atol=2e-6)


def test_texture_seams_are_closed_by_merging(tmp_path):
    vertices, faces = VERTICES[FACES].reshape(-1, 3), np.arange(FACES.size).reshape(-1, 3)
    places, triangles = merged(vertices, faces)
    assert len(places) == len(VERTICES)
    np.testing.assert_array_equal(places[triangles], VERTICES[FACES])


def test_merging_leaves_out_what_is_no_triangle_and_what_none_uses():
    vertices = np.array([[9.0, 9, 9], [0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0]])
    places, faces = merged(vertices, np.array([[1, 2, 3], [1, 2, 4], [2, 2, 3]]))
    np.testing.assert_array_equal(places, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert faces.tolist() == [[0, 1, 2]]


def test_merging_changes_nothing_where_no_place_is_repeated():
    shape = box(1, 2, 3)
    for before, after in zip(shape, merged(*shape), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ply", b"", "a.ply is damaged, or no PLY in spite of its name: export it anew"),
        ("a.ply", b"solid\nendsolid", "is damaged, or no PLY"),
        ("a.stl", b"solid a\nendsolid a", "holds no triangles: is it a mesh"),
        (
            "a.off",
            b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
            "is (damaged, or no OFF|broken: triangles name)",  # by the versions of libraries
        ),
        ("a.obj", b"v 0 0 0\nv 1 0 nan\nv 0 1 1\nf 1 2 3\n", "coordinates that are not finite"),
        ("a.obj", b"v 0 0 0\nv 1 0 1e300\nv 0 1 1\nf 1 2 3\n", "coordinates that are not finite"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "is flat: its box has an edge"),
        ("a.glb", b"glTF" + bytes(20), "is damaged, or no GLB"),
        ("a.dae", b"<xml/>", "is no mesh: its name ends in none of .ply"),
    ],
)
def test_an_unusable_file_is_named_with_what_to_do(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_mesh(file)


def test_a_ply_that_announces_more_than_it_holds_takes_no_memory(tmp_path):
    file = write_ply(tmp_path / "a.ply", box(1, 2, 3))
    file.write_text(file.read_text().replace("element vertex 8", "element vertex 4000000000"))
    with pytest.raises(ValueError, match="is damaged"):
        read_mesh(file)


def test_files_that_are_too_large_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("genpose_ros.synthesis.mesh_files._MOST_BYTES", 100)
    with pytest.raises(ValueError, match="more than 0: simplify the mesh"):
        read_mesh(write_ply(tmp_path / "a.ply", box(1, 2, 3)))


def test_a_body_that_stands_too_often_in_a_scene_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("genpose_ros.synthesis.mesh_files._MOST_TRIANGLES", 50)
    scene = trimesh.Scene()
    for place in range(6):
        shift = trimesh.transformations.translation_matrix([3 * place, 0, 0])
        scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=shift)
    with pytest.raises(ValueError, match="more than 50 triangles: simplify it"):
        read_mesh(exported(tmp_path, ".glb", scene))


class TestGltf:
    """Descriptions that would keep a reader busy for ever, or lead it elsewhere."""

    def changed(self, folder: Path, **fields: object) -> Path:
        data = trimesh.Scene(trimesh.creation.box((1, 2, 3))).export(file_type="glb")
        (length,) = struct.unpack_from("<I", data, 12)
        header = {**json.loads(data[20 : 20 + length]), **fields}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 4)
        rest = data[20 + length :]
        file = folder / "a.glb"
        file.write_bytes(
            struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
            + text
            + rest
        )
        return file

    def test_an_unchanged_one_is_read(self, tmp_path):
        assert len(read_mesh(self.changed(tmp_path))[1]) == 12

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"nodes": [{"children": [1, 1]}, {"mesh": 0}]}, "nodes are no trees"),
            ({"nodes": [{"children": [1]}, {"children": [0]}]}, "nodes are no trees"),
            ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "without compression"),
            ({"accessors": [{"count": 10**12, "componentType": 5126}]}, "elements, more than"),
            ({"buffers": [{"uri": "../../etc/passwd", "byteLength": 9}]}, "not beside it"),
            ({"buffers": [{"uri": "gone.bin", "byteLength": 9}]}, "needs 'gone.bin', which is not"),
            ({"accessors": 7}, "is damaged, or no GLB"),
        ],
    )
    def test_a_strange_one_is_refused(self, tmp_path, fields, message):
        with pytest.raises(ValueError, match=message):
            read_mesh(self.changed(tmp_path, **fields))


def test_buffers_beside_a_gltf_are_read(tmp_path):
    parts = trimesh.Scene(trimesh.creation.box((1, 2, 3))).export(file_type="gltf")
    for name, content in parts.items():
        (tmp_path / name).write_bytes(content)
    assert len(read_mesh(tmp_path / "model.gltf")[1]) == 12


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_damage_anywhere_in_a_file_is_a_sentence_or_a_mesh(tmp_path, suffix):
    whole = exported(tmp_path, suffix).read_bytes()
    rng = random.Random(suffix)
    damages = [b"999999999", b"-1", b"nan", b"1e999", b"\0", b"\xff\xff\xff\xff", b"[]", b"\n"]
    for _ in range(60):
        content = bytearray(whole)
        at = rng.randrange(len(content))
        kind = rng.randrange(4)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            content[at:at] = rng.choice(damages)
        elif kind == 2:
            del content[at : at + rng.choice([1, 8, 100])]
        else:
            content = content[:at]
        file = tmp_path / f"damaged{suffix}"
        file.write_bytes(content)
        try:
            vertices, faces = merged(*read_mesh(file))
        except ValueError as error:
            told = str(error)
            assert told.startswith(str(file)), told
        else:
            assert np.isfinite(vertices).all()
            assert len(faces) == 0 or faces.max() < len(vertices)


def test_a_mesh_is_not_called_damaged_where_its_reader_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drill.ply").write_bytes(b"ply\n")
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(ValueError, match=r"drill\.ply cannot be read without the package trimesh"):
        read_mesh(tmp_path / "drill.ply")
