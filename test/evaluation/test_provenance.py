# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Provenance of results: what is stored beside them, and that it names no path of the machine."""

import hashlib
import json
import math

import pytest

from genpose_ros import checkout
from genpose_ros.evaluation import provenance as module
from genpose_ros.evaluation import shown_command, write_results
from genpose_ros.networks import default_weights


@pytest.fixture
def weights(tmp_path):
    file = tmp_path / "some.safetensors"
    file.write_bytes(b"weights")
    return file


def test_results_are_written_with_their_provenance(tmp_path, weights):
    path = tmp_path / "new" / "result.json"
    write_results(path, {"all": {"5d2cm": 60.0}}, weights=weights, seed=7)
    content = json.loads(path.read_text())
    assert content["all"] == {"5d2cm": 60.0}
    source = content["provenance"]
    assert source["weights"] == "some.safetensors"
    assert source["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert source["seed"] == 7
    assert source["machine"]["cores"] >= 1
    assert str(tmp_path) not in path.read_text()


def test_provenance_of_several_checkpoints_names_each(weights, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"others")
    source = module.provenance(f"{weights},{other}", 0)
    assert source["weights"] == "some.safetensors, other.safetensors"
    digests = [hashlib.sha256(content).hexdigest() for content in (b"weights", b"others")]
    assert source["weights_sha256"] == ", ".join(digests)


def test_provenance_without_weights_names_the_released_ones():
    released = default_weights()
    source = module.provenance(None, None)
    assert source["weights"] == released.name
    assert source["weights_sha256"] == hashlib.sha256(released.read_bytes()).hexdigest()


def test_provenance_outside_a_checkout_has_no_commit(monkeypatch, tmp_path, weights):
    monkeypatch.setattr(checkout, "_ROOT", tmp_path)
    source = module.provenance(weights, 0)
    assert source["commit"] is None
    assert source["changed_since_commit"] is None


def test_numbers_that_are_not_finite_are_refused_and_leave_the_file(tmp_path, weights):
    path = tmp_path / "result.json"
    path.write_text("before")
    with pytest.raises(ValueError, match="JSON"):
        write_results(path, {"a": math.nan}, weights=weights)
    assert path.read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/opt/env/bin/genpose", "evaluate", "frames", "x"], "genpose evaluate frames x"),
        (["genpose", "--meshes", "/data/a/meshes", "--json=../b/c.json"],
         "genpose --meshes meshes --json=c.json"),
        (["genpose", "--json", "docs/results/a.json"], "genpose --json docs/results/a.json"),
        (["genpose", "--set", "ranking=none"], "genpose --set ranking=none"),
        (["genpose", "~/my data/"], "genpose 'my data'"),
        (["/env/genpose_ros/__main__.py", "study"], "genpose study"),
    ],
)  # fmt: skip
def test_a_command_is_shown_without_folders_of_the_machine(arguments, shown):
    assert shown_command(arguments) == shown
