# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a rolled camera costs where nothing tells which way is up, and what rolled views mend of it.

`.venv/bin/python -m benchmarks.rolls --meshes MESHES [--json FILE]`: simulated views of untrained
shapes by upright cameras, turned, with one or several objects in an image; `--fit` fits what
`estimation.rolled_views` weighs objects by, to shapes that were trained on.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from benchmarks.up import error_of
from genpose_ros.cli.options import shapes_of
from genpose_ros.estimation import (
    EstimatorSettings,
    ObjectCloud,
    ObjectEstimate,
    PoseEstimator,
)
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.rolled_views import roll_rad, told_of_view, view_turns
from genpose_ros.evaluation import synthetic_views
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.geometry import NOCS
from genpose_ros.synthesis import DOMAINS, STANCES, CloudBatch, ShapeLibrary

VIEWS_SEED, FIT_SEED = 2_000_000, 3_300_000
#: Rolls of the camera, degrees.
ROLLS = (0, 90, 180, 270)
#: Objects in an image, and views of it that are looked at.
CASES = ((1, 1), (1, 4), (2, 4), (4, 4))
_LIMITS = ((5, 2), (10, 5))
#: Images estimated together.
_TOGETHER = 32


@dataclass(frozen=True)
class Case:
    """A way of estimating views.

    Attributes:
        domain: name of the cameras and shapes.
        objects: in an image.
        roll_views: as of the settings.
        roll_deg: of the camera.
    """

    domain: str
    objects: int
    roll_views: int
    roll_deg: float

    @property
    def name(self) -> str:
        """Name of what the case's figures are compared with at other rolls."""
        return f"{self.domain}, {self.objects} in an image, {self.roll_views} views"


def upright_views(count: int, seed: int, library: ShapeLibrary, domain: str) -> CloudBatch:
    """Views of cameras that are upright but for some 8 degrees, 60 % of objects that stand."""
    upright = replace(DOMAINS[domain], any_roll=0.0)
    return synthetic_views(count, seed, library, domain=upright)


def turned(views: CloudBatch, roll_deg: float) -> CloudBatch:
    """The views as a camera rolled by so much sees them."""
    turn = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
    return replace(
        views,
        points_cam=(views.points_cam @ turn.T).astype(np.float32),
        rotation=turn @ views.rotation,
        translation=views.translation @ turn.T,
        up=views.up @ turn.T,
    )


def clouds_of(views: CloudBatch) -> list[ObjectCloud]:
    """The clouds of views, of which nothing tells which way is up."""
    names = NOCS.names
    return [
        ObjectCloud.of_points(row, names[views.category[row]], points_cam)
        for row, points_cam in enumerate(views.points_cam)
    ]


def errors_of(case: Case, upright: CloudBatch, weights: str) -> np.ndarray:
    """Degrees and centimetres (n, 2) of the views."""
    settings = EstimatorSettings(weights=weights, roll_views=case.roll_views, size_factor=0)
    estimator, views = PoseEstimator.from_settings(settings), turned(upright, case.roll_deg)
    clouds, found = clouds_of(views), []
    for first in range(0, len(clouds), _TOGETHER * case.objects):
        part = clouds[first : first + _TOGETHER * case.objects]
        images = [row // case.objects for row in range(len(part))]
        found += estimator.estimate_clouds(part, images=images)
    return np.array([error_of(outcome, views, row) for row, outcome in enumerate(found)])


def figures_of(errors: np.ndarray) -> dict[str, Any]:
    """Shares within the limits and turned over, in per cent."""
    shares = {f"{d}d{cm}cm": (errors < (d, cm)).all(axis=1) for d, cm in _LIMITS}
    shares["over_90_deg"] = errors[:, 0] > 90
    percent = {name: round(100 * float(hit.mean()), 2) for name, hit in shares.items()}
    return {"views": len(errors), **percent}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Figures of each domain, case and roll, of all views and of those that show standing ones."""
    library, report = shapes_of(options.weights, options.meshes), dict[str, Any]()
    cases = [
        Case(domain, objects, count, roll)
        for domain in DOMAINS
        for objects, count in CASES
        for roll in ROLLS
    ]
    views = {d: upright_views(options.views, VIEWS_SEED, library, d) for d in DOMAINS}
    for case in track(cases, "views", console=Console(stderr=True)):
        upright = views[case.domain]
        errors = errors_of(case, upright, options.weights)
        stands = upright.stance == STANCES.index("standing")
        figures = {"all": figures_of(errors), "standing": figures_of(errors[stands])}
        report.setdefault(case.name, {})[str(case.roll_deg)] = figures
    return report


def told_by(views: CloudBatch, estimator: PoseEstimator) -> np.ndarray:
    """What each object tells of each view, (n, V, 2): logit of the score and standing share."""
    told = []
    for turn in view_turns(4):
        seen = clouds_of(turned(views, np.degrees(roll_rad(turn))))
        outcomes = [_turned_back(o, turn) for o in estimator.estimate_clouds(seen)]
        told.append([told_of_view(outcome, turn) for outcome in outcomes])
    return np.array(told).swapaxes(0, 1)


def _turned_back(
    outcome: ObjectEstimate | Rejection, turn: np.ndarray
) -> ObjectEstimate | Rejection:
    """An outcome of a rolled camera, its candidates as the camera before the turn has them."""
    if isinstance(outcome, Rejection):
        return outcome
    back = np.eye(4)
    back[:3, :3] = turn.T
    return replace(outcome, T_cam_candidates=back @ outcome.T_cam_candidates)


def fitted(told: np.ndarray) -> np.ndarray:
    """The weights (2,) by which the upright view, the first, is the likeliest one."""

    def loss(weights: np.ndarray) -> float:
        logits = told @ weights
        logits = logits - logits.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[:, 0]))

    return np.asarray(minimize(loss, np.ones(2), method="BFGS").x)


def fit(options: argparse.Namespace) -> np.ndarray:
    """The weights, fitted to views of both domains."""
    library = shapes_of(options.weights, options.meshes, "train")
    estimator = PoseEstimator.from_settings(
        EstimatorSettings(weights=options.weights, size_factor=0)
    )
    views = [upright_views(options.views, FIT_SEED, library, domain) for domain in DOMAINS]
    return fitted(np.concatenate([told_by(part, estimator) for part in views]))


def rows(report: dict[str, Any], part: str) -> Iterator[str]:
    """Lines of the report: 5 degrees 2 cm / 10 degrees 5 cm / turned over, by roll."""
    for name, by_roll in report.items():
        cells: Sequence[str] = [
            " / ".join(f"{by_roll[str(roll)][part][key]:.1f}" for key in _KEYS) for roll in ROLLS
        ]
        yield f"{name:34s} {part:9s} " + "   ".join(cells)


_KEYS = ("5d2cm", "10d5cm", "over_90_deg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meshes", type=Path, help="folder with a manifest.json")
    parser.add_argument("--weights", default="", help="a checkpoint; default: the released one")
    parser.add_argument("--views", type=int, default=2000, help="of each domain")
    parser.add_argument("--json", type=Path, help="write the figures")
    parser.add_argument("--fit", action="store_true", help="fit the weights of the evidence")
    options, console = parser.parse_args(), Console(width=200, highlight=False)
    if options.fit:
        score, standing = fit(options)
        console.print(f"score {score:.2f}, standing {standing:.2f}")
        return
    report = measured(options)
    for part in ("standing", "all"):
        for line in rows(report, part):
            console.print(line)
    if options.json:
        write_results(options.json, report, weights=options.weights, seed=0)


if __name__ == "__main__":
    main()
