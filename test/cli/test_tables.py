# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables for the terminal: that they hold what was found."""

from dataclasses import replace
from functools import partial
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from genpose_ros.cli.tables import print_nocs, print_report, print_result, print_synthetic
from genpose_ros.datasets import MugOrigin, Truth
from genpose_ros.estimation import FrameResult, ObjectEstimate, Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation import (
    CategoryPrecision,
    FramesReport,
    InstanceReport,
    NocsReport,
    PosePrecision,
    SyntheticReport,
)
from genpose_ros.evaluation.average_precision import PrecisionCurves
from genpose_ros.evaluation.synthetic import ViewReport


def written(show, *arguments) -> str:
    stream = StringIO()
    show(*arguments, Console(file=stream, width=140))
    return stream.getvalue()


def report(category, truth, errors, rejection=None, handle_visible=None) -> InstanceReport:
    return InstanceReport(
        frame="kitchen",
        instance_id=4,
        category=category,
        truth=truth,
        errors=errors,
        handle_visible=handle_visible,
        estimate=None,
        rejection=rejection,
    )


def test_the_table_of_a_frame_ends_with_rejections_and_times():
    rejection = Rejection(Reason.MASK_EMPTY, "the mask has no pixel", 7)
    text = written(print_result, FrameResult((), (rejection,), {"encode": 12.4}))
    assert "object 7 refused: mask_empty: the mask has no pixel" in text
    assert "encode 12" in text


def estimate_of(score: float) -> ObjectEstimate:
    """A can that lies on its side, its up pointing right."""
    T_cam_obj = np.array([[0, 1, 0, 0.1], [-1, 0, 0, 0.2], [0, 0, 1, 0.8], [0, 0, 0, 1.0]])
    return ObjectEstimate(
        instance_id=4,
        category="can",
        T_cam_obj=T_cam_obj,
        covariance=np.eye(6),
        score=score,
        score_axis=score,
        energy_rotation=None,
        energy_translation=None,
        size_m=np.array([0.07, 0.12, 0.07]),
        n_points=900,
        mode_shares=(1.0,),
        T_cam_candidates=T_cam_obj[None],
        points_cam=np.zeros((4, 3), np.float32),
    )


def test_the_table_of_a_frame_says_how_each_object_is_turned():
    text = written(print_result, FrameResult((estimate_of(0.95),)))
    assert "can 4: quaternion x y z w 0.000 0.000 -0.707 0.707, tilt 90°\n" in text
    assert "not to be trusted" not in text


def test_where_up_is_known_the_table_of_a_frame_says_how_far_each_object_is_off_it():
    up = UpDirection(np.array([0.5, -np.sqrt(0.75), 0.0]), 0.02, None, "imu")
    text = written(print_result, FrameResult((estimate_of(0.95),), up_cam=up))
    assert "tilt 90°, 60° off up\n" in text


def test_a_row_of_a_frame_is_not_broken_in_a_terminal_of_80_columns():
    estimate = estimate_of(0.95)
    T_cam_obj = estimate.T_cam_obj.copy()
    T_cam_obj[:3, 3] = -0.256, -0.124, 1.043
    wide = replace(
        estimate,
        category="laptop",
        instance_id=255,
        T_cam_obj=T_cam_obj,
        size_m=np.array([0.283, 0.174, 0.276]),
        n_points=24940,
    )
    stream = StringIO()
    print_result(FrameResult((wide,)), Console(file=stream, width=80))
    row = next(line for line in stream.getvalue().splitlines() if "laptop" in line)
    assert "-0.256 -0.124 1.043" in row
    assert "28.3 17.4 27.6" in row
    assert "24940" in row


@pytest.mark.parametrize(
    ("estimates", "end"), [((estimate_of(0.95),), "; 0 of 1 objects rest on the support"), ((), "")]
)
def test_the_direction_up_is_told_and_what_rests_where_something_was_found(estimates, end):
    up = UpDirection(np.array([0.0, -0.8, -0.6]), 0.01, source="plane", level_m=-0.5)
    lines = written(print_result, FrameResult(estimates, up_cam=up)).splitlines()
    assert f"up is plane: 0.00 -0.80 -0.60 in the camera's frame{end}" in lines


def test_a_low_score_is_warned_of():
    text = written(print_result, FrameResult((estimate_of(0.04),)))
    assert "can 4 scores 0.04: its pose is not to be trusted" in text


