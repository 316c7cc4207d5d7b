# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of class images, and of boxes without masks, to instances with the help of depth."""

from collections.abc import Sequence

import numpy as np
from vision_msgs.msg import Detection2D

from genpose_ros.estimation.foreground import box_foreground, separate_parts
from genpose_ros.estimation.frame import Instance, Remark
from genpose_ros.estimation.label_images import read_label_image, scaled_labels
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.detections import CategoryRules, confidence, corners
from genpose_ros.ros.masks import (
    Segmented,
    largest_indices,
    size_mismatch,
    too_many,
    unknown_class,
)

__all__ = ["instances_from_boxes", "instances_from_classes"]

#: Smaller parts of a class are no object.
_MIN_PIXELS = 64
#: Class numbers that are listed in a message.
_SHOWN = 12


def instances_from_classes(
    labels: np.ndarray,
    depth_m: np.ndarray,
    rules: CategoryRules,
    limit: int = 1000,
    background: int = 0,
) -> Segmented | Rejection:
    """Return the objects of a class image: the connected parts of each class, numbered from 1.

    Classes that mean no category, such as table and wall, are passed over; where all do, the frame
    is refused.

    Args:
        labels: (h, w) integers, the class number of each pixel.
        depth_m: (H, W), metres; the labels are scaled to it if the aspect is equal.
        rules: the categories of class numbers, and the names that the segmenter gives these.
        limit: objects beyond this many are refused, the smallest first.
        background: class number of what is no object.
    """
    refused = size_mismatch(labels.shape, depth_m.shape)
    if refused is not None:
        return refused
    try:
        found = read_label_image(labels, background)
    except ValueError as error:
        return Rejection(Reason.BAD_MASK_MESSAGE, str(error))
    scaled = scaled_labels(found.labels, depth_m.shape)
    known = {value: rules.of_label(value) for value in found.values.tolist()}
    if known and not any(known.values()):
        numbers = ", ".join(map(str, list(known)[:_SHOWN]))
        detail = (
            f"none of the class numbers {numbers} means one of {rules.known}; give them in "
            "segmentation.label_categories, such as '41:mug', or publish label_info"
        )
        return Rejection(Reason.UNKNOWN_CATEGORY, detail)
    parts = [
        (category, part)
        for value, category in known.items()
        if category is not None
        for part in separate_parts(scaled == value, depth_m, _MIN_PIXELS)
    ]
    instances = [Instance(1 + i, *found) for i, found in enumerate(parts)]
    return _limited(instances, (), limit)


def instances_from_boxes(
    detections: Sequence[Detection2D], depth_m: np.ndarray, rules: CategoryRules, limit: int = 1000
) -> Segmented:
    """Return the objects of boxes, whose masks are guessed from the depth, numbered from 1.

    Args:
        detections: vision_msgs/Detection2D, boxes in pixels of the depth image.
        depth_m: (H, W), metres.
        rules: the categories of class names.
        limit: objects beyond this many are refused, the smallest first.
    """
    instances, rejections = [], []
    for number, detection in enumerate(detections, start=1):
        hypotheses = [result.hypothesis for result in detection.results]
        best = max(hypotheses, key=lambda h: confidence(h.score), default=None)
        name = "" if best is None else best.class_id
        category = rules.of_class(name) if name else rules.of_label(number)
        if category is None:
            rejections.append(unknown_class(name, number, rules))
            continue
        score = 1.0 if best is None else confidence(best.score)
        mask = box_foreground(depth_m, corners(detection.bbox))
        instances.append(Instance(number, category, mask, score, (Remark.GUESSED_MASK,)))
    return _limited(instances, rejections, limit)


def _limited(
    instances: Sequence[Instance], rejections: Sequence[Rejection], limit: int
) -> Segmented:
    """The largest objects; the others are refused."""
    counts = np.array([np.count_nonzero(i.mask) for i in instances], dtype=np.int64)
    taken = set(largest_indices(counts, limit).tolist())
    left_out = too_many([x.id for i, x in enumerate(instances) if i not in taken], limit)
    kept = tuple(x for i, x in enumerate(instances) if i in taken)
    return Segmented(kept, (*rejections, *left_out))
