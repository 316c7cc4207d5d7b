# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Shapes that commands draw objects from: of weights, of a manifest, of category folders."""

import json
from pathlib import Path

import pytest
from parcels_and_hooks import OWN, PARCEL, own_weights, parcel_mesh
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.cli.options import read_meshes, shapes_of
from genpose_ros.geometry import NOCS, CategorySet
from genpose_ros.networks import default_weights
from genpose_ros.synthesis import Mesh, set_categories


def write_ply(file: Path, mesh: Mesh) -> None:
    rows = [" ".join(map(str, row)) for row in mesh.vertices.tolist()]
    rows += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    head = (
        f"ply\nformat ascii 1.0\nelement vertex {len(mesh.vertices)}\n"
        "property double x\nproperty double y\nproperty double z\n"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    file.write_text(head + "\n".join(rows) + "\n")


@pytest.fixture
def parcels(tmp_path: Path) -> Path:
    """A folder of four parcels with a category.yaml."""
    folder = tmp_path / "parcels"
    folder.mkdir()
    for number in range(4):
        edges = (0.08 + 0.01 * number, 0.18, 0.12)
        write_ply(folder / f"{number}.ply", parcel_mesh(edges))
    (folder / "category.yaml").write_text(
        "name: parcel\nframe: {up: +y, front: +x, unit: m}\nsymmetry: {x: half, y: half}\n"
        'meshes: {train: ["[0-2].ply"], test: ["3.ply"]}\n'
    )
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Weights that know parcels and hooks and carry both."""
    return str(own_weights(tmp_path / "own.safetensors"))


def test_without_a_folder_the_shapes_are_those_of_the_weights(weights: str) -> None:
    assert shapes_of("").categories == NOCS
    library = shapes_of(weights)
    assert library.categories == OWN
    assert [mesh.name for mesh in library.meshes] == ["parcel", "hook"]
    together = shapes_of(f"{weights},{default_weights()}")
    assert together.categories == CategorySet((*OWN, *NOCS))


def test_a_category_folder_takes_the_place_of_what_the_weights_carry(
    weights: str, parcels: Path
) -> None:
    with pytest.raises(ValueError, match="no shapes of the category hook"):
        shapes_of(weights, parcels)
    categories, meshes = read_meshes(parcels, "test", OWN)
    assert categories == OWN
    assert [mesh.category for mesh in meshes] == ["parcel"]
    with pytest.raises(ValueError, match="unknown category 'parcel'; expected one of bottle"):
        shapes_of("", parcels)
    with pytest.raises(ValueError, match="has the splits train and test, not 'val'"):
        read_meshes(parcels, "val")


def test_a_folder_of_category_folders_brings_all_of_them(parcels: Path) -> None:
    for folder in (parcels, parcels.parent):
        categories, meshes = read_meshes(folder, "train")
        assert categories.names == ("parcel",)
        assert categories["parcel"].symmetry == PARCEL.symmetry
        assert len(meshes) == 3


def test_clouds_of_a_category_folder_are_of_its_category(
    parcels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genpose_ros.synthesis.shards.SHARD_SIZE", 12)
    monkeypatch.setattr("genpose_ros.synthesis.shards.CHUNK", 16)
    arguments = ["synthesize", tmp_path / "data", "--meshes", parcels, "--clouds", 12]
    result = CliRunner().invoke(app, [*map(str, arguments), "--workers", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert set_categories(tmp_path / "data").names == ("parcel",)


def test_evaluating_own_weights_needs_no_folder(weights: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["evaluate", "synthetic", "--weights", weights, "--views", "6", "--json", report]
    arguments += ["--set", "candidates=2", "--set", "steps=1", "--device", "cpu"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert list(json.loads(report.read_text())["per_category"]) == ["parcel", "hook"]
