# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mean average precision within n degrees and m centimetres, by the rules of the NOCS benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from genpose_ros.evaluation.metrics import THRESHOLDS
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.geometry.symmetry import rotation_error_deg

__all__ = [
    "CategoryPrecision",
    "DetectedPoses",
    "PosePrecision",
    "PrecisionCurves",
    "TruePoses",
    "box_overlap",
    "box_overlap_3d",
    "pose_average_precision",
    "pose_precision_curves",
    "precision_recall_area",
]

#: Boxes that overlap more than this show the same object.
MIN_OVERLAP = 0.1
#: Where curves are read.
_CURVE_DEGREES = tuple(float(d) for d in range(61))
_CURVE_CENTIMETRES = tuple(c / 4 for c in range(61))
#: Turns about y that are tried for the overlap of boxes in space of symmetric shapes.
_TURNS = 20

_Poses = TypeVar("_Poses", "DetectedPoses", "TruePoses")


@dataclass(frozen=True)
class TruePoses:
    """True objects of all images.

    Attributes:
        image: (M,) int, which image.
        category: (M,) int, index in a set of categories.
        T_cam_obj: (M, 4, 4), metres; a scale in the rotation is divided out.
        box: (M, 4) pixels: top, left, bottom, right, the last two outside.
        handle_visible: (M,) bool, only matters for mugs.
        size_m: (M, 3) edges of the boxes in space, NaN where not known; None where boxes in the
            image are matched.
    """

    image: np.ndarray
    category: np.ndarray
    T_cam_obj: np.ndarray
    box: np.ndarray
    handle_visible: np.ndarray
    size_m: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class DetectedPoses:
    """Detected objects of all images and their estimated poses.

    Attributes:
        image, category, box, size_m: as of `TruePoses`.
        T_cam_obj: (N, 4, 4), metres; NaN for a detection that has no estimate, which is wrong.
        score: (N,) of the detector. Equal scores keep their order.
    """

    image: np.ndarray
    category: np.ndarray
    T_cam_obj: np.ndarray
    box: np.ndarray
    score: np.ndarray
    size_m: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self)
        if not np.isfinite(self.score).all():
            raise ValueError("scores must be finite")


@dataclass(frozen=True)
class CategoryPrecision:
    """Average precision of one category.

    Attributes:
        truths: how many true objects there are.
        detections: how many detections.
        matched: how many of both show the same object.
        official: (T,) average precision per limit in [0, 1], unmatched ones of both sides left out.
        strict: (T,) the same with nothing left out: a true object that is not detected is a miss,
            a detection of no object, or of one detected already, is false.
    """

    truths: int
    detections: int
    matched: int
    official: np.ndarray
    strict: np.ndarray


