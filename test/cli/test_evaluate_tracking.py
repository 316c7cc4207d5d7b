# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose evaluate tracking`: what it writes, and what it refuses."""

import json

import pytest
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app

runner = CliRunner()

QUICK = (
    *("--sequences", 2, "--frames", 3, "--kinds", "turntable", "--kinds", "occlusion"),
    *("--jobs", 1, "--device", "cpu", "--set", "candidates=2", "--set", "steps=1"),
    *("--set", "points=64", "--tracker", "candidates=2", "--tracker", "steps=1"),
)


def run(*arguments):
    return runner.invoke(app, ["evaluate", "tracking", *(str(a) for a in arguments)])


@pytest.mark.slow
def test_evaluate_tracking_writes_report_picture_and_tables(weights, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- table goals -->\n<!-- end -->\n")
    out, drawn = tmp_path / "new" / "report.json", tmp_path / "errors.png"
    files = ("--json", out, "--picture", drawn, "--tables", page)
    result = run("--weights", weights, *QUICK, *files)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert report["sequences"] == 2
    assert report["frames"] == 6
    assert set(report["per_kind"]) == {"turntable", "occlusion"}
    assert 0 <= report["5d5cm"] <= 100
    assert report["frames_per_second"] > 0
    assert report["provenance"]["weights"] == "untrained.safetensors"
    assert Image.open(drawn).size[0] > 500
    assert "| within 5° and 5 cm, % |" in page.read_text()
    assert "identity switches without occlusion" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kinds", "dance"), "unknown kind dance"),
        (("--tracker", "speed=3"), "--tracker: no setting is called 'speed'; there are cand"),
        (("--tracker", "gate_m=1"), "'gate_m'; it is called association_gate_m now"),
        (("--tracker", "steps"), "--tracker expects name=value"),
        (("--tracker", "steps=many"), "--tracker steps expects int"),
        (("--tracker", "smoothing=perhaps"), "--tracker smoothing expects true or false"),
        (("--tracker", "steps=0"), "steps must lie in"),
        (("--set", "candidates=0"), "candidates must lie in"),
        (("--picture", "errors.txt"), "name ends in"),
        (("--tables", "nowhere.md"), "no such file: nowhere.md"),
        (("--weights", "nowhere.safetensors"), "no checkpoint at nowhere.safetensors"),
    ],
)
def test_a_mistake_in_tracking_options_is_one_line_and_code_2(arguments, message):
    result = run("--sequences", 1, "--frames", 2, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_help_names_the_kinds_of_sequences():
    result = run("--help")
    assert result.exit_code == 0
    assert "turntable" in result.output
