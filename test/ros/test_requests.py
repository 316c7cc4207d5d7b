# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Service and action of the node, as a program that picks and places asks them."""

import threading

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import TransformStamped
from node_rig import INPUTS, NodeRig
from rclpy.action import ActionClient
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool
from tf2_ros import StaticTransformBroadcaster

from genpose_ros.action import EstimateFrames
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.srv import EstimatePoses

pytestmark = pytest.mark.ros

MODES = ("estimate", "track")


class Rig(NodeRig):
    """The node, a camera, and a peer that asks."""

    def __init__(self, ros, benches, mode="estimate", inputs=INPUTS, **parameters):
        super().__init__(ros, benches, mode=mode, **parameters)
        self.service = self.bench.peer.create_client(EstimatePoses, "/genpose/estimate_poses")
        self.action = ActionClient(self.bench.peer, EstimateFrames, "/genpose/estimate_frames")
        self.connect(inputs)
        assert self.bench.spin_until(self.service.service_is_ready)
        assert self.bench.spin_until(self.action.server_is_ready)

    def ask(self, **request):
        """Ask for one frame; returns the future answer once the node has heard it."""
        before = self.node.waiting_callers
        future = self.service.call_async(EstimatePoses.Request(**request))
        heard = lambda: future.done() or self.node.waiting_callers > before  # noqa: E731
        assert self.bench.spin_until(heard)
        return future

    def images(self, **changes):
        """A request with images of its own."""
        request = {
            "depth": self.ros.image(self.camera.depth_mm, 5),
            "camera_info": self.ros.camera_info(),
            "label_image": self.ros.image(self.camera.labels, 5),
            **changes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def send_goal(self, feedback=None, **goal):
        """Send a goal; returns its handle and the future result once the node works on it."""
        handle = self.result(self.action.send_goal_async(EstimateFrames.Goal(**goal), feedback))
        result = handle.get_result_async()
        assert self.bench.spin_until(lambda: result.done() or self.node.waiting_callers)
        return handle, result

    def close(self):
        self.action.destroy()


@pytest.fixture
def make_rig(ros, benches):
    made = []

    def make(*args, **values):
        made.append(Rig(ros, benches, *args, **values))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


def stamp_of(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.mark.parametrize("mode", MODES)
def test_who_asks_gets_the_next_frame_as_it_is_published(make_rig, mode):
    rig = make_rig(mode)
    old = rig.camera.send()
    assert rig.bench.spin_until(lambda: rig.objects)
    future = rig.ask()
    assert not future.done()
    # The depth last, so that mode track does not publish it before its masks.
    stamp = rig.camera.send(depth=None)
    rig.bench.spin_for(0.05)
    rig.camera.publish(depth=rig.ros.image(rig.camera.depth_mm, stamp))
    response = rig.result(future)
    assert (response.success, response.reason, response.message) == (True, "", "")
    assert stamp_of(response.objects) == stamp > old
    assert [item.class_name for item in response.objects.objects] == ["mug", "mug"]
    assert rig.bench.spin_until(lambda: stamp_of(rig.objects[-1]) == stamp)
    assert rig.objects[-1] == response.objects


def test_masks_of_an_image_taken_before_do_not_answer(make_rig):
    rig = make_rig(sync__depth_history_s=5.0)
    stale = rig.camera.send(masks=None)
    late = rig.ros.image(rig.camera.labels, stale)
    rig.bench.spin_for(0.1)
    future = rig.ask()
    rig.camera.publish(masks=late)
    assert rig.bench.spin_until(lambda: rig.objects)
    assert stamp_of(rig.objects[-1]) == stale
    rig.bench.spin_for(0.1)
    assert not future.done()
    stamp = rig.camera.send()
    assert stamp_of(rig.result(future).objects) == stamp


def test_delayed_masks_answer_with_the_next_image_in_mode_track(make_rig):
    rig = make_rig("track")
    rig.camera.send()
    assert rig.bench.spin_until(lambda: rig.objects)
    future = rig.ask()
    delayed = rig.camera.send(masks=None)
    assert rig.bench.spin_until(lambda: stamp_of(rig.objects[-1]) == delayed)
    newer = rig.camera.send(masks=None)
    assert rig.bench.spin_until(lambda: stamp_of(rig.objects[-1]) == newer)
    assert not future.done()
    rig.camera.publish(masks=rig.ros.image(rig.camera.labels, delayed))
    rig.bench.spin_for(0.2)
    newest = rig.camera.send(masks=None)
    assert stamp_of(rig.result(future).objects) == newest


def test_a_caller_can_say_from_when_on(make_rig):
    rig = make_rig()
    not_before = rig.camera.stamp_ns + 3 * 33_000_000
    sec, nanosec = divmod(not_before, 10**9)
    future = rig.ask(not_before=TimeMessage(sec=sec, nanosec=nanosec))
    for _ in range(3):
        stamp = rig.camera.send()
        assert rig.bench.spin_until(lambda: rig.objects and stamp_of(rig.objects[-1]) == stamp)  # noqa: B023
    assert stamp_of(rig.result(future).objects) == not_before == stamp


def test_who_asks_in_vain_is_told_what_does_not_arrive(make_rig):
    rig = make_rig()
    rig.bench.spin_for(1.1)
    response = rig.result(rig.ask(timeout=Duration(nanosec=300_000_000)))
    assert not response.success
    assert response.reason == "request_timed_out"
    assert response.message.startswith("0 of 1 frames in 0.3 s; nothing on /depth for ")


def test_who_asks_in_vain_is_told_why_frames_are_refused(make_rig):
    rig = make_rig(sync__wait_s=0.1)
    future = rig.ask(timeout=Duration(sec=1))
    for _ in range(6):
        rig.camera.send(
            masks=rig.ros.image(np.ones((48, 60), np.uint8), rig.camera.stamp_ns + 33_000_000)
        )
        rig.bench.spin_for(0.1)
    response = rig.result(future)
    assert response.reason == "request_timed_out"
    assert "the last one was refused, size_mismatch: " in response.message


@pytest.mark.parametrize("mode", MODES)
def test_images_of_ones_own_are_estimated_by_themselves(make_rig, mode):
    rig = make_rig(mode)
    response = rig.result(rig.ask(**rig.images()))
    assert response.success
    assert stamp_of(response.objects) == 5
    assert response.objects.header.frame_id == rig.ros.frame
    assert [item.instance_id for item in response.objects.objects] == [3, 7]
    assert {item.tracking_state for item in response.objects.objects} == {0}
    rig.bench.spin_for(0.2)
    assert rig.objects == []  # nothing is published, and nothing tracked:
    assert rig.camera.send()
    assert rig.bench.spin_until(lambda: rig.objects)


def test_masks_of_ones_own_can_name_their_classes(make_rig):
    rig = make_rig()
    mask = (rig.camera.labels == 7).astype(np.uint8).tobytes()
    masks = InstanceMasks(height=48, width=64)
    masks.instances = [InstanceMask(id=12, class_name="can", score=0.5, mask=mask)]
    response = rig.result(rig.ask(**rig.images(label_image=None, instance_masks=masks)))
    (item,) = response.objects.objects
    assert (item.instance_id, item.class_name) == (12, "can")


@pytest.mark.parametrize("mode", MODES)
def test_images_of_ones_own_are_told_which_way_is_up(make_rig, mode):
    rig = make_rig(mode, up_frame="base")
    message = TransformStamped(header=rig.ros.header(0, "base"), child_frame_id=rig.ros.frame)
    message.transform.rotation.x, message.transform.rotation.w = 1.0, 0.0  # it looks down
    StaticTransformBroadcaster(rig.bench.peer).sendTransform(message)
    rig.bench.spin_for(0.3)
    response = rig.result(rig.ask(**rig.images()))
    assert response.success
    up = response.objects.up
    assert up.source == "tf"
    assert (up.direction.x, up.direction.y, up.direction.z) == pytest.approx((0, 0, -1))
    # Where TF does not tell, they are estimated without.
    elsewhere = rig.images()
    elsewhere["depth"].header.frame_id = "other"
    response = rig.result(rig.ask(**elsewhere))
    assert (response.success, response.objects.up.source) == (True, "")


def test_images_of_ones_own_need_not_be_aligned(make_rig):
    rig = make_rig(depth__aligned=False)
    labels = np.zeros((96, 128), np.uint8)
    labels[20:40, 11:41], labels[60:80, 72:112] = 3, 7
    images = rig.images(label_image=rig.ros.image(labels, 5))
    response = rig.result(rig.ask(**images))
    assert (response.success, response.reason) == (False, "bad_intrinsics")
    assert "mask_camera_info" in response.message
    info = rig.ros.camera_info(96, 128, fx=120.0, fy=120.0)
    info.header.frame_id = "other"
    publisher = rig.bench.peer.create_publisher(CameraInfo, "mask_camera_info", 10)
    assert rig.bench.spin_until(publisher.get_subscription_count)
    publisher.publish(info)
    message = TransformStamped(header=rig.ros.header(0, "other"), child_frame_id=rig.ros.frame)
    message.transform.translation.x, message.transform.rotation.w = -0.06, 1.0
    StaticTransformBroadcaster(rig.bench.peer).sendTransform(message)
    rig.bench.spin_for(0.3)
    response = rig.result(rig.ask(**images))
    assert (response.reason, response.message) == ("", "")
    first, second = (item.pose.pose.position for item in response.objects.objects)
    assert (first.x, first.y, first.z) == pytest.approx((-0.2, -0.127, 0.8), abs=0.015)
    assert (second.x, second.y, second.z) == pytest.approx((0.2625, 0.1575, 0.9), abs=0.015)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"depth": None}, "bad_request", "masks and no depth image"),
        ({"label_image": None}, "bad_request", "the request has none"),
        ({"camera_info": None}, "bad_intrinsics", ""),
        ({"timeout": Duration(sec=601)}, "bad_request", "at most 600 s, got 601"),
        ({"timeout": Duration(sec=-1)}, "bad_request", "above 0"),
        ({"depth": "unnamed"}, "empty_frame_id", "no frame_id"),
        ({"depth": "float64"}, "bad_encoding", "64FC1"),
        ({"label_image": "other size"}, "size_mismatch", ""),
    ],
    ids=str,
)
def test_images_that_are_no_frame_are_refused_by_name(make_rig, changes, reason, words):
    rig = make_rig()
    odd = {
        "unnamed": rig.ros.image(rig.camera.depth_mm, 5, frame_id=""),
        "float64": rig.ros.image(rig.camera.depth_mm.astype("f8"), 5, encoding="64FC1"),
        "other size": rig.ros.image(np.ones((48, 60), np.uint8), 5),
    }
    changes = {k: odd.get(v, v) if isinstance(v, str) else v for k, v in changes.items()}
    response = rig.result(rig.ask(**rig.images(**changes)))
    assert (response.success, response.reason) == (False, reason)
    assert words in response.message


