# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose study` from the command line: what it writes, what it refuses."""

import inspect
import json
from importlib import import_module

import pytest
import torch
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.cli.study import STUDIES
from genpose_ros.cli.study_session import StudySession
from genpose_ros.networks import LightConfig, LightPoseModel, save_model

runner = CliRunner()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    config = LightConfig(
        patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2, head_width=16
    )
    save_model(LightPoseModel(config), path, {})
    return path


def study(*arguments):
    return runner.invoke(app, ["study", *(str(a) for a in arguments)])


def test_one_study_writes_numbers_with_provenance_and_a_picture(weights, tmp_path):
    results, pictures = tmp_path / "results", tmp_path / "pictures"
    done = study(
        "categories", "--views", 60, "--weights", weights, "--device", "cpu", "--seed", 3,
        "--results", results, "--pictures", pictures,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads((results / "study_categories.json").read_text())
    assert content["views"] == 60
    assert content["provenance"]["weights"] == "untrained.safetensors"
    assert content["provenance"]["seed"] == 3
    assert (pictures / "study_categories.png").stat().st_size > 1000
    assert "bottle" in done.output


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_a_function_of_what_a_session_has(name):
    study = STUDIES[name]
    module, function = study.function.split(":")
    package = import_module(f"genpose_ros.evaluation.studies.{module}")
    parameters = inspect.signature(getattr(package, function)).parameters
    needed = {p.name for p in parameters.values() if p.default is p.empty}
    assert set(study.inputs) == needed
    assert ("on_views" in parameters) == bool(study.progress)
    assert all(hasattr(StudySession, name) for name in study.inputs)


def test_every_study_is_a_command_with_its_help_and_a_table():
    from genpose_ros.evaluation.studies import TABLES

    shown = " ".join(study("--help").output.replace("│", "").split())
    for name, item in STUDIES.items():
        assert f"{name} {item.help.split(':')[0]}" in shown
    assert set(STUDIES) <= set(TABLES)


def test_tables_are_written_from_stored_results(tmp_path):
    row = {"5d2cm": 1.0, "5d5cm": 2.0, "10d2cm": 3.0, "10d5cm": 4.0}
    groups = {"standing": row, "tipped": row, "all": row}
    (tmp_path / "study_categories.json").write_text(json.dumps({"rows": {"mug": groups}}))
    doc = tmp_path / "doc.md"
    doc.write_text("<!-- table categories -->\n<!-- end -->\n<!-- table energy -->\n<!-- end -->\n")
    done = study("docs", doc, "--results", tmp_path)
    assert done.exit_code == 0
    assert "not run yet, left as they are: energy" in done.output
    assert "| mug | 1.0 (35.7) |" in doc.read_text()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("unseen",), "--run DIR"),
        (("small-models",), "--run DIR"),
        (("tracking",), "genpose evaluate tracking"),
        (("categories", "--weights", "missing.safetensors"), "missing.safetensors"),
        (("docs", "missing.md"), "missing.md"),
        (("train", "missing", "run"), "shard"),
    ],
)
def test_a_study_that_cannot_be_made_is_one_line_and_code_2(tmp_path, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    done = study(*arguments)
    assert done.exit_code == 2
    assert what in done.output
    assert "Traceback" not in done.output


def test_all_table_markers_of_the_documents_name_known_tables(root):
    import re

    from genpose_ros.evaluation.studies import TABLES

    for name in ("evaluation.md", "accuracy.md"):
        markers = re.findall(r"<!-- table ([\w-]+) -->", (root / "docs" / name).read_text())
        assert markers
        assert set(markers) <= set(TABLES)
