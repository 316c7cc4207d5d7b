# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Matching of detections (class and score) with the labels of a label image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from vision_msgs.msg import BoundingBox2D, Detection2D

from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["CategoryRules", "confidence", "match_detections"]

#: Boxes that overlap less (intersection over union) are not the same object.
MIN_OVERLAP = 0.3


@dataclass(frozen=True)
class CategoryRules:
    """Mapping from a segmenter's class names and label values to the categories.

    Attributes:
        default: category of labels whose class is not known otherwise; empty: none.
        names: label values or class names, as text, to categories.
    """

    default: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for category in (self.default, *self.names.values()):
            if category and category not in CATEGORIES:
                raise ValueError(
                    f"unknown category {category!r}; expected one of {', '.join(CATEGORIES)}"
                )

    @classmethod
    def parse(cls, default: str, names: str) -> "CategoryRules":
        """Return the rules of two texts such as 'mug' and '41:mug, 45:bowl, cup:mug'.

        Raises:
            ValueError: a category is unknown, or an entry is no 'name:category'.
        """
        table = {}
        for entry in filter(None, (part.strip() for part in names.split(","))):
            name, colon, category = entry.rpartition(":")
            if not colon or not name.strip() or not category.strip():
                raise ValueError(f"expected 'name:category' separated by commas, got {entry!r}")
            table[name.strip().lower()] = category.strip()
        return cls(default.strip(), table)

    @property
    def empty(self) -> bool:
        """Whether labels have no category without detections."""
        return not self.default and not self.names

    def of_label(self, label: int) -> str | None:
        """The category of a label that no detection belongs to."""
        return self.names.get(str(label)) or self.default or None

    def of_class(self, class_name: str) -> str | None:
        """The category of a detector's class name or number."""
        name = class_name.strip().lower()
        return self.names.get(name) or (name if name in CATEGORIES else None)


def match_detections(
    labels: Sequence[int],
    detections: Sequence[Detection2D],
    boxes: Mapping[int, tuple[float, float, float, float]],
) -> dict[int, Detection2D]:
    """Return the detection of each label, for as many as can be matched.

    By the detections' ids where any of them is a label; else in order, where there are as many
    labels as detections; else by the overlap of boxes.

    Args:
        labels: the label values, ascending.
        detections: vision_msgs/Detection2D, in the order of the message.
        boxes: (left, top, right, bottom) in pixels of the labels to match by overlap.
    """
    by_id = {text: d for d in detections if (text := str(d.id).strip())}
    matched = {label: by_id[str(label)] for label in labels if str(label) in by_id}
    if matched:
        return matched
    if len(labels) == len(detections):
        return dict(zip(labels, detections, strict=True))
    return _match_boxes(boxes, detections)


def confidence(score: float) -> float:
    """Return a score as a number in [0, 1]; what is not finite counts as 0."""
    return min(max(float(score), 0.0), 1.0) if math.isfinite(score) else 0.0


def _match_boxes(
    boxes: Mapping[int, tuple[float, float, float, float]], detections: Sequence[Detection2D]
) -> dict[int, Detection2D]:
    """Pairs of greatest overlap first, each label and each detection once."""
    if not boxes or not detections:
        return {}
    labels = list(boxes)
    overlap = _overlaps(
        np.array([boxes[label] for label in labels], dtype=np.float64),
        np.array([_corners(d.bbox) for d in detections], dtype=np.float64),
    )
    matched = {}
    for _ in range(min(overlap.shape)):
        row, column = divmod(int(np.argmax(overlap)), overlap.shape[1])
        if not overlap[row, column] >= MIN_OVERLAP:
            break
        matched[labels[row]] = detections[column]
        overlap[row, :] = overlap[:, column] = 0.0
    return matched


def _corners(box: BoundingBox2D) -> tuple[float, float, float, float]:
    centre = box.center.position
    half_x, half_y = box.size_x / 2, box.size_y / 2
    return centre.x - half_x, centre.y - half_y, centre.x + half_x, centre.y + half_y


def _overlaps(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4); 0 where a box is not finite."""
    a, b = boxes_a[:, None], boxes_b[None]
    with np.errstate(all="ignore"):
        inner = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
        common = np.clip(inner, 0.0, None).prod(axis=-1)
        area_a = (a[..., 2:] - a[..., :2]).prod(axis=-1)
        area_b = (b[..., 2:] - b[..., :2]).prod(axis=-1)
        return np.nan_to_num(common / (area_a + area_b - common), nan=0.0, posinf=0.0, neginf=0.0)
