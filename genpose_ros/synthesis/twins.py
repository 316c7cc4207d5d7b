# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Twins of recorded objects: the same mesh at the same pose, seen by simulated cameras."""

from dataclasses import dataclass

import numpy as np
import torch

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.clouds import NATIVE_SPACING, sense_depth
from genpose_ros.synthesis.clutter import ground
from genpose_ros.synthesis.depth_errors import shifted
from genpose_ros.synthesis.domains import Domain
from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.rasterise import Crops, DepthImages, Triangles, rasterise
from genpose_ros.synthesis.sensor import corrupt_mask
from genpose_ros.synthesis.views import STANCES, Views

__all__ = ["Twins", "simulate_twins"]

#: Free pixels around the object's outline.
_MARGIN_PX = 16


@dataclass(frozen=True)
class Twins:
    """Views of one object by n simulated cameras.

    Attributes:
        depth_m: (n, S, S) what they report, metres, 0 for holes.
        mask: (n, S, S) bool, what segmenters take for the object.
        mesh_m: (S, S) true depth of the object, metres, 0 beside it.
        camera: of these images.
    """

    depth_m: np.ndarray
    mask: np.ndarray
    mesh_m: np.ndarray
    camera: PinholeCamera


def simulate_twins(
    vertices: np.ndarray,
    faces: np.ndarray,
    T_cam_obj: np.ndarray,
    camera: PinholeCamera,
    domain: Domain,
    count: int,
    rng: np.random.Generator,
) -> Twins:
    """Simulate `count` cameras of a domain before an object that stands on a table.

    Args:
        vertices: (V, 3) metres, object frame, y up.
        faces: (F, 3).
        T_cam_obj: (4, 4) the object's pose.
        camera: whose pixels the images have.
        domain: the cameras are drawn from it.
        count: how many.
        rng: source of the draws.
    """
    placed = transform_points(T_cam_obj, vertices).astype(np.float32)
    crops = _crop(placed, camera)
    views = Views(
        rotation=T_cam_obj[None, :3, :3],
        translation=T_cam_obj[None, :3, 3],
        up=T_cam_obj[None, :3, 1],
        stance=np.full(1, STANCES.index("standing")),
    )
    image = _render(placed, faces, views, crops, rng)
    size_m = np.tile(np.ptp(vertices, axis=0), (count, 1))
    again = np.zeros(count, dtype=np.int64)
    images = DepthImages(image.depth_m[again], image.part[again], image.cos_incidence[again])
    many = Crops(crops.centre[again], crops.spacing[again], crops.size)
    cameras = domain.draw_cameras(count, rng)
    depth = sense_depth(images, size_m, views[again], many, cameras, rng)
    is_object = images.part == 0
    per_px = many.spacing.double().numpy() / NATIVE_SPACING
    mask = corrupt_mask(is_object, per_px, rng)
    if cameras.errors is not None:
        mask = shifted(mask, cameras.errors.shift_px, per_px)
    mesh_m = image.depth_m[0].masked_fill(~is_object[0], 0)
    return Twins(depth.numpy(), mask.numpy(), mesh_m.numpy(), _pinhole(crops))


def _crop(placed: np.ndarray, camera: PinholeCamera) -> Crops:
    """The rays of the camera's pixels around placed vertices (V, 3)."""
    tangents = placed[:, :2] / placed[:, 2:]
    low, high = tangents.min(0), tangents.max(0)
    pixels = float((high - low).max()) * camera.fx + 2 * _MARGIN_PX
    # Drivers halve and quarter images.
    size = 4 * int(np.ceil(pixels / 4))
    centre = torch.as_tensor((low + high) / 2, dtype=torch.float32)[None]
    return Crops(centre, torch.full((1,), 1 / camera.fx), size)


def _pinhole(crops: Crops) -> PinholeCamera:
    focal, middle = 1 / float(crops.spacing[0]), (crops.size - 1) / 2
    x, y = (middle - focal * float(tangent) for tangent in crops.centre[0])
    return PinholeCamera(focal, focal, x, y, crops.size, crops.size)


def _render(
    placed: np.ndarray, faces: np.ndarray, views: Views, crops: Crops, rng: np.random.Generator
) -> DepthImages:
    """The object (part 0), drawn from both sides, on its table (part 1)."""
    objects = Objects(((np.zeros(1, dtype=np.int64), MeshBatch(placed[None], faces)),), np.zeros(1))
    table = ground(objects, views, np.zeros(1, dtype=bool), rng)
    count = len(faces)
    triangles = Triangles(
        vertices=torch.from_numpy(placed),
        vertex_image=torch.zeros(len(placed), dtype=torch.int64),
        faces=torch.from_numpy(faces.astype(np.int64)),
        part=torch.zeros(count, dtype=torch.int64),
        closed=torch.zeros(count, dtype=torch.bool),
    )
    return rasterise(triangles, crops, torch.as_tensor(table, dtype=torch.float32))
