# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated looks at one object, for hand-eye checks, and the picture of one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.files import whole_file
from genpose_ros.geometry.categories import NOCS
from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.hand_eye import HandEyeCheck, Sighting
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.picture import capsule_mesh
from genpose_ros.robot.simulation.world import (
    Solid,
    images,
    look,
    on_table,
    tcp_of_camera,
    true_object,
)
from genpose_ros.robot.task_frames import task_frames
from genpose_ros.robot.xarm6 import (
    GRIPPER_OPENING_M,
    READY_RAD,
    T_CAMERA_LINK_OPTICAL,
    xarm6_gripper,
)
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.placement import usual_shape
from genpose_ros.synthesis.sequences import SequenceFrame

__all__ = ["T_BASE_BESIDE", "draw_check", "held_sightings", "look_around", "simulated_sightings"]

#: A camera beside the arm, as of config/xarm6_eye_to_hand.yaml: its optical frame.
T_BASE_BESIDE = (
    transform((0.8, 0.0, 0.6)) @ transform(rpy_rad=(0.0, np.pi / 4, np.pi)) @ T_CAMERA_LINK_OPTICAL
)
#: Where the gripper holds objects out to that camera, in the base frame, metres.
_HELD_AT = np.array([0.42, 0.0, 0.28])
#: Objects that are looked through for one that the gripper can hold.
_SHAPES = 500


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
    return _sightings(estimator, look([solid], q_rad, seed), flanges)


def held_sightings(
    name: str,
    solver: InverseKinematics,
    estimator: PoseEstimator,
    seed: int,
    *,
    count: int = 20,
) -> list[Sighting]:
    """Return sightings of an object in the gripper by a camera beside the arm.

    The gripper, which hides a part of it, is in the images too.

    Args:
        name: of the category: can, bottle or mug.
        solver: of the arm.
        estimator: of poses.
        seed: of object, arm poses and sensor.
        count: most sightings.

    Raises:
        ValueError: the gripper cannot hold the category's objects by their sides.
    """
    rng = np.random.default_rng([seed, 11])
    solid = _held(name, rng)
    q_rad = _turned_about(solver, count, rng)
    T_base_tcp = solver.collisions.arm.tcp(q_rad)
    bodies = [(solid, T_base_tcp @ solid.T_base_obj)]
    for part in xarm6_gripper(float(solid.size_m[2])):
        mesh = capsule_mesh(np.array(part.start_m), np.array(part.end_m), part.radius_m)
        bodies.append((Solid(part.name, None, *mesh, np.eye(4)), T_base_tcp))
    T_base_cam = np.broadcast_to(T_BASE_BESIDE, T_base_tcp.shape)
    flanges = solver.collisions.arm.links(q_rad)[:, -1]
    return _sightings(estimator, images(T_base_cam, bodies, seed), flanges)


def _sightings(
    estimator: PoseEstimator, views: Sequence[SequenceFrame], flanges: np.ndarray
) -> list[Sighting]:
    """What is seen in each view, with the flange's pose (4, 4) at the time."""
    found = []
    for view, T_base_flange in zip(views, flanges, strict=True):
        # No direction up is given: it would come by way of the calibration that is checked.
        estimates = estimator.estimate(replace(view.frame, up_cam=None)).estimates
        found += [Sighting(T_base_flange, estimate.T_cam_obj) for estimate in estimates]
    return found


def _held(name: str, rng: np.random.Generator) -> Solid:
    """An object as the gripper holds it by grasp_side; its pose is that in the tool's frame.

    Raises:
        ValueError: objects of the category have no such frame, or none is narrow enough.
    """
    for _ in range(_SHAPES):
        shape = usual_shape(name, rng)
        solid = Solid(name, name, shape.vertices, shape.faces, np.eye(4))
        narrow = solid.size_m[2] < GRIPPER_OPENING_M - 0.01
        if not narrow:
            continue
        frame = task_frames(true_object(solid), GraspTable.shipped()).frame("grasp_side")
        if frame is not None:
            return solid.moved(np.linalg.inv(frame.T_obj_frame))
    raise ValueError(
        f"none of {_SHAPES} objects of {name} can be held by its side: take can, bottle or mug"
    )


def _turned_about(solver: InverseKinematics, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joint positions (N, J) that hold something out to the camera, turned in many ways."""
    tools = []
    for _ in range(12 * count):
        place = _HELD_AT + rng.uniform(-0.06, 0.06, 3)
        # Forward, the object's y axis up, and from there turned by up to 50 degrees or so.
        level = transform(tuple(place)) @ transform(rpy_rad=(0.0, np.pi / 2, 0.0))
        tools.append(level @ transform(rpy_rad=tuple(rng.uniform(-0.9, 0.9, 3))))
    reaches = solver.solve(np.array(tools), Surroundings(0.0), near_rad=np.array(READY_RAD))
    return np.array([reach.q_rad for reach in reaches if reach.q_rad is not None][:count])


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
        places = 1000 * check.T_rest_obj[check.kept, :3, 3]
        places -= places.mean(0)
        axes.scatter(places[:, 0], places[:, 1], c=places[:, 2], s=22, cmap="viridis")
        axes.axhline(0, lw=0.5, c="0.7")
        axes.axvline(0, lw=0.5, c="0.7")
        axes.set_xlim(-15, 15)
        axes.set_ylim(-15, 15)
        axes.set_aspect("equal")
        axes.set_title(f"{text}: {check.verdict.value}", fontsize=9)
        left_out = f", {n} left out" if (n := int((~check.kept).sum())) else ""
        axes.set_xlabel(f"x, mm; misplaced {check.off_mm:.1f} mm{left_out}", fontsize=8)
        axes.set_ylabel("y, mm", fontsize=8)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)
