# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Report of the demo without motion."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.demo.still_report import DemoReport, compare, contact_sheet


def turned(degrees: float, axis: int, shift_m: float = 0.0) -> np.ndarray:
    """A pose 0.8 m away, turned about one of its own axes, shifted along x."""
    a, b = [i for i in range(3) if i != axis]
    T = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    T[a, a], T[a, b], T[b, a], T[b, b] = c, -s, s, c
    T[:3, 3] = shift_m, 0, 0.8
    return T


@pytest.fixture
def frame() -> RecordedFrame:
    mask = np.zeros((48, 64), dtype=bool)
    mask[10:30, 20:40] = True
    truth, size_m = turned(0, 0), np.array([0.1, 0.1, 0.1])

    def instance(i: int, category: str, kind: Truth = Truth.DATASET) -> RecordedInstance:
        pose = None if kind is Truth.NONE else truth
        return RecordedInstance(i, category, mask, kind, pose, size_m)

    items = (
        instance(1, "can"),
        instance(2, "laptop"),
        instance(3, "bowl", Truth.PSEUDO),
        instance(4, "mug", Truth.NONE),
        instance(5, "bottle"),
    )
    depth_m = np.full((48, 64), 0.8, dtype=np.float32)
    return RecordedFrame("probe", depth_m, PinholeCamera(60, 60, 32, 24, 64, 48), items)


@pytest.fixture
def report(frame, ros) -> DemoReport:
    estimates = (
        ros.estimate(
            1, "can", T_cam_obj=turned(90, axis=1, shift_m=0.01)
        ),  # about the axis of symmetry
        ros.estimate(2, "laptop", T_cam_obj=turned(4, axis=1, shift_m=0.02)),
        ros.estimate(3, "bowl", T_cam_obj=turned(30, axis=0)),
        ros.estimate(4, "mug"),
    )
    rejections = (Rejection(Reason.TOO_FEW_POINTS, "3 points, expected 64", 5),)
    result = FrameResult(estimates, rejections, {"clouds": 2.0, "sample": 30.0})
    return DemoReport((compare(frame, result, 123.4),))


def text_of(report: DemoReport) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.table())
    return console.export_text()


def test_errors_follow_the_symmetry_rules(report):
    can, laptop, bowl, mug, bottle = report.objects
    assert can.errors == pytest.approx((0.0, 1.0), abs=1e-9)
    assert laptop.errors == pytest.approx((4.0, 2.0), abs=1e-9)
    assert bowl.errors == pytest.approx((30.0, 0.0), abs=1e-9)
    assert mug.errors is None
    assert bottle.estimate is None
    assert bottle.rejection == "too_few_points: 3 points, expected 64"
    assert not report.complete


def test_pseudo_truth_is_kept_apart_and_a_missed_object_counts(report):
    content = report.to_json()
    summary = content["summary"]
    assert (summary["instances"], summary["missed"]) == (3, 1)  # can, laptop and the bottle
    assert summary["median_rotation_error_deg"] == pytest.approx(4.0)
    assert summary["pseudo_truth"]["median_rotation_error_deg"] == pytest.approx(30.0)
    assert (summary["objects_shown"], summary["objects_estimated"]) == (5, 4)
    assert content["stages_ms"] == {"clouds": 2.0, "sample": 30.0}
    assert summary["estimation_ms_per_object"] == pytest.approx(8.0)
    first = content["objects"][0]
    assert (first["class"], first["id"], first["latency_ms"]) == ("can", 1, 123.4)
    json.dumps(content, allow_nan=False)


def test_the_table_shows_each_object_in_80_columns(report):
    lines = text_of(report).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for words in ("can", "laptop", "30.0*", "refused", "median of 3", "median of 1 *", "123"):
        assert words in text
    assert "probe, bottle 5: too_few_points: 3 points, expected 64" in text
    assert "no truth is known" in text


def test_a_report_is_complete_when_every_object_was_estimated(frame, ros):
    estimates = tuple(ros.estimate(i.id, i.category) for i in frame.instances)
    assert DemoReport((compare(frame, FrameResult(estimates), 1.0),)).complete
    assert not DemoReport(()).complete


def test_several_pictures_become_tiles_of_one(report):
    picture = report.frames[0].picture()
    assert picture.shape == (96, 128, 3)
    assert contact_sheet([picture]) is picture
    wide, tall = np.full((480, 640, 3), 10, np.uint8), np.full((960, 640, 3), 20, np.uint8)
    sheet = contact_sheet([wide, tall, wide])
    assert sheet.shape == (2 * 960, 2 * 640, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (900, 0), (900, 700), (960, 0))] == [
        10, 0, 20, 10
    ]  # fmt: skip
