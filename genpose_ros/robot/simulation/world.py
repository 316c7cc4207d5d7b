# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated table before an xArm6: bodies in the base frame, as the camera on its flange sees them.

The base stands on the table; its x axis points over it and its z axis up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.categories import NOCS
from genpose_ros.geometry.clouds import erode_mask
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.task_frames import SeenObject
from genpose_ros.robot.xarm6 import T_CAMERA_LINK_OPTICAL, T_EEF_CAMERA_LINK, T_EEF_TCP, xarm6
from genpose_ros.synthesis.scenarios import MovingBody, Scenario
from genpose_ros.synthesis.scenes import D435_COLOR_CAMERA
from genpose_ros.synthesis.sensor import draw_sensor
from genpose_ros.synthesis.sequences import Segmenter, SequenceFrame, TrackingSequence

__all__ = [
    "T_EEF_OPTICAL",
    "T_FIXED_BASE",
    "Solid",
    "camera_poses",
    "depth_points",
    "estimated_objects",
    "images",
    "look",
    "on_table",
    "tcp_of_camera",
    "true_object",
]

#: The simulated room has y up and its origin in the table's middle; the base stands at its edge.
T_FIXED_BASE = np.array(
    [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.55], [0.0, 0.0, 0.0, 1.0]]
)
T_EEF_OPTICAL = T_EEF_CAMERA_LINK @ T_CAMERA_LINK_OPTICAL
#: Pixels around masks that may be the object's own.
_BORDER_PX = 4
#: As the kinematics of an arm tell it.
_UP_SIGMA_RAD = np.radians(0.5)


