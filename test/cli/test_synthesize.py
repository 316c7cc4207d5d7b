# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose synthesize`: sets on disk, their picture, and mistakes."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app


def run(*arguments):
    return CliRunner().invoke(app, ["synthesize", *(str(a) for a in arguments)])


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("genpose_ros.synthesis.shards.SHARD_SIZE", 60)
    monkeypatch.setattr("genpose_ros.synthesis.shards.CHUNK", 64)


def test_synthesize_makes_a_set_and_draws_its_contact_sheet(tmp_path):
    data, sheet = tmp_path / "data", tmp_path / "sheet.png"
    result = run(data, "--clouds", 60, "--workers", 1, "--device", "cpu", "--sheet", sheet)
    assert result.exit_code == 0, result.output
    assert "1 shards in" in result.output
    assert json.loads((data / "recipe.json").read_text())["clouds"] == 60
    assert Image.open(sheet).size[0] > 600


def test_a_set_is_of_the_domain_that_is_asked_for(tmp_path):
    for domain in ("d435", "wide"):
        folder = tmp_path / domain
        assert run(folder, "--clouds", 60, "--workers", 1, "--domain", domain).exit_code == 0
        assert json.loads((folder / "recipe.json").read_text())["domain"] == domain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rank", 2, "--ranks", 2), "expected a rank from 0 to 1, got 2"),
        (("--sheet", "sheet.txt"), "a picture's name ends in .png"),
        (("--device", "cuda:77"), "CUDA"),
        (("--meshes", "/nowhere"), "there is no folder /nowhere"),
    ],
)
def test_a_mistake_in_synthesis_options_is_one_line_and_code_2(tmp_path, arguments, message):
    result = run(tmp_path / "data", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.rglob("shard-*"))


def test_a_mesh_folder_without_manifest_is_refused(tmp_path):
    (tmp_path / "meshes").mkdir()
    result = run(tmp_path / "data", "--meshes", tmp_path / "meshes")
    assert result.exit_code == 2
    assert "holds no manifest.json: write one" in " ".join(result.output.split())


def test_a_recipe_decides_what_is_not_given(tmp_path):
    recipe, data = tmp_path / "mine.yaml", tmp_path / "data"
    recipe.write_text("data: {clouds: 90, seed: 5, mesh_share: 0.5}\n")
    result = run(data, "--recipe", recipe, "--clouds", 60, "--workers", 1)
    assert result.exit_code == 0, result.output
    made = json.loads((data / "recipe.json").read_text())
    assert (made["clouds"], made["seed"], made["mesh_share"]) == (60, 5, 0.5)


def test_a_recipe_without_clouds_is_refused(tmp_path):
    result = run(tmp_path / "data", "--recipe", "light")
    assert result.exit_code == 2
    assert "light does not say what clouds it takes: give --clouds" in result.output
