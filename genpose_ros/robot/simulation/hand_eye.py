# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated look around an object at rest, for hand-eye checks, and the picture of one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.files import whole_file
from genpose_ros.geometry.categories import NOCS
from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.hand_eye import HandEyeCheck, Sighting
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.world import Solid, look, on_table, tcp_of_camera
from genpose_ros.robot.xarm6 import READY_RAD
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.placement import usual_shape

__all__ = ["draw_check", "look_around", "simulated_sightings"]


def look_around(
    solver: InverseKinematics, target: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return joint positions (N, J), N at most `count`, that look at a place from many sides."""
    quarter = transform(rpy_rad=(np.pi / 2, 0.0, 0.0))
    frames = []
    for _ in range(12 * count):
        angle, height, away = rng.uniform(-1.3, 1.3), rng.uniform(0.28, 0.5), rng.uniform(0.2, 0.4)
        eye = target + np.array([-away * np.cos(angle), away * np.sin(angle), height])
        aim = target + rng.uniform(-0.05, 0.05, 3)
        R = quarter[:3, :3].T
        frames.append(quarter @ look_at(R @ eye, R @ aim, rng.uniform(-np.pi, np.pi)))
    reaches = solver.solve(
        tcp_of_camera(np.array(frames)), Surroundings(0.0), near_rad=np.array(READY_RAD)
    )
    return np.array([reach.q_rad for reach in reaches if reach.q_rad is not None][:count])


def simulated_sightings(
    name: str,
    solver: InverseKinematics,
    estimator: PoseEstimator,
    seed: int,
    *,
    count: int = 20,
) -> list[Sighting]:
    """Return sightings of a simulated object of a category, with the errors of its estimates."""
    rng = np.random.default_rng([seed, 9])
    shape = usual_shape(name, rng)
    T = on_table(np.ptp(shape.vertices, axis=0), 0.45, 0.0, rng.uniform(0, 2 * np.pi))
    solid = Solid(name, name, shape.vertices, shape.faces, T)
    q_rad = look_around(solver, T[:3, 3], count, rng)
    flanges = solver.collisions.arm.links(q_rad)[:, -1]
    found = []
    for view, T_base_flange in zip(look([solid], q_rad, seed), flanges, strict=True):
        # No direction up is given: it would come by way of the calibration that is checked.
        estimates = estimator.estimate(replace(view.frame, up_cam=None)).estimates
        found += [Sighting(T_base_flange, estimate.T_cam_obj) for estimate in estimates]
    return found


def is_round(name: str) -> bool:
    """Whether a category's yaw is unobservable, at least at times."""
    return NOCS[name].visible_symmetry(False).free_axis


def draw_check(checks: Mapping[str, HandEyeCheck], path: Path) -> None:
    """Draw where an object seems to be from each arm pose, into a PNG.

    Args:
        checks: by the text above each panel.
        path: of the file; its folder is made.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(checks), 3.4), layout="constrained")
    for i, (text, check) in enumerate(checks.items(), 1):
        axes = figure.add_subplot(1, len(checks), i)
        places = 1000 * (check.T_base_obj[:, :3, 3] - check.T_base_obj[:, :3, 3].mean(0))
        axes.scatter(places[:, 0], places[:, 1], c=places[:, 2], s=22, cmap="viridis")
        axes.axhline(0, lw=0.5, c="0.7")
        axes.axvline(0, lw=0.5, c="0.7")
        axes.set_xlim(-15, 15)
        axes.set_ylim(-15, 15)
        axes.set_aspect("equal")
        axes.set_title(f"{text}: {check.verdict.value}", fontsize=9)
        axes.set_xlabel(f"x, mm; misplaced {check.off_mm:.1f} mm", fontsize=8)
        axes.set_ylabel("y, mm", fontsize=8)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)