def test_images_that_cannot_be_read_at_all_are_answered_too(make_rig, monkeypatch):
    def fail(_request):
        raise OverflowError("too large")

    monkeypatch.setattr("genpose_ros.ros.requests.matched_images", fail)
    rig = make_rig()
    response = rig.result(rig.ask(**rig.images()))
    assert (response.reason, response.message) == ("bad_request", "OverflowError: too large")


def test_an_estimator_that_raises_is_told_to_who_asked(make_rig):
    rig = make_rig()
    rig.made[0].error = RuntimeError("out of memory")
    response = rig.result(rig.ask(**rig.images()))
    assert (response.reason, response.message) == ("internal_error", "RuntimeError: out of memory")


def test_the_worker_estimates_and_the_callbacks_go_on(make_rig):
    rig = make_rig()
    threads = []
    rig.made[0].delay_s = 1.0
    estimate = rig.made[0].estimate

    def noting(frame):
        threads.append(threading.current_thread().name)
        return estimate(frame)

    rig.made[0].estimate = noting
    future = rig.service.call_async(EstimatePoses.Request(**rig.images()))
    enable = rig.bench.peer.create_client(SetBool, "/genpose/enable")
    assert rig.bench.spin_until(enable.service_is_ready)
    other = enable.call_async(SetBool.Request(data=True))
    assert rig.bench.spin_until(other.done)
    assert not future.done()
    assert rig.result(future).success
    assert threads == ["estimator"]


