# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tasks over simulated sequences, their report, its tables and its picture."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation.tracking import evaluate
from genpose_ros.evaluation.tracking.evaluate import (
    DEFAULT_KINDS,
    SIGMA_STUDY,
    Outcome,
    Task,
    Variant,
    measure_speed,
    run_task,
    run_tasks,
    sequences,
    standard_variants,
    study_tasks,
)
from genpose_ros.evaluation.tracking.methods import Masks
from genpose_ros.evaluation.tracking.picture import draw_errors, most_occluded
from genpose_ros.evaluation.tracking.records import ObjectRecord, SequenceRecord
from genpose_ros.evaluation.tracking.report import (
    GOALS,
    tracking_report,
    tracking_tables,
    write_tracking_tables,
)
from genpose_ros.networks import LightPoseModel, save_model
from genpose_ros.tracking import TrackerSettings

QUICK = EstimatorSettings(candidates=2, steps=1, points=64, ranking="none", device="cpu")
TRACKER = TrackerSettings(candidates=2, steps=1, verify_period_s=0.0)
SPEED = {"5": {"frames_per_second": 21.0, "cpu_ms_per_frame": 40.0}}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A light network that has learnt nothing."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_model(LightPoseModel(), path, {})
    return path


@pytest.fixture(scope="module")
def estimator(weights):
    return PoseEstimator.from_settings(replace(QUICK, weights=str(weights)))


def test_kinds_take_turns():
    assert sequences(5, ("sweep", "returns"), 7) == [
        ("sweep", 7),
        ("returns", 7),
        ("sweep", 8),
        ("returns", 8),
        ("sweep", 9),
    ]
    assert len(sequences(21, DEFAULT_KINDS, 0)) == 21
    assert len(set(sequences(21, DEFAULT_KINDS, 0))) == 21
    assert not {"crowd", "arm"} & set(DEFAULT_KINDS)


@pytest.mark.parametrize("kinds", [("dance",), ()])
def test_unknown_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match="expected turntable"):
        sequences(3, kinds, 0)


def test_moving_cameras_are_tracked_with_and_without_their_poses():
    usual = [variant.name for variant in standard_variants("returns", TRACKER)]
    assert usual == ["tracker", "paper_protocol", "single_frame"]
    sweep = standard_variants("sweep", TRACKER)[3:]
    assert [(v.compensate, v.masks.every) for v in sweep] == [(False, 1), (True, 6), (False, 6)]


def test_studies_change_one_thing_each():
    tasks = study_tasks(TRACKER, 5)
    assert {task.seed for task in tasks} == {5}
    by_name = {variant.name: variant for task in tasks for variant in task.variants}
    alone = by_name["study 5 Hz alone"]
    assert alone.masks == Masks(6)
    assert alone.tracker == replace(TRACKER, track_without_masks=False)
    assert by_name["study 30 Hz, smoothing"].tracker == replace(TRACKER, smoothing=True)
    level = by_name[f"{SIGMA_STUDY}0.0234 x 4"]
    assert (level.way, level.tracker) == (
        "paper",
        replace(TRACKER, start_sigma=0.0234, steps=4),
    )
    assert sum(name.startswith(SIGMA_STUDY) for name in by_name) == 15


def test_all_methods_see_the_same_frames(estimator):
    variants = (
        Variant("tracker", tracker=TRACKER),
        Variant("paper_protocol", "paper", TRACKER),
        Variant("single_frame", "single", TRACKER, every=3),
    )
    done: list[int] = []
    outcomes = run_task(Task("turntable", 0, 7, variants), estimator, done.append)
    assert [outcome.variant for outcome in outcomes] == [v.name for v in variants]
    assert done == [3] * 7
    tracker, paper, single = outcomes
    assert tracker.frames == 7
    assert tracker.cpu_seconds > 0
    assert paper.frames == 0
    assert single.record.rate_hz == pytest.approx(10)
    shares = [outcome.record.objects[0].visible_share for outcome in outcomes]
    np.testing.assert_array_equal(shares[0], shares[1])
    np.testing.assert_array_equal(shares[0][::3], shares[2])
    # The paper's protocol always has a pose, and begins near the truth.
    assert (paper.record.objects[0].known == 1).all()


