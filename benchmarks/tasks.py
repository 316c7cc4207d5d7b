# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pouring, stacking and handover in the simulated xArm6: success with estimated and true poses.

`.venv/bin/python -m benchmarks.tasks --help`. Each seed is a scene of its own; both runs of a seed
have the same one. Also how long inverse kinematics takes, of one core.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.simulation.tasks import TASKS, TaskOutcome, run_task
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions


def solving_ms(solver: InverseKinematics, count: int, seed: int) -> dict[str, float]:
    """Milliseconds of one core for a frame that the arm can take, and the share that is found."""
    arm, rng = solver.collisions.arm, np.random.default_rng([seed, 1])
    low, high = np.maximum(arm.low_rad, -np.pi), np.minimum(arm.high_rad, np.pi)
    around = Surroundings(0.0)
    drawn = rng.uniform(low, high, (8 * count, len(low)))
    positions = drawn[solver.collisions.clearance(drawn, around) > 0.01][:count]
    took, found = [], 0
    for target in arm.tcp(positions):
        start = time.thread_time()
        (reach,) = solver.solve(target[None], around, near_rad=np.array(READY_RAD))
        took.append(1000 * (time.thread_time() - start))
        found += reach.reachable
    return {
        "frames": len(took),
        "found_share": round(found / len(took), 4),
        "median_ms": round(float(np.median(took)), 2),
        "p95_ms": round(float(np.percentile(took, 95)), 2),
    }


def summary(outcomes: Sequence[TaskOutcome]) -> dict[str, Any]:
    """How many succeeded, why others did not, and what was measured."""
    failures = [outcome.failure for outcome in outcomes if not outcome.success]
    errors = [mm for outcome in outcomes for mm in outcome.pose_errors_mm.values()]
    return {
        "runs": len(outcomes),
        "succeeded": sum(outcome.success for outcome in outcomes),
        "failures": {text: failures.count(text) for text in sorted(set(failures))},
        "median_pose_error_mm": round(float(np.median(errors)), 2) if errors else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tasks, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--poses", nargs="+", default=["true", "estimated"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    solver, grasps = InverseKinematics(xarm6_collisions()), GraspTable.shipped()
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    outcomes: list[TaskOutcome] = []
    runs = [(t, s, p) for s in range(options.seeds) for t in options.tasks for p in options.poses]
    for task, seed, poses in track(runs):
        if (task, poses) == (options.tasks[0], options.poses[0]) and outcomes:
            write(options.json, outcomes, {})  # what there is, should it be stopped
        outcomes.append(
            run_task(
                task,
                seed,
                solver=solver,
                table=grasps,
                estimator=estimator if poses == "estimated" else None,
            )
        )
    solving = solving_ms(solver, 300, 0)
    write(options.json, outcomes, solving)
    show(outcomes)
    Console().print(solving)


def by_task(outcomes: Sequence[TaskOutcome]) -> dict[str, dict[str, dict[str, Any]]]:
    """The summaries by task and kind of poses."""
    kinds = sorted({(o.task, o.poses) for o in outcomes})
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for task, poses in kinds:
        some = [o for o in outcomes if (o.task, o.poses) == (task, poses)]
        found.setdefault(task, {})[poses] = summary(some)
    return found


def write(path: Path | None, outcomes: Sequence[TaskOutcome], solving: dict[str, float]) -> None:
    """Write all runs and their summaries."""
    if path is not None:
        content = {
            "inverse_kinematics": solving,
            "tasks": by_task(outcomes),
            "runs": [asdict(outcome) for outcome in outcomes],
        }
        write_results(path, content, weights=None, seed=0)


def show(outcomes: Sequence[TaskOutcome]) -> None:
    """Print the table."""
    table = Table("task", "poses", "succeeded", "median position error mm", "failures")
    for task, kinds in by_task(outcomes).items():
        for poses, values in kinds.items():
            failures = ", ".join(f"{n} {text}" for text, n in values["failures"].items())
            rate = f"{values['succeeded']} of {values['runs']}"
            table.add_row(task, poses, rate, str(values["median_pose_error_mm"]), failures)
    Console().print(table)


if __name__ == "__main__":
    main()
