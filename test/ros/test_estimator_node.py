# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node over real topics, in one process, with an estimator that needs no network."""

import io
import math
import resource
import time

import numpy as np
import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseArray, TransformStamped
from PIL import Image as PILImage
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    Detection3DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionInfo,
)
from visualization_msgs.msg import Marker, MarkerArray

from genpose_ros.estimation.reasons import Reason
from genpose_ros.geometry.categories import NOCS
from genpose_ros.msg import CategoryArray, InstanceMask, InstanceMasks, ObjectPoseArray
from genpose_ros.ros.diagnostics import Diagnostics, status
from genpose_ros.ros.estimator_node import EstimatorNode
from genpose_ros.ros.frame_files import read_frame_file

pytestmark = pytest.mark.ros


class Rig:
    """The node, a camera and everything that the node publishes."""

    def __init__(self, ros, benches, **parameters):
        values = {"segmentation__default_category": "mug", "input_timeout_s": 0.0, **parameters}
        self.ros, self.made = ros, []
        self.bench = benches(lambda: None)
        self.node = EstimatorNode(
            make_estimator=self.make_estimator,
            context=self.bench.context,
            parameter_overrides=ros.overrides(**values),
        )
        self.bench.node = self.node
        self.bench.executor.add_node(self.node)
        self.lines: list[str] = []
        self.node.rejections.warn = self.lines.append
        self.camera = ros.Camera(self.bench.peer)
        self.objects = self.bench.collect(ObjectPoseArray, "/genpose/objects")
        self.poses = self.bench.collect(PoseArray, "/genpose/poses")
        self.connect("depth", "camera_info", self.mask_topic)

    def make_estimator(self, settings):
        self.made.append(self.ros.FakeEstimator(settings))
        return self.made[-1]

    @property
    def mask_topic(self):
        source = self.node.get_parameter("segmentation.mask_source").value
        return {"instance_masks": source, "boxes": "mask_detections"}.get(source, "masks")

    @property
    def estimator(self):
        return self.made[-1]

    def connect(self, *names):
        assert self.bench.spin_until(lambda: self.camera.ready(*names))
        assert self.bench.spin_until(lambda: self.heard("objects", "poses"))
        self.bench.spin_for(0.1)

    def heard(self, *outputs):
        """Whether the node has found a subscriber of each of its outputs."""
        return all(self.node.count_subscribers(f"/genpose/{name}") for name in outputs)

    def answer(self, **changes):
        """Send a frame and return the message about it."""
        before, stamp = len(self.objects), self.camera.send(**changes)

        def about_it():
            return [m for m in self.objects[before:] if stamp_of(m) == stamp]

        assert self.bench.spin_until(about_it)
        return about_it()[0]

    def reasons(self):
        return self.node.rejections.counts


