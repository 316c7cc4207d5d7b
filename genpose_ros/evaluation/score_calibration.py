# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fit of score and covariance calibrations on simulated views, and how reliable they are."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.error_covariance import error_covariances
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.evidence import EVIDENCE, size_spreads
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation.covariance_inflation import ScoredError, fitted_inflation
from genpose_ros.evaluation.coverage import coverage, squared_errors
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.geometry.categories import Category
from genpose_ros.networks.score_calibration import Inflation, ScoreCalibration, SizeSpread
from genpose_ros.synthesis import NOCS_LIBRARY, WIDE, CloudBatch, Domain, ShapeLibrary, make_clouds
from genpose_ros.synthesis.motions import poses

__all__ = [
    "CalibrationViews",
    "Reliability",
    "calibration_views",
    "fit_calibration",
    "fit_inflation",
    "reliability",
]

_log = logging.getLogger(__name__)

#: Within these a pose holds, degrees and centimetres.
HOLDS = (10.0, 5.0)
#: Poses farther off are another mode, of which covariances say nothing: degrees and centimetres.
_NEAR = (20.0, 5.0)

_CHUNK = 128
#: Objects estimated at once, and estimates that a calibration needs.
_BATCH, _FEWEST = 64, 100
#: Every so manyth view is kept apart.
_APART = 5
#: Shares of the views that are given another category, and other intrinsics, than they have.
_MISTAKEN, _OTHER_CAMERA = 0.06, 0.04
#: Of the views, those that come with the direction up; its deviation, radians, and that of the
#: support's level, metres.
_UP_SHARE, _UP_RAD, _LEVEL_M = 0.6, np.radians(2.0), 0.006
#: Of tracked objects, those that have been turned over or away.
_LOST_SHARE = 0.12
#: Weight of the coefficients' squares: of evidence in standard deviations, for each view.
_RIDGE = 1e-3
#: Objects per category that sizes are taken from.
_SIZES = 400


@dataclass(frozen=True)
class CalibrationViews:
    """Views to calibrate scores on, some of which are mistaken for something else.

    Attributes:
        clouds: the points of one object each, under the category that a segmenter gave it.
        T_true: (n, 4, 4) object to camera.
        T_start: (n, 4, 4) poses that a tracker would start from.
        deceived: (n,) bool, whether the category or the intrinsics are wrong, so that no pose is
            right.
    """

    clouds: tuple[ObjectCloud, ...]
    T_true: np.ndarray
    T_start: np.ndarray
    deceived: np.ndarray

    def __len__(self) -> int:
        return len(self.clouds)


@dataclass(frozen=True)
class Reliability:
    """How often poses hold that score so much.

    Attributes:
        scores: (n,) probabilities that were told.
        holds: (n,) bool, whether the poses were right.
        ellipsoids: (m, 2) `ellipsoid_probabilities` of the poses that are near enough to the truth
            for their covariance to say something.
    """

    scores: np.ndarray
    holds: np.ndarray
    ellipsoids: np.ndarray

    def table(self, thresholds: Sequence[float]) -> list[dict[str, float]]:
        """Return, for each threshold, the share of poses that score as much and how many hold.

        That is NaN where none scores as much.
        """
        rows = []
        for threshold in thresholds:
            taken = self.scores >= threshold
            right = float(self.holds[taken].mean()) if taken.any() else float("nan")
            rows.append({"threshold": threshold, "taken": float(taken.mean()), "hold": right})
        return rows

    def bins(self, count: int = 10) -> list[dict[str, float]]:
        """Return, for each bin of equal width with a pose in it, its mean score and share right."""
        which = np.minimum((self.scores * count).astype(int), count - 1)
        return [
            {
                "score": float(self.scores[which == i].mean()),
                "hold": float(self.holds[which == i].mean()),
                "poses": int((which == i).sum()),
            }
            for i in range(count)
            if (which == i).any()
        ]

    @property
    def calibration_error(self) -> float:
        """Mean distance between told and true probability over the poses, by bins (ECE)."""
        return sum(b["poses"] * abs(b["score"] - b["hold"]) for b in self.bins()) / len(self.scores)

    @property
    def coverage(self) -> dict[str, Any]:
        """Shares of the truths within the ellipsoids of the covariances."""
        return coverage([tuple(row) for row in self.ellipsoids])

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: bins, thresholds, calibration_error, coverage, poses.

        `hold` of a threshold is None where no pose scores as much.
        """
        rows = self.table((0.3, 0.5, 0.7, 0.8, 0.9, 0.95))
        return {
            "poses": len(self.scores),
            "calibration_error": round(self.calibration_error, 4),
            "bins": self.bins(),
            "thresholds": [
                {**row, "hold": None if math.isnan(row["hold"]) else row["hold"]} for row in rows
            ],
            "coverage": self.coverage,
        }


@dataclass(frozen=True)
class _Outcome:
    """An estimate, and whether its pose and its axis hold."""

    estimate: ObjectEstimate
    holds: tuple[bool, bool]


@dataclass(frozen=True)
class _Judged:
    """Evidence (m, E), which poses and axes hold (m, 2), and which are kept apart (m,) bool."""

    evidence: np.ndarray
    holds: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, found: "dict[int, _Outcome]") -> "_Judged":
        """All estimates, every fifth view kept apart.

        Raises:
            ValueError: too few.
        """
        if len(found) < _FEWEST:
            raise ValueError(
                f"{len(found)} estimates are too few to calibrate scores on, expected {_FEWEST} or "
                "more: take more views"
            )
        return cls(
            np.array([item.estimate.evidence for item in found.values()]),
            np.array([item.holds for item in found.values()]),
            np.array([view % _APART == 0 for view in found]),
        )

    def fitted(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Coefficients for poses and for axes, of what is not kept apart."""
        evidence, holds = self.evidence[~self.apart], self.holds[~self.apart]
        return _logistic(evidence, holds[:, 0]), _logistic(evidence, holds[:, 1])