def test_a_paused_node_estimates_what_is_asked_for_and_nothing_else(make_rig):
    rig = make_rig()
    enable = rig.bench.peer.create_client(SetBool, "/genpose/enable")
    assert rig.bench.spin_until(enable.service_is_ready)
    rig.result(enable.call_async(SetBool.Request(data=False)))
    rig.camera.send()
    rig.bench.spin_for(0.3)
    assert rig.made[0].n_frames == 0
    future = rig.ask()
    stamp = rig.camera.send()
    assert stamp_of(rig.result(future).objects) == stamp
    rig.camera.send()
    rig.bench.spin_for(0.3)
    assert rig.made[0].n_frames == 1


def test_a_node_that_is_not_active_says_so_at_once(make_rig):
    rig = make_rig()
    future = rig.ask()
    rig.node.trigger_deactivate()
    assert rig.result(future).reason == "not_active"
    response = rig.result(rig.ask())
    assert (response.reason, response.message) == (
        "not_active",
        "the node is inactive; activate it",
    )
    _, result = rig.send_goal()
    assert rig.result(result).result.reason == "not_active"


class TestFrames:
    def test_a_goal_is_told_each_frame_and_gets_them_all(self, make_rig):
        rig = make_rig()
        told = []
        goal, result = rig.send_goal(told.append, frames=3)
        assert goal.accepted
        stamps = []
        for count in (1, 2, 3):
            assert not result.done()
            stamps.append(rig.camera.send())
            assert rig.bench.spin_until(lambda: len(told) == count)  # noqa: B023
        answer = rig.result(result)
        assert answer.status == GoalStatus.STATUS_SUCCEEDED
        assert answer.result.success
        assert [stamp_of(frame) for frame in answer.result.frames] == stamps
        assert [message.feedback.count for message in told] == [1, 2, 3]
        assert [stamp_of(message.feedback.objects) for message in told] == stamps

    def test_a_goal_that_runs_out_of_time_keeps_what_there_is(self, make_rig):
        rig = make_rig()
        _, result = rig.send_goal(frames=2, timeout=Duration(sec=2))
        stamp = rig.camera.send()
        answer = rig.result(result)
        assert answer.status == GoalStatus.STATUS_ABORTED
        assert (answer.result.success, answer.result.reason) == (False, "request_timed_out")
        assert answer.result.message.startswith("1 of 2 frames in 2 s; ")
        assert [stamp_of(frame) for frame in answer.result.frames] == [stamp]

    def test_a_goal_can_be_cancelled(self, make_rig):
        rig = make_rig()
        goal, result = rig.send_goal(frames=2)
        cancelled = rig.result(goal.cancel_goal_async())
        assert len(cancelled.goals_canceling) == 1
        answer = rig.result(result)
        assert answer.status == GoalStatus.STATUS_CANCELED
        assert answer.result.message == "cancelled after 0 of 2 frames"

    def test_absurd_goals_are_refused_by_name(self, make_rig):
        rig = make_rig()
        answer = rig.result(rig.send_goal(frames=4_000_000_000)[1])
        assert answer.result.reason == "bad_request"
        assert answer.result.message == "frames must be at most 100, got 4000000000"
