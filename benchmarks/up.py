# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What knowing the direction up changes: simulated tables by situation, and recorded frames.

`.venv/bin/python -m benchmarks.up [FRAMES ...] --help`. Each simulated view comes with its true
direction up, disturbed by a degree, and the level of its table, by 4 mm. Recorded frames get what
`up_source: auto` finds in them. The same views are estimated without the direction, with it as a
condition of the network (where the weights take it), with the prior of resting objects, and both.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpose_ros.datasets.frame_folders import Truth
from genpose_ros.estimation import EstimatorSettings, ObjectCloud, PoseEstimator
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.evaluation import told_up
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.evaluation.recorded_frames import evaluate_frames
from genpose_ros.geometry import NOCS
from genpose_ros.geometry.symmetry import handle_visible
from genpose_ros.synthesis import (
    DOMAINS,
    NOCS_LIBRARY,
    STANCES,
    CloudBatch,
    Surroundings,
    sample_views,
)
from genpose_ros.synthesis.clouds import crops_around, render_views, sense_views

#: Situations of an object, and the stance that views of it are drawn with.
SITUATIONS: Mapping[str, str] = {
    "standing": "standing",
    "lying": "lying",
    "upside down": "upside_down",
    "leaning": "free",
    "stacked": "standing",
    "held": "free",
}
#: How far above the table stacked and held objects are, metres, evenly in logarithms.
_ABOVE_M = {"stacked": (0.01, 0.25), "held": (0.01, 0.6)}
_LIMITS = ((5, 2), (10, 2), (10, 5))
_CHUNK = 200

Errors = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Situated:
    """Views of objects, and the situation of each.

    Attributes:
        views: n clouds with their truth; `level_m` is the table's.
        situation: (n,) index into `SITUATIONS`.
    """

    views: CloudBatch
    situation: np.ndarray


def draw_situations(count: int, rng: np.random.Generator, domain: str) -> Situated:
    """Draw about `count` views, of all situations alike; those with too few points are dropped."""
    drawn = [_draw_chunk(min(_CHUNK, count - i), rng, domain) for i in range(0, count, _CHUNK)]
    views = CloudBatch.concatenate([part.views for part in drawn])
    return Situated(views, np.concatenate([part.situation for part in drawn]))


def _draw_chunk(n: int, rng: np.random.Generator, domain: str) -> Situated:
    library, around, names = NOCS_LIBRARY, Surroundings(), tuple(SITUATIONS)
    situation = np.arange(n) % len(names)
    stances = np.array([STANCES.index(SITUATIONS[names[i]]) for i in situation])
    shapes = library.draw(n, rng, None, vessels=DOMAINS[domain].vessels)
    views = sample_views(n, rng, stances=stances, domain=DOMAINS[domain])
    objects = shapes.placed(views.rotation, views.translation)
    crops = crops_around(objects, torch.device("cpu"))
    in_air = situation == names.index("held")
    images = render_views(objects, shapes.size_m, views, in_air, crops, around, rng)
    clouds, enough = sense_views(
        images, shapes.size_m, views, crops, around, DOMAINS[domain], 1024, rng
    )
    above_m = np.zeros(n)
    for name, (low, high) in _ABOVE_M.items():
        here = situation == names.index(name)
        above_m[here] = np.exp(rng.uniform(np.log(low), np.log(high), here.sum()))
    batch = CloudBatch(
        points_cam=clouds.numpy(),
        rotation=views.rotation.astype(np.float32),
        translation=views.translation.astype(np.float32),
        size_m=shapes.size_m.astype(np.float32),
        category=shapes.category,
        stance=views.stance,
        up=views.up.astype(np.float32),
        level_m=(objects.lowest(views.up) - above_m).astype(np.float32),
    )
    usable = enough.numpy()
    return Situated(batch[usable], situation[usable])


def clouds_of(views: CloudBatch, rng: np.random.Generator) -> Iterator[ObjectCloud]:
    """The clouds of views with what a robot may know of the direction up."""
    for row, known in enumerate(told_up(views, rng)):
        name = NOCS.names[views.category[row]]
        yield ObjectCloud.of_points(row, name, views.points_cam[row], up_cam=known)