def stamp_of(message):
    """The stamp in nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def xyz(vector):
    """The components of a point or a vector."""
    return [vector.x, vector.y, vector.z]


@pytest.fixture
def rig(ros, benches):
    return Rig(ros, benches)


def expected_centre(camera, label):
    """Mean of the back-projected pixels of a label, by hand; focal length 60, centre (32, 24)."""
    v, u = np.nonzero(camera.labels == label)
    z = camera.depth_mm[v, u] / 1000.0
    return [np.mean((u - 32.0) / 60 * z), np.mean((v - 24.0) / 60 * z), np.mean(z)]


@pytest.mark.parametrize(
    ("given", "usual", "cores", "expected"),
    [(3, 8, 8, 3), (0, 8, 4, 3), (0, 2, 2, 1), (0, 1, 8, 1), (0, 1, 1, 1)],
)
def test_threads_leave_a_core_free_unless_a_number_is_given(
    ros, benches, monkeypatch, given, usual, cores, expected
):
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: usual)
    monkeypatch.setattr("genpose_ros.ros.estimator_node.usable_cores", lambda: cores)
    Rig(ros, benches, threads=given).answer()
    assert taken == [expected]


def test_a_depth_image_and_labels_become_poses(rig):
    detections = rig.bench.collect(Detection3DArray, "/genpose/detections")
    transforms = rig.bench.collect(TFMessage, "/tf")
    markers = rig.bench.collect(MarkerArray, "/genpose/markers")
    rig.bench.spin_for(0.3)
    message = rig.answer()
    assert rig.bench.spin_until(lambda: rig.poses and detections and transforms and markers)
    stamp = message.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == rig.camera.stamp_ns
    for other in (
        rig.poses[-1],
        detections[-1],
        transforms[-1].transforms[0],
        *markers[-1].markers,
    ):
        assert other.header == message.header
    assert message.header.frame_id == rig.ros.frame
    assert [(o.instance_id, o.class_name) for o in message.objects] == [(3, "mug"), (7, "mug")]
    for item, pose in zip(message.objects, rig.poses[-1].poses, strict=True):
        position = pose.position
        centre = expected_centre(rig.camera, item.instance_id)
        np.testing.assert_allclose([position.x, position.y, position.z], centre, atol=1e-6)
        assert item.pose.pose == pose
        covariance = np.diag(np.reshape(item.pose.covariance, (6, 6)))
        np.testing.assert_array_equal(covariance, [1e-6, 2e-6, 3e-6, 1e-4, 2e-4, 3e-4])
    assert [t.child_frame_id for t in transforms[-1].transforms] == ["mug_3", "mug_7"]
    assert rig.reasons() == {}


def test_no_objects_are_published_as_nothing(rig):
    empty = np.zeros_like(rig.camera.labels)
    message = rig.answer(masks=rig.ros.image(empty, rig.camera.stamp_ns + 33_000_000))
    assert list(message.objects) == []
    assert rig.bench.spin_until(lambda: rig.poses)
    assert rig.poses[-1].poses == []
    assert rig.poses[-1].header == message.header
    assert rig.reasons() == {}


def test_a_mask_that_was_there_and_is_gone_deletes_its_markers(rig):
    markers = rig.bench.collect(MarkerArray, "/genpose/markers")
    rig.bench.spin_for(0.3)
    rig.answer()
    rig.camera.labels[rig.camera.labels == 3] = 0
    rig.answer()
    assert rig.bench.spin_until(lambda: len(markers) == 2)
    deleted = [(m.ns, m.id) for m in markers[1].markers if m.action == Marker.DELETE]
    assert deleted == [(ns, 3) for ns in ("axes", "box", "label", "covariance")]


def test_points_and_candidates_are_published_only_to_subscribers(rig):
    rig.answer()
    points = rig.bench.collect(PointCloud2, "/genpose/points")
    candidates = rig.bench.collect(PoseArray, "/genpose/candidates")
    assert rig.bench.spin_until(lambda: rig.heard("points", "candidates"))
    rig.bench.spin_for(0.3)
    rig.answer()
    assert rig.bench.spin_until(lambda: points and candidates)
    assert (points[-1].width, len(candidates[-1].poses)) == (16, 8)


def test_masks_half_a_second_later_get_their_own_depth(rig):
    rig.camera.send(masks=None)
    stamp_ns, late = rig.camera.stamp_ns, rig.ros.image(rig.camera.labels, rig.camera.stamp_ns)
    rig.camera.depth_mm = rig.camera.depth_mm * 2
    for _ in range(15):
        rig.camera.send(masks=None)
        rig.bench.spin_for(0.02)
    rig.camera.publish(masks=late)
    assert rig.bench.spin_until(lambda: rig.objects)
    assert stamp_of(rig.objects[0]) == stamp_ns
    assert rig.objects[0].objects[0].pose.pose.position.z == pytest.approx(0.8, abs=1e-6)


def test_the_newest_frame_wins_when_the_estimator_is_slow(rig):
    rig.estimator.delay_s = 0.3
    for _ in range(20):
        rig.camera.send()
        rig.bench.spin_for(0.02)
    last = rig.camera.stamp_ns
    assert rig.bench.spin_until(lambda: rig.objects and stamp_of(rig.objects[-1]) == last)
    dropped = rig.node.account.dropped["newer_frame"]
    assert dropped >= 15
    assert len(rig.objects) + dropped == 20


class TestClasses:
    def detections(self, rig, *names):
        message = Detection2DArray(header=rig.ros.header(rig.camera.stamp_ns + 33_000_000))
        for name in names:
            hypothesis = ObjectHypothesis(class_id=name, score=0.6)
            message.detections.append(
                Detection2D(results=[ObjectHypothesisWithPose(hypothesis=hypothesis)])
            )
        return message

    def test_classes_come_from_detections_of_the_same_image(self, ros, benches):
        rig = Rig(ros, benches, segmentation__default_category="")
        rig.connect("mask_detections")
        message = rig.answer(mask_detections=self.detections(rig, "can", "laptop"))
        assert [o.class_name for o in message.objects] == ["can", "laptop"]
        assert message.objects[0].detection_score == pytest.approx(0.6)

    def test_classes_come_from_the_map_of_labels(self, ros, benches):
        rig = Rig(
            ros,
            benches,
            segmentation__default_category="",
            segmentation__label_categories="3:bowl, 7:bottle",
        )
        assert [o.class_name for o in rig.answer().objects] == ["bowl", "bottle"]

    def test_objects_of_unknown_class_are_refused_by_name(self, ros, benches):
        rig = Rig(ros, benches, segmentation__default_category="", sync__wait_s=0.1)
        message = rig.answer()
        assert list(message.objects) == []
        assert [r.reason for r in message.rejections] == ["unknown_category"] * 2
        assert "no detections of its stamp" in message.rejections[0].detail
        assert len(rig.lines) == 1

    def test_a_class_that_no_model_knows_is_refused_with_those_that_are_known(self, ros, benches):
        rig = Rig(ros, benches, segmentation__default_category="")
        rig.connect("mask_detections")
        message = rig.answer(mask_detections=self.detections(rig, "can", "drill"))
        assert [o.class_name for o in message.objects] == ["can"]
        (refused,) = message.rejections
        assert (refused.reason, refused.instance_id) == ("unknown_category", 7)
        assert refused.detail.startswith(
            "class 'drill' is none of bottle, bowl, camera, can, laptop, mug; "
        )
        rig.answer(mask_detections=self.detections(rig, "can", "drill"))
        assert len(rig.lines) == 1
        assert "class 'drill' is none of" in rig.lines[0]

    def test_the_categories_of_the_models_are_told_to_late_subscribers(self, ros, benches):
        rig = Rig(ros, benches)
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        told = rig.bench.collect(CategoryArray, "/genpose/categories", latched)
        numbers = rig.bench.collect(LabelInfo, "/genpose/label_info", latched)
        where = rig.bench.collect(VisionInfo, "/genpose/vision_info", latched)
        assert rig.bench.spin_until(lambda: told and numbers and where)
        assert [c.class_name for c in numbers[0].class_map] == list(NOCS.names)
        assert where[0].database_location == "/genpose/label_info"
        assert [info.name for info in told[0].categories] == list(NOCS.names)
        assert told[0].header.stamp.sec > 0

    def test_a_default_category_that_no_model_knows_is_refused(self, ros, benches):
        rig = Rig(ros, benches)
        values = {"segmentation.default_category": "spoon"}
        (result,) = rig.node.set_parameters([Parameter(n, value=v) for n, v in values.items()])
        assert not result.successful
        assert result.reason.startswith("unknown category 'spoon'; expected one of bottle, ")
        assert [o.class_name for o in rig.answer().objects] == ["mug", "mug"]
        with pytest.raises(ValueError, match="unknown category 'spoon'"):
            Rig(ros, benches, segmentation__default_category="spoon")


def test_instance_masks_bring_everything_in_one_message(ros, benches):
    rig = Rig(
        ros, benches, segmentation__mask_source="instance_masks", segmentation__default_category=""
    )
    mask = (rig.camera.labels == 7).astype(np.uint8).tobytes()
    item = InstanceMask(id=12, class_name="camera", score=0.5, mask=mask)
    header = ros.header(rig.camera.stamp_ns + 33_000_000)
    masks = InstanceMasks(header=header, height=48, width=64, instances=[item])
    message = rig.answer(masks=None, instance_masks=masks)
    assert [(o.instance_id, o.class_name) for o in message.objects] == [(12, "camera")]
    position = message.objects[0].pose.pose.position
    centre = expected_centre(rig.camera, 7)
    np.testing.assert_allclose([position.x, position.y, position.z], centre, atol=1e-6)


def test_a_reset_is_answered_though_there_are_no_tracks(rig):
    client = rig.bench.peer.create_client(Trigger, "/genpose/reset_tracks")
    assert client.wait_for_service(10.0)
    future = client.call_async(Trigger.Request())
    assert rig.bench.spin_until(future.done)
    assert future.result().success
    assert future.result().message == "there are no tracks in mode estimate"


def test_the_last_frame_is_written_on_request_where_a_folder_is_named(ros, benches, tmp_path):
    rig = Rig(ros, benches, dump__folder=str(tmp_path))
    client = rig.bench.peer.create_client(Trigger, "/genpose/dump_frame")
    assert client.wait_for_service(10.0)
    rig.answer()
    future = client.call_async(Trigger.Request())
    assert rig.bench.spin_until(future.done)
    path = tmp_path / f"frame_{rig.camera.stamp_ns}_asked.npz"
    assert future.result().success
    assert future.result().message == f"{path} is being written"
    assert rig.bench.spin_until(path.is_file)
    kept = read_frame_file(path)
    assert [(o.number, o.category) for o in kept.objects] == [(3, "mug"), (7, "mug")]
    refused = rig.node.set_parameters([Parameter("dump.folder", value="/somewhere/else")])
    assert not refused[0].successful


def test_the_quality_of_service_of_every_endpoint_can_be_overridden(ros, benches):
    frames = {"mode": "track", "fixed_frame": "world", "target_frame": "base"}
    depth = {f"qos_overrides.{name}.depth": 7 for name in ("/tf.publisher", "/tf.subscription")}
    bench = benches(lambda: None)
    node = bench.node = EstimatorNode(
        # A name of its own: the graph may still hold the nodes of other tests.
        node_name="overridden",
        make_estimator=ros.FakeEstimator,
        make_tracker=ros.FakeTracker,
        context=bench.context,
        parameter_overrides=ros.overrides(**frames, **depth),
    )
    bench.executor.add_node(node)

    def without_overrides():
        sent = node.get_publisher_names_and_types_by_node("overridden", "/")
        heard = node.get_subscriber_names_and_types_by_node("overridden", "/")
        endpoints = [f"{topic}.publisher" for topic, _ in sent]
        endpoints += [f"{topic}.subscription" for topic, _ in heard]
        return {n for n in endpoints if not node.has_parameter(f"qos_overrides.{n}.depth")}

    # What rclpy and the action make themselves takes no options.
    made_by_ros = {"/rosout", "/parameter_events", "/overridden/transition_event"}
    made_by_ros |= {
        f"/overridden/estimate_frames/_action/{name}" for name in ("feedback", "status")
    }
    expected = {f"{topic}.publisher" for topic in made_by_ros}
    assert bench.spin_until(lambda: without_overrides() == expected), without_overrides()
    for name in depth:
        assert node.get_parameter(name).value == 7


@pytest.mark.parametrize(
    ("namespace", "prefix", "expected"),
    [("", "auto", "mug_3"), ("/robot/left", "auto", "robot/left/mug_3"), ("/left", "", "mug_3")],
)
def test_the_frames_of_a_node_in_a_namespace_begin_with_it(
    ros, benches, namespace, prefix, expected
):
    bench = benches(lambda: None)
    node = bench.node = EstimatorNode(
        make_estimator=ros.FakeEstimator,
        context=bench.context,
        namespace=namespace,
        parameter_overrides=ros.overrides(tf_prefix=prefix, segmentation__default_category="mug"),
    )
    bench.executor.add_node(node)
    transforms = bench.collect(TFMessage, "/tf")
    camera = ros.Camera(bench.peer, namespace)
    assert bench.spin_until(lambda: camera.ready("depth", "camera_info", "masks"))
    assert bench.spin_until(lambda: node.count_subscribers("/tf"))
    bench.spin_for(0.1)

    def sent():
        camera.send()
        return bench.spin_until(lambda: transforms, 0.3)

    assert bench.spin_until(sent)
    assert transforms[0].transforms[0].child_frame_id == expected


def test_a_camera_with_the_name_of_an_objects_frame_is_not_its_own_parent(rig):
    lines = []
    rig.node.get_logger().warning = lambda line, **_: lines.append(line)
    transforms = rig.bench.collect(TFMessage, "/tf")
    assert rig.bench.spin_until(lambda: rig.node.count_subscribers("/tf"))
    rig.bench.spin_for(0.1)

    def sent():
        camera, stamp_ns = rig.camera, rig.camera.stamp_ns + 33_000_000
        messages = {
            "camera_info": rig.ros.camera_info(stamp_ns=stamp_ns),
            "depth": rig.ros.image(camera.depth_mm, stamp_ns),
            "masks": rig.ros.image(camera.labels, stamp_ns),
        }
        for message in messages.values():
            message.header.frame_id = "mug_3"
        camera.send(**messages)
        return rig.bench.spin_until(lambda: transforms, 0.3)

    assert rig.bench.spin_until(sent)
    frames = [(t.header.frame_id, t.child_frame_id) for t in transforms[0].transforms]
    assert frames == [("mug_3", "mug_7")]
    assert any(
        "the frame mug_3 of the outputs has the name of an object's" in line for line in lines
    )


def test_enable_turns_it_off_and_on(rig):
    client = rig.bench.peer.create_client(SetBool, "/genpose/enable")
    assert client.wait_for_service(10.0)
    for enabled in (False, True):
        future = client.call_async(SetBool.Request(data=enabled))
        assert rig.bench.spin_until(future.done)
        assert future.result().success
        before = len(rig.objects)
        rig.camera.send()
        rig.bench.spin_until(lambda: len(rig.objects) > before, 2.0 if enabled else 0.4)  # noqa: B023
        assert len(rig.objects) == before + enabled


class TestParameters:
    def test_a_change_reaches_the_next_frame(self, rig):
        rig.answer()
        (result,) = rig.node.set_parameters([Parameter("sampling.steps", value=3)])
        assert result.successful
        rig.answer()
        assert [e.n_frames for e in rig.made] == [1, 1]
        assert rig.estimator.settings.steps == 3

    def test_the_node_outlives_a_parameter_of_unknown_type(self, rig, ros):
        """rclpy raises out of spin there, for any peer's message."""
        client = rig.bench.peer.create_client(SetParameters, "/genpose/set_parameters")
        assert client.wait_for_service(10.0)
        odd = ParameterMessage(name="sampling.steps", value=ParameterValue(type=77))
        client.call_async(SetParameters.Request(parameters=[odd]))
        with pytest.raises(ValueError, match="77"):
            rig.bench.spin_for(1.0)
        assert len(rig.answer().objects) == 2

    def test_simulated_time_that_stands_still_stops_nothing(self, rig):
        (result,) = rig.node.set_parameters([Parameter("use_sim_time", value=True)])
        assert result.successful
        assert len(rig.answer().objects) == 2
        rig.camera.send(depth=None)
        assert rig.bench.spin_until(lambda: Reason.NO_DEPTH_FOR_MASKS in rig.reasons(), 5.0)


