# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A stored frame through the node over real topics, compared with its ground truth."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as PictureFile
from rclpy.parameter import Parameter
from scipy.spatial.transform import Rotation
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.geometry.symmetry import rotation_error_deg
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros
#: Categories whose medians are promised.
PROMISED = {"bottle", "bowl", "can", "laptop"}


@pytest.fixture(params=["simulated", "recorded"])
def recorded(request) -> SimpleNamespace:
    """A simulated frame with seven objects, and one of REAL275 with five where it is."""
    if request.param == "simulated":
        folder, promised = request.getfixturevalue("simulated_frames") / "table_0", (3.0, 1.0)
    else:
        recorded = request.getfixturevalue("recorded_frames")
        folder, promised = recorded / "real275_train" / "real_train_scene1_0000", (10.0, 2.0)
    return SimpleNamespace(
        max_median_deg=promised[0],
        max_median_cm=promised[1],
        depth_mm=np.asarray(PictureFile.open(folder / "depth.png")).astype(np.uint16),
        labels=np.asarray(PictureFile.open(folder / "mask.png")).astype(np.uint8),
        truth=json.loads((folder / "label.json").read_text()),
    )


def start(benches, ros, **node_arguments):
    """A node on a bench, a camera and what it publishes."""
    bench = benches(lambda: None)
    overrides = [Parameter("input_timeout_s", value=0.0), Parameter("device", value="cpu")]
    bench.node = EstimatorNode(
        context=bench.context, parameter_overrides=overrides, **node_arguments
    )
    bench.executor.add_node(bench.node)
    bench.camera = ros.Camera(bench.peer)
    bench.objects = bench.collect(ObjectPoseArray, "/genpose/objects")
    topics = ("depth", "camera_info", "masks", "mask_detections")
    assert bench.spin_until(lambda: bench.camera.ready(*topics))
    assert bench.spin_until(lambda: bench.node.count_subscribers("/genpose/objects"))
    bench.spin_for(0.2)
    return bench


def play(bench, ros, recorded) -> ObjectPoseArray:
    """Publish the frame until it is answered: best-effort subscribers may miss a message."""
    k = np.array(recorded.truth["K"])
    info = ros.camera_info(*recorded.depth_mm.shape)
    info.k = k.ravel()
    info.p = np.hstack((k, np.zeros((3, 1)))).ravel()

    def answered() -> bool:
        stamp = bench.camera.stamp_ns = bench.camera.stamp_ns + 33_000_000
        bench.camera.publish(
            camera_info=info,
            depth=ros.image(recorded.depth_mm, stamp),
            masks=ros.image(recorded.labels, stamp),
            mask_detections=detections(ros, recorded, stamp),
        )
        return bench.spin_until(lambda: bench.objects, 10.0)

    assert bench.spin_until(answered, 120.0)
    return bench.objects[0]


def detections(ros, recorded, stamp_ns: int) -> Detection2DArray:
    message = Detection2DArray(header=ros.header(stamp_ns))
    for instance in recorded.truth["instances"]:
        hypothesis = ObjectHypothesis(class_id=instance["category"], score=1.0)
        message.detections.append(
            Detection2D(
                id=str(instance["id"]),
                results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
            )
        )
    return message


def test_the_estimator_gets_the_frame_as_it_was_recorded(benches, ros, recorded):
    estimators = []

    def make(settings):
        estimators.append(ros.FakeEstimator(settings))
        return estimators[-1]

    bench = start(benches, ros, make_estimator=make)
    message = play(bench, ros, recorded)
    frame = estimators[0].frames[-1]
    np.testing.assert_allclose(frame.depth_m, recorded.depth_mm / 1000.0, rtol=1e-6)
    np.testing.assert_allclose(frame.camera.matrix, recorded.truth["K"])
    categories = {i["id"]: i["category"] for i in recorded.truth["instances"]}
    assert {i.id: i.category for i in frame.instances} == categories
    for instance in frame.instances:
        np.testing.assert_array_equal(instance.mask, recorded.labels == instance.id)
    assert {o.instance_id: o.class_name for o in message.objects} == categories


def test_estimates_agree_with_the_ground_truth(benches, ros, recorded):
    bench = start(benches, ros)
    message = play(bench, ros, recorded)
    found = {o.instance_id: o for o in message.objects}
    truth = {t["id"]: t for t in recorded.truth["instances"]}
    assert found.keys() == truth.keys(), [r.detail for r in message.rejections]
    errors = [errors_of(found[i], t) for i, t in truth.items() if t["category"] in PROMISED]
    median_deg, median_cm = np.median(errors, axis=0)
    assert median_deg < recorded.max_median_deg, errors
    assert median_cm < recorded.max_median_cm, errors


def errors_of(item, truth) -> tuple[float, float]:
    """Rotation error in degrees by the NOCS rules and translation error in centimetres."""
    q, p = item.pose.pose.orientation, item.pose.pose.position
    rotation = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    angle = rotation_error_deg(rotation, np.array(truth["R"]), truth["category"])
    return float(angle), 100.0 * float(np.linalg.norm(np.array([p.x, p.y, p.z]) - truth["t"]))
