# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Validation of a fine-tuning on its way: held-out meshes and kept categories apart."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation.synthetic import SyntheticReport, evaluate_synthetic, synthetic_views
from genpose_ros.networks.interface import PoseModel
from genpose_ros.own_categories.plan import Plan
from genpose_ros.synthesis.clouds import CloudBatch
from genpose_ros.training.curves import Curves
from genpose_ros.training.validation import Validation

__all__ = ["CurvePoint", "HeldOutValidation", "read_curve"]

#: Views of each group, 60 % standing, and their seed.
_VIEWS, _SEED = 96, 2_900_000

_COLUMNS = ("step", "clouds", "new_5d2cm", "new_10d5cm", "kept_5d2cm", "kept_10d5cm")


@dataclass(frozen=True)
class CurvePoint:
    """Shares of the validation views within both limits, per cent, after so many clouds.

    Attributes:
        clouds: that the score had been trained on.
        new_5d2cm, new_10d5cm: of the new categories.
        kept_5d2cm, kept_10d5cm: of the kept ones; None: there are none.
    """

    clouds: int
    new_5d2cm: float
    new_10d5cm: float
    kept_5d2cm: float | None
    kept_10d5cm: float | None


class HeldOutValidation:
    """Validation that keeps a curve of both groups in a file, and returns the new ones' errors.

    The estimator is the one that is used later: with fewer candidates, steps and looks the poses of
    symmetric objects come out much worse than they will.

    Args:
        plan: the categories.
        file: the curve, a CSV; rows of a run that goes on stay.
        device: of the estimator.
    """

    def __init__(self, plan: Plan, file: Path, device: str) -> None:
        self.file = file
        self._settings = EstimatorSettings(device=device)
        libraries = (plan.held_out, plan.kept_library)
        self._libraries = [library for library in libraries if library is not None]
        self._views: list[CloudBatch] = []

    def at(self, batch: int) -> Callable[[PoseModel, int], Validation]:
        """Return what validates a model at a step of so many clouds."""

        def validate(model: PoseModel, step: int) -> Validation:
            results = self._measure(model)
            row = {"step": float(step), "clouds": float(step * batch)}
            for group, result in zip(("new", "kept"), results, strict=False):
                row |= {f"{group}_5d2cm": result.share_5d2cm}
                row |= {f"{group}_10d5cm": result.share_10d5cm}
            # Rows after the state that a killed run goes on from are dropped.
            Curves(self.file, _COLUMNS, step - 1).write(row)
            return results[0]

        return validate

    def _measure(self, model: PoseModel) -> list[Validation]:
        """Errors of the new categories and, where there are any, of the kept ones."""
        if not self._views:
            self._views = [synthetic_views(_VIEWS, _SEED, library) for library in self._libraries]
        estimator = PoseEstimator(model, self._settings)
        return [
            _validation(evaluate_synthetic(estimator, views, categories=library.categories))
            for views, library in zip(self._views, self._libraries, strict=True)
        ]

    def latest_text(self) -> str:
        """The latest shares in words for a progress bar; empty: none yet."""
        curve = read_curve(self.file)
        if not curve:
            return ""
        now = curve[-1]
        text = f"new {now.new_5d2cm:.0f} / {now.new_10d5cm:.0f} %"
        if now.kept_5d2cm is not None:
            text += f", kept {now.kept_5d2cm:.0f} / {now.kept_10d5cm:.0f} %"
        return text


def _validation(report: SyntheticReport) -> Validation:
    errors = np.array([view.errors or (np.inf, np.inf) for view in report.views])
    median_deg, median_cm = np.median(errors, axis=0).tolist()
    return Validation(
        share_5d2cm=100 * float((errors <= (5, 2)).all(1).mean()),
        share_10d5cm=100 * float((errors <= (10, 5)).all(1).mean()),
        median_deg=median_deg,
        median_cm=median_cm,
    )


def read_curve(file: Path) -> tuple[CurvePoint, ...]:
    """Return the points of a curve's file, in order; none where there is no file."""
    if not file.exists():
        return ()
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(
        CurvePoint(
            int(float(row["clouds"])),
            float(row["new_5d2cm"]),
            float(row["new_10d5cm"]),
            float(row["kept_5d2cm"]) if row["kept_5d2cm"] else None,
            float(row["kept_10d5cm"]) if row["kept_10d5cm"] else None,
        )
        for row in rows
    )
