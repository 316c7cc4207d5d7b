# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The page on manipulation quotes what was measured, and names every reason."""

import json
import re

import pytest

from genpose_ros.robot.reasons import FrameReason


@pytest.fixture
def page(root):
    return (root / "docs" / "manipulation.md").read_text()


def results(root, name):
    return json.loads((root / "docs" / "results" / f"{name}.json").read_text())


def test_success_rates_are_those_of_the_results(root, page):
    for task, kinds in results(root, "tasks")["tasks"].items():
        true, estimated = (
            f"{kinds[kind]['succeeded']} of {kinds[kind]['runs']}" for kind in ("true", "estimated")
        )
        error_mm = kinds["estimated"]["median_pose_error_mm"]
        assert f"| {task} | {true} | {estimated} | {error_mm:.1f} mm |" in page


def test_the_time_of_inverse_kinematics_is_that_of_the_results(root, page):
    solving = results(root, "tasks")["inverse_kinematics"]
    found = 100 * solving["found_share"]
    assert (
        f"| {solving['frames']} | {found:.1f} % | {solving['median_ms']:.1f} ms | "
        f"{solving['p95_ms']:.1f} ms |"
    ) in page
    assert solving["median_ms"] < 5


@pytest.mark.parametrize(
    ("name", "camera"), [("hand_eye", "in the hand"), ("hand_eye_beside", "beside the arm")]
)
def test_verdicts_on_calibrations_are_those_of_the_results(root, page, name, camera):
    for case, row in results(root, name)["cases"].items():
        cells = " | ".join(str(row[verdict]) for verdict in ("good", "off", "unsure"))
        spread, off = (f"{row[key]:.1f} mm" for key in ("spread_mm", "off_mm"))
        assert f"| {camera} | {case} | {cells} | {spread} | {off} |" in page


def test_every_reason_of_a_refused_frame_is_named(page):
    named = set(re.findall(r"`(\w+)`", page))
    assert {reason.value for reason in FrameReason} <= named
