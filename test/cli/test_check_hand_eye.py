# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose check-hand-eye`: verdicts, files, and what it says where something is missing."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from genpose_ros.cli import app, check_hand_eye
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.hand_eye import T_BASE_BESIDE
from genpose_ros.robot.simulation.world import T_EEF_OPTICAL


def run(*arguments):
    return CliRunner().invoke(app, ["check-hand-eye", *map(str, arguments)], env={"COLUMNS": "120"})


def looks(eye_to_hand, count=10):
    """Rows of looks without noise, and the calibration that they are right with."""
    rng = np.random.default_rng(0)
    T_flange_obj, T_base_obj = transform((0.0, 0.0, 0.17)), transform((0.45, 0.0, 0.06))
    rows = []
    for _ in range(count):
        turned = transform(rpy_rad=tuple(rng.uniform(-0.7, 0.7, 3)))
        T_base_flange = transform((0.4, 0.0, 0.4), (np.pi, 0.0, 0.0)) @ turned
        if eye_to_hand:
            T_cam_obj = np.linalg.inv(T_BASE_BESIDE) @ T_base_flange @ T_flange_obj
        else:
            T_cam_obj = np.linalg.inv(T_base_flange @ T_EEF_OPTICAL) @ T_base_obj
        rows.append(("can", T_base_flange, T_cam_obj))
    return rows, T_BASE_BESIDE if eye_to_hand else T_EEF_OPTICAL


@pytest.fixture
def seen(monkeypatch):
    """Looks of a running node; what is asked for is kept."""
    asked = []

    def of_node(frames, category, *, eye_to_hand):
        asked.append(eye_to_hand)
        rows, T = looks(eye_to_hand)
        return check_hand_eye._Seen(rows, T)

    monkeypatch.setattr(check_hand_eye, "_of_node", of_node)
    return asked


@pytest.mark.parametrize("kind", ["eye_in_hand", "eye_to_hand"])
def test_a_right_calibration_is_good_by_transforms_and_by_its_file(seen, root, tmp_path, kind):
    beside = ["--eye-to-hand"] if kind == "eye_to_hand" else []
    done = run("--json", tmp_path / "check.json", "--picture", tmp_path / "check.png", *beside)
    assert done.exit_code == 0, done.output
    assert "good: the calibration agrees" in done.output
    written = json.loads((tmp_path / "check.json").read_text())
    assert written["eye_to_hand"] is bool(beside)
    assert written["spread_mm"] == pytest.approx(0.0, abs=1e-3)
    assert Image.open(tmp_path / "check.png").size[0] > 100
    by_file = run("--calibration", root / "config" / f"xarm6_{kind}.yaml")
    assert by_file.exit_code == 0, by_file.output
    assert seen == [bool(beside)] * 2  # the file says where the camera is


def test_a_calibration_that_is_off_ends_with_code_1(seen, root, tmp_path):
    text = (root / "config" / "xarm6_eye_in_hand.yaml").read_text()
    (tmp_path / "mount.yaml").write_text(text.replace("0.06746, -0.0175", "0.07346, -0.0175"))
    done = run("--calibration", tmp_path / "mount.yaml")
    assert done.exit_code == 1
    assert "off: the calibration is off" in done.output
    assert "6.0 +- 0.0 mm" in done.output


def test_what_is_missing_is_said_before_anything_is_estimated(tmp_path):
    poses = tmp_path / "poses.yaml"
    poses.write_text("{}")
    frames = tmp_path / "frames"
    frames.mkdir()
    done = run(frames, "--poses", poses)
    assert done.exit_code == 2
    assert "frames have no transforms: name the camera's --calibration" in done.output
    assert "no such file" in run(tmp_path / "none").output


def test_without_ros_a_running_node_cannot_be_asked(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("no rclpy", name="rclpy")

    monkeypatch.setattr(check_hand_eye, "import_module", missing)
    done = run()
    assert done.exit_code == 2
    assert "looks at a running node need ROS 2 (rclpy is missing)" in done.output
