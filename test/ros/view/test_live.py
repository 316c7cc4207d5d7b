# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Live view: what is put together of the estimator's topics, and parameters that are changed."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from fake_estimator import make_estimate
from geometry_msgs.msg import PoseArray, TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.msg import CategoryArray, ObjectPoseArray
from genpose_ros.ros.builders import candidate_array, candidate_energies, posed_objects
from genpose_ros.ros.category_messages import category_array
from genpose_ros.ros.image_messages import camera_info, image_message
from genpose_ros.ros.outputs import objects_message
from genpose_ros.ros.published import PublishedFrame, PublishedObject
from genpose_ros.ros.view.live import COLOR, DEPTH, LiveSettings, LiveTopics, LiveView
from genpose_ros.view.folders import adjustable

pytestmark = pytest.mark.ros

CAMERA = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
FRAME = "camera_color_optical_frame"


class PageStub:
    """Keeps the frames that it is to show."""

    def __init__(self):
        self.frames, self.settings, self.change = [], [], None

    def show(self, frame):
        self.frames.append(frame)

    def add_settings(self, settings, change):
        self.settings, self.change = settings, change


def track(number=4, x_m=0.0, state=2, **changes):
    T = np.eye(4)
    T[:3, 3] = x_m, 0, 0.8
    candidates = np.stack([T] * 5)
    estimate = make_estimate(T_cam_obj=T, T_cam_candidates=candidates, T_cam_other=T, **changes)
    return PublishedObject(
        estimate, f"mug_{number}", f"mug_{number}", number, state, velocity=np.arange(6.0)
    )


@pytest.fixture
def live():
    """The view, what publishes as the estimator and its camera do, and what the page is shown."""
    rclpy.init()
    peer, page = Node("genpose"), PageStub()
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    out = {
        "objects": peer.create_publisher(ObjectPoseArray, "~/objects", 10),
        "candidates": peer.create_publisher(PoseArray, "~/candidates", 10),
        "energies": peer.create_publisher(PointCloud2, "~/candidate_energies", 10),
        "categories": peer.create_publisher(CategoryArray, "~/categories", latched),
        "depth": peer.create_publisher(Image, DEPTH, 10),
        "info": peer.create_publisher(CameraInfo, LiveTopics().info, 10),
        "color": peer.create_publisher(Image, COLOR, 10),
        "tf": peer.create_publisher(TFMessage, "/tf", 10),
    }
    out["categories"].publish(category_array(NOCS, {}, Header()))
    executor = SingleThreadedExecutor()
    executor.add_node(peer)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    peer.declare_parameter("sampling.steps", 8)
    with LiveView.started(page, LiveTopics()) as view:
        waits = [p for name, p in out.items() if name != "tf"]
        wait(lambda: all(p.get_subscription_count() for p in waits))
        yield SimpleNamespace(view=view, page=page, out=out, peer=peer)
    executor.shutdown()
    peer.destroy_node()
    rclpy.shutdown()


def wait(done, timeout_s=30.0):
    until_s = time.monotonic() + timeout_s
    while not done() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert done()


def send(publisher, message, done):
    """Publish until it has come: the first messages may find nobody yet."""
    until_s = time.monotonic() + 30.0
    while not done() and time.monotonic() < until_s:
        publisher.publish(message)
        pause_s = time.monotonic() + 1.0
        while not done() and time.monotonic() < pause_s:
            time.sleep(0.02)
    assert done()


def header(stamp_s=7, frame_id=FRAME):
    made = Header(frame_id=frame_id)
    made.stamp.sec = stamp_s
    return made


def send_images(live, stamp_s=7):
    view, stamp_ns = live.view, stamp_s * 10**9
    info = camera_info(CAMERA, header(stamp_s))
    send(live.out["info"], info, lambda: view._calibration is not None)
    depth = image_message(np.full((48, 64), 900, np.uint16), "16UC1", header(stamp_s))
    send(live.out["depth"], depth, lambda: stamp_ns in view._depth)
    color = image_message(np.full((48, 64, 3), 70, np.uint8), "rgb8", header(stamp_s))
    send(live.out["color"], color, lambda: stamp_ns in view._color)


def send_objects(live, objects, stamp_s=7, with_energies=False):
    up = UpDirection(np.array([0.0, -1, 0]), 0.01, -0.3, "plane")
    published = PublishedFrame(objects, (), header(stamp_s), {"sample": 5.0}, up_cam=up)
    message = objects_message(published, posed_objects(objects, np.eye(4)))
    candidates = candidate_array(objects, header(stamp_s), np.eye(4))
    send(live.out["candidates"], candidates, lambda: stamp_s * 10**9 in live.view._candidates)
    energies = candidate_energies(objects, header(stamp_s), np.eye(4))
    if with_energies:
        send(live.out["energies"], energies, lambda: stamp_s * 10**9 in live.view._energies)
    before = len(live.page.frames)
    send(live.out["objects"], message, lambda: len(live.page.frames) > before)
    return live.page.frames[-1]


