# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose evaluate twins`: what it writes, and what it refuses."""

import json

import numpy as np
import open3d as o3d
import pytest
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis import make_shapes
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.render import cast

CAMERA = PinholeCamera(200.0, 200.0, 79.5, 59.5, 160, 120)
POSE = np.array([[1, 0, 0, 0], [0, -0.8, 0.6, 0], [0, -0.6, -0.8, 0.4], [0, 0, 0, 1]])


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", "twins", *(str(a) for a in arguments)])


@pytest.fixture
def meshes(tmp_path):
    """A folder with the mesh of a bowl."""
    folder = tmp_path / "meshes"
    folder.mkdir()
    shapes = make_shapes("bowl", 1, np.random.default_rng(0))
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(shapes.vertices[0]), o3d.utility.Vector3iVector(shapes.faces)
    )
    o3d.io.write_triangle_mesh(str(folder / "bowl.ply"), mesh)
    entry = {"name": "blue_bowl", "category": "bowl", "file": "bowl.ply", "split": "test"}
    (folder / "manifest.json").write_text(json.dumps([entry | {"metric": True}]))
    return folder


@pytest.fixture
def frames(tmp_path):
    """A folder with a frame of that bowl."""
    folder = tmp_path / "frames" / "a"
    folder.mkdir(parents=True)
    shapes = make_shapes("bowl", 1, np.random.default_rng(0))
    placed = transform_points(POSE, shapes.vertices[0])
    hits = cast([(placed, shapes.faces)], pixel_rays(CAMERA), np.zeros(3))
    depth_mm = np.round(1000 * hits.depth_m).astype(np.uint16)
    Image.fromarray(depth_mm).save(folder / "depth.png")
    Image.fromarray((hits.part == 0).astype(np.uint8)).save(folder / "mask.png")
    pose = {"R": POSE[:3, :3].tolist(), "t": POSE[:3, 3].tolist()}
    k = [[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]]
    instance = {"id": 1, "category": "bowl", "name": "blue_bowl", **pose}
    (folder / "label.json").write_text(json.dumps({"K": k, "instances": [instance]}))
    return tmp_path / "frames"


def test_evaluate_twins_writes_numbers_and_a_picture(frames, meshes, weights, tmp_path):
    out, picture = tmp_path / "twins.json", tmp_path / "twins.png"
    result = run(
        *(frames, "--meshes", meshes, "--cameras", 2, "--json", out, "--picture", picture),
        *("--weights", weights, "--device", "cpu", "--set", "candidates=3", "--set", "steps=1"),
    )
    assert result.exit_code == 0, result.output
    (twin,) = json.loads(out.read_text())["twins"]
    # The mesh was written in single precision, and depth in millimetres.
    assert twin["recorded"]["spread_mm"] == pytest.approx(1 / np.sqrt(12), abs=0.05)
    assert set(twin["median_errors_deg_cm"]) == {"recorded", "clean", "d435", "wide"}
    assert "recorded" in result.output
    assert Image.open(picture).width > 600


def test_evaluate_twins_refuses_frames_without_meshes(frames, meshes, weights, tmp_path):
    label = frames / "a" / "label.json"
    label.write_text(label.read_text().replace("blue_bowl", "red_bowl"))
    result = run(frames, "--meshes", meshes, "--weights", weights, "--device", "cpu")
    assert result.exit_code == 2
    assert "has a mesh: name them alike in label.json" in " ".join(result.output.split())


def test_evaluate_twins_refuses_a_folder_without_frames(tmp_path, meshes):
    (tmp_path / "none").mkdir()
    result = run(tmp_path / "none", "--meshes", meshes)
    assert result.exit_code == 2
    assert "no recorded frame in" in " ".join(result.output.split())
