# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of a camera and a segmenter, made from a frame."""

import numpy as np
import pytest

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.camera_info import calibrated_camera, calibration_from_info
from genpose_ros.ros.demo.camera_messages import frame_messages
from genpose_ros.ros.demo.results import transform_from_pose
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.images import depth_m, depth_pixels, label_pixels
from genpose_ros.ros.masks import instances_from_labels, instances_from_message


@pytest.fixture
def frame() -> RecordedFrame:
    rng = np.random.default_rng(0)
    masks = np.zeros((3, 12, 16), dtype=bool)
    masks[0, 2:5, 3:9], masks[1, 8:11, 1:4] = True, True  # the third is hidden
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, :3], T_cam_obj[:3, 3] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]], (0.1, 0.2, 0.9)
    size_m = np.array([0.1, 0.2, 0.3])
    return RecordedFrame(
        name="probe",
        depth_m=rng.integers(0, 3000, (12, 16)).astype(np.float32) / 1000,
        camera=PinholeCamera(600.5, 601.5, 7.25, 6.75, 16, 12),
        instances=(
            RecordedInstance(7, "mug", masks[0], Truth.DATASET, T_cam_obj, size_m),
            RecordedInstance(3, "can", masks[1], Truth.PSEUDO, T_cam_obj, None),
            RecordedInstance(9, "bowl", masks[2]),
        ),
        color=rng.integers(0, 255, (12, 16, 3), dtype=np.uint8),
    )


@pytest.fixture
def messages(frame, ros):
    return frame_messages(frame, ros.header(12_000_000_345))


def test_images_have_the_encodings_of_a_realsense(frame, messages, ros):
    kinds = [messages.color.encoding, messages.depth.encoding, messages.label.encoding]
    assert kinds == ["rgb8", "16UC1", "mono8"]
    assert [messages.color.step, messages.depth.step, messages.label.step] == [48, 32, 16]
    color = np.frombuffer(messages.color.data, np.uint8).reshape(12, 16, 3)
    np.testing.assert_array_equal(color, frame.color)
    sent = depth_m(depth_pixels(messages.depth))
    np.testing.assert_allclose(sent, frame.depth_m, rtol=1e-6, atol=0)
    for message in (messages.color, messages.depth, messages.label, messages.camera_info):
        assert message.header == ros.header(12_000_000_345)


def test_the_node_understands_camera_and_masks(frame, messages):
    calibration, shape = calibration_from_info(messages.camera_info), frame.depth_m.shape
    for rectified in (True, False):
        assert calibrated_camera(calibration, shape, rectified=rectified) == frame.camera
    labels = label_pixels(messages.label)
    found = instances_from_labels(
        labels, (12, 16), CategoryRules(), messages.detections.detections
    ).instances
    assert [(i.id, i.category) for i in found] == [(3, "can"), (7, "mug")]
    np.testing.assert_array_equal(found[1].mask, frame.instances[0].mask)


def test_the_node_understands_the_instance_masks_too(frame, messages, ros):
    assert messages.instance_masks.header == ros.header(12_000_000_345)
    found = instances_from_message(messages.instance_masks, (12, 16), CategoryRules())
    assert found.rejections == ()
    assert [(i.id, i.category) for i in found.instances] == [(7, "mug"), (3, "can")]
    for instance, shown in zip(found.instances, frame.instances, strict=False):
        np.testing.assert_array_equal(instance.mask, shown.mask)
    first = messages.instance_masks.instances[0]
    assert (first.roi.x_offset, first.roi.y_offset) == (3, 2)
    assert (first.roi.width, first.roi.height, len(first.mask)) == (6, 3, 18)


def test_boxes_enclose_the_masks(messages):
    box = messages.detections.detections[0].bbox
    assert (box.center.position.x, box.center.position.y) == (6.0, 3.5)
    assert (box.size_x, box.size_y) == (6.0, 3.0)
    assert [d.id for d in messages.detections.detections] == ["7", "3"]  # 9 has no pixel


def test_ground_truth_says_how_far_to_trust_it(frame, messages):
    exact, pseudo, unknown = messages.ground_truth.detections
    np.testing.assert_allclose(
        transform_from_pose(exact.bbox.center), frame.instances[0].T_cam_obj, atol=1e-12
    )
    assert exact.results[0].pose.pose == exact.bbox.center
    assert (exact.bbox.size.x, exact.bbox.size.y, exact.bbox.size.z) == (0.1, 0.2, 0.3)
    scores = [d.results[0].hypothesis.score for d in (exact, pseudo)]
    assert scores == [1.0, 0.5]
    assert (unknown.id, unknown.results) == ("9", [])


def test_ids_that_mono8_cannot_hold_are_refused(frame, ros):
    instance = RecordedInstance(255, "mug", frame.instances[0].mask)
    bad = RecordedFrame("probe", frame.depth_m, frame.camera, (instance,))
    with pytest.raises(ValueError, match=r"1 to 254, got \[255\]"):
        frame_messages(bad, ros.header())


def test_without_colour_the_depth_is_shown(frame, ros):
    plain = RecordedFrame("probe", frame.depth_m, frame.camera, frame.instances)
    assert frame_messages(plain, ros.header()).color.encoding == "rgb8"
