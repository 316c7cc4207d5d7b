# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Validation of a model in training: pose errors on synthetic views that it never trains on."""

from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation import (
    EstimatorSettings,
    ObjectCloud,
    ObjectEstimate,
    PoseEstimator,
)
from genpose_ros.geometry.symmetry import handle_visible, rotation_error_deg
from genpose_ros.networks.interface import PoseModel
from genpose_ros.synthesis import NOCS_LIBRARY, STANCES, ShapeLibrary, make_clouds

__all__ = ["Validation", "Validator"]

#: Seed of the validation views; those of `genpose evaluate synthetic` have another one.
_SEED = 1_000_000

#: Share of the views that show the object standing; the others are of all stances alike.
_STANDING = 0.6


@dataclass(frozen=True)
class Validation:
    """Pose errors over the validation views, modulo the symmetries; refused ones are infinite.

    Attributes:
        share_5d2cm, share_10d5cm: share of the views within these limits, per cent.
        median_deg: median rotation error, degrees.
        median_cm: median translation error, centimetres.
    """

    share_5d2cm: float
    share_10d5cm: float
    median_deg: float
    median_cm: float

    @property
    def rank(self) -> float:
        """What the best weights so far are chosen by: higher is better."""
        return self.share_5d2cm + self.share_10d5cm


class Validator:
    """Validator whose views are rendered once; a hundred of them take a second or two per model.

    Args:
        views: how many, 60 % standing; of a few no object is seen, and those are left out.
        energy: rank the candidates by the energy.
        library: that the objects are from; models must know its categories.
    """

    def __init__(self, views: int, *, energy: bool, library: ShapeLibrary = NOCS_LIBRARY) -> None:
        self._categories = library.categories
        rng = np.random.default_rng(_SEED)
        tipped = rng.integers(1, len(STANCES), views)
        stances = np.where(rng.random(views) < _STANDING, STANCES.index("standing"), tipped)
        self._views = make_clouds(views, rng, library=library, stances=stances)
        # Few candidates and steps: enough to compare two states of a run.
        self._settings = EstimatorSettings(
            candidates=24,
            tta_views=1,
            sampler="auto",
            steps=5,
            batch_size=16,
            ranking="energy" if energy else "none",
            size_factor=0.0,  # sizes are not learnt yet when poses are worth looking at
        )

    def __call__(self, model: PoseModel) -> Validation:
        """Validate a model; it is left in evaluation mode."""
        names = self._categories.names
        clouds = [
            ObjectCloud.of_points(i, names[category], points)
            for i, (points, category) in enumerate(
                zip(self._views.points_cam, self._views.category, strict=True)
            )
        ]
        outcomes = PoseEstimator(model, self._settings).estimate_clouds(clouds)
        errors = np.array([self._errors(row, outcome) for row, outcome in enumerate(outcomes)])
        median_deg, median_cm = np.median(errors, axis=0).tolist()
        return Validation(
            share_5d2cm=100 * float((errors < (5, 2)).all(1).mean()),
            share_10d5cm=100 * float((errors < (10, 5)).all(1).mean()),
            median_deg=median_deg,
            median_cm=median_cm,
        )

    def _errors(self, row: int, outcome: object) -> tuple[float, float]:
        """Degrees and centimetres; infinite where no pose was found."""
        if not isinstance(outcome, ObjectEstimate):
            return np.inf, np.inf
        truth = np.eye(4)
        truth[:3, :3], truth[:3, 3] = self._views.rotation[row], self._views.translation[row]
        category = self._categories[outcome.category]
        seen = category.symmetry_hidden is None or handle_visible(
            self._views.points_cam[row], truth, self._views.size_m[row]
        )
        angle = rotation_error_deg(outcome.T_cam_obj[:3, :3], truth[:3, :3], category, seen)
        distance = np.linalg.norm(outcome.T_cam_obj[:3, 3] - truth[:3, 3])
        return float(angle), 100 * float(distance)
