# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Folders of recorded frames through an estimator whose errors are known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import Truth
from genpose_ros.estimation import (
    EstimatorSettings,
    FrameResult,
    ObjectEstimate,
    PoseEstimator,
    Reason,
    Rejection,
)
from genpose_ros.evaluation import evaluate_frames
from genpose_ros.geometry import NOCS

UPRIGHT = [[0, 0, -1], [0, -1, 0], [-1, 0, 0]]


def write_frame(folder, instances) -> None:
    labels = np.zeros((48, 64), np.uint8)
    for item in instances:
        labels[item["id"] * 4 : item["id"] * 4 + 4] = item["id"]
    save_frame(folder, np.full((48, 64), 1000, np.uint16), labels, instances)


def save_frame(folder, depth_mm, labels, instances) -> None:
    folder.mkdir(parents=True)
    Image.fromarray(depth_mm).save(folder / "depth.png")
    Image.fromarray(labels).save(folder / "mask.png")
    k = [[60.0, 0.0, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]]
    (folder / "label.json").write_text(json.dumps({"K": k, "instances": instances}))


def truth(instance_id, category, gt="by hand", t=(0.0, 0.0, 1.0), R=UPRIGHT):
    size_m = [0.12, 0.1, 0.08]
    return {
        "id": instance_id,
        "category": category,
        "R": R,
        "t": list(t),
        "size_m": size_m,
        "gt": gt,
    }


def off_by(centimetres: float, deviation_cm: float = 100.0) -> SimpleNamespace:
    """An estimator that puts all objects upright at a distance from (0, 0, 1); refuses cameras.

    It claims a standard deviation of its positions.
    """

    def estimate(frame) -> FrameResult:
        T_cam_obj = np.eye(4)
        T_cam_obj[:3, :3], T_cam_obj[:3, 3] = UPRIGHT, (centimetres / 100, 0, 1)
        refused = [i.id for i in frame.instances if i.category == "camera"]
        estimates = [
            ObjectEstimate(
                instance_id=i.id,
                category=i.category,
                T_cam_obj=T_cam_obj,
                covariance=np.eye(6) * (deviation_cm / 100) ** 2,
                score=0.5,
                score_axis=0.5,
                energy_rotation=None,
                energy_translation=None,
                size_m=np.ones(3),
                n_points=9,
                mode_shares=(),
                T_cam_candidates=T_cam_obj[None],
                points_cam=np.zeros((4, 3)),
            )
            for i in frame.instances
            if i.id not in refused
        ]
        rejections = [Rejection(Reason.TOO_FEW_POINTS, "why", i) for i in refused]
        return FrameResult(tuple(estimates), tuple(rejections), {})

    return SimpleNamespace(categories=NOCS, estimate=estimate)


@pytest.fixture
def folder(tmp_path):
    write_frame(tmp_path / "b" / "two", [truth(1, "bowl", "PSEUDO: x"), truth(2, "mug")])
    write_frame(
        tmp_path / "a" / "one",
        [truth(1, "can", t=(0.0, 0.04, 1.0)), truth(2, "camera"), {"id": 3, "category": "laptop"}],
    )
    return tmp_path


def test_positions_are_counted_within_the_ellipsoids_of_their_covariances(folder):
    # Two true poses of data sets, 2 and 3.3 standard deviations off: probabilities 0.74 and 0.99.
    report = evaluate_frames(folder, off_by(3.0, deviation_cm=1.5))
    assert report.within_ellipsoids() == {"of": 2, "0.68": 0, "0.95": 1}
    assert report.within_ellipsoids(Truth.PSEUDO) == {"of": 1, "0.68": 0, "0.95": 1}
    known = {(i.frame, i.category): i.ellipsoid for i in report.instances}
    assert sum(value is None for value in known.values()) == 2  # refused, and without truth