class TestTargetFrame:
    def test_all_outputs_are_given_there_at_the_time_of_the_image(self, ros, benches):
        """The camera looks along the world's x axis and is 5 m along it from the origin."""
        rig = Rig(ros, benches, target_frame="world")
        names = {"points": PointCloud2, "candidates": PoseArray, "markers": MarkerArray}
        others = {n: rig.bench.collect(kind, f"/genpose/{n}") for n, kind in names.items()}
        transforms = rig.bench.collect(TFMessage, "/tf")
        assert rig.bench.spin_until(lambda: rig.heard(*names))
        message = TransformStamped(header=ros.header(1, "world"), child_frame_id=ros.frame)
        message.transform.translation.x = 5.0
        q = message.transform.rotation
        q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
        broadcaster = StaticTransformBroadcaster(rig.bench.peer)
        broadcaster.sendTransform(message)
        rig.bench.spin_for(0.3)
        answer = rig.answer()
        assert rig.bench.spin_until(lambda: all([rig.poses, transforms, *others.values()]))
        x, y, z = expected_centre(rig.camera, 3)
        expected = pytest.approx([5.0 + z, -x, -y], abs=1e-6)
        pose = answer.objects[0].pose.pose
        assert xyz(pose.position) == expected
        variances = np.diag(np.reshape(answer.objects[0].pose.covariance, (6, 6)))
        np.testing.assert_allclose(variances, [3e-6, 1e-6, 2e-6, 3e-4, 1e-4, 2e-4], atol=1e-12)
        markers, cloud = others["markers"][-1].markers, others["points"][-1]
        assert rig.poses[-1].poses[0] == markers[0].pose == pose
        assert xyz(transforms[-1].transforms[0].transform.translation) == expected
        # The estimator's points lie at (0.8, 0.8, 0.8), its candidates at (0.1, -0.2, 0.8).
        (first, *_) = np.frombuffer(cloud.data, dtype="<f4,<f4,<f4,<i4").tolist()
        assert first == pytest.approx((5.8, -0.8, -0.8, 3), abs=1e-6)
        assert xyz(others["candidates"][-1].poses[0].position) == pytest.approx([5.8, -0.1, 0.2])
        headers = [cloud.header, markers[0].header, transforms[-1].transforms[0].header]
        headers += [rig.poses[-1].header, others["candidates"][-1].header, answer.header]
        assert {header.frame_id for header in headers} == {"world"}
        assert {(h.stamp.sec, h.stamp.nanosec) for h in headers} == {
            divmod(rig.camera.stamp_ns, 10**9)
        }

    def test_a_transform_that_is_missing_for_good_does_not_hold_up_every_frame(self, ros, benches):
        rig = Rig(
            ros, benches, target_frame="world", transform_wait_s=0.5, input_reliability="reliable"
        )
        start_s = time.monotonic()
        for _ in range(6):
            rig.camera.send()
            rig.bench.spin_for(0.02)
        assert rig.bench.spin_until(lambda: len(rig.objects) == 6)
        # They wait together; one after the other it would be 3 s.
        assert time.monotonic() - start_s < 2.0
        assert rig.node.rejections.counts == {Reason.NO_TRANSFORM: 6}

    def test_without_a_transform_nothing_wrong_is_published(self, ros, benches):
        rig = Rig(ros, benches, target_frame="world", transform_wait_s=0.05)
        message = rig.answer()
        assert list(message.objects) == []
        assert [r.instance_id for r in message.rejections] == [-1]
        assert "world" in message.rejections[0].detail
        rig.bench.spin_for(0.2)
        assert rig.poses == []


