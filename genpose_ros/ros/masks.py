# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of mask messages to instances: one adapter per kind of message, one result."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.label_images import (
    check_aspect,
    nearest_pixels,
    read_label_image,
    scaled_labels,
)
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.detections import CategoryRules, confidence, match_detections
from genpose_ros.ros.message_sizes import cpu_bytes

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2D

    from genpose_ros.msg import InstanceMask, InstanceMasks

__all__ = [
    "Segmented",
    "instances_from_labels",
    "instances_from_message",
    "largest_indices",
    "size_mismatch",
    "too_many",
    "unknown_class",
]

_SEE_CATEGORIES = "see segmentation.default_category and segmentation.label_categories"
#: Of noise instead of labels, with an object in every pixel, only so many are reported one by one.
_MAX_REJECTIONS = 1000


@dataclass(frozen=True)
class Segmented:
    """Objects of a mask message, masks at the size of the depth image, and what was refused."""

    instances: tuple[Instance, ...] = ()
    rejections: tuple[Rejection, ...] = ()


def instances_from_labels(
    labels: np.ndarray,
    shape: tuple[int, int],
    rules: CategoryRules,
    detections: "Sequence[Detection2D]" = (),
    limit: int = 1000,
    background: int = 0,
) -> Segmented | Rejection:
    """Return the objects of a label image, see `read_label_image`.

    Args:
        labels: (h, w) integers.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of labels and of class names.
        detections: vision_msgs/Detection2D with the classes and scores; may be empty.
        limit: objects beyond this many are refused, the smallest first.
        background: value where there is no object.
    """
    size = size_mismatch(labels.shape, shape)
    if size is not None:
        return size
    try:
        found = read_label_image(labels, background)
    except ValueError as error:
        return Rejection(Reason.BAD_MASK_MESSAGE, str(error))
    labels, values, counts = found.labels, found.values, found.counts
    taken = largest_indices(counts, limit)
    kept = values[taken]
    matched = match_detections(
        values.tolist(), detections, lambda: {value: _box(labels, value) for value in kept.tolist()}
    )
    scaled = scaled_labels(labels, shape)
    instances, rejections = [], []
    for label in kept.tolist():
        classified = _classified(label, matched.get(label), rules)
        if isinstance(classified, Rejection):
            rejections.append(classified)
        else:
            category, score = classified
            instances.append(Instance(label, category, scaled == label, score))
    rejections += too_many(np.delete(values, taken).tolist(), limit)
    return Segmented(tuple(instances), tuple(rejections))


def instances_from_message(
    message: "InstanceMasks", shape: tuple[int, int], rules: CategoryRules, limit: int = 1000
) -> Segmented | Rejection:
    """Return the objects of a genpose_ros/InstanceMasks message.

    Args:
        message: the InstanceMasks.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of class names.
        limit: objects beyond this many are refused, the smallest first.
    """
    source = (int(message.height), int(message.width))
    size = size_mismatch(source, shape)
    if size is not None:
        return size
    counts = np.array([np.count_nonzero(item.mask) for item in message.instances], dtype=np.int64)
    instances: dict[int, Instance] = {}
    rejections = []
    largest = largest_indices(counts, limit).tolist()
    for index in largest:
        item = message.instances[index]
        mask = _region_mask(item, source, shape)
        category = rules.of_class(item.class_name) or ""
        if isinstance(mask, Rejection):
            rejections.append(mask)
        elif item.id < 1 or item.id in instances:
            detail = f"id {item.id} is taken or below 1; ids must be unique and 1 or higher"
            rejections.append(Rejection(Reason.BAD_MASK_MESSAGE, detail, item.id))
        elif not category:
            rejections.append(unknown_class(item.class_name, item.id, rules))
        else:
            instances[item.id] = Instance(item.id, category, mask, confidence(item.score))
    taken = set(largest)
    left_out = [item.id for i, item in enumerate(message.instances) if i not in taken]
    rejections += too_many(left_out, limit)
    return Segmented(tuple(instances.values()), tuple(rejections))