@dataclass(frozen=True)
class Solid:
    """Rigid body on or above the table.

    Attributes:
        name: unique.
        category: None for hands, which only hide and block.
        vertices: (V, 3) metres, its own frame.
        faces: (F, 3).
        T_base_obj: (4, 4), metres.
    """

    name: str
    category: str | None
    vertices: np.ndarray
    faces: np.ndarray
    T_base_obj: np.ndarray

    @property
    def size_m(self) -> np.ndarray:
        """Edges (3,) of its box, metres."""
        return np.asarray(np.ptp(self.vertices, axis=0))

    def moved(self, T_base_obj: np.ndarray) -> "Solid":
        """Return it somewhere else."""
        return replace(self, T_base_obj=T_base_obj)

    def surface(self, spacing_m: float = 0.004) -> np.ndarray:
        """Return points (N, 3) of its surface, metres, base frame, about so far apart."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        edges = np.stack([np.linalg.norm(b - a, axis=1), np.linalg.norm(c - a, axis=1)])
        points = [self.vertices]
        counts = np.ceil(edges.max(0) / spacing_m).astype(int)
        for count in np.unique(counts[counts > 1]):
            rows = counts == count
            u, v = np.meshgrid(*[(np.arange(count) + 0.5) / count] * 2, indexing="ij")
            u, v = (w[u + v <= 1].reshape(-1, 1, 1) for w in (u, v))
            inner = a[rows] + u * (b - a)[rows] + v * (c - a)[rows]
            points.append(inner.reshape(-1, 3))
        local = np.concatenate(points)
        return np.asarray(local @ self.T_base_obj[:3, :3].T + self.T_base_obj[:3, 3])


def camera_poses(q_rad: np.ndarray) -> np.ndarray:
    """Return T_base_cam (B, 4, 4), the optical frame, at joint positions (B, J)."""
    return np.asarray(xarm6().links(q_rad)[:, -1] @ T_EEF_OPTICAL)


def tcp_of_camera(T_base_cam: np.ndarray) -> np.ndarray:
    """Return where the tool centre point (..., 4, 4) is when the camera is at poses."""
    return np.asarray(T_base_cam @ np.linalg.inv(T_EEF_OPTICAL) @ T_EEF_TCP)


def look(solids: Sequence[Solid], q_rad: np.ndarray, seed: int) -> list[SequenceFrame]:
    """Return what the camera sees from joint positions (B, J), a frame each, with its truth.

    Args:
        solids: what is there; the room's table too.
        q_rad: (B, J).
        seed: of the sensor's and the segmenter's errors.
    """
    T_base_cam = camera_poses(q_rad)
    still = [(s, np.broadcast_to(s.T_base_obj, T_base_cam.shape)) for s in solids]
    return images(T_base_cam, still, seed)


def images(
    T_base_cam: np.ndarray, moving: Sequence[tuple[Solid, np.ndarray]], seed: int
) -> list[SequenceFrame]:
    """Return what a camera sees of bodies that move, with its truth.

    Args:
        T_base_cam: (B, 4, 4) the camera, of each image.
        moving: bodies, and where they are (B, 4, 4); the room's table is there too.
        seed: of the sensor's and the segmenter's errors.
    """
    ordered = sorted(moving, key=lambda pair: pair[0].category is None)
    bodies = [
        MovingBody(solid.category, solid.vertices, solid.faces, T_FIXED_BASE @ T_base_obj)
        for solid, T_base_obj in ordered
    ]
    T_fixed_cam = T_FIXED_BASE @ T_base_cam
    sensor = replace(draw_sensor(1, np.random.default_rng(seed)), hole_share=np.zeros(1))
    sequence = TrackingSequence(
        "arm",
        seed,
        Scenario(T_fixed_cam, tuple(bodies)),
        categories=NOCS,
        rate_hz=1.0,
        sensor=sensor,
        camera=D435_COLOR_CAMERA,
        segmenter=Segmenter(missed_share=0.0, wrong_class_share=0.0, persistent_ids=True),
    )
    return list(sequence)


def true_object(solid: Solid) -> SeenObject:
    """Return a solid as an object whose pose is known exactly."""
    category = NOCS[solid.category or ""]
    return SeenObject(
        name=solid.name, category=category, T_out_obj=solid.T_base_obj, size_m=solid.size_m
    )


def estimated_objects(
    solids: Sequence[Solid],
    q_rad: np.ndarray,
    estimator: PoseEstimator,
    seed: int,
    *,
    with_table: bool = True,
) -> tuple[dict[str, SeenObject], list[SequenceFrame]]:
    """Return the objects as estimated from joint positions, in the base frame, and the frames.

    Of an object that several frames show, the estimate with the highest score is taken.

    Args:
        solids: what is there.
        q_rad: (B, J).
        estimator: of poses.
        seed: as of `look`.
        with_table: whether objects may rest on a table whose height is known.
    """
    names = [solid.name for solid in solids if solid.category is not None]
    best: dict[str, SeenObject] = {}
    frames = look(solids, q_rad, seed)
    for view, T_base_cam in zip(frames, camera_poses(q_rad), strict=True):
        frame = replace(view.frame, up_cam=_up(T_base_cam, with_table))
        for estimate in estimator.estimate(frame).estimates:
            name = names[estimate.instance_id - 1]
            shares = estimate.mode_shares
            other = estimate.T_cam_other
            found = SeenObject(
                name=name,
                category=NOCS[estimate.category],
                T_out_obj=T_base_cam @ estimate.T_cam_obj,
                size_m=np.asarray(estimate.size_m),
                score=estimate.score,
                score_axis=estimate.score_axis,
                T_out_other=None if other is None else T_base_cam @ other,
                other_share=shares[1] if len(shares) > 1 else 0.0,
            )
            if name not in best or found.score_axis > best[name].score_axis:
                best[name] = found
    return best, frames


def _up(T_base_cam: np.ndarray, with_table: bool) -> UpDirection:
    """The base's z axis, and the table that is its plane z = 0, in the camera's frame."""
    up_cam = T_base_cam[:3, :3].T @ [0.0, 0.0, 1.0]
    level_m = -float(T_base_cam[2, 3]) if with_table else None
    return UpDirection(up_cam, float(_UP_SIGMA_RAD), level_m, "tf")


def depth_points(frame: Frame, T_base_cam: np.ndarray) -> np.ndarray:
    """Return all points (M, 3) of a depth image, metres, base frame, but those at the masks."""
    free = frame.depth_m > 0
    for instance in frame.instances:
        free &= erode_mask(~instance.mask, _BORDER_PX)
    points = frame.camera.back_project(frame.depth_m, free)
    return np.asarray(points @ T_base_cam[:3, :3].T + T_base_cam[:3, 3])


def on_table(solid_size_m: np.ndarray, x: float, y: float, yaw_rad: float) -> np.ndarray:
    """Return T_base_obj (4, 4) of an object that stands on the table at a place, y axis up."""
    up = transform((x, y, float(solid_size_m[1]) / 2), (np.pi / 2, 0.0, 0.0))
    turned = transform(rpy_rad=(0.0, yaw_rad, 0.0))
    return np.asarray(up @ turned)
