# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequence of images of a simulated xArm6 that looks at its table from several places."""

from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.geometry.categories import NOCS
from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.planning import joint_path, timed_path
from genpose_ros.robot.simulation.hand_eye import look_around
from genpose_ros.robot.simulation.world import T_FIXED_BASE, camera_poses, on_table
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions
from genpose_ros.synthesis.placement import usual_shape
from genpose_ros.synthesis.scenarios import MovingBody, Scenario
from genpose_ros.synthesis.scenes import D435_COLOR_CAMERA
from genpose_ros.synthesis.sensor import draw_sensor
from genpose_ros.synthesis.sequences import Segmenter, TrackingSequence

__all__ = ["ArmSurvey", "arm_survey"]

#: What stands on the table, and where: x and y in the base frame, metres.
_PLACES = (
    ("can", (0.40, -0.18)),
    ("bottle", (0.52, -0.10)),
    ("bowl", (0.47, 0.12)),
    ("mug", (0.34, 0.02)),
)
_VIEWS = 4


@dataclass(frozen=True)
class ArmSurvey:
    """Images of a moving arm's camera, and the arm's joints at each.

    Attributes:
        sequence: images with their truth; the camera's pose is given in the base frame.
        q_rad: (frames, J).
    """

    sequence: TrackingSequence
    q_rad: np.ndarray

    def camera_pose(self, number: int) -> np.ndarray:
        """Return T_base_cam, (4, 4), of an image."""
        return np.asarray(camera_poses(self.q_rad[number : number + 1])[0])


def arm_survey(seed: int, *, frames: int, rate_hz: float, speed_share: float = 0.1) -> ArmSurvey:
    """Return what the camera on an arm sees from view to view; same seed, same images.

    Args:
        seed: of objects, views and noise, 0 or more.
        frames: how many images.
        rate_hz: images per second.
        speed_share: of the joints' largest speeds.
    """
    rng = np.random.default_rng([seed, 17])
    solver = InverseKinematics(xarm6_collisions())
    q_rad = _motion(solver, frames, rate_hz, speed_share, rng)
    bodies = tuple(_bodies(frames, rng))
    scenario = Scenario(T_FIXED_BASE @ camera_poses(q_rad), bodies)
    sensor = replace(draw_sensor(1, rng), hole_share=np.zeros(1))
    sequence = TrackingSequence(
        "arm",
        seed,
        scenario,
        categories=NOCS,
        rate_hz=rate_hz,
        sensor=sensor,
        camera=D435_COLOR_CAMERA,
        segmenter=Segmenter(),
    )
    return ArmSurvey(sequence, q_rad)


def _motion(
    solver: InverseKinematics,
    frames: int,
    rate_hz: float,
    speed_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Joint positions (frames, J): from view to view by free paths, and at rest at the end."""
    around = Surroundings(0.0)
    stops = [np.array(READY_RAD), *look_around(solver, np.array([0.45, 0.0, 0.05]), _VIEWS, rng)]
    path = [stops[0][None]]
    for stop in stops[1:]:
        way = joint_path(solver, path[-1][-1], stop, around)
        if way is not None:
            path.append(way[1:])
    motion = timed_path(solver.collisions.arm, np.concatenate(path), speed_share=speed_share)
    return motion.at(np.arange(frames) / rate_hz)


def _bodies(frames: int, rng: np.random.Generator) -> list[MovingBody]:
    found = []
    for name, (x, y) in _PLACES:
        shape = usual_shape(name, rng)
        T = on_table(np.ptp(shape.vertices, axis=0), x, y, rng.uniform(0, 2 * np.pi))
        still = np.broadcast_to(T_FIXED_BASE @ T, (frames, 4, 4))
        found.append(MovingBody(name, shape.vertices, shape.faces, still))
    return found
