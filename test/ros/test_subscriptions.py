# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inputs are heard whatever their publishers offer, and whole where these offer to send again."""

import os
import subprocess
import sys

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from genpose_ros.ros.subscriptions import AdaptiveSubscription, message_class, type_name

pytestmark = pytest.mark.ros
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
FRAMES = 30

PUBLISHER = """
import array, sys, time, rclpy
from sensor_msgs.msg import CameraInfo, Image

rclpy.init()
node = rclpy.create_node("camera")
topic = node.create_publisher(Image, "depth", 5)
image = Image(data=array.array("B", bytes(640 * 480 * 2)))
while not topic.get_subscription_count():
    time.sleep(0.05)
time.sleep(2.0)
for number in range(int(sys.argv[1])):
    image.header.frame_id = str(number)
    image.header.stamp.sec = number
    topic.publish(image)
    time.sleep(1 / 15)
time.sleep(1.0)
"""


class Ear:
    """A subscription of one node and publishers of another."""

    def __init__(self, bench, reliability="auto"):
        self.bench, self.heard, self.stamp = bench, [], 0
        self.subscription = AdaptiveSubscription(
            bench.node,
            [CameraInfo],
            "words",
            lambda m: self.heard.append(m.distortion_model),
            reliability,
        )
        bench.node.create_timer(0.1, self.subscription.adapt)
        self.publishers = []

    def publisher(self, reliability):
        profile = QoSProfile(depth=5, reliability=reliability)
        self.publishers.append(self.bench.peer.create_publisher(CameraInfo, "words", profile))
        return self.publishers[-1]

    def say(self, publisher, word):
        message = CameraInfo(distortion_model=word)
        self.stamp += 1
        message.header.stamp.sec = self.stamp
        publisher.publish(message)

    def becomes(self, publisher, *, reliable):
        """Keep talking until it has changed over."""

        def changed():
            self.say(publisher, "and")
            self.bench.spin_for(0.05)
            return self.subscription.reliable is reliable

        return self.bench.spin_until(changed)

    def hears(self, publisher, word):
        def said():
            self.say(publisher, word)
            return self.bench.spin_until(lambda: word in self.heard, 0.2)

        return self.bench.spin_until(said)


@pytest.fixture
def bench(benches):
    bench = benches(lambda: None)
    bench.node = rclpy.create_node("listener", context=bench.context)
    bench.executor.add_node(bench.node)
    return bench


def test_a_subscription_follows_what_the_publishers_offer(bench):
    ear = Ear(bench)
    assert not ear.subscription.reliable
    first = ear.publisher(RELIABLE)
    assert ear.becomes(first, reliable=True)
    assert ear.hears(first, "one")
    second = ear.publisher(BEST_EFFORT)
    assert ear.becomes(second, reliable=False)
    assert ear.hears(first, "two")
    assert ear.hears(second, "three")
    bench.peer.destroy_publisher(second)
    assert ear.becomes(first, reliable=True)
    assert ear.hears(first, "four")


def test_a_subscription_follows_a_remapped_topic_too(bench):
    node = rclpy.create_node(
        "remapped", context=bench.context, cli_args=["--ros-args", "-r", "depth:=/front/words"]
    )
    subscription = AdaptiveSubscription(node, [CameraInfo], "depth", lambda _: None)
    bench.executor.add_node(node)
    node.create_timer(0.1, subscription.adapt)
    publisher = bench.peer.create_publisher(CameraInfo, "/front/words", 5)

    def changed() -> bool:
        publisher.publish(CameraInfo())
        return bench.spin_until(lambda: subscription.reliable, 0.1)

    assert bench.spin_until(changed)
    node.destroy_node()


@pytest.mark.parametrize("given", ["best_effort", "reliable"])
def test_a_reliability_given_for_one_topic_holds_whatever_is_offered(bench, ros, given):
    name = "qos_overrides./words.subscription.reliability"
    node = rclpy.create_node(
        "told", context=bench.context, parameter_overrides=ros.overrides(**{name: given})
    )
    subscription = AdaptiveSubscription(node, [CameraInfo], "words", lambda _: None)
    publisher = bench.peer.create_publisher(CameraInfo, "words", 5)
    assert bench.spin_until(publisher.get_subscription_count)
    subscription.adapt()
    (info,) = bench.peer.get_subscriptions_info_by_topic("/words")
    assert info.qos_profile.reliability.name == given.upper()
    assert subscription.reliable is (given == "reliable")
    node.destroy_node()


def test_no_message_is_lost_or_doubled_while_a_subscription_changes_over(bench):
    ear = Ear(bench)
    publisher = ear.publisher(RELIABLE)
    assert ear.hears(publisher, "start")
    said = [str(number) for number in range(60)]
    for word in said:
        ear.say(publisher, word)
        bench.spin_for(0.02)
    assert ear.subscription.reliable
    assert bench.spin_until(lambda: said[-1] in ear.heard)
    assert [word for word in ear.heard if word != "start"] == said


def test_what_one_of_two_subscriptions_has_lost_does_not_come_out_of_order(bench):
    heard: list[int] = []
    subscription = AdaptiveSubscription(
        bench.node, [CameraInfo], "words", lambda message: heard.append(message.header.stamp.sec)
    )
    bench.peer.create_publisher(CameraInfo, "words", 5)
    assert bench.spin_until(lambda: bench.node.count_publishers("words"))
    subscription.adapt()  # to the reliable publisher; it has said nothing yet

    def take(receive, *stamps):
        for stamp in stamps:
            message = CameraInfo()
            message.header.stamp.sec = stamp
            receive(message)

    take(subscription._now.callback, 1, 5)
    take(subscription._next.callback, 1, 2, 3, 4, 5, 6)
    take(subscription._now.callback, 6, 7)
    assert heard == [1, 5, 6, 7]