@pytest.mark.slow
def test_processes_find_what_one_finds(weights):
    settings = replace(QUICK, weights=str(weights))
    variants = (Variant("tracker", tracker=TRACKER), Variant("paper_protocol", "paper", TRACKER))
    tasks = [Task(kind, 1, 4, variants) for kind in ("turntable", "crossing", "carried_slow")]
    steps: list[int] = []
    several = run_tasks(tasks, settings, jobs=2, on_progress=steps.append)
    alone = run_tasks(tasks, settings, jobs=1, on_progress=steps.append)
    assert steps[-1] == sum(task.steps for task in tasks)
    assert [(o.variant, o.record.kind) for o in several] == [
        (o.variant, o.record.kind) for o in alone
    ]
    for a, b in zip(several, alone, strict=True):
        for x, y in zip(a.record.objects, b.record.objects, strict=True):
            np.testing.assert_allclose(x.T_cam_track, y.T_cam_track, atol=1e-4)


def test_a_task_that_fails_says_why(weights):
    settings = replace(QUICK, weights=str(weights))
    with pytest.raises(ValueError, match="unknown kind"):
        run_tasks([Task("dance", 0, 3, ())], settings)


@pytest.mark.slow
def test_speed_is_measured_per_number_of_objects(estimator):
    speeds = measure_speed(estimator, TRACKER, counts=(1, 4), frames=4)
    assert set(speeds) == {"1", "4"}
    assert all(value > 0 for part in speeds.values() for value in part.values())
    assert speeds["4"]["cpu_ms_per_frame"] > speeds["1"]["cpu_ms_per_frame"]


def test_only_the_first_objects_are_kept():
    item = evaluate.tracking_sequence("crowd", 0, frames=2)[0]
    few = evaluate._first_objects(item, 3)
    kept = {true.instance_id for true in item.objects[:3]} - {-1}
    assert {instance.id for instance in few.frame.instances} == kept


def made(
    kind: str, degrees: float, *, visible: list[bool] | None = None, rate_hz: float = 30.0
) -> SequenceRecord:
    """One laptop over four frames with a constant error."""
    seen = np.array(visible or [True] * 4)
    n = len(seen)
    T = np.broadcast_to(np.eye(4), (n, 4, 4))
    item = ObjectRecord(
        category="laptop",
        visible_share=seen.astype(float),
        track=np.ones(n, int),
        confirmed=seen,
        known=np.ones(n, int),
        known_state=np.where(seen, "confirmed", "coasting"),
        rotation_deg=np.full(n, degrees),
        translation_cm=np.full(n, 0.5),
        T_cam_true=T,
        T_cam_track=T,
    )
    return SequenceRecord(kind, 0, rate_hz, (item,), (int(seen.sum()), 0), (int((~seen).sum()), 0))


@pytest.fixture
def outcomes() -> list[Outcome]:
    names = {
        "tracker": 2.0,
        "paper_protocol": 6.0,
        "single_frame": 3.0,
        "uncompensated": 20.0,
        "compensated, masks at 5 Hz": 3.0,
        "uncompensated, masks at 5 Hz": 30.0,
        "study smoothing": 2.5,
        **{
            f"{SIGMA_STUDY}{sigma} x {steps}": sigma * 10 + steps
            for sigma in (0.1, 0.2)
            for steps in (1, 2)
        },
    }
    found = [Outcome(name, made("sweep", value), 4, 0.2, 0.1) for name, value in names.items()]
    found += [
        Outcome(name, made(kind, value + 1), 4, 0.2, 0.1)
        for name, value in names.items()
        if name.startswith(SIGMA_STUDY)
        for kind in ("carried_slow", "carried_fast")
    ]
    return [*found, Outcome("tracker", made("returns", 8.0), 4, 0.2, 0.1)]


