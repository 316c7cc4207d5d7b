# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A small NOCS layout through an estimator whose errors are known."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import MugOrigin
from genpose_ros.estimation import FrameResult, Reason, Rejection
from genpose_ros.evaluation import evaluate_nocs

#: Rows of instance id, class id, x in metres; ids are also the masks' row in the image.
FRAMES = {
    "test/scene_1/0000": [(1, 4, 0.0), (2, 6, 0.2)],
    "test/scene_1/0001": [(1, 4, 0.1)],
    "test/scene_2/0000": [(5, 2, 0.0)],
}
SHIFT, FACTOR = np.array([0.5, 0.0, 0.0]), 1.0


def save(path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def rows_of(instance_id) -> slice:
    return slice(40 * instance_id, 40 * instance_id + 30)


def write_frame(root, name, objects, dataset="Real") -> None:
    base = root / dataset / name
    base.parent.mkdir(parents=True, exist_ok=True)
    ids = np.full((480, 640), 255, np.uint8)
    for instance_id, _, _ in objects:
        ids[rows_of(instance_id), :50] = instance_id
    Image.fromarray(ids).save(f"{base}_mask.png")
    Image.fromarray(np.full((480, 640), 1000, np.uint16)).save(f"{base}_depth.png")
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(f"{base}_color.png")
    Path(f"{base}_meta.txt").write_text("".join(f"{i} {c} m_{c}\n" for i, c, _ in objects))
    label = {
        "class_ids": [c for _, c, _ in objects],
        "instance_ids": [i for i, _, _ in objects],
        "bboxes": np.array([[40 * i, 0, 40 * i + 30, 50] for i, _, _ in objects]),
        "scales": np.full(len(objects), 0.2),
        "rotations": np.stack([np.eye(3)] * len(objects)),
        "translations": np.array([(x, 0, 1) for _, _, x in objects]),
        "model_list": [f"model_{c}" for _, c, _ in objects],
        "handle_visibility": np.array([i % 2 for i, _, _ in objects]),
    }
    save(root / dataset / f"{name}_label.pkl", label)


@pytest.fixture
def root(tmp_path):
    for name, objects in FRAMES.items():
        write_frame(tmp_path, name, objects)
    save(tmp_path / "obj_models" / "mug_meta.pkl", {"model_6": [SHIFT, FACTOR]})
    return tmp_path


def off_by(centimetres, y_deg=0.0, refuse=()):
    """An estimator that puts all objects where the labels have them, and somewhat beside."""

    def estimate(frame) -> FrameResult:
        true = {i: x for i, _, x in FRAMES[frame.frame_id]}
        c, s = np.cos(np.radians(y_deg)), np.sin(np.radians(y_deg))
        estimates, rejections = [], []
        for instance in frame.instances:
            if instance.category in refuse:
                rejections.append(Rejection(Reason.TOO_FEW_POINTS, "why", instance.id))
                continue
            T = np.eye(4)
            T[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
            row = int(np.flatnonzero(instance.mask.any(1))[0]) // 40
            T[:3, 3] = (true[row], centimetres / 100, 1)
            size_m = np.full(3, 0.1)
            estimates.append(SimpleNamespace(instance_id=instance.id, T_cam_obj=T, size_m=size_m))
        return FrameResult(tuple(estimates), tuple(rejections), {})

    return SimpleNamespace(estimate=estimate)


def evaluate(root, estimator, **options):
    options.setdefault("mug_origin", MugOrigin.BODY)
    return evaluate_nocs(root, "real_test", estimator, **options)


def test_true_masks_are_taken_where_there_are_no_detections(root):
    report = evaluate(root, off_by(3.0, y_deg=60)).to_json()
    assert report["frames"] == 3
    assert report["masks"] == "ground truth"
    assert report["listed"] is False
    assert report["pose_sources"] == {"label.pkl": 3}
    assert set(report["official"]) == {"bowl", "can", "mug", "mean"}
    # The handle of the mug, of an even id, is not visible: its turn does not count either.
    expected = {"5d2cm": 0.0, "5d5cm": 100.0, "10d2cm": 0.0, "10d5cm": 100.0}
    assert report["official"] == dict.fromkeys(("bowl", "can", "mug", "mean"), expected)
    assert report["strict"] == report["official"]
    assert report["mugs_of_unknown_handle"] == 0
    json.dumps(report, allow_nan=False)


def test_detections_are_taken_where_there_are_some(root):
    ids = {"0000": [1], "0001": [1]}  # the mug is missed, the bowl's frame has nothing
    for name in FRAMES:
        _, scene, number = name.split("/")
        found = ids[number] if scene == "scene_1" else []
        masks = np.zeros((480, 640, len(found)), bool)
        for k, i in enumerate(found):
            masks[rows_of(i), :50, k] = True
        content = {
            "class_ids": np.full(len(found), 4),
            "rois": np.array([[40 * i, 0, 40 * i + 25, 50] for i in found]),
            "masks": masks,
            "scores": np.full(len(found), 0.9),
        }
        save(root / "mrcnn_results" / "real_test" / f"results_test_{scene}_{number}.pkl", content)
    report = evaluate(root, off_by(1.0)).to_json()
    assert report["masks"] == "detector"
    assert report["counts"]["can"] == {"truths": 2, "detections": 2, "matched": 2}
    assert report["counts"]["mug"] == {"truths": 1, "detections": 0, "matched": 0}
    assert report["strict"]["can"]["5d2cm"] == 100.0
    assert report["strict"]["mug"]["10d5cm"] == 0.0
    assert report["strict"]["mean"]["5d2cm"] == pytest.approx(33.33)


def test_objects_that_the_estimator_refuses_count_as_wrong(root):
    report = evaluate(root, off_by(0.0, refuse=("can",))).to_json()
    assert report["rejected"] == 2
    assert report["official"]["can"]["10d5cm"] == 0.0
    assert report["official"]["bowl"]["10d5cm"] == 100.0


def test_the_origin_of_mugs_can_be_chosen(root):
    # The labels' origin is 0.5 x 0.2 m from the box's centre.
    at_body = evaluate(root, off_by(0.0)).to_json()
    at_box = evaluate(root, off_by(0.0), mug_origin=MugOrigin.BOX).to_json()
    assert at_body["official"]["mug"]["10d5cm"] == 100.0
    assert at_box["official"]["mug"]["10d5cm"] == 0.0
    assert at_box["official"]["can"]["10d5cm"] == 100.0
    assert (at_body["mug_origin"], at_box["mug_origin"]) == ("body", "box")


def test_every_nth_frame_is_evaluated(root):
    calls = []
    report = evaluate(root, off_by(0.0), every=2, on_frame=lambda *a: calls.append(a))
    assert report.frames == 2
    assert [frame.name for frame, _, _ in calls] == ["test/scene_1/0000", "test/scene_2/0000"]
    assert {total for _, _, total in calls} == {2}
    (root / "Real" / "test_list.txt").write_text("test/scene_1/0001\n")
    listed = evaluate(root, off_by(0.0))
    assert (listed.frames, listed.listed) == (1, True)
    with pytest.raises(ValueError, match="every"):
        evaluate(root, off_by(0.0), every=0)


def test_space_boxes_match_where_sizes_are_known(root):
    # The labels of the fixture tell no size: the image's boxes are taken, as by default.
    without = evaluate(root, off_by(30.0), boxes="3d").to_json()
    assert without["objects_of_unknown_size"] == 4
    assert without["counts"]["can"]["matched"] == 2
    path = root / "Real" / "test" / "scene_1" / "0001_label.pkl"
    label = pickle.loads(path.read_bytes())
    save(path, {**label, "size": np.full((1, 3), 0.5)})
    known = evaluate(root, off_by(30.0), boxes="3d").to_json()
    # A can of 10 cm (0.5 of 0.2 m) that is estimated 30 cm beside overlaps no more.
    assert known["objects_of_unknown_size"] == 3
    assert known["counts"]["can"]["matched"] == 1
    near = evaluate(root, off_by(3.0), boxes="3d").to_json()
    assert near["counts"]["can"]["matched"] == 2
    with pytest.raises(ValueError, match="2d or 3d"):
        evaluate(root, off_by(0.0), boxes="4d")


def test_frames_without_objects_are_refused(tmp_path):
    base = tmp_path / "Real" / "test" / "scene_1"
    write_frame(tmp_path, "test/scene_1/0000", [(1, 4, 0.0)])
    (base / "0000_label.pkl").unlink()
    (base / "0000_meta.txt").write_text("1 0 box_norm\n")
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(base / "0000_coord.png")
    nothing = SimpleNamespace(estimate=lambda frame: FrameResult())
    with pytest.raises(ValueError, match="no object to estimate"):
        evaluate(tmp_path, nothing)


def with_its_own_poses(root, split) -> dict:
    """The report of a split's only frame, each object estimated where its truth is."""
    frames = []
    nothing = SimpleNamespace(estimate=lambda frame: FrameResult())
    evaluate_nocs(root, split, nothing, on_frame=lambda frame, *_: frames.append(frame))
    (frame,) = frames
    perfect = SimpleNamespace(estimates=frame.objects)
    return evaluate_nocs(root, split, SimpleNamespace(estimate=lambda _: perfect)).to_json()


@pytest.fixture
def one_frame_of_each(tmp_path):
    """A frame of Real's test and one of CAMERA's validation split."""
    write_frame(tmp_path, "test/scene_1/0000", [(1, 4, 0.0), (3, 2, 0.2)])
    write_frame(tmp_path, "val/00000/0000", [(1, 5, 0.0)], "CAMERA")
    composed = tmp_path / "camera_full_depths" / "val" / "00000" / "0000_composed.png"
    composed.parent.mkdir(parents=True)
    Image.fromarray(np.full((480, 640), 1000, np.uint16)).save(composed)
    return tmp_path


@pytest.mark.parametrize(
    ("split", "classes"), [("real_test", {"bowl", "can"}), ("val", {"laptop"})]
)
def test_a_frame_s_own_poses_score_100_per_cent(one_frame_of_each, split, classes):
    report = with_its_own_poses(one_frame_of_each, split)
    assert set(report["strict"]) == {*classes, "mean"}
    assert report["strict"]["mean"] == dict.fromkeys(report["strict"]["mean"], 100.0)
    assert report["pose_sources"] == {"label.pkl": 1}


@pytest.mark.parametrize(
    ("split", "classes"),
    [("real_test", {"bowl", "camera", "can", "laptop", "mug"}), ("val", {"laptop"})],
)
def test_a_genuine_frame_s_own_poses_score_100_per_cent(shared, split, classes):
    report = with_its_own_poses(shared / "nocs", split)
    assert set(report["strict"]) == {*classes, "mean"}
    assert report["strict"]["mean"] == dict.fromkeys(report["strict"]["mean"], 100.0)
    assert report["pose_sources"] == {"gts": 1}
