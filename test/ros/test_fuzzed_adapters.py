# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Random messages through all that takes messages in: each is taken, or refused with a reason."""

import math
import random
from array import array
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.categories import NOCS
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.camera_info import calibrated_camera, calibration_from_info
from genpose_ros.ros.detections import CategoryRules, parse_label_categories
from genpose_ros.ros.frame_builder import build_frame, stamp_ns
from genpose_ros.ros.images import depth_m, depth_pixels, label_pixels
from genpose_ros.ros.masks import instances_from_labels, instances_from_message
from genpose_ros.ros.matching import MAX_WAITING, DepthMessage, FrameMatcher, MaskInput
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.tracking.settings import TrackerSettings

pytestmark = pytest.mark.fuzz

BYTES = {"16UC1": 2, "mono16": 2, "32FC1": 4, "mono8": 1, "8UC1": 1, "32SC1": 4}
ENCODINGS = [
    *BYTES, "rgb8", "64FC1", "16SC1", "", "16UC1 ", "16uc1", "\0", "yuv422", "A" * 10_000,
    "32FC1; compressedDepth png",
]  # fmt: skip
NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 600.0, 1e-300, 1e300, -1e300, math.nan, math.inf, -math.inf, 1e6, 1e-6,
    319.5, 2.0**31, 2.0**63,
]  # fmt: skip
SIZES = [0, 1, 2, 3, 7, 64, 480, 640, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1]
NAMES = ["mug", "MUG ", "cup", "41", "", "x" * 5000, "\0", "\u0131nvalid", "\n", "bowl"]
RULES = [
    CategoryRules(),
    CategoryRules("mug"),
    CategoryRules(names=parse_label_categories("1:mug, 41:bowl")),
]
LONGEST_DETAIL = 2000


