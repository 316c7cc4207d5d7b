# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The pictures of the pages show what the code has."""

import numpy as np
import pytest
import yaml
from PIL import Image

from genpose_ros.geometry import CATEGORIES
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.own_categories.findings import declared_folds
from genpose_ros.own_categories.measure import AXES, common_fold, is_mirrored, measure_deviations


def test_the_picture_of_the_stages_is_as_its_script_draws_it(draw, tmp_path):
    draw.draw_stages(tmp_path / "stages.svg")
    kept = draw.IMAGES / "stages.svg"
    assert kept.read_text() == (tmp_path / "stages.svg").read_text(), "run: python docs/draw.py"


def test_every_module_in_the_picture_of_the_stages_exists(draw, root):
    for stage in draw.STAGES:
        first, *others = stage.module.split(", ")
        folder = (root / "genpose_ros" / first).parent
        for name in (first.partition("/")[2], *others):
            assert (folder / f"{name}.py").is_file(), f"{stage.name}: {folder.name}/{name}"


def test_the_view_shows_the_axes_right_and_towards_the_camera(draw):
    rotation = draw.view_of_object()[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    x, y, z = rotation.T
    assert x[0] > 0 > x[2], "x points right and towards the camera"
    assert y[1] < -0.8, "y points up, which is -y of the camera"
    assert max(z[0], z[2]) < 0, "z points left and towards the camera"


@pytest.mark.slow
def test_the_frames_are_drawn_for_all_six_categories(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "_SUPERSAMPLING", 1)
    draw.draw_frames(tmp_path / "frames.png")
    picture = np.asarray(Image.open(tmp_path / "frames.png").convert("RGB"))
    kept = Image.open(draw.IMAGES / "frames.png")
    assert kept.size == picture.shape[1::-1]
    rows, columns = np.array_split(np.arange(picture.shape[0]), 2), 3
    panels = [p for r in rows for p in np.array_split(picture[r], columns, axis=1)]
    assert len(panels) == len(CATEGORIES)
    for category, panel in zip(CATEGORIES, panels, strict=True):
        red, green, blue = np.moveaxis(panel.astype(int), -1, 0)
        axes = [red - green > 120, (green - red > 80) & (green - blue > 80), blue - red > 120]
        assert all(axis.sum() > 100 for axis in axes), f"an axis of the {category} is missing"


def test_the_everyday_objects_have_the_symmetries_that_the_page_gives_them(draw, root):
    page = (root / "docs" / "own_categories.md").read_text()
    for thing in draw.EVERYDAY:
        vertices, faces = thing.shape()
        measured = [measure_deviations(vertices - (vertices.max(0) + vertices.min(0)) / 2, faces)]
        declared = declared_folds(Symmetry.parse(yaml.safe_load(thing.symmetry)))
        assert tuple(common_fold(measured, axis) for axis in AXES) == declared, thing.name
        assert is_mirrored(measured, "z"), thing.name
        row = next(line for line in page.splitlines() if line.startswith(f"| {thing.name}"))
        assert row.split("|")[2].strip() == f"`{thing.symmetry}`"


def test_the_symmetries_are_drawn_for_all_of_them(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "EVERYDAY", draw.EVERYDAY[:2])
    draw.draw_symmetries(tmp_path / "symmetries.png")
    kept = Image.open(draw.IMAGES / "symmetries.png")
    assert Image.open(tmp_path / "symmetries.png").size == kept.size
