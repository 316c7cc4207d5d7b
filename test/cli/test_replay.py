# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose replay`: what it prints and writes of a bag, and what it refuses. Needs no ROS."""

import json

import pytest
import recorded_bags as rec
from fake_estimator import FakeEstimator
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.ros.replay.bag import Bag


def run(*arguments):
    return CliRunner().invoke(app, ["replay", *map(str, arguments)])


@pytest.fixture
def bag(tmp_path, monkeypatch):
    monkeypatch.setattr("genpose_ros.ros.replay.bag_replay.ModelLoader", lambda: FakeEstimator)
    messages = [m for n in range(3) for m in rec.frame(rec.BEGIN_NS + n * 33_000_000)]
    return rec.write_bag(tmp_path / "table", messages)


def test_a_bag_becomes_a_table_a_bag_of_poses_and_json(bag, tmp_path):
    done = run(bag, "--json", tmp_path / "poses.json", "--bag", tmp_path / "poses")
    assert done.exit_code == 0, done.output
    for words in ("mug_3", "bowl_7", "-0.127", "0.900", "3 frames"):
        assert words in done.output
    content = json.loads((tmp_path / "poses.json").read_text())
    assert [len(frame["objects"]) for frame in content["frames"]] == [2, 2, 2]
    assert content["frames"][1]["stamp_s"] == pytest.approx(1_700_000_000.033, abs=1e-6)
    assert content["frames"][0]["objects"][0]["class"] == "mug"
    assert content["topics"] == [rec.DEPTH, rec.INFO, rec.LABELS, rec.DETECTIONS]
    with Bag.open(tmp_path / "poses") as poses:
        assert set(poses.counts.values()) == {3}


def test_names_that_are_not_tracks_are_told_under_the_table(bag):
    words = "names are of the masks' ids"
    assert words in run(bag).output
    assert words not in run(bag, "--mode", "track").output


def test_settings_are_the_nodes_parameters(bag):
    done = run(bag, "--set", "segmentation.classes=mug", "--json", "-")
    assert done.exit_code == 0, done.output
    printed = done.stdout[done.stdout.index("{") :]
    frames = json.loads(printed)["frames"]
    assert {o["class"] for f in frames for o in f["objects"]} == {"mug"}
    done = run(bag, "--set", "segmentation.klasses=mug")
    assert done.exit_code == 2
    assert "did you mean segmentation.classes?" in " ".join(done.output.split())


def test_a_bag_in_which_nothing_is_found_ends_with_one_and_why(bag):
    done = run(bag, "--set", "segmentation.min_scores=0.9")
    assert done.exit_code == 1
    assert "no object was found in 3 frames" in done.output


@pytest.mark.parametrize("name", ["nothing", "nothing.npz"])
def test_a_missing_file_is_named(tmp_path, name):
    done = run(tmp_path / name)
    assert done.exit_code == 2
    assert "no such file" in done.output


def test_a_bag_of_poses_is_not_written_over_and_not_of_a_kept_frame(bag, tmp_path):
    done = run(bag, "--bag", bag)
    assert done.exit_code == 2
    assert "is there already" in " ".join(done.output.split())
    done = run(tmp_path / "frame.npz", "--bag", tmp_path / "poses")
    assert done.exit_code == 2
    assert "a kept frame is one frame" in done.output
