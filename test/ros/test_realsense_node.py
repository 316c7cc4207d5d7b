# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RealSense node: topics, frames and stamps, transforms, a camera that comes and goes."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, Imu
from spinning import spin_until
from tf2_msgs.msg import TFMessage

from genpose_ros.geometry import PinholeCamera
from genpose_ros.realsense.streams import (
    CameraError,
    CameraFrame,
    EndOfRecordingError,
    ImageStream,
)
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.images import depth_m, depth_pixels
from genpose_ros.ros.realsense_messages import CameraNames, camera_messages, camera_transforms
from genpose_ros.ros.realsense_node import RealSenseNode
from genpose_ros.ros.transform_tree import TransformTree

DEPTH = ImageStream(PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48))
COLOR = ImageStream(PinholeCamera(95.0, 95.0, 48.0, 36.0, 96, 72), coefficients=(0.1, 0, 0, 0, 0))
T_COLOR_DEPTH = np.eye(4)
T_COLOR_DEPTH[:3, :3] = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
T_COLOR_DEPTH[:3, 3] = 0.015, 0.001, 0.002
T_IMU_DEPTH = np.eye(4)
T_IMU_DEPTH[0, 3] = -0.01


def frame(time_ms=33.0, **changes):
    values = {
        "depth_m": np.full((48, 64), 0.8004, np.float32),
        "depth": DEPTH,
        "color": np.full((72, 96, 3), (10, 20, 30), np.uint8),
        "color_stream": COLOR,
        "T_color_depth": T_COLOR_DEPTH,
        "aligned_m": np.full((72, 96), 0.9006, np.float32),
        "time_ms": time_ms,
    }
    return CameraFrame(**(values | changes))


def test_topics_frames_and_units_are_those_of_realsense_ros():
    messages = camera_messages(frame(), CameraNames(), Time(sec=5))
    assert set(messages) == {
        "depth/image_rect_raw", "depth/camera_info", "color/image_raw", "color/camera_info",
        "aligned_depth_to_color/image_raw", "aligned_depth_to_color/camera_info",
    }  # fmt: skip
    assert {m.header.stamp.sec for m in messages.values()} == {5}
    for topic, message in messages.items():
        stream = "depth" if topic.startswith("depth/") else "color"
        assert message.header.frame_id == f"camera_{stream}_optical_frame"
    raw, aligned = messages["depth/image_rect_raw"], messages["aligned_depth_to_color/image_raw"]
    np.testing.assert_allclose(depth_m(depth_pixels(raw)), 0.8, atol=1e-6)
    np.testing.assert_allclose(depth_m(depth_pixels(aligned)), 0.901, atol=1e-6)
    info = messages["color/camera_info"]
    assert calibration_from_info(info).camera((96, 72), rectified=True) == COLOR.camera
    assert list(info.d) == [0.1, 0, 0, 0, 0]


def test_without_alignment_or_imu_there_are_no_such_topics():
    assert "imu" not in camera_messages(frame(aligned_m=None), CameraNames(), Time())
    assert len(camera_messages(frame(aligned_m=None), CameraNames(), Time())) == 4


def test_the_imu_tells_what_it_measures_and_that_it_does_not_tell_the_rest():
    messages = camera_messages(
        frame(acceleration=np.array([0.0, -9.8, 1.0]), T_imu_depth=T_IMU_DEPTH),
        CameraNames("left"), Time(),
    )  # fmt: skip
    imu = messages["imu"]
    assert imu.header.frame_id == "left_imu_optical_frame"
    assert imu.linear_acceleration.y == -9.8
    assert imu.orientation_covariance[0] == imu.angular_velocity_covariance[0] == -1


