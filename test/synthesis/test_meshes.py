# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Folders of meshes, and what is made of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from genpose_ros.geometry import NOCS
from genpose_ros.synthesis import Mesh, deform, load_meshes
from genpose_ros.synthesis.primitives import box

ENTRY = {"category": "mug", "file": "a.ply", "split": "train", "metric": True, "name": "a"}
#: A box of 2 x 4 x 6 cm whose corner is the origin, three of its faces missing.
CORNERS = np.array([[x, y, z] for x in (0, 2) for y in (0, 4) for z in (0, 6)], dtype=float) / 100
FACES = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]


def write_folder(
    folder: Path, *entries: Any, corners: np.ndarray = CORNERS, triangles: list = FACES
) -> Path:
    rows = "\n".join(" ".join(str(v) for v in corner) for corner in corners)
    faces = "\n".join("3 " + " ".join(str(i) for i in face) for face in triangles)
    (folder / "a.ply").write_text(
        f"ply\nformat ascii 1.0\nelement vertex {len(corners)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
        f"{rows}\n{faces}\n"
    )
    (folder / "manifest.json").write_text(json.dumps(list(entries)))
    return folder


class TestLoading:
    @pytest.mark.parametrize("suffix", ["stl", "ply"])
    def test_simplifying_leaves_the_surface_whole(self, tmp_path: Path, suffix: str) -> None:
        # Triangles of STL share no corners.
        radius_m = 0.1
        ball = trimesh.creation.icosphere(subdivisions=4, radius=radius_m)
        ball.export(tmp_path / f"ball.{suffix}")
        entry = {**ENTRY, "file": f"ball.{suffix}"}
        (tmp_path / "manifest.json").write_text(json.dumps([entry]))
        (mesh,) = load_meshes(tmp_path, "train", max_faces=2000)
        first, second, third = mesh.vertices[mesh.faces].swapaxes(0, 1)
        area_m2 = np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2
        assert mesh.closed
        assert len(mesh.faces) <= 2000
        assert area_m2 == pytest.approx(4 * np.pi * radius_m**2, rel=0.01)
        assert len(np.unique(mesh.faces)) == len(mesh.vertices)

    def test_a_large_file_of_triangles_without_area_is_named(self, tmp_path: Path) -> None:
        lines = [[0, 0, 7], [0, 0, 5]] * 3
        write_folder(tmp_path, ENTRY, triangles=lines)
        with pytest.raises(ValueError, match="a holds no triangle that has three corners"):
            load_meshes(tmp_path, "train", max_faces=5)

    def test_meshes_of_the_split_are_centred_on_their_box(self, tmp_path: Path) -> None:
        other = {**ENTRY, "split": "test"}
        (mesh,) = load_meshes(write_folder(tmp_path, ENTRY, other), "train")
        assert (mesh.name, mesh.category, mesh.metric) == ("a", "mug", True)
        assert mesh.vertices.max(0).tolist() == pytest.approx([0.01, 0.02, 0.03])
        assert mesh.vertices.min(0).tolist() == pytest.approx([-0.01, -0.02, -0.03])
        assert len(mesh.faces) == len(FACES)
        assert not mesh.closed

    def test_meshes_without_a_metric_scale_have_a_diagonal_of_one(self, tmp_path: Path) -> None:
        entry = {key: value for key, value in ENTRY.items() if key != "name"}
        (mesh,) = load_meshes(write_folder(tmp_path, {**entry, "metric": False}), "train")
        assert np.linalg.norm(np.ptp(mesh.vertices, axis=0)) == pytest.approx(1)
        assert mesh.name == "a.ply"

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ([], "no mesh with split 'train'"),
            ([{**ENTRY, "split": "test"}], "no mesh with split 'train'"),
            ([{**ENTRY, "category": "cup"}], r"a\.ply: unknown category 'cup'"),
            ([{**ENTRY, "file": "b.ply"}], r"b\.ply is not there"),
            ([{"category": "mug"}], "lacks file, metric, split"),
            (["mug"], "'mug' lacks"),
            ([{**ENTRY, "file": 3}], "file and category must be text"),
            ([{**ENTRY, "category": ["mug"]}], "file and category must be text"),
            ([{**ENTRY, "file": "../a.ply"}], r"manifest\.json: \.\./a\.ply leaves the folder"),
            ([{**ENTRY, "file": "x/../../a.ply"}], "leaves the folder"),
            ([{**ENTRY, "file": "/etc/passwd"}], "/etc/passwd leaves the folder"),
            ([{**ENTRY, "metric": "yes"}], "metric true or false"),
        ],
    )
    def test_a_manifest_with_wrong_entries_is_refused(
        self, tmp_path: Path, entries: list, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            load_meshes(write_folder(tmp_path, *entries), "train")

    @pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("{}", "no list")])
    def test_a_manifest_that_is_no_json_list_is_refused(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            load_meshes(tmp_path, "train")

    def test_a_missing_mesh_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
            load_meshes(tmp_path / "nowhere", "train")

    def test_a_mesh_folder_without_manifest_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"holds no manifest\.json"):
            load_meshes(tmp_path, "train")

    def test_a_broken_mesh_is_named(self, tmp_path: Path) -> None:
        write_folder(tmp_path, ENTRY)
        (tmp_path / "a.ply").write_text("ply\nformat ascii 1.0\nend_header\n")
        with pytest.raises(ValueError, match=r"a\.ply holds no triangles"):
            load_meshes(tmp_path, "train")

    @pytest.mark.parametrize(
        ("corners", "triangles", "message"),
        [
            (np.where(CORNERS == 0.02, np.nan, CORNERS), FACES, r"a\.ply is broken: coordinates"),
            (CORNERS * [1, 0, 1], FACES, r"a\.ply is flat"),
            (CORNERS * 1000, FACES, r"a\.ply measures 74\.8 m .*: scale it to metres"),
            (CORNERS, [[0, 1, 30]], r"a\.ply (is broken: triangles name|holds no triangles)"),
        ],
    )
    def test_meshes_without_usable_geometry_are_refused(
        self, tmp_path: Path, corners: np.ndarray, triangles: list, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            load_meshes(
                write_folder(tmp_path, ENTRY, corners=corners, triangles=triangles), "train"
            )

    def test_closed_meshes_are_recognised_and_turned_outward(self, tmp_path: Path) -> None:
        cube = box(np.array([[0.05, 0.06, 0.07]]))
        for faces in (cube.faces, cube.faces[:, ::-1]):
            folder = write_folder(
                tmp_path, ENTRY, corners=cube.vertices[0], triangles=faces.tolist()
            )
            (mesh,) = load_meshes(folder, "train")
            assert mesh.closed
            volume = np.linalg.det(mesh.vertices[mesh.faces]).sum() / 6
            assert volume == pytest.approx(0.05 * 0.06 * 0.07)


class TestDeforming:
    def mesh(self, category: str, *, metric: bool) -> Mesh:
        vertices = CORNERS - [0.01, 0.02, 0.03]
        if not metric:
            vertices = vertices / np.linalg.norm(np.ptp(vertices, axis=0))
        return Mesh("a", category, metric, vertices, np.array(FACES))

    def test_deforming_by_nothing_keeps_the_mesh(self) -> None:
        mesh = self.mesh("mug", metric=True)
        unchanged = deform(mesh, NOCS[mesh.category], np.random.default_rng(0), amount=0.0)
        np.testing.assert_allclose(unchanged, mesh.vertices, atol=1e-12)

    def test_meshes_without_a_scale_get_a_size_of_their_category(self) -> None:
        mesh = self.mesh("laptop", metric=False)
        for seed in range(20):
            vertices = deform(mesh, NOCS[mesh.category], np.random.default_rng(seed), amount=0.0)
            assert 0.35 <= np.linalg.norm(np.ptp(vertices, axis=0)) <= 0.55

    def test_deformed_edges_change_by_a_fifth_and_round_shapes_stay_round(self) -> None:
        for category, round_shape in (("camera", False), ("can", True)):
            mesh = self.mesh(category, metric=True)
            ratios = []
            for seed in range(30):
                vertices = deform(mesh, NOCS[mesh.category], np.random.default_rng(seed))
                ratios.append(np.ptp(vertices, axis=0) / np.ptp(mesh.vertices, axis=0))
                np.testing.assert_allclose(vertices.max(0) + vertices.min(0), 0, atol=1e-12)
            x, y, z = np.array(ratios).T
            assert ((y >= 0.8 * 0.94) & (y <= 1.2 * 1.06)).all()
            assert y.std() > 0.05
            assert np.allclose(x, z) is round_shape

    @pytest.mark.parametrize("category", ["camera", "laptop"])
    def test_deforming_keeps_middle_planes_and_so_the_frame(self, category: str) -> None:
        points = np.random.default_rng(0).uniform(-0.05, 0.05, (500, 3))
        points[::2, 1] = 0.0
        points = np.concatenate([points, -points, np.full((1, 3), 0.06), np.full((1, 3), -0.06)])
        mesh = Mesh("a", category, True, points, np.array(FACES))
        for seed in range(5):
            bent = deform(mesh, NOCS[mesh.category], np.random.default_rng(seed))
            flat = bent[points[:, 1] == 0, 1]
            assert np.ptp(flat) < 1e-12
            assert not np.allclose(bent[:, 0] / points[:, 0], bent[0, 0] / points[0, 0])

    def test_a_deformed_mug_s_body_stays_round_about_an_upright_axis(self) -> None:
        angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
        ring = np.stack([0.04 * np.cos(angle), 0 * angle, 0.04 * np.sin(angle)], -1)
        body = np.concatenate([ring + np.array([0, y, 0]) for y in np.linspace(-0.05, 0.05, 11)])
        handle = np.array([[0.075, 0.0, 0.0]])
        vertices = np.concatenate([body, handle]) - [0.0175, 0, 0]
        mesh = Mesh("a", "mug", True, vertices, np.array(FACES))
        reaches = []
        for seed in range(20):
            bent = deform(mesh, NOCS[mesh.category], np.random.default_rng(seed))
            rings = bent[:-1].reshape(11, 200, 3)
            centres = (rings.max(1) + rings.min(1)) / 2
            np.testing.assert_allclose(centres[:, 0], centres[0, 0], atol=1e-6)
            np.testing.assert_allclose(
                np.ptp(rings[..., 0], 1), np.ptp(rings[..., 2], 1), rtol=1e-3
            )
            reaches.append(bent[-1, 0] - rings[5, :, 0].max())
        assert np.std(reaches) > 0.003