def named(collected, namespace) -> bool:
    """Whether a state of a node in a namespace has come."""
    return any(
        namespace in s.name or namespace in s.hardware_id for m in collected for s in m.status
    )


class TestDiagnostics:
    def statuses(self, rig):
        """The newest state of each part, by its name."""
        collected = rig.bench.collect(DiagnosticArray, "/diagnostics")
        return lambda: {s.name: s for m in collected for s in m.status}

    def values(self, state):
        return {item.key: item.value for item in state.values}

    def test_the_parts_of_the_node_report_in_mode_estimate_too(self, rig):
        statuses = self.statuses(rig)

        def reported():
            rig.camera.depth_mm[0, 0] += 1  # noise, as of every camera
            rig.camera.send()
            rig.bench.spin_for(0.05)
            state = statuses().get("genpose: inputs")
            return state and float(self.values(state)["/masks rate, Hz"]) > 2

        assert rig.bench.spin_until(reported)
        found = statuses()
        parts = ("inputs", "rejections", "frames", "estimator", "worker", "parameters", "up")
        assert set(found) == {f"genpose: {part}" for part in parts}
        assert {s.level for s in found.values()} == {DiagnosticStatus.OK}
        inputs = self.values(found["genpose: inputs"])
        assert float(inputs["/depth rate, Hz"]) > 2
        assert 0 <= float(inputs["/camera_info age, s"]) < 2
        assert inputs["/mask_detections age, s"] == "none"
        assert float(inputs["masks matched, %"]) > 50
        estimator = self.values(found["genpose: estimator"])
        assert (estimator["mode"], estimator["preset"]) == ("estimate", "fast")
        assert float(estimator["frames published per second"]) > 2

    def test_an_estimator_whose_warm_up_failed_is_not_warming_up_for_ever(
        self, ros, benches, monkeypatch
    ):
        def fail(_):
            raise RuntimeError("no kernel")

        monkeypatch.setattr(ros.FakeEstimator, "warm_up", fail)
        rig = Rig(ros, benches)
        rig.answer()
        statuses = self.statuses(rig)
        assert rig.bench.spin_until(lambda: "genpose: estimator" in statuses())
        assert statuses()["genpose: estimator"].message.endswith("frames per second")
        assert rig.reasons() == {Reason.INTERNAL_ERROR: 1}

    def test_nodes_of_one_name_in_two_namespaces_have_states_of_different_names(self, benches):
        bench = benches(lambda: None)
        collected = bench.collect(DiagnosticArray, "/diagnostics")
        for namespace in ("left", "/arm/right"):
            node = Node("genpose", namespace=namespace, context=bench.context)
            diagnostics = Diagnostics(node, lambda: [status("inputs", "fine", {}, warn=False)])
            assert bench.spin_until(lambda node=node: node.count_subscribers("/diagnostics"))
            bench.spin_for(0.2)
            diagnostics.publish()
            assert bench.spin_until(lambda name=namespace: named(collected, name))
            node.destroy_node()
        assert {(s.name, s.hardware_id) for m in collected for s in m.status} == {
            ("left/genpose: inputs", "/left/genpose"),
            ("arm/right/genpose: inputs", "/arm/right/genpose"),
        }

    def test_rejections_are_counted_by_reason(self, rig):
        statuses = self.statuses(rig)
        for _ in range(3):
            rig.camera.send(depth=None, masks=rig.ros.image(rig.camera.depth_mm, encoding="rgb8"))
            rig.bench.spin_for(0.05)

        def counted():
            state = statuses().get("genpose: rejections")
            return state and self.values(state).get("bad_encoding") == "3"

        assert rig.bench.spin_until(counted)


