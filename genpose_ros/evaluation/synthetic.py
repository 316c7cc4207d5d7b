# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation on a fixed, seeded set of synthetic views of shapes that were not trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation.average_precision import (
    DetectedPoses,
    TruePoses,
    pose_average_precision,
)
from genpose_ros.evaluation.metrics import THRESHOLDS, pose_errors, summarise
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.geometry.symmetry import handle_visible, rotation_error_deg
from genpose_ros.synthesis import (
    D435,
    NOCS_LIBRARY,
    STANCES,
    CloudBatch,
    Domain,
    ShapeLibrary,
    make_clouds,
)

__all__ = ["SyntheticReport", "ViewReport", "evaluate_synthetic", "synthetic_views", "told_up"]

#: Share of the views that show the object standing on its foot.
STANDING_SHARE = 0.6

#: How far off a robot knows the direction up, about each axis across it, and its table's level.
_UP_RAD, _LEVEL_M = np.radians(1.0), 0.004

_CHUNK = 128


@dataclass(frozen=True)
class ViewReport:
    """Result of one view.

    Attributes:
        category: category name.
        standing: whether the object stands on its foot.
        errors: rotation error in degrees and translation error in centimetres; None where refused.
        candidate_errors: (K, 2), the same of every candidate.
        size_errors: (3,) relative errors of the box edges.
        T_cam_obj: (4, 4) the estimate, NaN where refused.
        T_true: (4, 4) the truth.
        handle_visible: only matters for mugs and others with `symmetry_hidden`.
        score: of the estimate, 0 where refused.
    """

    category: str
    standing: bool
    errors: tuple[float, float] | None
    candidate_errors: np.ndarray
    size_errors: np.ndarray
    T_cam_obj: np.ndarray
    T_true: np.ndarray
    handle_visible: bool
    score: float