def test_transforms_lead_from_image_to_image_as_the_device_says():
    tree = TransformTree()
    made = camera_transforms(frame(T_imu_depth=T_IMU_DEPTH), CameraNames(), Time())
    tree.add(made, static=True)
    at = SimpleNamespace(stamp=Time(sec=1), frame_id="camera_depth_optical_frame")
    found = tree.camera_in("camera_color_optical_frame", at)
    np.testing.assert_allclose(found, T_COLOR_DEPTH, atol=1e-6)
    np.testing.assert_allclose(
        tree.camera_in("camera_imu_optical_frame", at), T_IMU_DEPTH, atol=1e-6
    )
    # In the camera's body forward is x and up is z.
    to_link = tree.camera_in("camera_link", at)
    np.testing.assert_allclose(to_link[:3, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(to_link[:3, :3] @ [0, -1, 0], [0, 0, 1], atol=1e-9)
    children = [t.child_frame_id for t in made]
    assert len(children) == len(set(children)) == 6


class Played:
    """Streams that give what they were told to, then raise or stay silent."""

    about = "a camera of the test"

    def __init__(self, *steps):
        self._steps, self.closed = list(steps), False

    def read(self, timeout_s):
        step = self._steps.pop(0) if self._steps else None
        if isinstance(step, Exception):
            raise step
        if step is None:
            time.sleep(min(timeout_s, 0.05))
        return step

    def close(self):
        self.closed = True


@pytest.fixture
def running():
    """Makes a node on streams that are opened one after the other; hears its topics."""
    rclpy.init()
    executor, nodes = SingleThreadedExecutor(), []
    peer = Node("peer")
    nodes.append(peer)
    heard = {}

    def start(*opened, cli_args=None, **parameters):
        left, lock = list(opened), threading.Lock()

        def open_camera(settings):
            with lock:
                step = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(step, Exception):
                raise step
            return step

        node = RealSenseNode(
            open_camera=open_camera, cli_args=cli_args,
            parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()],
        )  # fmt: skip
        nodes.append(node)
        executor.add_node(node)
        return node

    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for topic, kind, qos in [
        ("/camera/camera/aligned_depth_to_color/image_raw", Image, 10),
        ("/camera/camera/color/camera_info", CameraInfo, 10),
        ("/camera/camera/imu", Imu, 10),
        ("/tf_static", TFMessage, latched),
    ]:
        heard[topic] = []
        peer.create_subscription(kind, topic, heard[topic].append, qos)
    executor.add_node(peer)

    def spin(done):
        assert spin_until(executor, done)

    yield SimpleNamespace(start=start, spin=spin, heard=heard)
    executor.shutdown()
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown()


@pytest.mark.ros
def test_images_of_a_moment_come_with_one_stamp_and_the_frames_once(running):
    frames = [frame(33.0 * n) for n in range(40)]
    slow = [step for each in frames for step in (each, None)]
    node = running.start(Played(*slow))
    images = running.heard["/camera/camera/aligned_depth_to_color/image_raw"]
    infos = running.heard["/camera/camera/color/camera_info"]
    running.spin(lambda: len(images) > 5 and len(infos) > 5)
    stamps = {i.header.stamp.nanosec for i in infos}
    assert sum(image.header.stamp.nanosec in stamps for image in images) >= 4
    (first, second) = images[1:3]
    apart_ns = (second.header.stamp.sec - first.header.stamp.sec) * 10**9 + (
        second.header.stamp.nanosec - first.header.stamp.nanosec
    )
    assert apart_ns == 33_000_000
    running.spin(lambda: bool(running.heard["/tf_static"]))
    assert len(running.heard["/tf_static"][0].transforms) == 4
    assert node.counts["opened"] == 1


@pytest.mark.ros
def test_a_camera_that_is_missing_then_plugged_in_and_out_comes_back(running):
    first = Played(frame(), CameraError("unplugged"))
    node = running.start(CameraError("no camera"), first, Played(frame(66.0)), reconnect_s=0.1)
    running.spin(lambda: node.counts["published"] == 2)
    assert node.counts["lost"] == 2
    assert first.closed


@pytest.mark.ros
def test_a_camera_that_sends_nothing_is_opened_anew(running):
    silent = Played(frame())
    node = running.start(silent, Played(frame()), reconnect_s=0.1, timeout_s=0.5)
    running.spin(lambda: node.counts["opened"] == 2)
    assert silent.closed


@pytest.mark.ros
def test_a_recording_ends_or_begins_again(running):
    node = running.start(Played(frame(), EndOfRecordingError()))
    running.spin(node.over.is_set)
    assert node._status().message == "the recording is over"
    endless = running.start(
        Played(frame(), EndOfRecordingError()), Played(frame(), EndOfRecordingError()),
        Played(frame()), loop=True,
    )  # fmt: skip
    running.spin(lambda: endless.counts["opened"] == 3)
    assert not endless.over.is_set()


@pytest.mark.ros
def test_a_robots_own_frames_are_not_published_twice(running):
    node = running.start(Played(frame()), publish_tf=False)
    running.spin(lambda: node.counts["published"] == 1)
    running.spin(lambda: True)
    assert running.heard["/tf_static"] == []


@pytest.mark.ros
@pytest.mark.parametrize(
    ("remaps", "name"),
    [
        ((), "/camera/camera"),
        (("__ns:=/arm", "__node:=wrist"), "/arm/wrist"),
        (("__ns:=/",), "/camera"),
    ],
)
def test_started_by_hand_its_topics_are_where_the_launch_files_look_for_them(running, remaps, name):
    cli_args = ["--ros-args", *(word for remap in remaps for word in ("-r", remap))]
    node = running.start(Played(frame()), cli_args=cli_args)
    assert node.get_fully_qualified_name() == name
    running.spin(lambda: node.counts["published"] == 1)
    topics = {topic for topic, _ in node.get_publisher_names_and_types_by_node(*_split(name))}
    assert f"{name}/aligned_depth_to_color/image_raw" in topics


def _split(name):
    namespace, _, own = name.rpartition("/")
    return own, namespace or "/"


@pytest.mark.ros
def test_a_recording_that_is_missing_is_refused_at_start():
    pytest.importorskip("pyrealsense2", reason="pip install 'genpose_ros[realsense]'")
    rclpy.init()
    try:
        with pytest.raises(FileNotFoundError):
            RealSenseNode(parameter_overrides=[Parameter("bag", value="/none.bag")])
    finally:
        rclpy.shutdown()
