# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose category check`: what it prints, writes and answers with."""

import errno
import json

import pytest
from mesh_shapes import hammer, write_category
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app

HAMMERS = [hammer(scale) for scale in (0.8, 0.9, 1.0, 1.1)]


def run(*arguments):
    result = CliRunner().invoke(app, ["category", "check", *(str(a) for a in arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_a_good_folder_is_measured_drawn_and_written(tmp_path):
    folder = write_category(tmp_path / "hammers", HAMMERS, "mirror: true", name="hammer")
    sheet, file = tmp_path / "out" / "sheet.png", tmp_path / "out" / "check.json"
    code, output = run(folder, "--sheet", sheet, "--json", file)
    assert code == 0, output
    assert "hammer: symmetry {}, mirror true, diagonal" in output
    assert "12.0 x 24.0 x 5.0" in output
    assert "usable" in output
    assert Image.open(sheet).size[0] > 1000
    (content,) = json.loads(file.read_text())["folders"]
    assert content["category"]["name"] == "hammer"
    assert content["refused"] is False


def test_warnings_leave_the_exit_code_and_refusals_set_it(tmp_path):
    folder = write_category(tmp_path, HAMMERS[:2], "mirror: true")
    code, output = run(folder)
    assert code == 0
    assert "warning: 2 meshes" in output
    assert "usable, with a warning" in output
    (folder / "b.ply").write_bytes(b"?")
    code, output = run(folder)
    assert code == 1
    assert "refusal: " in output
    assert "not usable yet: cure what is refused (1)" in output


def test_a_mistake_in_a_manifest_is_a_refusal_and_leaves_the_others(tmp_path):
    write_category(tmp_path / "good", HAMMERS, "mirror: true", name="hammer")
    write_category(tmp_path / "bad", HAMMERS, "mirrors: true", name="saw")
    code, output = run(tmp_path)
    assert code == 1
    assert "unknown field 'mirrors'; did you mean mirror?" in output
    assert "hammer: symmetry {}" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no folder nowhere"),
        ((), "Missing argument"),
        ((".", "--sheet", "sheet.txt"), "a picture's name ends in .png"),
    ],
)
def test_a_wrong_argument_is_one_line_and_code_2(arguments, message):
    code, output = run(*arguments)
    assert code == 2
    assert message in output


def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_sheet(tmp_path, monkeypatch):
    folder = write_category(tmp_path / "hammers", HAMMERS, "mirror: true")

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    code, output = run(folder, "--sheet", tmp_path / "sheet.png")
    assert code == 2
    assert "no space left on device" in output
    assert not (tmp_path / "sheet.png").exists()