def spoiled_info(ros, **changes):
    message = ros.camera_info()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


class TestBadInput:
    """Each has its reason and one line, and the next good frame is processed."""

    def assert_refused(self, rig, reason, count=3, **changes):
        """Send bad frames, then a good one."""
        for _ in range(count):
            stamp = rig.camera.stamp_ns + 33_000_000
            made = {k: v(stamp) if callable(v) else v for k, v in changes.items()}
            rig.camera.send(**made)
            rig.bench.spin_for(0.05)
        assert rig.bench.spin_until(lambda: rig.reasons().get(reason, 0) >= 1), rig.reasons()
        rig.bench.spin_for(0.2)
        before = rig.estimator.n_frames
        good = rig.answer()
        while rig.estimator.n_frames == before:
            good = rig.answer()
        assert [o.instance_id for o in good.objects] == [3, 7]
        assert list(good.rejections) == []
        about = [line for line in rig.lines if f"rejected, {reason.value}:" in line]
        assert len(about) == 1, rig.lines
        self.assert_finite(rig)

    def assert_finite(self, rig):
        for message in rig.objects:
            for item in message.objects:
                p, q = item.pose.pose.position, item.pose.pose.orientation
                numbers = [p.x, p.y, p.z, q.x, q.y, q.z, q.w, *item.pose.covariance, item.score]
                assert all(map(math.isfinite, numbers))
        for message in rig.poses:
            for pose in message.poses:
                assert math.isfinite(pose.position.x + pose.orientation.w)

    @pytest.mark.parametrize("topic", ["depth", "masks"])
    def test_a_truncated_image_is_refused(self, rig, topic):
        def cut(stamp):
            image = rig.camera.depth_mm if topic == "depth" else rig.camera.labels
            message = rig.ros.image(image, stamp)
            message.data = message.data[: len(message.data) // 2]
            return message

        self.assert_refused(rig, Reason.TRUNCATED_IMAGE, **{topic: cut})

    @pytest.mark.parametrize("topic", ["depth", "masks"])
    def test_an_image_without_bytes_is_refused(self, rig, topic):
        def empty(stamp):
            message = rig.ros.image(rig.camera.labels.astype(np.uint16), stamp)
            message.data = b""
            return message

        self.assert_refused(rig, Reason.TRUNCATED_IMAGE, **{topic: empty})

    @pytest.mark.parametrize("topic", ["depth", "masks"])
    def test_an_image_of_a_wrong_encoding_is_refused(self, rig, topic):
        image = lambda stamp: rig.ros.image(  # noqa: E731
            rig.camera.depth_mm, stamp, encoding="rgb8"
        )
        self.assert_refused(rig, Reason.BAD_ENCODING, **{topic: image})

    @pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -600.0])
    def test_intrinsics_that_are_none_refuse_the_frame(self, rig, value):
        self.assert_refused(
            rig,
            Reason.BAD_INTRINSICS,
            camera_info=lambda _: spoiled_info(rig.ros, k=[value] * 9, p=[value] * 12),
        )

    def test_masks_of_another_size_are_refused(self, rig):
        self.assert_refused(
            rig,
            Reason.SIZE_MISMATCH,
            masks=lambda stamp: rig.ros.image(np.ones((48, 60), np.uint8), stamp),
        )

    def test_depth_of_another_size_is_refused(self, rig):
        self.assert_refused(
            rig,
            Reason.SIZE_MISMATCH,
            depth=lambda stamp: rig.ros.image(np.ones((96, 64), np.uint16), stamp),
        )

    def test_a_camera_info_of_another_size_refuses_the_frame(self, rig):
        self.assert_refused(rig, Reason.SIZE_MISMATCH, camera_info=rig.ros.camera_info(480, 640))

    def test_masks_without_depth_are_refused(self, rig):
        self.assert_refused(rig, Reason.NO_DEPTH_FOR_MASKS, depth=None)

    def test_depth_without_a_frame_is_refused(self, rig):
        self.assert_refused(
            rig,
            Reason.EMPTY_FRAME_ID,
            depth=lambda stamp: rig.ros.image(rig.camera.depth_mm, stamp, frame_id=""),
        )

    def test_depth_out_of_order_is_refused(self, rig):
        rig.answer()
        depth = lambda stamp: rig.ros.image(  # noqa: E731
            rig.camera.depth_mm, rig.camera.stamp_ns - 100_000_000
        )
        self.assert_refused(rig, Reason.STAMP_OUT_OF_ORDER, depth=depth, masks=None)

    def test_masks_out_of_order_are_refused(self, rig):
        rig.answer()
        rig.answer()
        old = rig.ros.image(rig.camera.labels, rig.camera.stamp_ns - 33_000_000)
        self.assert_refused(rig, Reason.STAMP_OUT_OF_ORDER, count=1, masks=old)

    def test_of_two_hundred_objects_the_largest_are_estimated(self, rig):
        labels = np.zeros((48, 64), dtype=np.uint8)
        labels.flat[:2000] = 1 + np.arange(2000) // 10
        self.assert_refused(
            rig, Reason.TOO_MANY_OBJECTS, masks=lambda stamp: rig.ros.image(labels, stamp)
        )
        # On a busy machine a frame may be dropped for the next one.
        many = [m for m in rig.objects if m.rejections]
        assert 1 <= len(many) <= 3
        assert {(len(m.objects), len(m.rejections)) for m in many} == {(64, 136)}

    def test_an_estimator_that_raises_does_not_end_the_node(self, rig):
        rig.estimator.error = RuntimeError("out of memory")
        rig.camera.send()
        assert rig.bench.spin_until(lambda: Reason.INTERNAL_ERROR in rig.reasons())
        assert "RuntimeError: out of memory" in rig.lines[0]
        rig.estimator.error = None
        assert len(rig.answer().objects) == 2

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_garbage_from_the_estimator_is_not_published(self, rig, value):
        rig.estimator.change = {"covariance": np.full((6, 6), value)}
        message = rig.answer()
        assert list(message.objects) == []
        assert [r.reason for r in message.rejections] == ["not_finite"] * 2
        assert rig.bench.spin_until(lambda: rig.poses)
        assert rig.poses[-1].poses == []
        rig.estimator.change = {}
        assert len(rig.answer().objects) == 2

    def test_an_estimate_out_of_the_workspace_is_not_published(self, rig):
        far = np.eye(4)
        far[2, 3] = 1e300
        rig.estimator.change = {"T_cam_obj": far}
        assert [r.reason for r in rig.answer().rejections] == ["outside_workspace"] * 2

    def test_a_bag_that_starts_again_is_estimated_again(self, rig):
        rig.node.set_parameters([Parameter("sync.depth_history_s", value=0.1)])
        for _ in range(2):
            rig.camera.stamp_ns = 10**18
            for _ in range(2):
                rig.answer()  # the second time, these may have wrong stamps
            for _ in range(4):
                assert len(rig.answer().objects) == 2
        assert rig.estimator.n_frames == 10

    def test_a_bag_shorter_than_the_history_that_starts_again_is_estimated_again(self, rig):
        for _ in range(10):
            rig.answer()
        rig.camera.stamp_ns -= 300_000_000
        for _ in range(5):
            rig.camera.send()
            rig.bench.spin_for(0.05)
        assert rig.bench.spin_until(lambda: rig.estimator.n_frames >= 12)
        assert set(rig.reasons()) <= {Reason.STAMP_OUT_OF_ORDER, Reason.NO_DEPTH_FOR_MASKS}

    def test_random_garbage_on_every_topic_leaves_the_node_working(self, rig):
        """Numbers of any size in every field, then a good frame."""
        rng = np.random.default_rng(5)

        def garbage(stamp):
            message = rig.ros.image(rng.integers(0, 255, (4, 6), dtype=np.uint8), stamp)
            message.height, message.width, message.step = (
                int(x) for x in rng.integers(0, 2**32, 3, dtype=np.uint64)
            )
            message.encoding = str(rng.choice(["mono8", "16UC1", "32FC1", "\x7f\n", "é" * 50]))
            message.is_bigendian = int(rng.integers(0, 256))
            message.header.stamp.sec = int(rng.integers(-(2**31), 2**31))
            message.header.stamp.nanosec = int(rng.integers(0, 2**32))
            return message

        for _ in range(30):
            info = rig.ros.camera_info()
            info.k = rng.normal(size=9) * 10.0 ** rng.integers(-300, 300)
            info.roi.x_offset = int(rng.integers(0, 2**32))
            info.roi.width = int(rng.integers(0, 2**32))
            info.binning_x = int(rng.integers(0, 2**32))
            rig.camera.publish(
                depth=garbage(0), masks=garbage(0), camera_info=info, mask_detections=odd(rng)
            )
            rig.bench.spin_for(0.01)
        rig.bench.spin_for(0.3)
        before = rig.estimator.n_frames
        assert len(rig.answer().objects) == 2
        assert rig.estimator.n_frames == before + 1
        assert Reason.INTERNAL_ERROR not in rig.reasons()
        assert len(rig.lines) == len(rig.reasons())