@dataclass(frozen=True)
class SyntheticReport:
    """Results of all views.

    Attributes:
        views: in their order.
        categories: of their objects.
    """

    views: tuple[ViewReport, ...]
    categories: CategorySet = NOCS

    def poses(self) -> tuple[DetectedPoses, TruePoses]:
        """Estimates and truths as of images with one object each, ranked by the scores."""
        views, names = self.views, self.categories.names
        image, category = np.arange(len(views)), [names.index(v.category) for v in views]
        box = np.tile([0.0, 0.0, 1.0, 1.0], (len(views), 1))
        found = np.array([v.T_cam_obj for v in views]).reshape(-1, 4, 4)
        true = np.array([v.T_true for v in views]).reshape(-1, 4, 4)
        score = np.array([v.score for v in views], dtype=np.float64)
        handles = np.array([v.handle_visible for v in views], dtype=bool)
        classes = np.array(category, dtype=np.int64)
        return (
            DetectedPoses(image, classes, found, box, score),
            TruePoses(image, classes, true, box, handles),
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, in per cent.

        Shares within each limit, with medians: standing, tipped, all, best_of_k, per_category;
        average_precision, where the estimates are ranked by their scores.
        """
        standing = [view for view in self.views if view.standing]
        tipped = [view for view in self.views if not view.standing]
        return {
            "standing": _summary(standing),
            "tipped": _summary(tipped),
            "all": _summary(self.views),
            "best_of_k": _best_of_k(self.views),
            "average_precision": pose_average_precision(
                *self.poses(), categories=self.categories
            ).to_json()["strict"],
            "per_category": {
                name: {
                    "standing": _summary([v for v in standing if v.category == name]),
                    "tipped": _summary([v for v in tipped if v.category == name]),
                }
                for name in self.categories.names
            },
        }


def synthetic_views(
    count: int, seed: int, library: ShapeLibrary = NOCS_LIBRARY, *, domain: Domain = D435
) -> CloudBatch:
    """Return `count` views, 60 % standing, the rest lying, upside down and free in equal parts.

    Args:
        count: how many.
        seed: decides everything.
        library: that the objects are from, such as a `held_out_library`.
        domain: cameras, shapes and rolls.
    """
    rng = np.random.default_rng(seed)
    tipped = (1 - STANDING_SHARE) / (len(STANCES) - 1)
    shares = [STANDING_SHARE] + [tipped] * (len(STANCES) - 1)
    batches: list[CloudBatch] = []
    while sum(len(batch) for batch in batches) < count:
        stances = rng.choice(len(STANCES), _CHUNK, p=shares)
        batches.append(make_clouds(_CHUNK, rng, library=library, stances=stances, domain=domain))
    return CloudBatch.concatenate(batches)[:count]


def told_up(views: CloudBatch, rng: np.random.Generator) -> list[UpDirection]:
    """Return what a robot knows of up in each view: a degree and 4 mm off, as deviations.

    Args:
        views: from `synthetic_views`.
        rng: source of the errors.
    """
    told = []
    for row, points_cam in enumerate(views.points_cam):
        true, centre = views.up[row].astype(np.float64), points_cam.mean(0)
        up = true + np.cross(rng.normal(0, _UP_RAD, 3), true)
        up /= np.linalg.norm(up)
        level_m = views.level_m[row] + (up - true) @ centre + rng.normal(0, _LEVEL_M)
        told.append(UpDirection(up, _UP_RAD, float(level_m)))
    return told


def evaluate_synthetic(
    estimator: PoseEstimator,
    views: CloudBatch,
    on_views: Callable[[int], None] | None = None,
    categories: CategorySet = NOCS,
    *,
    up: Sequence[UpDirection] | None = None,
) -> SyntheticReport:
    """Estimate every view and compare it with its truth, modulo the category's symmetry.

    Args:
        estimator: model and settings.
        views: from `synthetic_views`.
        on_views: called with how many views have been done since the last call.
        categories: that the views' categories are indices into.
        up: what is known of the direction up in each view, as of `told_up`; None: nothing.
    """
    step = estimator.settings.batch_size
    reports: list[ViewReport] = []
    for first in range(0, len(views), step):
        part = views[first : first + step]
        clouds = [
            ObjectCloud.of_points(
                i,
                categories.names[part.category[i]],
                part.points_cam[i],
                up_cam=None if up is None else up[first + i],
            )
            for i in range(len(part))
        ]
        outcomes = estimator.estimate_clouds(clouds)
        reports += [
            _report(part, i, outcome, categories.categories[part.category[i]])
            for i, outcome in enumerate(outcomes)
        ]
        if on_views is not None:
            on_views(len(part))
    return SyntheticReport(tuple(reports), categories)


def _report(views: CloudBatch, row: int, outcome: object, category: Category) -> ViewReport:
    T_true = np.eye(4)
    T_true[:3, :3], T_true[:3, 3] = views.rotation[row], views.translation[row]
    size_m = views.size_m[row].astype(np.float64)
    standing = bool(views.stance[row] == STANCES.index("standing"))
    visible = category.symmetry_hidden is None or handle_visible(
        views.points_cam[row], T_true, size_m
    )
    if not isinstance(outcome, ObjectEstimate):
        nothing, none = np.full((4, 4), np.nan), np.empty((0, 2))
        unknown = np.full(3, np.nan)
        return ViewReport(
            category.name, standing, None, none, unknown, nothing, T_true, visible, 0.0
        )
    T = outcome.T_cam_candidates
    angles = rotation_error_deg(T[:, :3, :3], T_true[:3, :3], category, visible).numpy()
    distances = 100 * np.linalg.norm(T[:, :3, 3] - T_true[:3, 3], axis=1)
    return ViewReport(
        category.name,
        standing,
        pose_errors(outcome.T_cam_obj, T_true, category, visible),
        np.stack([angles, distances], -1),
        np.abs(outcome.size_m / size_m - 1),
        outcome.T_cam_obj,
        T_true,
        visible,
        outcome.score,
    )


def _name(limit: tuple[int, int]) -> str:
    return f"{limit[0]}d{limit[1]}cm"


def _summary(views: "tuple[ViewReport, ...] | list[ViewReport]") -> dict[str, Any]:
    whole = summarise([view.errors for view in views])
    shares = {
        _name(limit): _percent(whole[f"share_{limit[0]}deg{limit[1]}cm"]) for limit in THRESHOLDS
    }
    sizes = [view.size_errors for view in views if view.errors is not None]
    return {
        **shares,
        "views": whole["instances"],
        "median_rotation_deg": whole["median_rotation_error_deg"],
        "median_translation_cm": whole["median_translation_error_cm"],
        "median_size_error_percent": _percent(float(np.median(sizes))) if sizes else None,
    }


def _best_of_k(views: tuple[ViewReport, ...]) -> dict[str, float | None]:
    """Share of the views where at least one candidate lies within the limits."""
    shares = {}
    for limit in THRESHOLDS:
        hits = [bool((view.candidate_errors <= limit).all(1).any()) for view in views]
        shares[_name(limit)] = _percent(float(np.mean(hits))) if hits else None
    return shares


def _percent(share: float | int | None) -> float | None:
    return None if share is None else round(100 * share, 2)