def calibration_views(
    count: int, seed: int, library: ShapeLibrary = NOCS_LIBRARY, *, domain: Domain = WIDE
) -> CalibrationViews:
    """Return `count` views of a library's objects.

    Args:
        count: how many.
        seed: decides everything.
        library: that the objects are from.
        domain: cameras, shapes, stances and rolls.
    """
    rng = np.random.default_rng(seed)
    batches: list[CloudBatch] = []
    while sum(len(batch) for batch in batches) < count:
        batches.append(make_clouds(_CHUNK, rng, library=library, domain=domain))
    views = CloudBatch.concatenate(batches)[:count]
    names = library.categories.names
    kind = views.category.copy()
    mistaken = rng.random(count) < (_MISTAKEN if len(names) > 1 else 0.0)
    kind[mistaken] = (kind[mistaken] + rng.integers(1, max(len(names), 2), mistaken.sum())) % len(
        names
    )
    zoomed = ~mistaken & (rng.random(count) < _OTHER_CAMERA)
    zoom = np.where(zoomed, rng.choice([0.5, 0.67, 1.5, 2.0], count), 1.0)
    points = views.points_cam * np.stack([zoom, zoom, np.ones(count)], -1)[:, None]
    clouds = tuple(
        ObjectCloud.of_points(
            i, names[kind[i]], points[i].astype(np.float32), up_cam=_up_of(views, i, rng)
        )
        for i in range(count)
    )
    T_true = poses(views.rotation.astype(np.float64), views.translation.astype(np.float64))
    return CalibrationViews(clouds, T_true, _starts(T_true, rng), mistaken | zoomed)


def fit_calibration(
    estimator: PoseEstimator,
    views: CalibrationViews,
    library: ShapeLibrary = NOCS_LIBRARY,
    on_views: Callable[[int], None] | None = None,
) -> tuple[ScoreCalibration, Reliability]:
    """Fit a calibration for a model, and tell how it does on a fifth of the views kept apart.

    Of too few poses near the truth, covariances are not inflated; a line of the log says so.

    Args:
        estimator: of the model, with the settings that it is to be used with.
        views: from `calibration_views`.
        library: that the views' objects are from, for their sizes.
        on_views: called with how many estimates have been made since the last call.

    Raises:
        ValueError: the estimator has several models, or too few views are left to fit.
    """
    sizes = _sizes(library)
    nothing = (0.0,) * (len(EVIDENCE) + 1)
    plain = ScoreCalibration(EVIDENCE, (nothing, nothing), (nothing, nothing), sizes)
    judge = _with_calibration(estimator, plain)
    found = [_judged(judge, views, library, start, on_views) for start in (False, True)]
    fresh, tracked = map(_Judged.of, found)
    fitted = replace(plain, fresh=fresh.fitted(), tracked=tracked.fitted())
    return _inflated(fitted, found[0], views, library, needed=False)


