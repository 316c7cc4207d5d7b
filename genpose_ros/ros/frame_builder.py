# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Building of the estimator's `Frame` from matched messages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.estimation.frame import Frame, check_frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.geometry.registration import pixels_in_image
from genpose_ros.ros.camera_info import calibrated_camera
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.images import depth_m
from genpose_ros.ros.mask_arrays import instances_from_array, instances_from_polygons
from genpose_ros.ros.mask_regions import (
    OtherView,
    instances_from_boxes,
    instances_from_classes,
)
from genpose_ros.ros.masks import Segmented, instances_from_labels, instances_from_message
from genpose_ros.ros.matching import MaskInput, Matched
from genpose_ros.ros.settings import Settings

if TYPE_CHECKING:
    from std_msgs.msg import Header

__all__ = ["BuiltFrame", "build_frame", "stamp_ns"]

#: Mask sources whose messages hold all that there is to know of their objects.
_OF_MESSAGES: dict[str, Callable[..., Segmented | Rejection]] = {
    "instance_masks": instances_from_message,
    "mask_array": instances_from_array,
    "yolo": instances_from_polygons,
}


@dataclass(frozen=True)
class BuiltFrame:
    """Frame to estimate, and the objects that were refused on the way."""

    frame: Frame
    rejections: tuple[Rejection, ...]


def stamp_ns(header: "Header") -> int:
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
    depth = depth_m(pixels, settings.node.depth_unit)
    if isinstance(depth, Rejection):
        return depth
    frame = Frame(depth, camera, stamp_ns=stamp_ns(header), frame_id=header.frame_id)
    refused = check_frame(frame)
    if refused is not None:
        return refused
    if matched.masks is None:
        return BuiltFrame(frame, ())
    rules = settings.node.category_rules(categories).with_labels(matched.masks.label_names)
    segmented = _segmented(matched, matched.masks, frame, rules, settings)
    if isinstance(segmented, Rejection):
        return segmented
    wanted = settings.node.object_filter(categories)
    instances = tuple(i for i in segmented.instances if wanted.wants(i.category, i.detection_score))
    rejections = segmented.rejections
    if wanted.classes:  # what is of no class that the model knows is not wanted either
        rejections = tuple(r for r in rejections if r.reason is not Reason.UNKNOWN_CATEGORY)
    return BuiltFrame(replace(frame, instances=instances), rejections)


def _segmented(
    matched: Matched,
    masks: MaskInput,
    frame: Frame,
    rules: CategoryRules,
    settings: Settings,
) -> Segmented | Rejection:
    """The objects of masks of any kind, at the size of the depth image."""
    view = _mask_view(matched, masks, frame, settings)
    if isinstance(view, Rejection):
        return view
    content, limit, depth = masks.content, settings.estimator.max_objects, frame.depth_m
    background = settings.node.background
    if masks.source == "boxes":
        return instances_from_boxes(content.detections, depth, rules, limit, view)
    if masks.source == "semantic":
        return instances_from_classes(content, depth, rules, limit, background, view)
    shape = depth.shape if view is None else view.shape
    if masks.source in _OF_MESSAGES:
        segmented = _OF_MESSAGES[masks.source](content, shape, rules, limit)
    else:
        segmented = instances_from_labels(
            content, shape, rules, matched.detections, limit, background
        )
    if isinstance(segmented, Rejection):
        return segmented
    if masks.needs_detections and not matched.detections:
        told = tuple(map(_without_detections, segmented.rejections))
        segmented = replace(segmented, rejections=told)
    if view is None:
        return segmented
    seen = tuple(replace(i, mask=view.mask(i.mask)) for i in segmented.instances)
    return replace(segmented, instances=seen)


def _mask_view(
    matched: Matched, masks: MaskInput, frame: Frame, settings: Settings
) -> OtherView | Rejection | None:
    """Where the depth image's pixels lie in the segmented one; None: they are its pixels."""
    if matched.mask_camera is None:
        return None
    calibration, T_mask_depth = matched.mask_camera.calibration, matched.mask_camera.T_mask_depth
    size = calibration.image_size
    shape = masks.content.shape if isinstance(masks.content, np.ndarray) else None
    if size is None and shape is None:
        detail = "mask_camera_info: width and height are 0, and these masks do not tell them"
        return Rejection(Reason.BAD_INTRINSICS, detail)
    camera = calibrated_camera(
        calibration, size[::-1] if size else shape or (0, 0), rectified=settings.node.rectified
    )
    if isinstance(camera, Rejection):
        return replace(camera, detail=f"mask_{camera.detail}")
    pixels = pixels_in_image(frame.depth_m, frame.camera, camera, T_mask_depth)
    return OtherView((camera.height, camera.width), pixels)


def _without_detections(rejection: Rejection) -> Rejection:
    if rejection.reason is not Reason.UNKNOWN_CATEGORY:
        return rejection
    return replace(rejection, detail=f"{rejection.detail}; no detections of its stamp arrived")
