# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the direction up from TF and from an IMU, by themselves and through the node."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Imu
from tf2_ros import StaticTransformBroadcaster

from genpose_ros.estimation import EstimatorSettings
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode
from genpose_ros.ros.matching import DepthMessage, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.up_sources import UpSources, imu_sample
from genpose_ros.tracking.settings import TrackerSettings

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
#: Camera in the base: its optical axis 30 degrees below the horizon.
R_BASE_CAM = Rotation.from_euler("x", -120, degrees=True)
UP_CAM = R_BASE_CAM.inv().apply([0.0, 0, 1])


class Transforms:
    """Stands in for the buffer: IMUs are turned by a quarter against the camera."""

    known = True

    def camera_in(self, frame, header):
        if not self.known:
            return Rejection(Reason.NO_TRANSFORM, f"no transform from {header.frame_id} to {frame}")
        T = np.eye(4)
        T[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
        return T


def settings(source="auto", up_frame=""):
    return Settings(
        EstimatorSettings(up_source=source), NodeSettings(up_frame=up_frame), TrackerSettings()
    )


def imu(ros, stamp_ns, acceleration, frame_id):
    message = Imu(header=ros.header(stamp_ns, frame_id))
    vector = message.linear_acceleration
    vector.x, vector.y, vector.z = (9.81 * acceleration).tolist()
    message.orientation_covariance[0] = message.angular_velocity_covariance[0] = -1.0
    return message


@pytest.fixture
def sources():
    """Makes sources by their settings."""
    return lambda *given: UpSources(Transforms(), settings(*given))


@pytest.fixture
def located(ros):
    def make(stamp_ns=START_NS, **poses):
        depth = DepthMessage(ros.header(stamp_ns), np.ones((2, 2), np.float32))
        return LocatedFrame(Matched(depth, None, None), poses)

    return make


def at_rest(ros, made, acceleration, frame_id="imu", count=100):
    for i in range(count):
        made.hear(imu(ros, START_NS + (i - count + 1) * 5 * MS, acceleration, frame_id))


def test_the_z_axis_of_the_named_frame_is_up(sources, located):
    T_base_cam = np.eye(4)
    T_base_cam[:3, :3], T_base_cam[:3, 3] = R_BASE_CAM.as_matrix(), [1, 2, 3]
    told = sources("auto", "base").told(located(base=T_base_cam)).up_cam
    assert told.source == "tf"
    np.testing.assert_allclose(told.direction_cam, UP_CAM, atol=1e-12)
    np.testing.assert_allclose(T_base_cam[:3, :3] @ told.direction_cam, [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("source", ["plane", "none"])
def test_the_named_frame_does_not_count_where_another_source_is_asked_for(sources, located, source):
    assert sources(source, "base").told(located(base=np.eye(4))).up_cam is None


def test_an_imu_is_turned_into_the_cameras_frame(ros, sources, located):
    made = sources("imu")
    at_rest(ros, made, Rotation.from_euler("z", 90, degrees=True).apply(UP_CAM))
    told = made.told(located()).up_cam
    assert told.source == "imu"
    np.testing.assert_allclose(told.direction_cam, UP_CAM, atol=1e-6)
    assert made.imu_problem == ""


def test_an_imu_of_the_cameras_own_frame_needs_no_transform(ros, sources, located):
    made = sources("imu")
    made._transforms.known = False
    at_rest(ros, made, UP_CAM, frame_id=ros.frame)
    np.testing.assert_allclose(made.told(located()).up_cam.direction_cam, UP_CAM, atol=1e-6)


def test_why_an_imu_tells_nothing_is_kept_for_diagnostics(ros, sources, located):
    made = sources("auto")
    assert made.told(located()).up_cam is None
    assert made.imu_problem == "nothing was heard of the IMU"
    at_rest(ros, made, UP_CAM)
    made._transforms.known = False
    assert made.told(located()).up_cam is None
    assert "no transform" in made.imu_problem


def test_an_imu_is_not_asked_where_a_frame_is_named_or_the_source_changes(ros, sources, located):
    made = sources("auto", "base")
    at_rest(ros, made, UP_CAM)
    assert not made.imu_heard
    made = sources("auto")
    at_rest(ros, made, UP_CAM)
    made.configure(settings("plane"))
    assert made.told(located()).up_cam is None


def test_tf_without_a_frame_is_refused_with_the_parameter_that_is_missing():
    with pytest.raises(ValueError, match="up_source tf needs up_frame"):
        settings("tf")


class TestImuSample:
    def test_what_is_marked_as_not_measured_is_left_out(self, ros):
        message = imu(ros, 7, UP_CAM, "imu")
        sample = imu_sample(message)
        np.testing.assert_allclose(sample.acceleration, 9.81 * UP_CAM)
        assert (sample.stamp_ns, sample.rate, sample.up) == (7, None, None)
        message.linear_acceleration_covariance[0] = -1.0
        assert imu_sample(message) is None

    def test_an_orientation_is_that_of_the_imu_in_a_world_whose_z_is_up(self, ros):
        message = imu(ros, 7, UP_CAM, "imu")
        q = message.orientation
        q.x, q.y, q.z, q.w = R_BASE_CAM.as_quat().tolist()
        message.orientation_covariance[:] = np.diag([1e-4, 4e-4, 1.0]).ravel()
        sample = imu_sample(message)
        np.testing.assert_allclose(sample.up, UP_CAM, atol=1e-12)
        assert sample.up_sigma_rad == pytest.approx(0.02)

    @pytest.mark.parametrize("wrong", [0.0, math.nan, 2.0])
    def test_a_quaternion_that_is_none_is_no_orientation(self, ros, wrong):
        message = imu(ros, 7, UP_CAM, "imu")
        message.orientation_covariance[0] = 0.1
        message.orientation.w = wrong
        assert imu_sample(message).up is None

    def test_an_orientation_that_nobody_filled_in_is_none(self, ros):
        message = imu(ros, 7, UP_CAM, "imu")
        message.orientation_covariance[0] = 0.0
        assert imu_sample(message).up is None

    def test_numbers_that_are_not_finite_are_left_out(self, ros):
        message = imu(ros, 7, UP_CAM, "imu")
        message.linear_acceleration.x = math.inf
        assert imu_sample(message) is None


@pytest.mark.ros
class TestNode:
    def bench(self, ros, benches, **values):
        bench = benches(lambda: None)
        bench.node = EstimatorNode(
            make_estimator=ros.FakeEstimator,
            context=bench.context,
            parameter_overrides=ros.overrides(segmentation__default_category="mug", **values),
        )
        bench.executor.add_node(bench.node)
        return bench

    def static(self, bench, ros, parent, rotation):
        message = TransformStamped(header=ros.header(1, parent), child_frame_id=ros.frame)
        r = message.transform.rotation
        r.x, r.y, r.z, r.w = rotation.as_quat().tolist()
        broadcaster = StaticTransformBroadcaster(bench.peer)
        broadcaster.sendTransform(message)
        return broadcaster

    def results(self, bench, ros, camera, prepare=lambda stamp_ns: None):
        received = bench.collect(ObjectPoseArray, "/genpose/objects")
        names = ("depth", "camera_info", "masks")
        assert bench.spin_until(lambda: camera.ready(*names), 30)

        def told():
            prepare(camera.stamp_ns + 33 * MS)
            camera.send()
            bench.spin_for(0.1)
            return any(message.up.source for message in received)

        assert bench.spin_until(told, 30)
        return next(message for message in received if message.up.source)

    def test_the_z_axis_of_a_frame_comes_out_in_the_message(self, ros, benches):
        bench = self.bench(ros, benches, up_frame="base")
        keep = self.static(bench, ros, "base", R_BASE_CAM)
        message = self.results(bench, ros, ros.Camera(bench.peer))
        up = message.up.direction
        assert message.up.source == "tf"
        np.testing.assert_allclose([up.x, up.y, up.z], UP_CAM, atol=1e-9)
        assert len(message.objects) == 2
        del keep

    def test_an_imu_that_is_heard_comes_out_in_the_message_and_in_the_target_frame(
        self, ros, benches
    ):
        bench = self.bench(ros, benches, target_frame="base")
        keep = self.static(bench, ros, "base", R_BASE_CAM)
        publisher = bench.peer.create_publisher(Imu, "imu", 200)

        camera = ros.Camera(bench.peer)
        sent_ns = [camera.stamp_ns - 500 * MS]

        def sample_until(stamp_ns):
            while sent_ns[0] < stamp_ns:
                sent_ns[0] += 5 * MS
                publisher.publish(imu(ros, sent_ns[0], UP_CAM, ros.frame))
                bench.executor.spin_once(timeout_sec=0.01)

        message = self.results(bench, ros, camera, sample_until)
        up = message.up.direction
        assert (message.up.source, message.header.frame_id) == ("imu", "base")
        np.testing.assert_allclose([up.x, up.y, up.z], [0, 0, 1], atol=1e-6)
        del keep