def fit_inflation(
    estimator: PoseEstimator,
    views: CalibrationViews,
    library: ShapeLibrary = NOCS_LIBRARY,
    on_views: Callable[[int], None] | None = None,
) -> tuple[ScoreCalibration, Reliability]:
    """Fit the inflation of covariances alone to the scores that a model has.

    Args, result: as of `fit_calibration`.

    Raises:
        ValueError: the model has no calibration of scores, or of other evidence; the estimator has
            several models, or too few views or poses near the truth are left to fit.
    """
    known = estimator.model.score_calibration
    if known is None or known.features != EVIDENCE:
        raise ValueError("these weights have no calibration of scores: fit that first")
    plain = replace(known, inflation=Inflation())
    judge = _with_calibration(estimator, plain)
    found = _judged(judge, views, library, False, on_views)
    return _inflated(plain, found, views, library, needed=True)


def reliability(
    estimator: PoseEstimator,
    views: CalibrationViews,
    library: ShapeLibrary = NOCS_LIBRARY,
    on_views: Callable[[int], None] | None = None,
) -> Reliability:
    """Return how reliable an estimator's scores are on views.

    Args:
        estimator: with the calibration that its model brings along.
        views: from `calibration_views`, of another seed than the fit's.
        library: that the views' objects are from.
        on_views: called with how many estimates have been made since the last call.
    """
    found = _judged(estimator, views, library, False, on_views)
    return Reliability(
        np.array([item.estimate.score for item in found.values()]),
        np.array([item.holds[0] for item in found.values()]),
        _ellipsoids(found, views, library),
    )


def _judged(
    estimator: PoseEstimator,
    views: CalibrationViews,
    library: ShapeLibrary,
    tracked: bool,
    on_views: Callable[[int], None] | None,
) -> dict[int, _Outcome]:
    """Outcomes by view; refused objects are left out."""
    found = {}
    for first in range(0, len(views), _BATCH):
        clouds = views.clouds[first : first + _BATCH]
        start = views.T_start[first : first + _BATCH] if tracked else None
        for i, outcome in enumerate(estimator.estimate_clouds(clouds, T_cam_start=start), first):
            if isinstance(outcome, ObjectEstimate):
                category = library.categories[outcome.category]
                holds = _holds(outcome, views.T_true[i], category, views.deceived[i])
                found[i] = _Outcome(outcome, holds)
        if on_views is not None:
            on_views(len(clouds))
    return found


def _with_calibration(estimator: PoseEstimator, calibration: ScoreCalibration) -> PoseEstimator:
    """An estimator as the given one, but with another calibration; its model is left as it is.

    Raises:
        ValueError: it has several models.
    """
    known, estimator.model.score_calibration = estimator.model.score_calibration, calibration
    try:
        return PoseEstimator(estimator.model, estimator.settings)
    finally:
        estimator.model.score_calibration = known


def _inflated(
    calibration: ScoreCalibration,
    found: dict[int, _Outcome],
    views: CalibrationViews,
    library: ShapeLibrary,
    *,
    needed: bool,
) -> tuple[ScoreCalibration, Reliability]:
    """A calibration with the inflation that fits estimates, and how it does on those kept apart.

    Args:
        calibration: without inflation.
        found: estimates that know of none before, by view, as of one without inflation.
        views: that they are of.
        library: of the views' objects.
        needed: whether nothing is gained without an inflation.

    Raises:
        ValueError: too few views to fit, or, where it is needed, to fit an inflation.
    """
    judged = _Judged.of(found)
    told = calibration.probabilities(torch.from_numpy(judged.evidence)).numpy()
    scored = {
        view: replace(item, estimate=replace(item.estimate, score=score, score_axis=axis))
        for (view, item), (score, axis) in zip(found.items(), told.tolist(), strict=True)
    }
    apart = {view: item for view, item in scored.items() if view % _APART == 0}
    fitted = {view: item for view, item in scored.items() if view % _APART}
    try:
        inflation = fitted_inflation(_errors(fitted, views, library))
    except ValueError as error:
        if needed:
            raise
        _log.warning("covariances are not inflated: %s", error)
        inflation = Inflation()
    for view, item in apart.items():
        factors = inflation.factors(item.estimate.score_axis)
        apart[view] = replace(item, estimate=replace(item.estimate, error_factors=factors))
    report = Reliability(
        told[judged.apart, 0], judged.holds[judged.apart, 0], _ellipsoids(apart, views, library)
    )
    return replace(calibration, inflation=inflation), report