def _classified(
    label: int, detection: "Detection2D | None", rules: CategoryRules
) -> tuple[str, float] | Rejection:
    """The category and the score of a label, or why it has no category."""
    if detection is None:
        category = rules.of_label(label)
        return (category, 1.0) if category else _without_class(label, "no class")
    if not detection.results:
        return _without_class(label, "a detection without a class")
    best = max((r.hypothesis for r in detection.results), key=lambda h: confidence(h.score))
    category = rules.of_class(best.class_id)
    return (
        (category, confidence(best.score))
        if category
        else unknown_class(best.class_id, label, rules)
    )


def _without_class(label: int, what: str) -> Rejection:
    return Rejection(Reason.UNKNOWN_CATEGORY, f"label {label} has {what}; {_SEE_CATEGORIES}", label)


def unknown_class(class_name: str, number: int, rules: CategoryRules) -> Rejection:
    """Return the rejection of an object of a class that no model knows."""
    detail = (
        f"class {class_name[:32]!r} is none of {rules.known}; see segmentation.label_categories"
    )
    return Rejection(Reason.UNKNOWN_CATEGORY, detail, number)


def _region_mask(
    item: "InstanceMask", source: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray | Rejection:
    """The mask of an InstanceMask, (H, W) bool, scaled from the size `source` of the image."""
    region = item.roi
    whole = region.height == 0 and region.width == 0
    height, width = source if whole else (int(region.height), int(region.width))
    top, left = (0, 0) if whole else (int(region.y_offset), int(region.x_offset))
    if top + height > source[0] or left + width > source[1]:
        detail = (
            f"region of {width} x {height} pixels at ({left}, {top}) leaves the image of "
            f"{source[1]} x {source[0]}"
        )
        return Rejection(Reason.BAD_MASK_MESSAGE, detail, item.id)
    data = cpu_bytes(item.mask, "mask")
    if isinstance(data, Rejection):
        return replace(data, instance_id=item.id)
    if data.size != height * width:
        detail = f"mask has {data.size} bytes, expected {height * width}"
        return Rejection(Reason.BAD_MASK_MESSAGE, detail, item.id)
    pixels = data.reshape(height, width) != 0
    rows, columns = (
        nearest_pixels(source[0], shape[0]) - top,
        nearest_pixels(source[1], shape[1]) - left,
    )
    inside_rows, inside_columns = (
        (index >= 0) & (index < n) for index, n in ((rows, height), (columns, width))
    )
    mask = np.zeros(shape, dtype=bool)
    mask[np.ix_(inside_rows, inside_columns)] = pixels[
        np.ix_(rows[inside_rows], columns[inside_columns])
    ]
    return mask


def size_mismatch(mask: tuple[int, ...], depth: tuple[int, ...]) -> Rejection | None:
    """Return why masks of one size cannot be scaled to a depth image of another; None: they can."""
    problem = check_aspect(mask, depth)
    return Rejection(Reason.SIZE_MISMATCH, problem) if problem else None


def largest_indices(counts: np.ndarray, limit: int) -> np.ndarray:
    """Return the indices of the `limit` largest counts, ascending; the first of equal ones."""
    return np.sort(np.argsort(-counts, kind="stable")[:limit])


def _box(labels: np.ndarray, label: int) -> tuple[float, float, float, float]:
    rows = np.flatnonzero((labels == label).any(axis=1))
    columns = np.flatnonzero((labels[rows[0] : rows[-1] + 1] == label).any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def too_many(ids: list[int], limit: int) -> list[Rejection]:
    """Return one rejection for each object beyond the limit, as far as anyone would read them."""
    count = len(ids) + limit
    detail = f"{count} objects in one frame, the {limit} largest are taken (max_objects)"
    return [Rejection(Reason.TOO_MANY_OBJECTS, detail, i) for i in ids[:_MAX_REJECTIONS]]