def odd(rng):
    """Detections with numbers of any size."""
    message = Detection2DArray()
    message.header.stamp.sec = int(rng.integers(-(2**31), 2**31))
    for value in (math.nan, math.inf, 1e300, -1.0):
        item = Detection2D(id=str(value))
        item.bbox.size_x = item.bbox.size_y = item.bbox.center.position.x = value
        hypothesis = ObjectHypothesis(class_id="x" * 100, score=value)
        item.results.append(ObjectHypothesisWithPose(hypothesis=hypothesis))
        message.detections.append(item)
    return message


def test_an_input_that_stays_silent_is_reported_once(ros, benches):
    rig = Rig(ros, benches, input_timeout_s=1.0)
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
    for _ in range(60):
        rig.camera.depth_mm[0, 0] += 1  # noise, as of every camera
        rig.camera.send(masks=None)
        rig.bench.spin_for(0.05)
    (line,) = lines
    assert line.startswith("nothing on /masks for ")
    assert "(1 publisher)" in line
    assert "/depth 17" in line


def test_depth_and_intrinsics_of_two_cameras_are_reported_once(rig):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
    for _ in range(3):
        info = rig.ros.camera_info()
        info.header.frame_id = "camera_depth_optical_frame"
        rig.answer(camera_info=info)
        rig.bench.spin_for(0.05)
    (line,) = lines
    assert "'camera_depth_optical_frame'" in line
    assert repr(rig.ros.frame) in line