@dataclass(frozen=True)
class PosePrecision:
    """Average precision of all categories that have a true object.

    Attributes:
        limits: (degrees, centimetres) pairs, both inclusive.
        categories: by name, in the order of their set.
    """

    limits: tuple[tuple[float, float], ...]
    categories: dict[str, CategoryPrecision]

    def mean(self, matching: str) -> np.ndarray:
        """Return the mean over the categories, (T,), NaN when there are none.

        Args:
            matching: `official` or `strict`.
        """
        rows = [getattr(c, matching) for c in self.categories.values()]
        return np.mean(rows, axis=0) if rows else np.full(len(self.limits), np.nan)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: per matching, per category and mean, per cent within each limit."""
        names = [f"{degrees:g}d{centimetres:g}cm" for degrees, centimetres in self.limits]

        def row(values: np.ndarray) -> dict[str, float | None]:
            percent = [round(100 * float(v), 2) if np.isfinite(v) else None for v in values]
            return dict(zip(names, percent, strict=True))

        content: dict[str, Any] = {
            matching: {
                **{name: row(getattr(c, matching)) for name, c in self.categories.items()},
                "mean": row(self.mean(matching)),
            }
            for matching in ("official", "strict")
        }
        content["counts"] = {
            name: {"truths": c.truths, "detections": c.detections, "matched": c.matched}
            for name, c in self.categories.items()
        }
        return content


@dataclass(frozen=True)
class PrecisionCurves:
    """Average precision as one error alone is limited, the other may be anything.

    Attributes:
        degrees: limits of the rotation error, 0 to 60.
        centimetres: limits of the translation error, 0 to 15.
    """

    degrees: PosePrecision
    centimetres: PosePrecision


def pose_average_precision(
    detected: DetectedPoses,
    true: TruePoses,
    limits: Sequence[tuple[float, float]] = THRESHOLDS,
    *,
    boxes: str = "2d",
    categories: CategorySet = NOCS,
) -> PosePrecision:
    """Return the average precision of poses per category and limit.

    Per image and category detections take, in the order of their scores, the true object whose box
    overlaps most and more than 0.1. Among these matched ones, in the same order and for each limit
    anew, a detection takes the free true object with the smallest sum of degrees and centimetres
    of those within the limit, and is then right. A category whose true objects are all missed has
    an average precision of 0 in both matchings.

    Args:
        detected: of all images.
        true: of all images.
        limits: degrees and centimetres.
        boxes: `2d`: boxes in the image; `3d`: boxes in space, see `box_overlap_3d`, where a true
            object's size is known, else those in the image.
        categories: that detections and objects are of.

    Raises:
        ValueError: unknown `boxes`, or sizes are missing for `3d`.
    """
    if boxes not in ("2d", "3d"):
        raise ValueError(f"boxes must be 2d or 3d, got {boxes!r}")
    if boxes == "3d" and (detected.size_m is None or true.size_m is None):
        raise ValueError("boxes in space need the sizes of detections and of true objects")
    found = {
        category.name: _category(
            _taken(detected, detected.category == c), _taken(true, true.category == c),
            category, np.asarray(limits, dtype=np.float64).reshape(-1, 2), boxes,
        )
        for c, category in enumerate(categories)
        if (true.category == c).any()
    }  # fmt: skip
    return PosePrecision(tuple((float(d), float(c)) for d, c in limits), found)


def pose_precision_curves(
    detected: DetectedPoses,
    true: TruePoses,
    *,
    boxes: str = "2d",
    categories: CategorySet = NOCS,
) -> PrecisionCurves:
    """Return the average precision over degrees, and over centimetres; see the function above.

    Raises:
        ValueError: as `pose_average_precision`.
    """
    turned = [(d, np.inf) for d in _CURVE_DEGREES]
    moved = [(180.0, c) for c in _CURVE_CENTIMETRES]
    return PrecisionCurves(
        pose_average_precision(detected, true, turned, boxes=boxes, categories=categories),
        pose_average_precision(detected, true, moved, boxes=boxes, categories=categories),
    )


def precision_recall_area(right: np.ndarray, score: np.ndarray, truths: int) -> np.ndarray:
    """Return the area under the interpolated precision over recall, shape (...).

    Precision at a recall is the largest one at this or a higher recall.

    Args:
        right: (..., N) bool, whether each detection is right.
        score: (N,), higher first; equal scores keep their order.
        truths: how many true objects there are; 0: the area is 0.
    """
    order = np.argsort(-np.asarray(score), kind="stable")
    right = np.asarray(right, dtype=bool)[..., order]
    if not truths or not right.shape[-1]:
        return np.zeros(right.shape[:-1])
    precision = np.cumsum(right, axis=-1) / np.arange(1, right.shape[-1] + 1)
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    # Recall grows by 1 / truths where a detection is right and nowhere else.
    area: np.ndarray = (best * right).sum(axis=-1) / truths
    return area


def box_overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return intersection over union of boxes (..., 4), broadcast; 0 for two empty boxes."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., 2:], b[..., 2:])
    return _overlap(high - low, a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2])


def box_overlap_3d(
    T_a: np.ndarray, size_a: np.ndarray, T_b: np.ndarray, size_b: np.ndarray, symmetric: bool
) -> np.ndarray:
    """Return intersection over union of boxes in space, broadcast, shape (...).

    Of the boxes along the camera's axes that enclose them; for symmetric shapes the largest over
    20 turns of the first about its y axis. The benchmark's own code sets out to do the same, but
    takes the largest and smallest values across the axes of each corner.

    Args:
        T_a, T_b: (..., 4, 4), poses without scale; NaN overlaps nothing.
        size_a, size_b: (..., 3), metres.
        symmetric: see above.
    """
    angles = 2 * np.pi * np.arange(_TURNS if symmetric else 1) / _TURNS
    turns = np.zeros((len(angles), 3, 3))
    turns[:, 0, 0] = turns[:, 2, 2] = np.cos(angles)
    turns[:, 0, 2], turns[:, 2, 0], turns[:, 1, 1] = np.sin(angles), -np.sin(angles), 1.0
    half_b = _enclosing(T_b[..., :3, :3], size_b)
    overlaps = []
    for turn in turns:
        half_a = _enclosing(T_a[..., :3, :3] @ turn, size_a)
        centre_a, centre_b = T_a[..., :3, 3], T_b[..., :3, 3]
        inside = np.minimum(centre_a + half_a, centre_b + half_b)
        inside = inside - np.maximum(centre_a - half_a, centre_b - half_b)
        overlaps.append(_overlap(inside, 2 * half_a, 2 * half_b))
    return np.max(overlaps, axis=0)


def _check(poses: "DetectedPoses | TruePoses") -> None:
    n = len(poses.image)
    shapes = {"T_cam_obj": (n, 4, 4), "box": (n, 4), "size_m": (n, 3)}
    for field in fields(poses):
        value, expected = getattr(poses, field.name), shapes.get(field.name, (n,))
        if value is not None and value.shape != expected:
            raise ValueError(f"{field.name} must have shape {expected}, got {value.shape}")


def _taken(poses: _Poses, which: np.ndarray) -> _Poses:
    """Some of the poses, by mask or index."""
    values: dict[str, Any] = {f.name: getattr(poses, f.name) for f in fields(poses)}
    chosen: dict[str, Any] = {k: None if v is None else v[which] for k, v in values.items()}
    return replace(poses, **chosen)


def _category(
    detected: DetectedPoses, true: TruePoses, category: Category, limits: np.ndarray, boxes: str
) -> CategoryPrecision:
    """One category: matching runs on all images at once, padded to the fullest image."""
    detected = _taken(detected, np.argsort(-detected.score, kind="stable"))
    images = np.unique(np.concatenate((detected.image, true.image)))
    rows_d, rows_t = _padded(detected.image, images), _padded(true.image, images)
    # Pairs of a detection and a true object of the same image; all else keeps no overlap.
    pairs = np.nonzero((rows_d[:, :, None] >= 0) & (rows_t[:, None, :] >= 0))
    d, t = rows_d[pairs[0], pairs[1]], rows_t[pairs[0], pairs[2]]
    shape = (len(images), rows_d.shape[1], rows_t.shape[1])
    overlap, degrees, centimetres = np.zeros(shape), np.full(shape, np.inf), np.full(shape, np.inf)
    overlap[pairs] = _pair_overlap(_taken(detected, d), _taken(true, t), category, boxes)
    degrees[pairs], centimetres[pairs] = _pair_errors(
        detected.T_cam_obj[d], true.T_cam_obj[t], category, true.handle_visible[t]
    )

    boxed, found = _match(-overlap, overlap > MIN_OVERLAP)
    within = (degrees <= limits[:, 0, None, None, None]) & (
        centimetres <= limits[:, 1, None, None, None]
    )
    # Before the sum, so that no NaN is ordered among numbers.
    cost = np.where(np.isfinite(degrees + centimetres), degrees + centimetres, np.inf)
    right, _ = _match(cost, within & boxed[:, :, None] & found[:, None, :])

    # Back from padded rows to the order of the scores.
    there = rows_d >= 0
    matched = np.zeros(len(detected.image), dtype=bool)
    hits = np.zeros((len(limits), len(matched)), dtype=bool)
    matched[rows_d[there]], hits[:, rows_d[there]] = boxed[there], right[:, there]
    n = int(matched.sum())
    return CategoryPrecision(
        truths=len(true.image),
        detections=len(detected.image),
        matched=n,
        official=precision_recall_area(hits[:, matched], detected.score[matched], n),
        strict=precision_recall_area(hits, detected.score, len(true.image)),
    )


def _padded(image: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Rows of each image in their order, (images, most rows of one), filled up with -1."""
    group = np.searchsorted(images, image)
    counts = np.bincount(group, minlength=len(images))
    order = np.argsort(group, kind="stable")
    place = np.arange(len(image)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.full((len(images), int(counts.max(initial=0))), -1)
    rows[group[order], place] = order
    return rows


def _match(cost: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give detections, one after the other, the cheapest free object they are allowed.

    Args:
        cost: (G, D, M).
        allowed: (..., G, D, M) bool.

    Returns:
        Which detections (..., G, D) and which objects (..., G, M) are matched.
    """
    *batch, groups, n_detected, n_true = allowed.shape
    matched = np.zeros((*batch, groups, n_detected), dtype=bool)
    free = np.ones((*batch, groups, n_true), dtype=bool)
    if not n_true:
        return matched, ~free
    for i in range(n_detected):
        costs = np.where(allowed[..., i, :] & free, cost[:, i, :], np.inf)
        best = costs.argmin(axis=-1)[..., None]
        hit = np.isfinite(np.take_along_axis(costs, best, axis=-1))
        matched[..., i] = hit[..., 0]
        np.put_along_axis(free, best, np.take_along_axis(free, best, axis=-1) & ~hit, axis=-1)
    return matched, ~free


def _pair_overlap(
    detected: DetectedPoses, true: TruePoses, category: Category, boxes: str
) -> np.ndarray:
    """Overlaps of pairs, (P,)."""
    if boxes == "2d" or detected.size_m is None or true.size_m is None:
        return box_overlap(detected.box, true.box)
    poses = (detected.T_cam_obj, detected.size_m, true.T_cam_obj, true.size_m)
    with_handle = box_overlap_3d(*poses, category.visible_symmetry(True).free_axis)
    without = box_overlap_3d(*poses, category.visible_symmetry(False).free_axis)
    in_space = np.where(true.handle_visible, with_handle, without)
    unknown = np.isnan(true.size_m).any(axis=-1)
    return np.where(unknown, box_overlap(detected.box, true.box), in_space)


def _pair_errors(
    T_est: np.ndarray, T_true: np.ndarray, category: Category, handle_visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Degrees and centimetres of pairs, (P,) each; infinite without an estimate."""
    known = np.isfinite(T_est).all(axis=(-2, -1))
    degrees, centimetres = np.full(len(T_est), np.inf), np.full(len(T_est), np.inf)
    for visible in (True, False):
        rows = known & (handle_visible == visible)
        degrees[rows] = rotation_error_deg(
            T_est[rows, :3, :3], T_true[rows, :3, :3], category, visible
        ).numpy()
    distances = np.linalg.norm(T_est[known, :3, 3] - T_true[known, :3, 3], axis=-1)
    centimetres[known] = 100.0 * distances
    return degrees, centimetres


def _enclosing(rotation: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Half the edges, along the camera's axes, of what encloses a box, (..., 3)."""
    return (np.abs(rotation) @ (size[..., None] / 2))[..., 0]


def _overlap(inside: np.ndarray, edges_a: np.ndarray, edges_b: np.ndarray) -> np.ndarray:
    """Intersection over union of the three edge vectors (..., D); 0 where it does not exist."""
    # A minimum with NaN is NaN, and so is what becomes of it.
    intersection = np.clip(inside, 0.0, None).prod(axis=-1)
    union = edges_a.prod(axis=-1) + edges_b.prod(axis=-1) - intersection
    positive = union > 0
    overlap: np.ndarray = np.where(positive, intersection / np.where(positive, union, 1.0), 0.0)
    return overlap
