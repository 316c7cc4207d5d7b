# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of the simulated arm's runs: capsules, table and objects, as seen from aside."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image, ImageDraw, ImageFont

from genpose_ros.files import whole_file
from genpose_ros.geometry.boxes import box_edges
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.robot.collision import CollisionModel
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.grasping import ArmRun, Moment
from genpose_ros.robot.simulation.world import Solid
from genpose_ros.synthesis.motions import look_at
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.render import cast

__all__ = ["capsule_mesh", "draw_arm", "draw_runs"]

_CAMERA = PinholeCamera(390.0, 390.0, 179.5, 157.0, 360, 315)
_EYE, _TARGET = (1.16, -0.86, 0.80), (0.26, 0.0, 0.31)
_ARM_RGB, _GRIPPER_RGB, _HAND_RGB, _TABLE_RGB = (
    (205, 208, 214), (120, 126, 138), (226, 178, 148), (150, 132, 112),
)  # fmt: skip
_BACKGROUND, _TEXT_RGB, _BOX_RGB = (245, 246, 248), (255, 255, 255), (20, 60, 200)
_TEXT_PX = 14


def draw_runs(runs: Mapping[str, ArmRun], path: Path) -> None:
    """Draw the moments of runs into a PNG, each run in a row, and where each has come to.

    Args:
        runs: by the text that stands before each.
        path: of the file; its folder is made.
    """
    rows = [_row(text, run) for text, run in runs.items()]
    whole = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), _BACKGROUND)
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height
    with whole_file(path) as partial:
        whole.save(partial, optimize=True)


def _row(text: str, run: ArmRun) -> Image.Image:
    """The moments of a run, from left to right."""
    moments = list(run.moments)
    if not moments or moments[-1].q_rad is not run.q_rad:
        moments.append(Moment("stops here", run.q_rad, tuple(run.solids.values())))
    row = Image.new("RGB", (_CAMERA.width * len(moments), _CAMERA.height))
    for number, moment in enumerate(moments):
        image = draw_arm(run.solver.collisions, moment)
        title = f"{text}: {moment.text}" if number == 0 else moment.text
        font = ImageFont.load_default(_TEXT_PX)
        place = (10, _CAMERA.height - 2 * _TEXT_PX)  # on the table, where nothing else is
        ImageDraw.Draw(image).text(place, title, fill=_TEXT_RGB, font=font)
        row.paste(image, (number * _CAMERA.width, 0))
    return row


def draw_arm(model: CollisionModel, moment: Moment) -> Image.Image:
    """Return a picture of an arm, of what is around it, and of the boxes that it believes in.

    Args:
        model: the capsules that are drawn.
        moment: what is where.
    """
    T_cam_base = _camera_pose()
    meshes, colors = _meshes(model, moment.q_rad, moment.solids)
    parts = [(transform_points(T_cam_base, v), faces) for v, faces in meshes]
    rays = pixel_rays(_CAMERA)
    hits = cast(parts, rays, np.zeros(3))
    light = T_cam_base[:3, :3] @ np.array([0.3, -0.5, 0.8])
    normals = hits.normals * -np.sign((hits.normals * rays).sum(-1, keepdims=True))
    shade = 0.45 + 0.55 * np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    pixels = np.array([*colors, _BACKGROUND], dtype=np.float64)[hits.part]
    pixels[hits.part >= 0] *= shade[hits.part >= 0][:, None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    lines = ImageDraw.Draw(image)
    for item in moment.believed:
        edges = box_edges(item.T_out_obj, np.asarray(item.size_m))
        for ends in _CAMERA.project(transform_points(T_cam_base, edges)):
            lines.line([tuple(end) for end in ends.tolist()], fill=_BOX_RGB, width=1)
    return image


def _camera_pose() -> np.ndarray:
    """T_cam_base (4, 4) of who looks from aside."""
    quarter = transform(rpy_rad=(np.pi / 2, 0.0, 0.0))
    eye, target = (quarter[:3, :3].T @ np.array(p) for p in (_EYE, _TARGET))
    return np.asarray(np.linalg.inv(quarter @ look_at(eye, target)))


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
    model: CollisionModel, q_rad: np.ndarray, solids: Sequence[Solid]
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
