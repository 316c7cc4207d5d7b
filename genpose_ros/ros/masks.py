# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of mask messages to instances: one adapter per kind of message, one result."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vision_msgs.msg import Detection2D

from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.detections import CategoryRules, confidence, match_detections

__all__ = ["BACKGROUND_LABELS", "Segmented", "instances_from_labels", "instances_from_message"]

#: Values of a label image that are no object; negative ones are none either.
BACKGROUND_LABELS = (0, 255, 65535)
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
    detections: Sequence[Detection2D] = (),
    limit: int = 1000,
) -> Segmented | Rejection:
    """Return the objects of a label image.

    Each value other than background is one object. An 8-bit image that holds only 0 and 255 is the
    mask of a single object, whose id is then 255.

    Args:
        labels: (h, w) integers.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of labels and of class names.
        detections: vision_msgs/Detection2D with the classes and scores; may be empty.
        limit: objects beyond this many are refused, the smallest first.
    """
    size = _size_mismatch(labels.shape, shape)
    if size is not None:
        return size
    values, counts = _counted(labels)
    objects = _is_object(values, labels.dtype)
    values, counts = values[objects], counts[objects]
    largest = _largest(counts, limit)
    kept = values[largest]
    boxes = {int(value): _box(labels, value) for value in kept} if len(detections) else {}
    matched = match_detections(values.tolist(), detections, boxes)
    scaled = _scaled(labels, shape)
    instances, rejections = [], []
    for label in kept.tolist():
        found = _classified(label, matched.get(label), rules)
        if isinstance(found, Rejection):
            rejections.append(found)
        else:
            category, score = found
            instances.append(Instance(label, category, scaled == label, score))
    rejections += _too_many(np.delete(values, largest).tolist(), limit)
    return Segmented(tuple(instances), tuple(rejections))


def instances_from_message(
    message: InstanceMasks, shape: tuple[int, int], rules: CategoryRules, limit: int = 1000
) -> Segmented | Rejection:
    """Return the objects of a genpose_ros/InstanceMasks message.

    Args:
        message: the InstanceMasks.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of class names.
        limit: objects beyond this many are refused, the smallest first.
    """
    source = (int(message.height), int(message.width))
    size = _size_mismatch(source, shape)
    if size is not None:
        return size
    counts = np.array([np.count_nonzero(item.mask) for item in message.instances], dtype=np.int64)
    instances: dict[int, Instance] = {}
    rejections = []
    largest = _largest(counts, limit).tolist()
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
            rejections.append(_unknown(item.class_name, item.id, rules))
        else:
            instances[item.id] = Instance(item.id, category, mask, confidence(item.score))
    taken = set(largest)
    left_out = [item.id for i, item in enumerate(message.instances) if i not in taken]
    rejections += _too_many(left_out, limit)
    return Segmented(tuple(instances.values()), tuple(rejections))


def _counted(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a label image in ascending order, and how many pixels have each."""
    if labels.dtype != np.uint8:
        return np.unique(labels, return_counts=True)
    counts = np.bincount(labels.ravel())  # bytes are counted faster than sorted
    values = np.flatnonzero(counts)
    return values.astype(labels.dtype), counts[values]


def _is_object(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.itemsize == 1 and set(values.tolist()) <= {0, 255}:
        return values != 0
    return (values > 0) & ~np.isin(values, BACKGROUND_LABELS)


def _classified(
    label: int, detection: Detection2D | None, rules: CategoryRules
) -> tuple[str, float] | Rejection:
    """The category and the score of a label, or why it has no category."""
    if detection is None:
        category = rules.of_label(label)
        return (category, 1.0) if category else _without_class(label, "no class")
    if not detection.results:
        return _without_class(label, "a detection without a class")
    best = max((r.hypothesis for r in detection.results), key=lambda h: confidence(h.score))
    category = rules.of_class(best.class_id)
    return (category, confidence(best.score)) if category else _unknown(best.class_id, label, rules)


def _without_class(label: int, what: str) -> Rejection:
    return Rejection(Reason.UNKNOWN_CATEGORY, f"label {label} has {what}; {_SEE_CATEGORIES}", label)


def _unknown(class_name: str, number: int, rules: CategoryRules) -> Rejection:
    detail = (
        f"class {class_name[:32]!r} is none of {rules.known}; see segmentation.label_categories"
    )
    return Rejection(Reason.UNKNOWN_CATEGORY, detail, number)


def _region_mask(
    item: InstanceMask, source: tuple[int, int], shape: tuple[int, int]
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
    if len(item.mask) != height * width:
        detail = f"mask has {len(item.mask)} bytes, expected {height * width}"
        return Rejection(Reason.BAD_MASK_MESSAGE, detail, item.id)
    pixels = np.frombuffer(item.mask, dtype=np.uint8).reshape(height, width) != 0
    rows, columns = _nearest(source[0], shape[0]) - top, _nearest(source[1], shape[1]) - left
    inside_rows, inside_columns = (
        (index >= 0) & (index < n) for index, n in ((rows, height), (columns, width))
    )
    mask = np.zeros(shape, dtype=bool)
    mask[np.ix_(inside_rows, inside_columns)] = pixels[
        np.ix_(rows[inside_rows], columns[inside_columns])
    ]
    return mask


def _size_mismatch(mask: tuple[int, ...], depth: tuple[int, int]) -> Rejection | None:
    if min(mask) > 0 and mask[0] * depth[1] == mask[1] * depth[0]:
        return None
    return Rejection(
        Reason.SIZE_MISMATCH,
        f"masks are {mask[1]} x {mask[0]} pixels and depth is {depth[1]} x {depth[0]}; "
        "only an equal aspect can be scaled",
    )


def _scaled(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if labels.shape == shape:
        return labels
    return labels[np.ix_(_nearest(labels.shape[0], shape[0]), _nearest(labels.shape[1], shape[1]))]


def _nearest(source: int, target: int) -> np.ndarray:
    """For each of `target` pixels, the index of the nearest of `source` pixels along a side."""
    return (2 * np.arange(target, dtype=np.int64) + 1) * source // (2 * target)


def _largest(counts: np.ndarray, limit: int) -> np.ndarray:
    """Indices of the `limit` largest counts, ascending; the first of equal ones."""
    return np.sort(np.argsort(-counts, kind="stable")[:limit])


def _box(labels: np.ndarray, label: int) -> tuple[float, float, float, float]:
    rows = np.flatnonzero((labels == label).any(axis=1))
    columns = np.flatnonzero((labels[rows[0] : rows[-1] + 1] == label).any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _too_many(ids: list[int], limit: int) -> list[Rejection]:
    """One rejection for each object beyond the limit, as far as anyone would read them."""
    count = len(ids) + limit
    detail = f"{count} objects in one frame, the {limit} largest are taken (max_objects)"
    return [Rejection(Reason.TOO_MANY_OBJECTS, detail, i) for i in ids[:_MAX_REJECTIONS]]