def test_cameras_that_take_turns_on_one_topic_are_reported_once_in_a_while(rig):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
    for i in range(6):
        info = rig.ros.camera_info()
        info.header.frame_id = f"camera_{i % 2}" * 100
        rig.answer(camera_info=info)
    (line,) = lines
    assert len(line) < 300


def test_a_clock_that_goes_to_and_fro_is_reported_once_in_a_while(rig):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
    for i in range(6):
        rig.camera.stamp_ns += 3600 * 10**9 * (-1) ** i
        for _ in range(3):
            rig.answer()
    (line,) = (line for line in lines if "jumped" in line)
    assert "jumped back by 3599.9" in line


class TestMaskSources:
    """Each kind of segmenter over a topic, with the messages of this machine."""

    def test_compressed_depth_and_labels_become_poses(self, ros, benches):
        rig = Rig(ros, benches)
        rig.bench.peer.destroy_publisher(rig.camera.publisher("depth"))
        rig.bench.peer.destroy_publisher(rig.camera.publisher("masks"))
        other = rclpy.Context()
        rclpy.init(context=other)
        peer = rclpy.create_node("compressor", context=other)
        topics = {n: peer.create_publisher(CompressedImage, n, 5) for n in ("depth", "masks")}

        def png(pixels):
            stream = io.BytesIO()
            PILImage.fromarray(pixels).save(stream, "PNG")
            return stream.getvalue()

        def answered():
            stamp = rig.camera.send(depth=None, masks=None)
            header = ros.header(stamp)
            depth = b"\0" * 12 + png(rig.camera.depth_mm)
            form = "16UC1; compressedDepth png"
            topics["depth"].publish(CompressedImage(header=header, format=form, data=depth))
            labels = png(rig.camera.labels)
            topics["masks"].publish(CompressedImage(header=header, format="png", data=labels))
            return rig.bench.spin_until(lambda: rig.objects, 0.2)

        assert rig.bench.spin_until(answered)
        for item in rig.objects[0].objects:
            expected = expected_centre(rig.camera, item.instance_id)
            np.testing.assert_allclose(xyz(item.pose.pose.position), expected, atol=1e-6)
        peer.destroy_node()
        rclpy.shutdown(context=other)

    def test_boxes_alone_are_enough_and_said_to_be_less(self, ros, benches):
        lines = []
        rig = Rig(ros, benches, segmentation__mask_source="boxes")
        rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
        boxes = Detection2DArray(header=ros.header(rig.camera.stamp_ns + 33_000_000))
        for left, top, right, bottom in ((9, 9, 26, 21), (39, 29, 61, 41)):
            item = Detection2D()
            hypothesis = ObjectHypothesis(class_id="cup", score=0.5)
            item.results = [ObjectHypothesisWithPose(hypothesis=hypothesis)]
            item.bbox.center.position.x = (left + right) / 2
            item.bbox.center.position.y = (top + bottom) / 2
            item.bbox.size_x, item.bbox.size_y = float(right - left), float(bottom - top)
            boxes.detections.append(item)
        message = rig.answer(masks=None, mask_detections=boxes)
        assert [o.class_name for o in message.objects] == ["mug", "mug"]
        assert [list(o.remarks) for o in message.objects] == [["guessed_mask"]] * 2
        centre = expected_centre(rig.camera, 3)
        np.testing.assert_allclose(xyz(message.objects[0].pose.pose.position), centre, atol=0.02)
        assert [line for line in lines if "guessed from boxes" in line]

    def test_a_class_image_is_split_into_objects(self, ros, benches):
        more = {"default_category": "", "label_categories": "5:can"}
        rig = Rig(
            ros,
            benches,
            segmentation__mask_source="semantic",
            **{f"segmentation__{name}": value for name, value in more.items()},
        )
        rig.camera.labels[rig.camera.labels > 0] = 5
        message = rig.answer()
        assert [(o.instance_id, o.class_name) for o in message.objects] == [(1, "can"), (2, "can")]

    def test_objects_that_are_not_wanted_are_left_out(self, ros, benches):
        rig = Rig(
            ros,
            benches,
            segmentation__label_categories="3:can, 7:bowl",
            segmentation__classes="bowl",
        )
        message = rig.answer()
        assert [o.class_name for o in message.objects] == ["bowl"]
        assert list(message.rejections) == []

    def test_labels_from_0_are_objects_with_another_background(self, ros, benches):
        rig = Rig(ros, benches, segmentation__background=255)
        rig.camera.labels[rig.camera.labels == 0] = 255
        rig.camera.labels[rig.camera.labels == 3] = 0
        assert [o.instance_id for o in rig.answer().objects] == [0, 7]

    @pytest.mark.parametrize("kind", ["bilinear", "jpeg"])
    def test_a_mask_with_a_soft_edge_is_one_object(self, rig, kind):
        mask = np.where(rig.camera.labels == 7, 255, 0).astype(np.uint8)
        picture = PILImage.fromarray(mask)
        if kind == "bilinear":
            bilinear = PILImage.Resampling.BILINEAR
            soft = picture.resize((32, 24), bilinear).resize((64, 48), bilinear)
        else:
            stored = io.BytesIO()
            picture.save(stored, "jpeg", quality=80)
            soft = PILImage.open(stored)
        pixels = np.array(soft)
        assert len(np.unique(pixels)) > 4
        labels = rig.ros.image(pixels, rig.camera.stamp_ns + 33_000_000)
        message = rig.answer(masks=labels)
        assert [o.instance_id for o in message.objects] == [255]
        assert list(message.rejections) == []

    @pytest.mark.parametrize("p_is", ["k", "empty"])
    def test_a_distortion_that_nobody_corrected_is_told_once(self, rig, p_is):
        lines = []
        rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
        for _ in range(3):
            info = rig.ros.camera_info(stamp_ns=rig.camera.stamp_ns + 33_000_000)
            info.d = [0.78, -2.98, 0.0007, 0.00006, 1.7]
            if p_is == "empty":
                info.p = [0.0] * 12
            rig.answer(camera_info=info)
        (line,) = lines
        assert line.startswith("camera_info has a lens distortion that is not corrected: P ")

    def test_masks_of_another_frame_are_told_once(self, rig):
        lines = []
        rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
        for _ in range(3):
            labels = rig.ros.image(rig.camera.labels, rig.camera.stamp_ns + 33_000_000)
            labels.header.frame_id = "other_optical_frame"
            rig.answer(masks=labels)
        (line,) = lines
        assert line.startswith("masks are of frame 'other_optical_frame' and depth of 'camera_")

    def test_a_leading_slash_is_taken_off(self, rig):
        depth = rig.ros.image(rig.camera.depth_mm, rig.camera.stamp_ns + 33_000_000)
        depth.header.frame_id = f"/{rig.ros.frame}"
        assert rig.answer(depth=depth).header.frame_id == rig.ros.frame

    def test_a_camera_info_that_is_latched_is_enough(self, ros, benches):
        rig = Rig(ros, benches)
        rig.bench.peer.destroy_publisher(rig.camera.publisher("camera_info"))
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        topic = rig.bench.peer.create_publisher(CameraInfo, "camera_info", latched)
        info = ros.camera_info()
        info.width = info.height = 0  # that of the image
        topic.publish(info)

        def answered():
            rig.camera.send(camera_info=None)
            return rig.bench.spin_until(lambda: rig.objects and rig.objects[-1].objects, 0.2)

        assert rig.bench.spin_until(answered)

    def test_refusals_before_matching_reach_the_objects_topic(self, rig):
        nameless = rig.ros.image(rig.camera.depth_mm, rig.camera.stamp_ns + 33_000_000, frame_id="")
        message = rig.answer(depth=nameless, masks=None)
        assert [r.reason for r in message.rejections] == ["empty_frame_id"]


def test_a_frame_with_a_negative_stamp_is_refused_and_not_published(rig):
    before = rig.camera.stamp_ns
    rig.camera.stamp_ns = -5 * 10**9
    rig.camera.send()
    assert rig.bench.spin_until(lambda: Reason.STAMP_OUT_OF_ORDER in rig.reasons())
    rig.camera.stamp_ns = before
    assert rig.answer().objects
    assert [message.header.stamp.sec > 0 for message in rig.objects] == [True]


@pytest.mark.slow
def test_memory_stays_flat_over_many_frames(rig):
    rig.camera.depth_mm = np.full((480, 640), 900, dtype=np.uint16)
    rig.camera.labels = np.kron(rig.camera.labels, np.ones((10, 10), dtype=np.uint8))
    info = rig.ros.camera_info(480, 640, fx=600.0, fy=600.0)

    def run(frames):
        for _ in range(frames):
            rig.camera.send(camera_info=info)
            rig.bench.spin_for(0.005)
        rig.objects.clear()
        rig.poses.clear()
        time.sleep(0.1)
        return resident_mb()

    run(150)  # fills the ring of two seconds
    before = run(150)
    after = run(600)
    assert after - before < 20


def resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