def test_the_report_has_the_agreed_keys_and_numbers(outcomes):
    report = tracking_report(outcomes, SPEED, max_coast_s=0.5)
    for key in (
        *("5d5cm", "mean_rotation_deg", "mean_translation_cm"),
        *("id_switches", "frames_per_second"),
    ):
        assert isinstance(report[key], float | int), key
    assert report["5d5cm"] == 50.0
    assert report["mean_rotation_deg"] == pytest.approx(5.0)
    assert report["frames_per_second"] == 21.0
    assert report["cpu_ms_per_frame"] == pytest.approx(25.0)
    assert report["sequences"] == 2
    assert report["frames"] == 8
    assert report["per_kind"]["returns"]["5d5cm"] == 0.0
    assert report["paper_protocol"]["mean_rotation_deg"] == pytest.approx(6.0)
    sweep = report["camera_sweep"]
    assert sweep["compensated"]["mean_rotation_deg"] == pytest.approx(2.0)
    assert sweep["uncompensated"]["mean_rotation_deg"] == pytest.approx(20.0)
    json.dumps(report, allow_nan=False)


def test_goals_are_judged(outcomes):
    report = tracking_report(outcomes, SPEED, max_coast_s=0.5)
    met = {goal["what"]: goal["met"] for goal in report["goals"]}
    assert set(met) == {name for name, *_ in GOALS}
    assert met["5d5cm"] is False
    assert met["mean_rotation_deg"] is False
    assert met["mean_translation_cm"] is True
    assert met["id_switches_without_occlusion"] is True
    assert met["recovery_frames_median"] is None


def test_the_study_has_a_row_for_each_variant(outcomes):
    study = tracking_report(outcomes, SPEED, max_coast_s=0.5)["study"]
    assert set(study["masks_and_smoothing"]) == {"smoothing"}
    rows = {(row["start_sigma"], row["steps"]): row for row in study["start_sigma"]}
    assert set(rows) == {(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)}
    assert rows[0.2, 2]["carried_slow"]["mean_rotation_deg"] == pytest.approx(5.0)


def test_tables_go_between_a_documents_markers(outcomes, tmp_path):
    report = tracking_report(outcomes, SPEED, max_coast_s=0.5)
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- table goals -->\nold\n<!-- end -->\nbetween\n"
        "<!-- table dance -->\nstays\n<!-- end -->\n<!-- table sigma -->\n<!-- end -->\nafter\n"
    )
    assert write_tracking_tables(report, page) == ["goals", "sigma"]
    text = page.read_text()
    assert "old" not in text
    assert "stays" in text
    assert "| within 5° and 5 cm, % | 50.0 | >= 75 | **no** |" in text
    assert "| carried_slow, 0.2 | 100 (4.0°) | 100 (5.0°) |" in text
    # Once more changes nothing.
    write_tracking_tables(report, page)
    assert page.read_text() == text


def test_every_table_has_rows_as_long_as_its_heads(outcomes):
    tables = tracking_tables(tracking_report(outcomes, SPEED, max_coast_s=0.5))
    assert {"goals", "paper", "kinds", "identity", "speed", "settings"} <= set(tables)
    assert {"sweep", "masks", "sigma"} <= set(tables)
    for table in tables.values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.heads)}


def test_the_picture_shades_what_is_hidden():
    visible = [True] * 10 + [False] * 5 + [True] * 5
    record = made("occlusion", 40.0, visible=visible)
    figure = draw_errors(record)
    left, right = figure.axes
    (shade,) = left.collections
    (path,) = shade.get_paths()
    low, high = path.vertices[:, 0].min(), path.vertices[:, 0].max()
    # Between the frames: half a frame before the first and after the last hidden one.
    assert low == pytest.approx(9.5 / 30)
    assert high == pytest.approx(14.5 / 30)
    seen, predicted, limit = left.lines
    assert np.isnan(np.asarray(seen.get_ydata(), float)[10:15]).all()
    assert np.isnan(np.asarray(predicted.get_ydata(), float)[:10]).all()
    # Errors beyond the axis stand at its upper end.
    assert np.nanmax(np.asarray(seen.get_ydata(), float)) < left.get_ylim()[1]
    assert limit.get_ydata()[0] == 5
    assert np.nanmax(np.asarray(right.lines[0].get_ydata(), float)) == pytest.approx(0.5)


def test_the_most_occluded_sequence_is_drawn():
    little, much = made("sweep", 1.0), made("returns", 1.0, visible=[True, False, False, True])
    assert most_occluded([little, much, little]) is much
    assert most_occluded([little]) is little
