# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of class images, and of boxes without masks, to instances with the help of depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.estimation.foreground import box_foreground, separate_parts
from genpose_ros.estimation.frame import Instance, Remark
from genpose_ros.estimation.label_images import read_label_image, scaled_labels
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.clouds import bounding_box
from genpose_ros.geometry.registration import mask_at_pixels
from genpose_ros.ros.detections import CategoryRules, confidence, corners
from genpose_ros.ros.masks import (
    Segmented,
    largest_indices,
    size_mismatch,
    too_many,
    unknown_class,
)

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2D

__all__ = ["OtherView", "instances_from_boxes", "instances_from_classes"]

#: Smaller parts of a class are no object.
_MIN_PIXELS = 64
#: Class numbers that are listed in a message.
_SHOWN = 12


@dataclass(frozen=True)
class OtherView:
    """Segmented image of another camera than the depth image's.

    Attributes:
        shape: (h, w) of that camera's image.
        pixels: (H, W) where the depth image's pixels lie in it, see `pixels_in_image`.
    """

    shape: tuple[int, int]
    pixels: np.ndarray

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask (h, w) bool as the depth camera sees it, (H, W)."""
        return mask_at_pixels(mask, self.pixels)

    def box(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """Return the box around what of the depth image lies in a box of the other one.

        Args:
            box: (left, top, right, bottom) in pixels of the other image.

        Returns:
            the same in pixels of the depth image; empty where nothing does.
        """
        left, top, right, bottom = box
        row, column = np.divmod(self.pixels, self.shape[1])
        inside = (self.pixels >= 0) & (column >= left) & (column < right)
        found = bounding_box(inside & (row >= top) & (row < bottom))
        if found is None:
            return 0.0, 0.0, 0.0, 0.0
        rows, columns = found
        return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)


def instances_from_classes(
    labels: np.ndarray,
    depth_m: np.ndarray,
    rules: CategoryRules,
    limit: int = 1000,
    background: int = 0,
    view: OtherView | None = None,
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
        view: of the labels' camera, where the depth image is not aligned to it.
    """
    shape = depth_m.shape if view is None else view.shape
    refused = size_mismatch(labels.shape, shape)
    if refused is not None:
        return refused
    try:
        found = read_label_image(labels, background)
    except ValueError as error:
        return Rejection(Reason.BAD_MASK_MESSAGE, str(error))
    scaled = scaled_labels(found.labels, shape)
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
        for part in separate_parts(_seen(scaled == value, view), depth_m, _MIN_PIXELS)
    ]
    instances = [Instance(1 + i, *found) for i, found in enumerate(parts)]
    return _limited(instances, (), limit)


def instances_from_boxes(
    detections: "Sequence[Detection2D]",
    depth_m: np.ndarray,
    rules: CategoryRules,
    limit: int = 1000,
    view: OtherView | None = None,
) -> Segmented:
    """Return the objects of boxes, whose masks are guessed from the depth, numbered from 1.

    Args:
        detections: vision_msgs/Detection2D, boxes in pixels of the depth image.
        depth_m: (H, W), metres.
        rules: the categories of class names.
        limit: objects beyond this many are refused, the smallest first.
        view: of the boxes' camera, where the depth image is not aligned to it.
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
        box = corners(detection.bbox)
        mask = box_foreground(depth_m, box if view is None else view.box(box))
        instances.append(Instance(number, category, mask, score, (Remark.GUESSED_MASK,)))
    return _limited(instances, rejections, limit)


def _seen(mask: np.ndarray, view: OtherView | None) -> np.ndarray:
    return mask if view is None else view.mask(mask)


def _limited(
    instances: Sequence[Instance], rejections: Sequence[Rejection], limit: int
) -> Segmented:
    """The largest objects; the others are refused."""
    counts = np.array([np.count_nonzero(i.mask) for i in instances], dtype=np.int64)
    taken = set(largest_indices(counts, limit).tolist())
    left_out = too_many([x.id for i, x in enumerate(instances) if i not in taken], limit)
    kept = tuple(x for i, x in enumerate(instances) if i in taken)
    return Segmented(kept, (*rejections, *left_out))
