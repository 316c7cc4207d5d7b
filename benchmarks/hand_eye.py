# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hand-eye calibrations that are right, 5 mm off or turned by 1 degree, as the check finds them.

`.venv/bin/python -m benchmarks.hand_eye --help`. Simulated D435 on the simulated xArm6's flange and
one object at rest or, with `--beside`, the camera beside the arm and an object in its gripper;
estimates by the released weights.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.robot.hand_eye import HandEyeCheck, Sighting, check_hand_eye
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.simulation.hand_eye import (
    T_BASE_BESIDE,
    draw_check,
    held_sightings,
    is_round,
    simulated_sightings,
)
from genpose_ros.robot.simulation.world import T_EEF_OPTICAL
from genpose_ros.robot.xarm6 import xarm6_collisions

#: How much the calibrations are off: millimetres and degrees.
_CASES = {"right": (0.0, 0.0), "5 mm": (5.0, 0.0), "1 degree": (0.0, 1.0)}
_VERDICTS = ("good", "off", "unsure")
#: What is looked at on the table, and what the gripper can hold by its side.
_AT_REST, _HELD = ("can", "bottle", "bowl"), ("can", "bottle", "mug")


def disturbed(T_true: np.ndarray, mm: float, deg: float, rng: np.random.Generator) -> np.ndarray:
    """A true calibration (4, 4), moved and turned in directions of chance."""
    direction, axis = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    T = np.eye(4)
    T[:3, 3] = 0.001 * mm * direction
    T[:3, :3] = Rotation.from_rotvec(np.radians(deg) * axis).as_matrix()
    return np.asarray(T_true @ T)


def main(arguments: Sequence[str] | None = None) -> None:
    """Check calibrations by several objects, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", action="store_true", help="a camera beside the arm")
    parser.add_argument("--categories", nargs="+", help="default: three that are so looked at")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sightings", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args(arguments)
    solver = InverseKinematics(xarm6_collisions())
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    rows: list[dict[str, Any]] = []
    shown: dict[str, HandEyeCheck] = {}
    names = options.categories or (_HELD if options.beside else _AT_REST)
    for name, seed in track([(name, seed) for name in names for seed in range(options.seeds)]):
        look = held_sightings if options.beside else simulated_sightings
        seen = look(name, solver, estimator, seed, count=options.sightings)
        for case, check in checks(seen, name, seed, eye_to_hand=options.beside).items():
            shown.setdefault(case, check)
            rows.append({"category": name, "seed": seed, "case": case, **numbers(check)})
    counts = {case: summary([row for row in rows if row["case"] == case]) for case in _CASES}
    table = Table("calibration", *_VERDICTS, "median spread mm", "median misplaced mm")
    for case, row in counts.items():
        table.add_row(case, *map(str, row.values()))
    Console().print(table)
    if options.json is not None:
        content = {"cases": counts, "checks": rows, "sightings": options.sightings}
        write_results(options.json, content, weights=None, seed=0)
    if options.picture is not None:
        draw_check(shown, options.picture)


def checks(
    seen: Sequence[Sighting], name: str, seed: int, *, eye_to_hand: bool
) -> dict[str, HandEyeCheck]:
    """Checks of each case's calibration by the same sightings."""
    T_true = T_BASE_BESIDE if eye_to_hand else T_EEF_OPTICAL
    found = {}
    for case, (mm, deg) in _CASES.items():
        T = disturbed(T_true, mm, deg, np.random.default_rng([seed, 5]))
        found[case] = check_hand_eye(seen, T, symmetric=is_round(name), eye_to_hand=eye_to_hand)
    return found


def numbers(check: HandEyeCheck) -> dict[str, Any]:
    """What is written of a check."""
    names = ("spread_mm", "spread_deg", "off_mm", "sigma_mm", "off_deg", "sigma_deg", "left_mm")
    values = {name: round(getattr(check, name), 2) for name in names}
    return {**values, "left_out": int((~check.kept).sum()), "verdict": check.verdict.value}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts of verdicts, and medians of what was misplaced."""
    counts: dict[str, Any] = {v: sum(row["verdict"] == v for row in rows) for v in _VERDICTS}
    for key in ("spread_mm", "off_mm"):
        counts[key] = round(float(np.median([row[key] for row in rows])), 2)
    return counts


if __name__ == "__main__":
    main()
