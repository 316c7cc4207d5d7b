# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks of another camera's image than the depth image's."""

from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo
from tf2_ros import StaticTransformBroadcaster
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.estimation import EstimatorSettings, Reason, Rejection
from genpose_ros.geometry import NOCS
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.estimator_node import EstimatorNode
from genpose_ros.ros.frame_builder import build_frame
from genpose_ros.ros.mask_camera import MaskCameraSource, extrinsics_matrix
from genpose_ros.ros.matching import DepthMessage, MaskCamera, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transforms import TransformBuffer
from genpose_ros.tracking import TrackerSettings

COLOUR_FRAME = "other_optical_frame"
#: Points lie 6 cm more to the left for the colour camera, which is twice as fine.
T_COLOUR_DEPTH = np.eye(4)
T_COLOUR_DEPTH[0, 3] = -0.06


def extrinsics(T=T_COLOUR_DEPTH) -> SimpleNamespace:
    """As realsense2_camera_msgs/Extrinsics: column by column."""
    return SimpleNamespace(rotation=T[:3, :3].T.ravel().tolist(), translation=T[:3, 3].tolist())


class TestExtrinsics:
    def test_the_rotation_is_read_column_by_column(self):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], (0.1, 0.2, 0.3)
        np.testing.assert_array_equal(extrinsics_matrix(extrinsics(T)), T)

    @pytest.mark.parametrize(
        "message",
        [
            SimpleNamespace(data=[]),
            SimpleNamespace(rotation=[1.0] * 4, translation=[0.0] * 3),
            SimpleNamespace(rotation=[0.0] * 9, translation=[0.0] * 3),
            SimpleNamespace(rotation=[float("nan")] * 9, translation=[0.0] * 3),
            SimpleNamespace(rotation="abcdefghi", translation=[0.0] * 3),
        ],
    )
    def test_what_is_no_transform_is_named(self, message):
        with pytest.raises(ValueError, match="SimpleNamespace on extrinsics"):
            extrinsics_matrix(message)


@pytest.fixture
def seen(ros):
    """A depth image of two boxes before a wall, and the label image that the colour camera gives.

    The colour camera has a focal length of 120; the boxes lie 6 cm, 9 and 8 pixels, to the left.
    """
    camera = SimpleNamespace(depth_mm=np.full((48, 64), 1500, dtype=np.uint16))
    camera.labels = np.zeros((96, 128), dtype=np.uint8)
    camera.depth_mm[10:20, 10:25], camera.depth_mm[30:40, 40:60] = 800, 900
    camera.labels[20:40, 11:41], camera.labels[60:80, 72:112] = 3, 7
    camera.info = ros.camera_info(96, 128, fx=120.0, fy=120.0)
    return camera


def frame_of(ros, seen, content, source="label_image", info=None, **node):
    calibration = calibration_from_info(info or seen.info)
    matched = Matched(
        DepthMessage(ros.header(5), seen.depth_mm),
        MaskInput(content, source=source),
        calibration_from_info(ros.camera_info()),
        mask_camera=MaskCamera(calibration, T_COLOUR_DEPTH),
    )
    node_settings = NodeSettings(**{"default_category": "mug", **node})
    settings = Settings(
        node=node_settings, estimator=EstimatorSettings(), tracker=TrackerSettings()
    )
    return build_frame(matched, settings, NOCS)


def box(seen, label) -> np.ndarray:
    return seen.depth_mm == {3: 800, 7: 900}[label]