def test_every_instance_of_every_frame_is_reported(folder):
    report = evaluate_frames(folder, off_by(3.0)).to_json()
    rows = [(i["frame"], i["class"], i["truth"]) for i in report["instances"]]
    assert rows == [
        ("one", "can", "dataset"),
        ("one", "camera", "dataset"),
        ("one", "laptop", "none"),
        ("two", "bowl", "pseudo"),
        ("two", "mug", "dataset"),
    ]
    can, camera, laptop, bowl, mug = report["instances"]
    assert can["translation_error_cm"] == pytest.approx(5.0)
    assert can["rotation_error_deg"] == pytest.approx(0.0, abs=1e-5)
    assert camera["translation_error_cm"] is None
    assert camera["rejection"] == "too_few_points: why"
    assert laptop["rotation_error_deg"] is None
    assert laptop["score"] == 0.5
    assert bowl["translation_error_cm"] == pytest.approx(3.0)
    # The flat wall at the mug's place has no handle's points.
    assert mug["handle_visible"] in (True, False)
    assert can["handle_visible"] is None


def test_pseudo_truth_is_summarised_apart(folder):
    summary = evaluate_frames(folder, off_by(3.0)).to_json()["summary"]
    assert summary["all"]["instances"] == 3
    assert summary["all"]["missed"] == 1
    assert summary["bottle+bowl+can+laptop"]["instances"] == 1
    assert summary["bottle+bowl+can+laptop"]["median_translation_error_cm"] == pytest.approx(5.0)
    assert summary["can"]["share_5deg5cm"] == 1.0
    assert summary["can"]["share_5deg2cm"] == 0.0
    assert "bowl" not in summary
    assert summary["pseudo_truth"]["all"]["instances"] == 1
    assert summary["pseudo_truth"]["bowl"]["median_translation_error_cm"] == pytest.approx(3.0)
    assert summary["estimated_only"] == 1
    assert summary["rejected"] == 1
    json.dumps(summary, allow_nan=False)


def test_progress_is_reported_after_each_frame(folder):
    calls = []
    evaluate_frames(folder, off_by(0.0), lambda *args: calls.append(args))
    assert [c[0].name for c in calls] == ["one", "two"]
    assert [c[3] for c in calls] == [2, 2]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no recorded frame"):
        evaluate_frames(tmp_path, off_by(0.0))


def write_mug(folder, *, hidden: bool) -> None:
    """A mug 0.3 m away, its handle to the right in the image; a box may stand before the handle."""
    depth_mm, labels = np.full((48, 64), 300, np.uint16), np.zeros((48, 64), np.uint8)
    labels[14:34, 20:44] = 1
    if hidden:
        # The body, 8 cm wide, ends in column 35.
        depth_mm[10:38, 35:50], labels[10:38, 35:50] = 250, 0
    R = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    save_frame(folder, depth_mm, labels, [truth(1, "mug", t=(0.0, 0.0, 0.3), R=R)])


def mug_handle_visible(folder) -> bool | None:
    """What the report says of the one mug of a frame."""
    report = evaluate_frames(
        folder, SimpleNamespace(categories=NOCS, estimate=lambda frame: FrameResult())
    )
    (visible,) = [i.handle_visible for i in report.instances if i.category == "mug"]
    return visible


@pytest.mark.parametrize("hidden", [False, True])
def test_a_handle_behind_a_box_is_not_visible(tmp_path, hidden):
    write_mug(tmp_path / "mug", hidden=hidden)
    assert mug_handle_visible(tmp_path) is not hidden


def test_the_handle_of_a_recorded_mug_is_visible_unless_a_box_hides_it(recorded_frames):
    assert mug_handle_visible(recorded_frames / "real275_test" / "real275_scene1_0000") is True
    assert mug_handle_visible(recorded_frames / "ycb_video" / "ycbv_0000_000001") is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "max_deg", "max_cm"),
    [("simulated_frames", 3.0, 1.0), ("recorded_frames", 10.0, 2.0)],
)
def test_released_weights_reach_the_promised_medians_on_frames(request, source, max_deg, max_cm):
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    report = evaluate_frames(request.getfixturevalue(source), estimator)
    assert not [i.rejection for i in report.instances if i.rejection]
    group = report.summary(Truth.DATASET)["bottle+bowl+can+laptop"]
    assert group["median_rotation_error_deg"] < max_deg
    assert group["median_translation_error_cm"] < max_cm
