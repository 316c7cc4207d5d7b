# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What knowing the direction up changes: simulated views by stance, and recorded frames.

`.venv/bin/python -m benchmarks.up [FRAMES ...] --help`. Simulated views come with their true
direction up, disturbed by a degree, and the level of their support, by 4 mm; objects in any
orientation are held in the air or lean on the table. Recorded frames get what `up_source: auto`
finds in them.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud, PoseEstimator
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.evaluation.recorded_frames import evaluate_frames
from genpose_ros.geometry import NOCS
from genpose_ros.geometry.symmetry import handle_visible
from genpose_ros.synthesis import DOMAINS, STANCES, CloudBatch, make_clouds

_UP_DEG, _LEVEL_M = 1.0, 0.004
_LIMITS = ((5, 2), (10, 2), (10, 5))

Errors = list[tuple[float, float]]


def clouds_of(views: CloudBatch, rng: np.random.Generator) -> Iterator[ObjectCloud]:
    """The clouds of views with what a robot may know of the direction up."""
    for row, points_cam in enumerate(views.points_cam):
        true, centre = views.up[row].astype(np.float64), points_cam.mean(0)
        up = true + np.cross(rng.normal(0, np.radians(_UP_DEG), 3), true)
        up /= np.linalg.norm(up)
        level_m = views.level_m[row] + (up - true) @ centre + rng.normal(0, _LEVEL_M)
        instance = Instance(row, NOCS.names[views.category[row]], np.ones((1, 1), dtype=bool))
        known = UpDirection(up, np.radians(_UP_DEG), float(level_m))
        yield ObjectCloud(instance, points_cam, len(points_cam), shuffled=True, up_cam=known)


def view_errors(estimator: PoseEstimator, views: CloudBatch, clouds: list[ObjectCloud]) -> Errors:
    """Degrees and centimetres of each view; those refused have infinite ones."""
    errors: Errors = []
    for row, outcome in enumerate(estimator.estimate_clouds(clouds)):
        if not isinstance(outcome, ObjectEstimate):
            errors.append((np.inf, np.inf))
            continue
        truth = np.eye(4)
        truth[:3, :3], truth[:3, 3] = views.rotation[row], views.translation[row]
        category = NOCS[outcome.category]
        seen = category.symmetry_hidden is None or handle_visible(
            views.points_cam[row], truth, views.size_m[row]
        )
        errors.append(pose_errors(outcome.T_cam_obj, truth, category, seen))
    return errors


def shown(name: str, told: bool, errors: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """A row of the table."""
    array = np.array(errors)
    shares = [f"{100 * (array < limit).all(1).mean():.1f}" for limit in _LIMITS]
    over = f"{100 * (array[:, 0] > 90).mean():.1f}"
    return name, "yes" if told else "no", str(len(array)), *shares, over


def rows_of_views(weights: str, count: int, seed: int, domain: str) -> Iterator[tuple[str, ...]]:
    """Rows of each stance, without and with the direction up."""
    stances = np.arange(count) % len(STANCES)
    rng = np.random.default_rng(seed)
    views = make_clouds(count, rng, stances=stances, domain=DOMAINS[domain])
    estimator = PoseEstimator.from_settings(EstimatorSettings(weights=weights, size_factor=0))
    told = list(clouds_of(views, rng))
    for up in (False, True):
        clouds = told if up else [replace(cloud, up_cam=None) for cloud in told]
        errors = np.array(view_errors(estimator, views, clouds))
        for number, stance in enumerate(STANCES):
            yield shown(stance, up, errors[views.stance == number].tolist())


def rows_of_frames(weights: str, folders: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Rows of each folder of recorded frames, without and with the direction up."""
    for folder in track(folders, "recorded frames", console=Console(stderr=True)):
        for source in ("none", "auto"):
            settings = EstimatorSettings(weights=weights, up_source=source)
            report = evaluate_frames(folder, PoseEstimator.from_settings(settings))
            errors = [i.errors for i in report.instances if i.errors is not None]
            yield shown(folder.name, source == "auto", errors)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", nargs="*", type=Path, help="folders of recorded frames")
    parser.add_argument("--weights", default="", help="checkpoint; default: the released one")
    parser.add_argument("--views", type=int, default=400, help="simulated views of all stances")
    parser.add_argument("--domain", choices=tuple(DOMAINS), default="d435")
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    limits = [f"{degrees}° {centimetres} cm" for degrees, centimetres in _LIMITS]
    table = Table("what", "up known", "n", *limits, "over 90°")
    for row in rows_of_views(options.weights, options.views, options.seed, options.domain):
        table.add_row(*row)
    for row in rows_of_frames(options.weights, options.frames):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
