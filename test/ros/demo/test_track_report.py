# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import io
import json

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovariance
from rich.console import Console
from vision_msgs.msg import (
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.msg import ObjectPose, ObjectPoseArray, Rejection, StageTiming
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.demo.track_report import summarise_tracks

MS = 1_000_000
CONFIRMED, COASTING, LOST = (
    ObjectPose.STATE_CONFIRMED, ObjectPose.STATE_COASTING, ObjectPose.STATE_LOST,
)  # fmt: skip


def pose(x: float):
    T = np.eye(4)
    T[:3, 3] = x, 0, 0.8
    return pose_messages(T[None])[0]


def answer(ros, stamp_ns, *objects, late_ms=40):
    items = [
        ObjectPose(
            id=name,
            class_name=name[:-2],
            pose=PoseWithCovariance(pose=pose(x)),
            tracking_state=state,
        )
        for name, x, state in objects
    ]
    message = ObjectPoseArray(
        header=ros.header(stamp_ns),
        objects=items,
        timings=[StageTiming(stage="encode", duration_ms=10.0)],
    )
    return stamp_ns + late_ms * MS, message


def truth(*objects):
    message = Detection3DArray()
    for number, category, x in objects:
        item = Detection3D(id=number)
        hypothesis = ObjectHypothesis(class_id=category, score=1.0)
        result = ObjectHypothesisWithPose(hypothesis=hypothesis)
        result.pose.pose = pose(x)
        item.results = [result]
        message.detections.append(item)
    return message


@pytest.fixture
def report(ros):
    stamps = [i * 33 * MS for i in range(1, 5)]
    answers = [
        answer(ros, stamps[0], ("mug_1", 0.01, CONFIRMED), ("can_2", 0.3, CONFIRMED)),
        answer(ros, stamps[1], ("mug_1", 0.03, COASTING), ("can_2", 0.3, LOST)),
        answer(ros, stamps[3], ("mug_1", 0.21, CONFIRMED), ("can_2", 9.0, CONFIRMED)),
    ]
    truths = {
        stamp: truth(("1", "mug", 0.0), ("2", "mug", 0.2), ("3", "can", 0.3)) for stamp in stamps
    }
    return summarise_tracks(answers, truths, seconds=2.0, cpu_s=0.06, camera_cpu_s=0.004)


def test_each_track_is_compared_with_the_nearest_object_of_its_class(report):
    mug, can = report.tracks
    assert (mug.name, mug.frames, mug.coasting, mug.objects) == ("mug_1", 3, 1, ("1", "2"))
    np.testing.assert_allclose([e[1] for e in mug.errors], [1.0, 3.0, 1.0], atol=1e-6)
    assert mug.medians == pytest.approx((0.0, 1.0))
    # Lost is not reported, and what is far from all objects is nobody's.
    assert (can.name, can.frames, can.objects, len(can.errors)) == ("can_2", 2, ("3",), 1)


def test_speed_counts_the_images_that_were_answered(report):
    assert (report.images, report.answered) == (4, 3)
    assert report.frames_per_second == 1.5
    assert report.cpu_ms_per_frame == pytest.approx(20.0)
    assert report.camera_cpu_ms_per_image == pytest.approx(1.0)
    assert report.latency_ms == 40.0
    assert report.objects_per_image == pytest.approx(4 / 3)  # one coasts
    assert report.stages_ms == pytest.approx({"encode": 10.0})


def test_table_and_json_show_the_same_tracks(report):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.table())
    text = console.export_text()
    assert "1 then 2" in text
    assert "1.5 answered" in text
    assert json.loads(json.dumps(report.to_json()))["tracks"][0]["objects"] == ["1", "2"]


def test_errors_ids_and_refusals_are_summed_up(ros, report):
    assert report.refused == 0
    assert report.ids_per_object == 1.0
    # Of five reported poses one is far from all objects: the 95th percentile is beyond reach.
    assert report.translation_p95_cm is None
    stamps = [i * 33 * MS for i in range(1, 42)]
    answers = [answer(ros, stamp, ("mug_1", 0.01, CONFIRMED)) for stamp in stamps[:38]]
    answers += [answer(ros, stamp, ("mug_2", 0.05, CONFIRMED)) for stamp in stamps[38:40]]
    answers.append(answer(ros, stamps[40]))
    answers[-1][1].rejections = [Rejection(reason="no_transform", instance_id=-1)]
    truths = {stamp: truth(("1", "mug", 0.0)) for stamp in stamps}
    other = summarise_tracks(answers, truths, seconds=2.0, cpu_s=0.06, camera_cpu_s=0.004)
    assert (other.images, other.answered, other.refused) == (41, 40, 1)
    assert other.translation_p95_cm == pytest.approx(1.0)
    assert other.ids_per_object == 2.0


def test_answers_in_the_world_are_compared_there(ros):
    stamp = 33 * MS
    T_world_cam = np.eye(4)
    T_world_cam[:3, 3] = 0.5, 0.0, 0.0
    arrival, message = answer(ros, stamp, ("mug_1", 0.52, CONFIRMED))
    message.header.frame_id = "world"
    found = summarise_tracks(
        [(arrival, message)],
        {stamp: truth(("1", "mug", 0.0))},
        seconds=1.0,
        cpu_s=0.0,
        camera_cpu_s=0.0,
        T_world_cam={stamp: T_world_cam},
    )
    assert found.translation_p95_cm == pytest.approx(2.0)


def test_a_run_without_tracks_makes_an_empty_report():
    empty = summarise_tracks([], {}, seconds=1.0, cpu_s=0.0, camera_cpu_s=0.0)
    assert empty.tracks == ()
    assert empty.frames_per_second == 0.0