def error_of(outcome: object, views: CloudBatch, row: int) -> tuple[float, float]:
    """Degrees and centimetres of one view; infinite where it was refused."""
    if not isinstance(outcome, ObjectEstimate):
        return np.inf, np.inf
    truth = np.eye(4)
    truth[:3, :3], truth[:3, 3] = views.rotation[row], views.translation[row]
    category = NOCS[outcome.category]
    seen = category.symmetry_hidden is None or handle_visible(
        views.points_cam[row], truth, views.size_m[row]
    )
    return pose_errors(outcome.T_cam_obj, truth, category, seen)


def uses_of(weights: str) -> tuple[str, ...]:
    """What the direction up can be used for with these weights, no use first."""
    models = PoseEstimator.from_settings(EstimatorSettings(weights=weights)).models.models
    takes = any(model.uses_up for model in models)
    return ("none", "prior", "condition", "both") if takes else ("none", "prior")


def settings_of(weights: str, use: str) -> EstimatorSettings:
    """Settings with one use of the direction up."""
    settings = EstimatorSettings(weights=weights)
    return replace(settings, up_source="none") if use == "none" else replace(settings, up_use=use)


def share(hits: np.ndarray) -> str:
    """A share in per cent with its 95 % interval (Wilson)."""
    n, p, z = len(hits), float(hits.mean()), 1.96
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return f"{100 * p:.1f} ({100 * max(middle - half, 0):.0f}-{100 * (middle + half):.0f})"


def gain(hits: np.ndarray, before: np.ndarray) -> str:
    """Points gained against the same views without the direction, with their 95 % interval."""
    change = hits.astype(float) - before.astype(float)
    return f"{100 * change.mean():+.1f} ± {196 * change.std() / np.sqrt(len(change)):.1f}"


def row(name: str, use: str, errors: Errors, before: Errors) -> tuple[str, ...]:
    """A row of the table: shares within the limits, and what they gained."""
    now, then = np.array(errors), np.array(before)
    cells = []
    for limit in _LIMITS:
        hits, hits_before = (np.asarray((e < limit).all(1)) for e in (now, then))
        cells += [share(hits), "" if use == "none" else gain(hits, hits_before)]
    return name, use, str(len(now)), *cells, share(now[:, 0] > 90)


def rows_of_views(weights: str, count: int, seed: int, domain: str) -> Iterator[tuple[str, ...]]:
    """Rows of each situation and use."""
    rng = np.random.default_rng(seed)
    drawn = draw_situations(count, rng, domain)
    told = list(clouds_of(drawn.views, rng))
    errors = {}
    for use in track(uses_of(weights), "simulated views", console=Console(stderr=True)):
        settings = replace(settings_of(weights, use), size_factor=0)
        clouds = told if use != "none" else [replace(cloud, up_cam=None) for cloud in told]
        outcomes = PoseEstimator.from_settings(settings).estimate_clouds(clouds)
        errors[use] = np.array([error_of(o, drawn.views, i) for i, o in enumerate(outcomes)])
    for number, name in enumerate(SITUATIONS):
        here = drawn.situation == number
        for use, found in errors.items():
            yield row(name, use, found[here].tolist(), errors["none"][here].tolist())


def rows_of_frames(weights: str, folders: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    """Rows of each folder of recorded frames, by use."""
    for folder in track(folders, "recorded frames", console=Console(stderr=True)):
        before: Errors = ()
        for use in uses_of(weights):
            estimator = PoseEstimator.from_settings(settings_of(weights, use))
            labelled = [
                i for i in evaluate_frames(folder, estimator).instances if i.truth is not Truth.NONE
            ]
            errors = [i.errors or (np.inf, np.inf) for i in labelled]
            before = before or errors
            yield row(folder.name, use, errors, before)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", nargs="*", type=Path, help="folders of recorded frames")
    parser.add_argument("--weights", default="", help="checkpoint; default: the released one")
    parser.add_argument("--views", type=int, default=600, help="simulated views in all; 0: none")
    parser.add_argument("--domain", choices=tuple(DOMAINS), default="d435")
    parser.add_argument("--seed", type=int, default=77)
    options = parser.parse_args()
    limits = [c for degrees, cm in _LIMITS for c in (f"{degrees}° {cm} cm, %", "gained")]
    table = Table("what", "use", "n", *limits, "over 90°, %")
    if options.views:
        for cells in rows_of_views(options.weights, options.views, options.seed, options.domain):
            table.add_row(*cells)
    for cells in rows_of_frames(options.weights, options.frames):
        table.add_row(*cells)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
