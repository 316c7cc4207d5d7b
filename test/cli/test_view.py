# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose view`: what is refused before a page is served, and a picture of a recorded frame."""

import re

import pytest
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.view.chromium import find_chromium

RUNNER = CliRunner()


def run(*arguments):
    result = RUNNER.invoke(app, ["view", *map(str, arguments)])
    return result.exit_code, re.sub(r"\s+", " ", result.output)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{}/nothing"], "is not a folder"),
        (["{}"], "no recorded frame in"),
        (["{}/a.npz"], "no such file"),
        (["{}/a.bag"], "no such file"),
        (["{}", "--show", "ghosts"], "--show and --hide take cloud, picture,"),
        (["{}", "--shot", "{}/picture.txt"], "a picture's name ends in .png"),
        (["{}", "--port", "0"], "--port"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(arguments, words, tmp_path):
    code, text = run(*(argument.format(tmp_path) for argument in arguments))
    assert code == 2
    assert words in text


@pytest.mark.slow
def test_a_picture_of_a_recorded_frame_is_written(simulated_frames, tmp_path):
    pytest.importorskip("viser", reason="the view's extra is not installed")
    if not find_chromium():
        pytest.skip("no Chromium on this machine (apt install chromium)")
    shot = tmp_path / "view.png"
    code, text = run(
        simulated_frames / "table_0", "--device", "cpu", "--shot", shot, "--click", "nearest",
        "--show", "candidates,covariances", "--hide", "labels", "--set", "sampling.steps=2",
    )  # fmt: skip
    assert code == 0, text
    assert shot.read_bytes().startswith(b"\x89PNG")
