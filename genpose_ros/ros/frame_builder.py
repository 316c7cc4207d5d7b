# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Building of the estimator's `Frame` from matched messages."""

from dataclasses import dataclass, replace

import numpy as np
from std_msgs.msg import Header

from genpose_ros.estimation.frame import Frame, check_frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.ros.camera_info import calibrated_camera
from genpose_ros.ros.images import depth_m
from genpose_ros.ros.masks import Segmented, instances_from_labels, instances_from_message
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.parameters import Settings

__all__ = ["BuiltFrame", "build_frame", "stamp_ns"]


@dataclass(frozen=True)
class BuiltFrame:
    """Frame to estimate, and the objects that were refused on the way."""

    frame: Frame
    rejections: tuple[Rejection, ...]


def stamp_ns(header: Header) -> int:
    """Return a header's stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def build_frame(
    matched: Matched, settings: Settings, categories: CategorySet
) -> BuiltFrame | Rejection:
    """Decode what was matched, or say why the whole frame is refused.

    A depth image without masks becomes a frame without objects.

    Args:
        matched: messages of one stamp.
        settings: of the node.
        categories: that the estimator knows.
    """
    header, pixels = matched.depth.header, matched.depth.pixels
    camera = calibrated_camera(matched.calibration, pixels.shape, rectified=settings.node.rectified)
    if isinstance(camera, Rejection):
        return camera
    frame = Frame(
        depth_m=depth_m(pixels),
        camera=camera,
        stamp_ns=stamp_ns(header),
        frame_id=header.frame_id,
    )
    refused = check_frame(frame)
    if refused is not None:
        return refused
    segmented = _segmented(matched, settings, categories)
    if isinstance(segmented, Rejection):
        return segmented
    return BuiltFrame(replace(frame, instances=segmented.instances), segmented.rejections)


def _segmented(
    matched: Matched, settings: Settings, categories: CategorySet
) -> Segmented | Rejection:
    if matched.masks is None:
        return Segmented((), ())
    shape = matched.depth.pixels.shape
    rules, limit = settings.node.category_rules(categories), settings.estimator.max_objects
    content = matched.masks.content
    if not isinstance(content, np.ndarray):
        return instances_from_message(content, shape, rules, limit)
    segmented = instances_from_labels(content, shape, rules, matched.detections, limit)
    unmatched = matched.masks.needs_detections and not matched.detections
    if isinstance(segmented, Rejection) or not unmatched:
        return segmented
    return replace(segmented, rejections=tuple(map(_without_detections, segmented.rejections)))


def _without_detections(rejection: Rejection) -> Rejection:
    if rejection.reason is not Reason.UNKNOWN_CATEGORY:
        return rejection
    return replace(rejection, detail=f"{rejection.detail}; no detections of its stamp arrived")
