# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluations of categories that are none of the six, modulo their own symmetries."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parcels_and_hooks import OWN, own_library

from genpose_ros.datasets.frame_folders import load_frame
from genpose_ros.estimation import EstimatorSettings, ObjectEstimate, PoseEstimator
from genpose_ros.evaluation import SyntheticReport, evaluate_synthetic, synthetic_views
from genpose_ros.evaluation.html_report import synthetic_html
from genpose_ros.evaluation.recorded_frames import FramesReport
from genpose_ros.evaluation.tracking.evaluate import (
    Task,
    measure_speed,
    run_task,
    standard_variants,
)
from genpose_ros.evaluation.tracking.metrics import pose_lags_ms, summarise_tracking
from genpose_ros.evaluation.tracking.picture import draw_errors
from genpose_ros.evaluation.tracking.records import ReportedPose, record_sequence
from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.synthesis import STANCES, CloudBatch
from genpose_ros.synthesis.sequences import tracking_sequence
from genpose_ros.tracking import TrackerSettings

HALF_TURN = np.diag([-1.0, 1.0, -1.0])
QUICK = EstimatorSettings(candidates=2, steps=1, points=64, ranking="none", device="cpu")


def half_turned(T: np.ndarray) -> np.ndarray:
    turned = T.copy()
    turned[:3, :3] = T[:3, :3] @ HALF_TURN
    return turned


class HalfTurned:
    """Answers every view with the truth turned by half a turn about y."""

    settings = EstimatorSettings(batch_size=20)

    def __init__(self, views: CloudBatch) -> None:
        self.views, self.next = views, 0

    def estimate_clouds(self, clouds: list) -> list:
        rows = range(self.next, self.next + len(clouds))
        self.next += len(clouds)
        return [self._answer(row, cloud) for row, cloud in zip(rows, clouds, strict=True)]

    def _answer(self, row: int, cloud) -> ObjectEstimate:
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = self.views.rotation[row], self.views.translation[row]
        turned = half_turned(T)
        return ObjectEstimate(
            instance_id=row,
            category=cloud.instance.category,
            T_cam_obj=turned,
            covariance=np.eye(6),
            score=1.0,
            score_axis=1.0,
            energy_rotation=None,
            energy_translation=None,
            size_m=self.views.size_m[row].astype(np.float64),
            n_points=1024,
            mode_shares=(1.0,),
            T_cam_candidates=turned[None],
            points_cam=self.views.points_cam[row],
            detection_score=1.0,
        )


@pytest.fixture(scope="module")
def report() -> SyntheticReport:
    views = synthetic_views(40, 3, own_library())
    return evaluate_synthetic(HalfTurned(views), views, categories=OWN)  # type: ignore[arg-type]


class TestViews:
    def test_errors_are_modulo_the_group_of_the_category(self, report: SyntheticReport) -> None:
        degrees = {
            name: [v.errors[0] for v in report.views if v.category == name and v.errors]
            for name in OWN.names
        }
        assert max(degrees["parcel"]) < 0.1
        assert min(degrees["hook"]) > 179.9

    def test_numbers_are_given_for_the_model_s_categories(self, report: SyntheticReport) -> None:
        content = report.to_json()
        assert list(content["per_category"]) == ["parcel", "hook"]
        assert content["per_category"]["parcel"]["standing"]["5d2cm"] == 100
        # Hooks only lie: of those asked to stand, none does.
        assert content["per_category"]["hook"]["standing"]["views"] == 0
        assert content["average_precision"]["parcel"]["5d2cm"] == 100
        assert content["average_precision"]["hook"]["10d5cm"] == 0

    def test_the_page_has_curves_and_rows_of_the_categories(self, report: SyntheticReport) -> None:
        page = synthetic_html(report, {})
        assert "hook, standing" in page
        assert "data:image/png" in page

    def test_views_show_the_stances_that_there_are(self) -> None:
        views = synthetic_views(128, 0, own_library())
        stances = [{STANCES[s] for s in views.stance[views.category == i]} for i in (0, 1)]
        assert stances == [{"standing", "lying", "free"}, {"lying", "free"}]


class TestTracks:
    def test_a_track_half_a_turn_off_is_right_for_parcels_alone(self) -> None:
        sequence = tracking_sequence("turntable", 1, frames=8, library=own_library())
        frames = [
            (
                item.objects,
                [
                    ReportedPose(o.object_id, o.category, half_turned(o.T_cam_obj))
                    for o in item.objects
                ],
            )
            for item in sequence
        ]
        record = record_sequence("turntable", 1, 30.0, frames, OWN)
        assert {o.category for o in record.objects} == {"parcel", "hook"}
        for item in record.objects:
            expected = 0.0 if item.category == "parcel" else 180.0
            np.testing.assert_allclose(item.rotation_deg, expected, atol=1e-3)
            if item.category == "parcel":
                np.testing.assert_allclose(item.T_cam_track, item.T_cam_true, atol=1e-12)
        summary = summarise_tracking([record], max_coast_s=1.0)
        assert summary["per_category"]["parcel"]["5d5cm"] == 100
        assert summary["per_category"]["hook"]["5d5cm"] == 0
        only = replace(record, objects=tuple(o for o in record.objects if o.category == "parcel"))
        assert pose_lags_ms([only])[1] == pytest.approx(0, abs=1e-6)

    def test_a_model_of_own_categories_is_tracked_from_end_to_end(self) -> None:
        model = LightPoseModel(LightConfig(8, 8, subset=64, width=16, layers=1, attention_heads=2))
        model.categories = OWN
        estimator = PoseEstimator(model, QUICK)
        tracker = TrackerSettings(candidates=2, steps=1, verify_period_s=0.0)
        library = own_library()
        task = Task("crossing", 1, 3, standard_variants("crossing", tracker), library=library)
        outcomes = run_task(task, estimator)
        assert [o.variant for o in outcomes] == ["tracker", "paper_protocol", "single_frame"]
        categories = {o.category for outcome in outcomes for o in outcome.record.objects}
        assert categories <= set(OWN.names)
        assert (outcomes[1].record.objects[0].track >= 0).all()
        assert draw_errors(outcomes[0].record).axes[0].get_ylabel().startswith(categories.pop())
        speed = measure_speed(estimator, tracker, counts=(1,), frames=1, library=library)
        assert speed["1"]["frames_per_second"] > 0


class TestRecordedFrames:
    def test_labels_name_categories_of_the_model_or_their_aliases(
        self, simulated_frames: Path, tmp_path: Path
    ) -> None:
        folder = simulated_frames / "table_0"
        names = {i.category for i in load_frame(folder).instances}
        assert "mug" in names
        cup = replace(OWN["hook"], name="cup", aliases=tuple(sorted(names)))
        frame = load_frame(folder, type(OWN)((cup,)))
        assert {i.category for i in frame.instances} == {"cup"}
        with pytest.raises(
            ValueError, match=r"unknown category '\w+'; expected one of parcel, hook"
        ):
            load_frame(folder, OWN)

    def test_groups_of_the_summary_are_the_model_s(self) -> None:
        assert list(FramesReport((), OWN).summary()) == ["all"]
        assert list(FramesReport(()).summary()) == ["all", "bottle+bowl+can+laptop"]
        assert json.dumps(FramesReport((), OWN).to_json())
