# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Random messages through all that takes messages in: each is taken, or refused with a reason."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from fuzzed_messages import Sender

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.categories import NOCS
from genpose_ros.ros.camera_info import calibrated_camera, calibration_from_info
from genpose_ros.ros.color_images import color_pixels
from genpose_ros.ros.compressed_images import CompressedDepth
from genpose_ros.ros.detections import CategoryRules, parse_label_categories
from genpose_ros.ros.frame_builder import build_frame, stamp_ns
from genpose_ros.ros.images import depth_m, depth_pixels, label_pixels
from genpose_ros.ros.masks import instances_from_labels, instances_from_message
from genpose_ros.ros.matching import MAX_WAITING, DepthMessage, FrameMatcher, MaskInput
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.tracking.settings import TrackerSettings

pytestmark = pytest.mark.fuzz

RULES = [
    CategoryRules(),
    CategoryRules("mug"),
    CategoryRules(names=parse_label_categories("1:mug, 41:bowl")),
]
LONGEST_DETAIL = 2000


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
    for _ in range(fuzz_cases // 12):  # six messages, each taken at least twice
        image, labels, packed = sender.image(), sender.image(), sender.compressed()
        for take in (depth_pixels, label_pixels, color_pixels):
            taken = check(take(packed), counts)
            if isinstance(taken, CompressedDepth):
                check(depth_m(taken), counts)
        check(color_pixels(image), counts)
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
        matcher.add_masks(stamp_ns(masks.header), MaskInput(masks, source="instance_masks"))
        outcome = matcher.poll()
        assert len(matcher._waiting) <= MAX_WAITING
        for refused in outcome.refused:
            check(refused.rejection, counts)
        for matched in outcome.matched:
            for each in known:
                check(build_frame(matched, each, NOCS), counts)
    assert len(counts) >= 5