class TestSources:
    def test_labels_are_carried_over_to_the_depth_image(self, ros, seen):
        built = frame_of(ros, seen, seen.labels)
        assert [i.id for i in built.frame.instances] == [3, 7]
        for instance in built.frame.instances:
            away = instance.mask != box(seen, instance.id)
            assert np.count_nonzero(away) <= 40  # a pixel along its border

    def test_labels_of_half_the_resolution_are_scaled(self, ros, seen):
        whole, half = (
            frame_of(ros, seen, labels) for labels in (seen.labels, seen.labels[::2, ::2])
        )
        for a, b in zip(whole.frame.instances, half.frame.instances, strict=True):
            assert np.count_nonzero(a.mask != b.mask) <= 40

    def test_a_class_image_is_divided_as_the_depth_camera_sees_it(self, ros, seen):
        labels = np.where(seen.labels > 0, 5, 0).astype(np.uint8)
        built = frame_of(ros, seen, labels, "semantic", label_categories="5:can")
        assert [(i.id, i.category) for i in built.frame.instances] == [(1, "can"), (2, "can")]

    def test_boxes_are_carried_over_too(self, ros, seen):
        item = Detection2D()
        hypothesis = ObjectHypothesis(class_id="cup", score=0.5)
        item.results = [ObjectHypothesisWithPose(hypothesis=hypothesis)]
        item.bbox.center.position.x, item.bbox.center.position.y = 92.0, 70.0
        item.bbox.size_x, item.bbox.size_y = 44.0, 24.0
        built = frame_of(ros, seen, Detection2DArray(detections=[item]), "boxes")
        (mug,) = built.frame.instances
        assert np.count_nonzero(mug.mask != box(seen, 7)) <= 40

    def test_labels_of_another_aspect_than_their_camera_are_refused(self, ros, seen):
        refused = frame_of(ros, seen, seen.labels[:48])
        assert refused.reason is Reason.SIZE_MISMATCH
        assert "masks are 128 x 48 pixels" in refused.detail

    def test_intrinsics_that_are_none_are_named_as_those_of_the_masks(self, ros, seen):
        refused = frame_of(ros, seen, seen.labels, info=ros.camera_info(96, 128, fx=0.0))
        assert refused.reason is Reason.BAD_INTRINSICS
        assert refused.detail.startswith("mask_camera_info: ")

    def test_a_camera_that_does_not_say_its_size_has_that_of_its_labels(self, ros, seen):
        seen.info.width = seen.info.height = 0
        assert len(frame_of(ros, seen, seen.labels).frame.instances) == 2
        refused = frame_of(ros, seen, Detection2DArray(), "boxes")
        assert refused.reason is Reason.BAD_INTRINSICS
        assert "do not tell" in refused.detail


class TestSource:
    @pytest.fixture
    def source(self):
        return MaskCameraSource(TransformBuffer())

    def test_what_is_missing_is_said(self, ros, source, seen):
        refused = source.find(ros.header(1))
        assert refused.reason is Reason.BAD_INTRINSICS
        assert "mask_camera_info" in refused.detail
        seen.info.header.frame_id = ""
        source.take_camera_info(seen.info)
        assert "names no frame" in source.find(ros.header(1)).detail
        seen.info.header.frame_id = f"/{COLOUR_FRAME}"
        source.take_camera_info(seen.info)
        source.take_extrinsics(SimpleNamespace(rotation=[], translation=[]))
        refused = source.find(ros.header(1))
        assert refused.reason is Reason.NO_TRANSFORM
        assert f"from {ros.frame} to {COLOUR_FRAME}" in refused.detail
        assert "depth_to_color" in refused.detail
        assert "SimpleNamespace on extrinsics" in refused.detail

    def test_extrinsics_need_no_transform(self, ros, source, seen):
        source.take_camera_info(seen.info)
        source.take_extrinsics(extrinsics())
        found = source.find(ros.header(0))
        assert not isinstance(found, Rejection)
        np.testing.assert_array_equal(found.T_mask_depth, T_COLOUR_DEPTH)


@pytest.mark.ros
def test_a_node_with_raw_depth_answers_with_poses_in_the_depth_cameras_frame(ros, benches, seen):
    bench = benches(lambda: None)
    overrides = ros.overrides(
        depth__aligned=False, segmentation__default_category="mug", input_timeout_s=0.0
    )
    bench.node = EstimatorNode(
        make_estimator=ros.FakeEstimator, context=bench.context, parameter_overrides=overrides
    )
    bench.executor.add_node(bench.node)
    camera = ros.Camera(bench.peer)
    camera.depth_mm, camera.labels = seen.depth_mm, seen.labels
    infos = bench.peer.create_publisher(CameraInfo, "mask_camera_info", 10)
    objects = bench.collect(ObjectPoseArray, "/genpose/objects")
    assert bench.spin_until(lambda: camera.ready("depth", "camera_info", "masks"))
    assert bench.spin_until(lambda: bench.node.count_subscribers("/genpose/objects"))
    assert bench.spin_until(infos.get_subscription_count)

    def answered(reason=""):
        """Send frames until one is answered, or refused for a reason."""
        del objects[:]

        def about():
            camera.send()
            bench.spin_for(0.2)
            return [
                m
                for m in objects
                if (reason in [r.reason for r in m.rejections] if reason else m.objects)
            ]

        assert bench.spin_until(about, 30.0), bench.node.rejections.counts
        return about()[-1]

    answered("bad_intrinsics")
    seen.info.header.frame_id = COLOUR_FRAME
    infos.publish(seen.info)
    answered("no_transform")
    message = TransformStamped(header=ros.header(0, COLOUR_FRAME), child_frame_id=ros.frame)
    message.transform.translation.x, message.transform.rotation.w = -0.06, 1.0
    StaticTransformBroadcaster(bench.peer).sendTransform(message)
    found = answered()
    assert found.header.frame_id == ros.frame
    assert [o.instance_id for o in found.objects] == [3, 7]
    place = found.objects[0].pose.pose.position
    assert (place.x, place.y, place.z) == pytest.approx((-0.193, -0.127, 0.8), abs=0.015)
