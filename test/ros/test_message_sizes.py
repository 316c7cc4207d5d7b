# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import io
import struct
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Point, Point32, Polygon
from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2D, ObjectHypothesis, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Reason
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.color_images import color_pixels
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.mask_arrays import instances_from_array
from genpose_ros.ros.message_sizes import check_bytes, message_bytes


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Picture.fromarray(np.zeros((height, width), dtype=np.uint16)).save(file, format="PNG")
    return file.getvalue()


def images(ros, width: int, height: int) -> list:
    raw = ros.image(np.zeros((height, width), dtype=np.uint16))
    png = CompressedImage(format="16UC1; png compressed", data=array("B", picture(width, height)))
    header = struct.pack("<i2f2I", 0, 0.0, 0.0, width, height)
    rvl = CompressedImage(format="16UC1; compressedDepth rvl", data=array("B", header))
    return [(depth_pixels, raw), (label_pixels, raw), (depth_pixels, png), (label_pixels, png),
            (depth_pixels, rvl)]  # fmt: skip


def test_images_of_more_pixels_than_are_taken_are_refused_with_both_numbers(ros):
    for read, message in images(ros, 40, 30):
        assert read(message, 1200).shape == (30, 40)
        refused = read(message, 1199)
        assert refused.reason is Reason.TOO_LARGE
        assert "40 x 30 pixels, more than 1199 (limits.pixels)" in refused.detail


def test_a_picture_of_an_absurd_size_is_refused_before_it_is_decoded():
    data = bytearray(picture(4, 4))
    data[16:24] = struct.pack(">2I", 2**31 - 1, 2**31 - 1)
    message = CompressedImage(format="16UC1; png compressed", data=array("B", data))
    assert depth_pixels(message).reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("message", "least", "most"),
    [
        (Image(data=array("B", bytes(1_000_000))), 1_000_000, 1_010_000),
        (
            InstanceMasks(instances=[InstanceMask(mask=array("B", bytes(50_000)))] * 4),
            200_000,
            210_000,
        ),
        (Polygon(points=[Point32()] * 1000), 100_000, 300_000),
        (Point(), 100, 1000),
    ],
)
def test_the_bytes_of_a_message_are_those_of_its_pixels_and_a_little_more(message, least, most):
    assert least <= message_bytes(message) <= most


def test_the_texts_of_detections_count():
    hypothesis = ObjectHypothesis(class_id="x" * 100_000)
    detection = Detection2D(results=[ObjectHypothesisWithPose(hypothesis=hypothesis)] * 2)
    assert 400_000 <= message_bytes([detection, detection]) <= 420_000


def test_a_message_that_alone_holds_more_than_all_may_is_refused():
    assert check_bytes(2_000_000, 2, "the depth image") is None
    refused = check_bytes(2_000_001, 2, "the depth image")
    assert refused.reason is Reason.TOO_LARGE
    assert refused.detail == "the depth image holds 2.0 MB, more than 2 (limits.held_mb)"


class DeviceBuffer:
    """A field as a GPU's buffer may be: so long, and not to be read from here."""

    def __len__(self):
        return 40 * 30 * 4


def raw(encoding: str, item: int) -> SimpleNamespace:
    size = {"height": 30, "width": 40, "step": 40 * item, "is_bigendian": 0}
    return SimpleNamespace(encoding=encoding, data=DeviceBuffer(), **size)


def compressed(text: str) -> SimpleNamespace:
    return SimpleNamespace(format=text, data=DeviceBuffer())


def masks_of(message):
    return instances_from_array(message, (30, 40), CategoryRules(default="can"))


@pytest.mark.parametrize(
    ("read", "message", "what"),
    [
        (depth_pixels, raw("16UC1", 2), "depth image"),
        (label_pixels, raw("mono8", 1), "label image"),
        (color_pixels, raw("rgb8", 3), "colour image"),
        (depth_pixels, compressed("16UC1; compressedDepth png"), "compressed depth image"),
        (label_pixels, compressed("png"), "compressed mask"),
        (color_pixels, compressed("jpeg"), "compressed colour image"),
        (masks_of, SimpleNamespace(masks=[raw("32FC1", 4)]), "mask"),
    ],
)
def test_what_is_no_memory_of_the_cpu_is_refused_with_a_sentence(read, message, what):
    assert 0 < message_bytes(message) < 10_000
    refused = read(message)
    if read is masks_of:
        (refused,) = refused.rejections
    assert refused.reason is Reason.BAD_ENCODING
    assert f"{what}'s data cannot be read as memory of the CPU: " in refused.detail