class Sender:
    """Maker of messages, sensible in parts, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._bytes = np.random.default_rng(seed)
        self.pick = self._rng.choice
        self.chance = self._rng.random

    def number(self) -> float:
        return self.pick(NUMBERS) if self.chance() < 0.5 else self._rng.uniform(-2000, 2000)

    def size(self) -> int:
        return self.pick((0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32))

    def header(self) -> Header:
        header = Header(frame_id=self.pick(("camera", "", "x" * 1000, "\n")))
        header.stamp.sec = self.pick((-(2**31), -1, 0, 1, 2, 3, 4, 5, 2**31 - 1))
        header.stamp.nanosec = self.pick((0, 1, 500_000_000, 999_999_999, 2**32 - 1))
        return header

    def data(self, count: int) -> array:
        kind = self._rng.randrange(3)
        if kind == 0:
            return array("B", self._bytes.integers(0, 256, count, dtype=np.uint8).tobytes())
        return array("B", bytes([self.pick((0, 1, 127, 255))]) * count)

    def image(self) -> Image:
        message = Image(header=self.header(), is_bigendian=self.pick((0, 1, 255)))
        message.encoding = self.pick(ENCODINGS[:6] if self.chance() < 0.8 else ENCODINGS)
        if self.chance() < 0.75:
            message.height, message.width = self.size(), self.size()
            pad = self.pick((0, 0, 0, 1, 3, 64))
            message.step = message.width * BYTES.get(message.encoding, 2) + pad
            count = message.step * message.height + self.pick((0, 0, 0, 0, -1, 1, 17))
        else:
            message.height, message.width = self.pick(SIZES), self.pick(SIZES)
            message.step, count = self.pick(SIZES), self.pick((0, 1, 64, 4096))
        message.data = self.data(max(count, 0))
        return message

    def region(self) -> RegionOfInterest:
        numbers = [self.size() if self.chance() < 0.7 else self.pick(SIZES) for _ in range(4)]
        names = ("x_offset", "y_offset", "height", "width")
        return RegionOfInterest(**dict(zip(names, numbers, strict=True)))

    def camera(self, shape: tuple[int, ...]) -> CameraInfo:
        message = CameraInfo(header=self.header())
        sizes = shape if self.chance() < 0.6 else (self.pick(SIZES), self.pick(SIZES))
        message.height, message.width = sizes
        good = [600.0, 0.0, 5.0, 0.0, 600.0, 5.0, 0.0, 0.0, 1.0]
        message.k = good if self.chance() < 0.5 else [self.number() for _ in range(9)]
        message.p = [0.0] * 12 if self.chance() < 0.4 else [self.number() for _ in range(12)]
        message.d = [self.number() for _ in range(self.pick((0, 4, 5, 1000)))]
        message.binning_x, message.binning_y = self.pick((0, 1, 2, 2**32 - 1)), self.pick((0, 1))
        if self.chance() < 0.4:
            message.roi = self.region()
        return message

    def detections(self) -> tuple[Detection2D, ...]:
        found = []
        for _ in range(self.pick((0, 0, 1, 2, 20))):
            item = Detection2D(id=self.pick(("1", "2", "255", "", " 3 ", "-1", "\u0661", "1.0")))
            item.bbox.center.position.x, item.bbox.center.position.y = self.number(), self.number()
            item.bbox.size_x, item.bbox.size_y = self.number(), self.number()
            for _ in range(self.pick((0, 1, 1, 3))):
                hypothesis = ObjectHypothesisWithPose()
                hypothesis.hypothesis.class_id = self.pick(NAMES)
                hypothesis.hypothesis.score = self.number()
                item.results.append(hypothesis)
            found.append(item)
        return tuple(found)

    def masks(self, shape: tuple[int, ...]) -> InstanceMasks:
        message = InstanceMasks(header=self.header())
        sizes = shape if self.chance() < 0.7 else (self.pick(SIZES), self.pick(SIZES))
        message.height, message.width = sizes
        for _ in range(self.pick((0, 1, 2, 5, 100))):
            score = self.number()
            item = InstanceMask(id=self.pick((0, 1, 2, -1, 2**31 - 1, -(2**31), 255)))
            item.class_name = self.pick(NAMES)
            item.score = score if abs(score) < 3e38 or not math.isfinite(score) else 0.0
            item.roi = self.region()
            whole = item.roi.height * item.roi.width or message.height * message.width
            item.mask = self.data(min(whole if self.chance() < 0.7 else self.size(), 10_000))
            message.instances.append(item)
        return message


def settings() -> list[Settings]:
    """Settings with and without a category for all labels."""
    return [
        Settings(
            EstimatorSettings.preset("fast", max_objects=limit),
            NodeSettings(default_category=category),
            TrackerSettings(),
        )
        for limit, category in ((1, "mug"), (64, ""))
    ]


def check(result: Any, counts: Counter) -> Any:
    """Count a refusal, whose text has to stay short."""
    if isinstance(result, Rejection):
        counts[result.reason] += 1
        assert len(result.detail) <= LONGEST_DETAIL, result.reason
    return result


@pytest.mark.filterwarnings("error")
def test_random_messages_are_taken_or_refused_with_a_reason(fuzz_cases: int, fuzz_seed: int):
    sender, counts, known = Sender(fuzz_seed), Counter(), settings()
    matcher = FrameMatcher(2.0, 0.01, 0.5)
    shape: tuple[int, ...] = (6, 8)
    for _ in range(fuzz_cases // 10):  # five messages, each taken at least twice
        image, labels = sender.image(), sender.image()
        pixels = check(depth_pixels(image), counts)
        if isinstance(pixels, np.ndarray):
            shape = pixels.shape
            metres = check(depth_m(pixels), counts)
            assert isinstance(metres, Rejection) or not np.isnan(metres).any()
        values = check(label_pixels(labels), counts)
        info, found = sender.camera(shape), sender.detections()
        calibration = calibration_from_info(info)
        check(calibrated_camera(calibration, shape, rectified=sender.chance() < 0.5), counts)
        masks = sender.masks(shape)
        rules, limit = sender.pick(RULES), sender.pick((1, 3, 64))
        check(instances_from_message(masks, shape, rules, limit), counts)
        if isinstance(values, np.ndarray):
            size = sender.pick((values.shape, shape, tuple(2 * n for n in values.shape)))
            check(instances_from_labels(values, size, rules, found, limit), counts)
            matcher.add_masks(stamp_ns(labels.header), MaskInput(values, sender.chance() < 0.5))
        if isinstance(pixels, np.ndarray):
            matcher.add_depth(stamp_ns(image.header), DepthMessage(image.header, pixels))
        matcher.add_calibration(stamp_ns(info.header), calibration)
        matcher.add_detections(stamp_ns(masks.header), found)
        matcher.add_masks(stamp_ns(masks.header), MaskInput(masks))
        outcome = matcher.poll()
        assert len(matcher._waiting) <= MAX_WAITING
        for refused in outcome.refused:
            check(refused.rejection, counts)
        for matched in outcome.matched:
            for each in known:
                check(build_frame(matched, each, NOCS), counts)
    assert len(counts) >= 5
