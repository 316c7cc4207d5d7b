# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Matching of detections (class and score) with the labels of a label image."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.geometry.categories import NOCS, CategorySet

if TYPE_CHECKING:
    from vision_msgs.msg import BoundingBox2D, Detection2D

__all__ = [
    "CategoryRules",
    "ObjectFilter",
    "confidence",
    "corners",
    "match_detections",
    "parse_label_categories",
    "parse_min_scores",
]

#: Boxes that overlap less (intersection over union) are not the same object.
MIN_OVERLAP = 0.3


@dataclass(frozen=True)
class CategoryRules:
    """Mapping from a segmenter's class names and label values to the categories of the models.

    A category is named by its name, one of its aliases or a word of the table, in any case.

    Attributes:
        default: category of labels whose class is not known otherwise; empty: none.
        names: label values or class names, in lower case, to categories.
        categories: that the models know.
        words: what else the categories are called.
        labels: class names of label values, as a segmenter publishes them.

    Raises:
        ValueError: a rule leads to a category that no model knows.
    """

    default: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    categories: CategorySet = NOCS
    words: ClassNames = field(default_factory=ClassNames.shipped)
    labels: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in filter(None, (self.default, *self.names.values())):
            if self._named(text) is None:
                raise ValueError(f"unknown category {text!r}; expected one of {self.known}")

    @property
    def known(self) -> str:
        """The names of the categories, as they are listed for a user."""
        return ", ".join(self.categories.names)

    def with_labels(self, labels: Mapping[int, str]) -> "CategoryRules":
        """Return the same rules, not checked anew, with other class names of label values."""
        rules = copy(self)
        object.__setattr__(rules, "labels", labels)
        return rules

    def of_label(self, label: int) -> str | None:
        """The category of a label that no detection belongs to; None: it has none."""
        named = self._named(self.names.get(str(label), ""))
        if named is None and label in self.labels:
            return self.of_class(self.labels[label])
        return named or self._named(self.default)

    def of_class(self, class_name: str) -> str | None:
        """The category of a detector's class name or number; None: no model knows it."""
        return self._named(self.names.get(class_name.strip().lower(), class_name))

    def _named(self, text: str) -> str | None:
        return self.words.find(text, self.categories)


def parse_label_categories(text: str) -> dict[str, str]:
    """Return the entries of a text such as '41:mug, 45:bowl, cup:mug': names to categories.

    Raises:
        ValueError: an entry is no 'name:category'.
    """
    table = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, colon, category = entry.rpartition(":")
        if not colon or not name.strip() or not category.strip():
            raise ValueError(f"expected 'name:category' separated by commas, got {entry!r}")
        table[name.strip().lower()] = category.strip()
    return table


def parse_min_scores(text: str) -> dict[str, float]:
    """Return the entries of a text such as '0.3, mug:0.5': scores by class; of all by ''.

    Raises:
        ValueError: an entry is no score from 0 to 1, alone or as 'class:score'.
    """
    scores = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = entry.rpartition(":")
        try:
            score = float(number)
        except ValueError:
            score = math.nan
        if not 0 <= score <= 1:
            raise ValueError(
                f"min_scores must be scores from 0 to 1, such as 0.3, mug:0.5, got {entry!r}"
            )
        scores[name.strip()] = score
    return scores


@dataclass(frozen=True)
class ObjectFilter:
    """Objects that are wanted, by their category and the segmenter's confidence.

    Attributes:
        classes: the categories; empty: all.
        min_scores: least confidence by category; of the others by ''.
    """

    classes: frozenset[str] = frozenset()
    min_scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, classes: str, min_scores: str, rules: CategoryRules) -> "ObjectFilter":
        """Return the filter of texts such as 'mug, can' and '0.3, mug:0.5'.

        Raises:
            ValueError: a class is none that a model knows, or a score is none.
        """

        def category(text: str) -> str:
            found = rules.of_class(text)
            if text and found is None:
                raise ValueError(f"unknown category {text!r}; expected one of {rules.known}")
            return found or ""

        listed = (part.strip() for part in classes.split(","))
        scores = parse_min_scores(min_scores).items()
        return cls(
            frozenset(map(category, filter(None, listed))),
            {category(name): score for name, score in scores},
        )

    def wants(self, category: str, score: float) -> bool:
        """Whether an object is to be estimated."""
        least = self.min_scores.get(category, self.min_scores.get("", 0.0))
        return score >= least and (not self.classes or category in self.classes)


def match_detections(
    labels: Sequence[int],
    detections: "Sequence[Detection2D]",
    boxes: Callable[[], Mapping[int, tuple[float, float, float, float]]],
) -> "dict[int, Detection2D]":
    """Return the detection of each label, for as many as can be matched.

    By the detections' ids where all of them are labels: a tracker's may be labels by chance. Else
    by the overlap of boxes; where that does not tell all labels, in order, if there are as many as
    detections.

    Args:
        labels: the label values, ascending.
        detections: vision_msgs/Detection2D, in the order of the message.
        boxes: gives (left, top, right, bottom) in pixels of the labels to match by overlap; called
            where ids do not tell.
    """
    by_id = {text: d for d in detections if (text := str(d.id).strip())}
    named = {label: by_id[str(label)] for label in labels if str(label) in by_id}
    if named and len(named) == len(by_id):
        return named
    matched = _match_boxes(boxes(), detections) if detections else {}
    if len(matched) < len(labels) == len(detections):
        return dict(zip(labels, detections, strict=True))
    return matched or (named if len(named) == len(labels) else {})


def confidence(score: float) -> float:
    """Return a score as a number in [0, 1]; what is not finite counts as 0."""
    return min(max(float(score), 0.0), 1.0) if math.isfinite(score) else 0.0


def _match_boxes(
    boxes: Mapping[int, tuple[float, float, float, float]], detections: "Sequence[Detection2D]"
) -> "dict[int, Detection2D]":
    """Pairs of greatest overlap first, each label and each detection once."""
    if not boxes:
        return {}
    labels = list(boxes)
    overlap = _overlaps(
        np.array([boxes[label] for label in labels], dtype=np.float64),
        np.array([corners(d.bbox) for d in detections], dtype=np.float64),
    )
    matched = {}
    for _ in range(min(overlap.shape)):
        row, column = divmod(int(np.argmax(overlap)), overlap.shape[1])
        if not overlap[row, column] >= MIN_OVERLAP:
            break
        matched[labels[row]] = detections[column]
        overlap[row, :] = overlap[:, column] = 0.0
    return matched


def corners(box: "BoundingBox2D") -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a vision_msgs/BoundingBox2D, pixels."""
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
