# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose segment`: label image and classes that `genpose estimate` takes."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.datasets import read_frame
from genpose_ros.segmentation import mask_rcnn
from genpose_ros.segmentation.segments import Segment

RUNNER = CliRunner()


def run(*arguments):
    result = RUNNER.invoke(app, ["segment", *map(str, arguments)])
    return result.exit_code, re.sub(r"\s+", " ", result.output)


class Found:
    """Segmenter that finds what it was told to."""

    def __init__(self, *segments):
        self._segments = list(segments)

    def segment(self, image):
        return self._segments


@pytest.fixture
def color(tmp_path):
    path = tmp_path / "color.png"
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(path)
    return path


def found(monkeypatch, *segments):
    monkeypatch.setattr(mask_rcnn, "load_mask_rcnn", lambda *_: Found(*segments))


def segment(category, columns):
    mask = np.zeros((12, 16), bool)
    mask[2:9, columns] = True
    return Segment(category, category, 0.75, mask, np.array([columns.start, 2.0, columns.stop, 9]))


def test_what_is_written_is_read_by_estimate(color, tmp_path, monkeypatch):
    found(monkeypatch, segment("mug", slice(1, 6)), segment("bowl", slice(8, 12)))
    code, text = run(color, tmp_path / "out" / "mask.png")
    assert code == 0
    assert "1 mug (mug) 0.75, 35 pixels" in text
    np.save(tmp_path / "depth.npy", np.ones((12, 16), np.float32))
    (tmp_path / "camera.json").write_text(json.dumps({"K": [[9, 0, 8], [0, 9, 6], [0, 0, 1]]}))
    frame = read_frame(
        tmp_path / "depth.npy", tmp_path / "out" / "mask.png", tmp_path / "camera.json",
        str(tmp_path / "out" / "mask.json"),
    )  # fmt: skip
    assert [(i.id, i.category, int(i.mask.sum())) for i in frame.instances] == [
        (1, "mug", 35), (2, "bowl", 28)
    ]  # fmt: skip


def test_nothing_found_is_an_empty_mask_and_code_1(color, tmp_path, monkeypatch):
    found(monkeypatch)
    code, text = run(color, tmp_path / "mask.png")
    assert code == 1
    assert "no object was found" in text
    assert not np.asarray(Image.open(tmp_path / "mask.png")).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{}/none.png", "{}/mask.png"], "no such file"),
        (["{}/color.png", "{}/mask.jpg"], "written as .png"),
    ],
)
def test_wrong_files_are_refused(color, tmp_path, arguments, words):
    code, text = run(*(argument.format(tmp_path) for argument in arguments))
    assert code == 2
    assert words in text