def test_objects_images_candidates_and_the_direction_up_of_a_stamp_are_shown_together(live):
    send_images(live)
    frame = send_objects(live, [track(4, 0.0), track(5, 0.3, state=3)])
    first, second = frame.objects
    assert (first.name, first.state, second.state) == ("mug_4", "confirmed", "coasting")
    np.testing.assert_allclose(second.T_view_obj[:3, 3], [0.3, 0, 0.8])
    assert first.velocity == pytest.approx(np.arange(6.0))
    assert first.T_view_candidates.shape == second.T_view_candidates.shape == (5, 4, 4)
    np.testing.assert_allclose(second.T_view_candidates[0], second.T_view_obj, atol=1e-6)
    np.testing.assert_allclose(first.T_view_other, first.T_view_obj, atol=1e-6)
    assert first.covariance.diagonal() == pytest.approx([1e-6, 2e-6, 3e-6, 1e-4, 2e-4, 3e-4])
    assert len(frame.cloud.points) == 48 * 64
    assert frame.image.pixels[0, 0].tolist() == [70, 70, 70]
    assert (frame.up.source, frame.up.level_m) == ("plane", pytest.approx(-0.3))
    assert frame.timings_ms == {"sample": 5.0}
    assert live.view.first_frame() is not None


def test_candidates_are_their_own_objects_and_have_their_energies(live):
    """Two objects at one place: the numbers tell whose candidates they are."""
    energies = np.arange(10.0).reshape(5, 2)
    objects = [track(4, candidate_energies=energies), track(5)]
    first, second = send_objects(live, objects, stamp_s=11, with_energies=True).objects
    assert len(first.T_view_candidates) == len(second.T_view_candidates) == 5
    np.testing.assert_allclose(first.energies, energies)
    assert second.energies is None


def test_objects_without_their_images_are_shown_without_a_cloud(live):
    frame = send_objects(live, [track()], stamp_s=9)
    assert len(frame.objects) == 1
    assert (len(frame.cloud.points), frame.image) == (0, None)


def test_trails_grow_and_frames_of_others_below_objects_are_shown(live):
    grasp = TransformStamped(header=header(7, "mug_4"), child_frame_id="mug_4_grasp_top")
    grasp.transform.translation.y = 0.1
    grasp.transform.rotation.w = 1.0
    transforms = TFMessage(transforms=[grasp])
    send(live.out["tf"], transforms, lambda: "mug_4_grasp_top" in live.view._children)
    send_objects(live, [track(x_m=0.0)], stamp_s=7)
    frame = send_objects(live, [track(x_m=0.1)], stamp_s=8)
    np.testing.assert_allclose(frame.trails["mug_4"], [[0, 0, 0.8], [0.1, 0, 0.8]])
    np.testing.assert_allclose(frame.task_frames["mug_4_grasp_top"][:3, 3], [0.1, 0.1, 0.8])


def test_a_view_that_has_ended_listens_to_nobody():
    context = rclpy.Context()
    rclpy.init(context=context)
    peer = Node("genpose", context=context)
    objects = peer.create_publisher(ObjectPoseArray, "~/objects", 10)
    with LiveView.started(PageStub(), LiveTopics()):
        wait(objects.get_subscription_count)
        assert peer.count_subscribers("/tf") > 0
    wait(lambda: not peer.count_subscribers("/tf"))
    assert objects.get_subscription_count() == 0
    peer.destroy_node()
    context.shutdown()


def test_parameters_are_changed_through_the_nodes_services(live):
    settings = LiveSettings(live.view._node, "/genpose")
    assert settings.change("sampling.steps", 4) == ""
    assert live.peer.get_parameter("sampling.steps").value == 4
    assert settings.change("sampling.steps", "many") != ""
    assert settings.change("sampling.none", 1) != ""


def test_settings_are_offered_with_their_present_values(live):
    # A node with all of the estimator's parameters.
    from genpose_ros.estimation.settings import EstimatorSettings

    for item in adjustable(EstimatorSettings()):
        if not live.peer.has_parameter(item.name):
            live.peer.declare_parameter(item.name, item.value)
    live.peer.set_parameters([rclpy.parameter.Parameter("sampling.steps", value=3)])
    page = PageStub()
    LiveSettings(live.view._node, "/genpose").offer(page)
    values = {item.name: item.value for item in page.settings}
    assert values["sampling.steps"] == 3
    assert values["sampling.candidates"] == 50
