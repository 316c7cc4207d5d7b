# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Consistency of the published covariances: squared errors over what the covariance expects.

`.venv/bin/python -m benchmarks.covariance --help`. The normalised estimation error squared (NEES)
of a honest covariance is chi-squared with three degrees of freedom for the position and for the
rotation: a third of it has a median of 0.79 and a 90th percentile of 2.08. Simulated sequences, one
of each kind; poses farther than 10 cm from all true objects of their class are left out.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.evaluation.tracking.evaluate import DEFAULT_KINDS
from genpose_ros.geometry.transforms import pose_difference
from genpose_ros.synthesis.sequences import SequenceFrame, TrueObject, tracking_sequence
from genpose_ros.tracking.tracker import Tracker

_MATCH_M = 0.10
#: In mode estimate every third frame is taken: neighbours tell little new.
_STRIDE = 3
#: Classes without symmetry, whose rotation errors have three degrees of freedom.
_ALL_AXES = ("camera", "laptop", "mug")
_PARTS = (slice(0, 3), slice(3, 6))


def squared_errors(estimate: ObjectEstimate, truth: TrueObject) -> tuple[float, float | None]:
    """Return NEES / 3 of the position, and of the rotation where all of it can be seen."""
    error = pose_difference(truth.T_cam_obj, estimate.T_cam_obj)
    parts = [error[i] @ np.linalg.solve(estimate.covariance[i, i], error[i]) / 3 for i in _PARTS]
    observable = truth.category in _ALL_AXES and truth.handle_visible
    return float(parts[0]), float(parts[1]) if observable else None


def nearest(estimate: ObjectEstimate, objects: Sequence[TrueObject]) -> TrueObject | None:
    """Return the true object of its class that an estimate is nearest to; None: none is near."""
    here = estimate.T_cam_obj[:3, 3]
    apart = {
        float(np.linalg.norm(o.T_cam_obj[:3, 3] - here)): o
        for o in objects
        if o.category == estimate.category
    }
    return apart[min(apart)] if apart and min(apart) < _MATCH_M else None


def estimates(
    estimator: PoseEstimator, frames: Sequence[SequenceFrame] | Iterator[SequenceFrame]
) -> Iterator[tuple[str, ObjectEstimate, SequenceFrame]]:
    """Return what both modes report of the frames of a sequence, with mode and state."""
    tracker = Tracker(estimator)
    for number, item in enumerate(frames):
        for track in tracker.track(item.frame, item.stamp_ns, item.T_fixed_cam).tracks:
            if track.state.value in ("confirmed", "coasting"):
                yield f"track, {track.state.value}", track.estimate, item
        if number % _STRIDE == 0:
            for estimate in estimator.estimate(item.frame).estimates:
                yield "estimate", estimate, item


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60, help="of each kind, at 30 Hz")
    parser.add_argument("--seed", type=int, default=1000, help="of the first sequence")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    estimator = PoseEstimator.from_settings(EstimatorSettings(device=options.device))
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number, kind in enumerate(DEFAULT_KINDS):
        sequence = tracking_sequence(kind, options.seed + number, frames=options.frames)
        for mode, estimate, item in estimates(estimator, iter(sequence)):
            truth = nearest(estimate, item.objects)
            if truth is not None:
                position, rotation = squared_errors(estimate, truth)
                found[mode, "position"].append(position)
                found[mode, "rotation"] += [] if rotation is None else [rotation]
    table, results = Table("mode", "of", "poses", "NEES / 3, median", "90 %"), []
    for (mode, part), values in sorted(found.items()):
        median, p90 = (float(np.percentile(values, share)) for share in (50, 90))
        results.append(
            {"mode": mode, "of": part, "poses": len(values), "median": median, "p90": p90}
        )
        table.add_row(mode, part, str(len(values)), f"{median:.2f}", f"{p90:.2f}")
    Console().print(table)
    if options.json is not None:
        write_results(options.json, {"covariance": results}, weights=None, seed=options.seed)


if __name__ == "__main__":
    main()