def _errors(
    found: dict[int, _Outcome], views: CalibrationViews, library: ShapeLibrary
) -> list[ScoredError]:
    """Errors of the poses that are near enough for their covariances to say something."""
    errors = []
    for view, item in found.items():
        estimate, T_true = item.estimate, views.T_true[view]
        category = library.categories[estimate.category]
        angle, distance = pose_errors(estimate.T_cam_obj, T_true, category)
        if not views.deceived[view] and angle <= _NEAR[0] and distance <= _NEAR[1]:
            (covariance,) = error_covariances([estimate])
            parts = squared_errors(estimate.T_cam_obj, covariance, T_true, category)
            errors.append(ScoredError(*parts, estimate.score_axis))
    return errors


def _ellipsoids(
    found: dict[int, _Outcome], views: CalibrationViews, library: ShapeLibrary
) -> np.ndarray:
    """`ellipsoid_probabilities` (m, 2) of the poses that are not turned over."""
    errors = _errors(found, views, library)
    probabilities = [(e.position.probability, e.rotation.probability) for e in errors]
    return np.array(probabilities).reshape(-1, 2)


def _holds(
    estimate: ObjectEstimate, T_true: np.ndarray, category: Category, deceived: bool
) -> tuple[bool, bool]:
    """Whether the pose, and whether its y axis and place, are right."""
    if deceived:
        return False, False
    angle, distance = pose_errors(estimate.T_cam_obj, T_true, category)
    cosine = float(estimate.T_cam_obj[:3, 1] @ T_true[:3, 1])
    tilt = min(np.degrees(np.arccos(np.clip(cosine, -1, 1))), angle)
    near = distance <= HOLDS[1]
    return bool(near and angle <= HOLDS[0]), bool(near and tilt <= HOLDS[0])


def _up_of(views: CloudBatch, row: int, rng: np.random.Generator) -> UpDirection | None:
    """The direction up of a view as it would be measured; None: not known."""
    if rng.random() >= _UP_SHARE:
        return None
    direction = views.up[row] + rng.normal(0, _UP_RAD, 3)
    level_m = float(views.level_m[row] + rng.normal(0, _LEVEL_M))
    return UpDirection(direction / np.linalg.norm(direction), _UP_RAD, level_m, "simulated")


def _starts(T_true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Poses a tracker would start from: near the truth, a few turned over or away."""
    n = len(T_true)
    T_start = T_true.copy()
    turn = Rotation.from_rotvec(rng.normal(0, np.radians(4.0), (n, 3))).as_matrix()
    lost = rng.random(n) < _LOST_SHARE
    axis = rng.choice(3, n)
    over = Rotation.from_rotvec(np.pi * np.eye(3)[axis]).as_matrix()
    T_start[:, :3, :3] = np.where(lost[:, None, None], T_true[:, :3, :3] @ over, T_true[:, :3, :3])
    T_start[:, :3, :3] = turn @ T_start[:, :3, :3]
    T_start[:, :3, 3] += rng.normal(0, 0.006, (n, 3))
    return T_start


def _sizes(library: ShapeLibrary) -> dict[str, SizeSpread]:
    names = library.categories.names
    drawn = library.draw(_SIZES * len(names), np.random.default_rng(0), vessels=WIDE.vessels)
    edges = torch.from_numpy(drawn.size_m)
    return size_spreads({n: edges[drawn.category == i] for i, n in enumerate(names)})


def _logistic(evidence: np.ndarray, holds: np.ndarray) -> tuple[float, ...]:
    """Coefficients and offset (E + 1,) of the logistic regression with a ridge."""
    centre, scale = evidence.mean(0), evidence.std(0)
    scale[scale < 1e-9] = np.inf  # what is always the same says nothing
    x = np.column_stack([(evidence - centre) / scale, np.ones(len(evidence))])
    sign = np.where(holds, 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w)
        value = np.logaddexp(0, -margin).mean() + _RIDGE * (w[:-1] @ w[:-1])
        slope = -(sign / (1 + np.exp(np.clip(margin, -50, 50)))) @ x / len(x)
        return float(value), slope + 2 * _RIDGE * np.append(w[:-1], 0.0)

    w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    raw = w[:-1] / scale
    return (*raw.tolist(), float(w[-1] - raw @ centre))
