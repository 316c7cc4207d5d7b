# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of the simulated arm: its capsules, the table and the objects, as seen from aside."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image, ImageDraw

from genpose_ros.files import whole_file
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS
from genpose_ros.robot.collision import CollisionModel
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.grasping import ArmRun
from genpose_ros.robot.simulation.world import Solid
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.render import cast

__all__ = ["capsule_mesh", "draw_arm", "draw_runs"]

_CAMERA = PinholeCamera(520.0, 520.0, 239.5, 209.5, 480, 420)
_EYE, _TARGET = (1.15, -0.85, 0.75), (0.28, 0.0, 0.22)
_ARM_RGB, _GRIPPER_RGB, _HAND_RGB, _TABLE_RGB = (
    (205, 208, 214), (120, 126, 138), (226, 178, 148), (150, 132, 112),
)  # fmt: skip
_BACKGROUND = (245, 246, 248)


def draw_runs(runs: Mapping[str, ArmRun], path: Path) -> None:
    """Draw where runs ended, side by side, into a PNG.

    Args:
        runs: by the text that stands above each.
        path: of the file; its folder is made.
    """
    images = []
    for text, run in runs.items():
        image = draw_arm(run.solver.collisions, run.q_rad, list(run.solids.values()))
        ImageDraw.Draw(image).text((10, 8), text, fill=(40, 44, 52))
        images.append(image)
    whole = Image.new("RGB", (sum(i.width for i in images), max(i.height for i in images)))
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width
    with whole_file(path) as partial:
        whole.save(partial, optimize=True)


def draw_arm(model: CollisionModel, q_rad: np.ndarray, solids: list[Solid]) -> Image.Image:
    """Return a picture of an arm at a joint position (J,) and of what is around it.

    Args:
        model: the capsules that are drawn.
        q_rad: radians.
        solids: in the base frame.
    """
    quarter = transform(rpy_rad=(np.pi / 2, 0.0, 0.0))
    eye, target = (quarter[:3, :3].T @ np.array(p) for p in (_EYE, _TARGET))
    T_cam_base = np.linalg.inv(quarter @ look_at(eye, target))
    meshes, colors = _meshes(model, q_rad, solids)
    parts = [(v @ T_cam_base[:3, :3].T + T_cam_base[:3, 3], faces) for v, faces in meshes]
    rays = pixel_rays(_CAMERA)
    hits = cast(parts, rays, np.zeros(3))
    light = T_cam_base[:3, :3] @ np.array([0.3, -0.5, 0.8])
    normals = hits.normals * -np.sign((hits.normals * rays).sum(-1, keepdims=True))
    shade = 0.45 + 0.55 * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    image = np.array([*colors, _BACKGROUND], dtype=np.float64)[hits.part]
    image[hits.part >= 0] *= shade[hits.part >= 0][:, None]
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def capsule_mesh(
    start: np.ndarray, end: np.ndarray, radius_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) and faces (F, 3) of a capsule.

    Args:
        start: (3,) one end of its segment, metres.
        end: (3,) the other end.
        radius_m: metres.
    """
    if np.allclose(start, end):
        mesh = trimesh.creation.icosphere(radius=radius_m)
        mesh.apply_translation(start)
    else:
        mesh = trimesh.creation.cylinder(radius_m, segment=[start, end])
        ball = trimesh.creation.icosphere(radius=radius_m)
        ends = [ball.copy().apply_translation(point) for point in (start, end)]
        mesh = trimesh.util.concatenate([mesh, *ends])
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def _meshes(
    model: CollisionModel, q_rad: np.ndarray, solids: list[Solid]
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[tuple[int, int, int]]]:
    corners = np.array([[-0.2, -0.6, 0.0], [0.95, -0.6, 0.0], [0.95, 0.6, 0.0], [-0.2, 0.6, 0.0]])
    meshes = [(corners, np.array([[0, 1, 2], [0, 2, 3]]))]
    colors = [_TABLE_RGB]
    segments = model.segments(q_rad[None])[0]
    for capsule, (start, end) in zip(model.capsules, segments, strict=True):
        meshes.append(capsule_mesh(start, end, capsule.radius_m))
        colors.append(_GRIPPER_RGB if capsule.link == len(model.arm.joints) else _ARM_RGB)
    for solid in solids:
        T = solid.T_base_obj
        meshes.append((solid.vertices @ T[:3, :3].T + T[:3, 3], solid.faces))
        colors.append(_HAND_RGB if solid.category is None else NOCS[solid.category].rgb)
    return meshes, colors
