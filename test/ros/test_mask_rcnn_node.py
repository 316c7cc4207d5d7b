# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmenter node: its messages as the estimator's adapters read them, pace, and parameters."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from spinning import spin_until
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from genpose_ros.geometry import NOCS
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.image_messages import image_message
from genpose_ros.ros.images import label_pixels
from genpose_ros.ros.mask_rcnn_node import MaskRcnnNode, mask_messages
from genpose_ros.ros.masks import instances_from_labels, instances_from_message
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.segmentation.segments import Segment

pytestmark = pytest.mark.ros


def segment(category, score, columns):
    mask = np.zeros((12, 16), bool)
    mask[2:9, columns] = True
    return Segment(category, category, score, mask, np.array([columns.start, 2, columns.stop, 9]))


BLACK = np.zeros((12, 16, 3), np.uint8)
SEGMENTS = [segment("mug", 0.75, slice(1, 6)), segment("bowl", 0.5, slice(4, 12))]


class StubSegmenter:
    """Finds the same two objects in every image, in the time it is given."""

    known_classes = {"cup": "mug"}  # noqa: RUF012

    def __init__(self, settings):
        self.settings, self.delay_s, self.images = settings, 0.0, []

    def segment(self, image):
        self.images.append(image)
        time.sleep(self.delay_s)
        return [s for s in SEGMENTS if s.score >= self.settings.min_score]


def header(stamp_s):
    made = Header(frame_id="camera_color_optical_frame")
    made.stamp.sec = stamp_s
    return made


def test_the_estimators_adapters_read_what_is_published():
    messages = mask_messages(SEGMENTS, (12, 16), header(7))
    assert {m.header.stamp.sec for m in messages.values()} == {7}
    rules = NodeSettings().category_rules(NOCS)
    labels = label_pixels(messages["label_image"])
    found = instances_from_labels(
        labels, (12, 16), rules, tuple(messages["detections"].detections), 20, 0
    ).instances
    assert [(i.id, i.category, i.detection_score) for i in found] == [
        (1, "mug", 0.75), (2, "bowl", 0.5)
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0].mask, SEGMENTS[0].mask)
    np.testing.assert_array_equal(found[1].mask, SEGMENTS[1].mask & ~SEGMENTS[0].mask)
    whole = instances_from_message(messages["instance_masks"], (12, 16), rules, 20).instances
    np.testing.assert_array_equal(whole[1].mask, SEGMENTS[1].mask)


def test_an_object_that_another_covers_whole_is_left_out_of_the_label_image():
    covered = [segment("mug", 0.9, slice(1, 6)), segment("bowl", 0.5, slice(2, 4))]
    messages = mask_messages(covered, (12, 16), header(7))
    assert [d.id for d in messages["detections"].detections] == ["1"]
    assert [m.id for m in messages["instance_masks"].instances] == [1, 2]


def test_an_image_without_objects_has_messages_without_objects():
    messages = mask_messages([], (12, 16), header(7))
    assert not label_pixels(messages["label_image"]).any()
    assert messages["detections"].detections == []


@pytest.fixture
def running():
    """The node with a stub, and a peer that sends images and hears the masks."""
    rclpy.init()
    made = []

    def make(settings):
        made.append(StubSegmenter(settings))
        return made[-1]

    node = MaskRcnnNode(
        make_segmenter=make, parameter_overrides=[Parameter("max_rate_hz", value=0.0)]
    )
    peer = Node("peer")
    heard = {Image: [], Detection2DArray: [], InstanceMasks: []}
    for kind, name in (
        (Image, "label_image"),
        (Detection2DArray, "detections"),
        (InstanceMasks, "instance_masks"),
    ):
        peer.create_subscription(kind, f"/segmentation/{name}", heard[kind].append, 10)
    publisher = peer.create_publisher(Image, "/image", 10)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(peer)

    def spin(done):
        assert spin_until(executor, done)

    spin(
        lambda: (
            publisher.get_subscription_count() > 0
            and all(p.get_subscription_count() for p in node._outputs.values())
        )
    )
    yield SimpleNamespace(
        node=node, stub=made[0], heard=heard, spin=spin,
        send=lambda s, encoding="rgb8", pixels=BLACK: publisher.publish(
            image_message(pixels, encoding, header(s))
        ),
    )  # fmt: skip
    executor.shutdown()
    node.destroy_node()
    peer.destroy_node()
    rclpy.shutdown()


def test_masks_come_with_the_stamp_and_frame_of_their_image(running):
    running.send(3)
    running.spin(lambda: all(running.heard.values()))
    for messages in running.heard.values():
        assert messages[0].header == header(3)
    assert len(running.heard[Detection2DArray][0].detections) == 2


def test_a_slow_network_takes_the_newest_image_and_counts_the_others(running):
    running.stub.delay_s = 0.5
    running.send(1)
    running.spin(lambda: len(running.stub.images) == 1)
    for stamp_s in (2, 3, 4):
        running.send(stamp_s)
    running.spin(lambda: len(running.heard[Image]) == 2)
    assert [m.header.stamp.sec for m in running.heard[Image]] == [1, 4]
    assert running.node.counts["replaced by newer ones"] == 2


def test_thresholds_change_while_it_runs_and_wrong_ones_are_refused(running):
    (result,) = running.node.set_parameters([Parameter("min_score", value=0.6)])
    assert result.successful
    running.send(1)
    running.spin(lambda: bool(running.heard[Detection2DArray]))
    assert len(running.heard[Detection2DArray][0].detections) == 1
    (result,) = running.node.set_parameters([Parameter("min_score", value=1.5)])
    assert not result.successful
    (result,) = running.node.set_parameters([Parameter("weights", value="other.pth")])
    assert not result.successful


def test_images_faster_than_the_given_rate_are_left_out(running):
    running.node.set_parameters([Parameter("max_rate_hz", value=0.1)])
    running.send(1)
    running.send(2)
    running.spin(lambda: running.node.counts["came"] == 2)
    running.spin(lambda: running.node.counts["segmented"] == 1)
    assert running.node.counts["left out for max_rate_hz"] == 1


def test_what_is_no_colour_image_is_refused_and_a_failure_does_not_end_it(running):
    running.send(1, "16UC1", np.zeros((12, 16), np.uint16))
    running.spin(lambda: running.node.counts["refused"] == 1)
    segments, running.stub.segment = running.stub.segment, None
    running.send(2)
    running.spin(lambda: running.node.counts["failed"] == 1)
    running.stub.segment = segments
    running.send(3)
    running.spin(lambda: running.node.counts["segmented"] == 1)
    assert running.node._status().message == "segmenting"


def test_a_misspelt_parameter_is_refused_with_the_right_name():
    rclpy.init()
    try:
        with pytest.raises(ValueError, match="no parameter min_scor; did you mean min_score"):
            MaskRcnnNode(parameter_overrides=[Parameter("min_scor", value=0.5)])
    finally:
        rclpy.shutdown()