@pytest.mark.parametrize(("reliability", "reliable"), [("reliable", True), ("best_effort", False)])
def test_a_reliability_that_is_given_stays(bench, reliability, reliable):
    ear = Ear(bench, reliability)
    publisher = ear.publisher(BEST_EFFORT if reliable else RELIABLE)
    assert bench.spin_until(lambda: bench.node.count_publishers("words"))
    bench.spin_for(0.3)
    assert ear.subscription.reliable is reliable
    assert reliable or ear.hears(publisher, "one")


def test_a_subscription_that_changes_over_again_and_again_keeps_nothing(bench):
    """The node keeps nothing of earlier subscriptions."""
    ear = Ear(bench)
    first = ear.publisher(RELIABLE)
    assert ear.becomes(first, reliable=True)
    counts = []
    for _ in range(4):
        publisher = ear.publisher(BEST_EFFORT)
        assert ear.becomes(publisher, reliable=False)
        bench.peer.destroy_publisher(publisher)
        assert ear.becomes(first, reliable=True)
        bench.spin_for(0.1)
        counts.append((len(list(bench.node.waitables)), len(list(bench.node.subscriptions))))
    assert len(set(counts)) == 1, counts


LATCHED = QoSProfile(depth=1, reliability=RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize("reliability", ["auto", "reliable"])
def test_what_was_published_once_before_is_heard(bench, reliability):
    """As calibrations are."""
    publisher = bench.peer.create_publisher(CameraInfo, "words", LATCHED)
    publisher.publish(CameraInfo(distortion_model="latched"))
    bench.spin_for(0.2)
    ear = Ear(bench, reliability)
    assert bench.spin_until(lambda: ear.heard == ["latched"])
    bench.spin_for(0.5)
    assert ear.heard == ["latched"]


def test_beside_a_publisher_that_is_not_latched_both_are_heard(bench):
    ear = Ear(bench)
    latched = bench.peer.create_publisher(CameraInfo, "words", LATCHED)
    assert ear.hears(latched, "one")
    volatile = ear.publisher(BEST_EFFORT)
    assert ear.hears(volatile, "two")
    assert ear.hears(latched, "three")


class TestTypes:
    @pytest.fixture
    def peer(self):
        """A node of another process, as it were: one participant has one type on a topic."""
        context = rclpy.Context()
        rclpy.init(context=context)
        peer = rclpy.create_node("other", context=context)
        yield peer
        peer.destroy_node()
        rclpy.shutdown(context=context)

    def listen(self, bench, *kinds):
        heard = []
        subscription = AdaptiveSubscription(bench.node, kinds, "pixels", heard.append)
        bench.node.create_timer(0.1, subscription.adapt)
        return subscription, heard

    def hear(self, bench, peer, kind, heard):
        publisher = peer.create_publisher(kind, "pixels", 5)

        def said():
            publisher.publish(kind())
            return bench.spin_until(lambda: any(isinstance(m, kind) for m in heard), 0.1)

        assert bench.spin_until(said)
        peer.destroy_publisher(publisher)

    def test_each_type_that_is_understood_is_heard(self, bench, peer):
        subscription, heard = self.listen(bench, Image, CompressedImage)
        self.hear(bench, peer, CompressedImage, heard)
        self.hear(bench, peer, Image, heard)
        assert subscription.problem == ""

    def test_a_type_that_is_not_understood_is_named(self, bench, peer):
        subscription, _ = self.listen(bench, Image, CompressedImage)
        assert subscription.problem == ""
        peer.create_publisher(CameraInfo, "pixels", 5)
        assert bench.spin_until(lambda: subscription.problem)
        assert subscription.problem == (
            "it is published as sensor_msgs/msg/CameraInfo, not sensor_msgs/msg/Image or "
            "sensor_msgs/msg/CompressedImage"
        )

    def test_whatever_is_published_can_be_heard(self, bench, peer):
        subscription, heard = self.listen(bench)
        assert subscription.problem == ""
        self.hear(bench, peer, CameraInfo, heard)


@pytest.mark.parametrize(
    "name",
    ["none_such_msgs/msg/Image", "sensor_msgs/msg/NoneSuch", "os", "os/msg/path", "../msg/Image",
     "sensor_msgs/Image", "", "sensor_msgs/srv/SetCameraInfo"],
)  # fmt: skip
def test_a_type_that_cannot_be_imported_is_none(name):
    assert message_class(name) is None


def test_a_type_is_found_by_its_name():
    assert message_class(type_name(CompressedImage)) is CompressedImage


@pytest.mark.slow
def test_a_camera_without_our_shared_memory_profile_loses_no_image():
    """As a driver that somebody else started; best effort, most of these get lost."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("estimator", context=context)
    heard: list[str] = []
    subscription = AdaptiveSubscription(
        node, [Image], "depth", lambda m: heard.append(m.header.frame_id)
    )
    node.create_timer(0.5, subscription.adapt)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    environment = {k: v for k, v in os.environ.items() if "DEFAULT_PROFILES_FILE" not in k}
    # The environment of `make setup` offers the profile unless another one is named.
    environment["NO_DEFAULT_PROFILES_FILE"] = "none"
    command = [sys.executable, "-c", PUBLISHER, str(FRAMES)]
    camera = subprocess.Popen(command, env=environment)
    while camera.poll() is None:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert heard == [str(number) for number in range(FRAMES)]