def test_what_is_warned_of_can_be_set():
    result = FrameResult((estimate_of(0.6),))
    assert "not to be trusted" not in written(print_result, result)
    assert "scores 0.60" in written(partial(print_result, warn_below=0.8), result)


def test_without_an_estimate_there_is_no_table():
    assert written(print_result, FrameResult((), (), {"encode": 1.0})) == "milliseconds: encode 1\n"


def test_the_table_of_frames_has_errors_medians_and_shares():
    text = written(
        print_report,
        FramesReport(
            (
                report("can", Truth.DATASET, (3.21, 1.46)),
                report("mug", Truth.DATASET, (7.0, 1.0), handle_visible=False),
                report("bowl", Truth.DATASET, None, rejection="too_few_points: why"),
            )
        ),
    )
    assert "3.2" in text
    assert "1.5" in text
    assert "mug (handle hidden)" in text
    assert "too_few_points: why" in text
    assert "67 %" in text  # two of three within 10 degrees and 2 cm
    assert "pseudo truth" not in text


def test_pseudo_truth_has_a_table_of_its_own():
    text = written(print_report, FramesReport((report("can", Truth.PSEUDO, (1.0, 1.0)),)))
    assert "pseudo truth" in text
    assert "ground truth" not in text


def test_the_tables_of_nocs_have_both_matchings_and_their_sources():
    can = CategoryPrecision(8, 7, 6, np.array([0.25, 0.5]), np.array([0.125, 0.375]))
    mug = CategoryPrecision(2, 2, 2, np.array([0.75, 1.0]), np.array([0.75, 1.0]))
    report = NocsReport(
        split="real_test",
        frames=5,
        every=10,
        listed=False,
        masks="detector",
        pose_sources={"label.pkl": 4, "coordinate map": 1},
        mug_origin=MugOrigin.BODY,
        unknown_handles=1,
        rejected=3,
        boxes="2d",
        unknown_sizes=0,
        precision=PosePrecision(((5, 2), (10, 5)), {"can": can, "mug": mug}),
        curves=PrecisionCurves(PosePrecision((), {}), PosePrecision((), {})),
    )
    text = written(print_nocs, report)
    official, strict = text.split("mAP %, strict")
    assert "5°2cm" in official
    for part, numbers in ((official, "50.0 │ 75.0"), (strict, "43.8 │ 68.8")):
        (mean,) = [line for line in part.splitlines() if "mean of 2" in line]
        assert [cell.strip() for cell in mean.split("│")][4:6] == numbers.split(" │ ")
    assert "frames of real_test: 5, one of 10; masks: detector" in text
    assert "true poses: label.pkl (4), coordinate map (1)" in text
    assert "distances of Real to about 2 %" in text
    assert "no list of the frames" in text
    assert "origin of mugs: body" in text
    assert "unknown handle, taken as visible: 1" in text
    assert "counted as wrong: 3" in text


def test_long_frame_names_are_whole_on_a_narrow_terminal():
    name = "a_recording_with_a_name_of_many_letters_20260131_000017"
    stream = StringIO()
    reports = FramesReport((replace(report("can", Truth.DATASET, (3.0, 1.0)), frame=name),))
    print_report(reports, Console(file=stream, width=80))
    rows = stream.getvalue().splitlines()[:8]
    assert name in "".join(row.split("│")[1].strip() for row in rows if row.startswith("│"))


def test_the_table_of_synthetic_views_has_stances_and_categories():
    views = tuple(
        ViewReport(
            "can",
            standing,
            errors,
            np.array([[1.0, 0.5], [50.0, 9.0]]),
            np.full(3, 0.07),
            np.eye(4),
            np.eye(4),
            handle_visible=True,
            score=0.5,
        )
        for standing, errors in ((True, (4.0, 1.5)), (False, (7.0, 3.0)), (False, None))
    )
    text = written(print_synthetic, SyntheticReport(views))
    rows = [[cell.strip() for cell in row.split("│")[1:-1]] for row in text.splitlines()]
    found = {row[0]: row[1:] for row in rows if row}
    assert found["standing"] == ["1", "4.0", "1.5", "7.0", "100.0", "100.0", "100.0", "100.0"]
    # One of the two tipped views was refused, which counts as infinitely wrong.
    assert found["tipped"] == ["2", "-", "-", "7.0", "0.0", "0.0", "0.0", "50.0"]
    assert found["mug, standing"][0] == "0"
    assert found["best of K, all"][4:] == ["100.0"] * 4
