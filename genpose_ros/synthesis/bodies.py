# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth images of rigid bodies that move before a camera in a plain room, rendered quickly.

Each body has a ray-casting scene of its own, made once. A frame casts only the pixels of each
body's box, in the body's frame, and keeps the nearest hit; table, floor and wall are rectangles
whose depth follows in closed form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import open3d as o3d

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points

__all__ = ["Backdrop", "Body", "BodyImage", "Rectangle", "render_bodies"]

_NEAR_M = 0.05


class Body:
    """Rigid triangle mesh that rays are cast at from any pose.

    Args:
        vertices: (V, 3), metres, body frame.
        faces: (F, 3) vertex indices.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.vertices = np.ascontiguousarray(vertices, dtype=np.float32)
        low, high = self.vertices.min(0), self.vertices.max(0)
        corners = np.indices((2, 2, 2)).reshape(3, -1).T
        self._corners = np.where(corners > 0, high, low)
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(
            o3d.core.Tensor(self.vertices),
            o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
        )

    def cast(self, rays: np.ndarray, T_cam_body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return depth in metres, 0 without a hit, and cosine of incidence, each (...).

        Args:
            rays: (..., 3) float32 directions from the camera's centre, scaled to z = 1.
            T_cam_body: (4, 4).
        """
        rotation = T_cam_body[:3, :3].astype(np.float32)
        start = -T_cam_body[:3, 3] @ T_cam_body[:3, :3]
        both = np.empty((*rays.shape[:-1], 6), np.float32)
        both[..., :3], both[..., 3:] = start, rays @ rotation
        answer = self._scene.cast_rays(o3d.core.Tensor(both), nthreads=1)
        depth = answer["t_hit"].numpy()
        met = np.isfinite(depth) & (depth > _NEAR_M)
        normals = answer["primitive_normals"].numpy()
        cosine = np.abs(np.einsum("...i,...i->...", normals, both[..., 3:]))
        cosine /= np.linalg.norm(rays, axis=-1)
        return np.where(met, depth, 0), np.where(met, cosine, 0)

    def pixel_box(
        self, T_cam_body: np.ndarray, camera: PinholeCamera
    ) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom (the last two exclusive) of the pixels it may cover.

        They may lie outside the image. None where it does not reach into the image; all of the
        image where it comes too near for a box to be computed.
        """
        corners = transform_points(T_cam_body, self._corners)
        if corners[:, 2].max() < _NEAR_M:
            return None
        if corners[:, 2].min() < _NEAR_M:
            return 0, 0, camera.width, camera.height
        pixels = camera.project(corners)
        left, top = np.floor(pixels.min(0)).astype(int)
        right, bottom = np.ceil(pixels.max(0)).astype(int) + 1
        if right <= 0 or bottom <= 0 or left >= camera.width or top >= camera.height:
            return None
        return int(left), int(top), int(right), int(bottom)


@dataclass(frozen=True)
class Rectangle:
    """Rectangle across one axis of the fixed frame.

    Attributes:
        axis: index of the axis it is perpendicular to.
        level_m: where on that axis.
        low_m, high_m: its ends along the other two axes, in their order.
    """

    axis: int
    level_m: float
    low_m: tuple[float, float]
    high_m: tuple[float, float]


class Backdrop:
    """Backdrop: the room behind the bodies; computed anew only when the camera has moved.

    Args:
        rectangles: the room.
        rays: (H, W, 3) float32 directions of the camera's pixels, z = 1.
    """

    def __init__(self, rectangles: Sequence[Rectangle], rays: np.ndarray) -> None:
        self._rectangles = tuple(rectangles)
        self._rays = rays
        self._lengths = np.linalg.norm(rays, axis=-1)
        self._T_fixed_cam: np.ndarray | None = None
        self._image: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))

    def view_from(self, T_fixed_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Depth, metres, 0 for nothing, and cosine of incidence, both (H, W) float32."""
        if self._T_fixed_cam is None or not np.array_equal(T_fixed_cam, self._T_fixed_cam):
            self._T_fixed_cam, self._image = T_fixed_cam.copy(), self._compute(T_fixed_cam)
        return self._image

    def _compute(self, T_fixed_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = T_fixed_cam[:3, 3].astype(np.float32)
        directions = self._rays @ T_fixed_cam[:3, :3].T.astype(np.float32)
        depth = np.full(self._lengths.shape, np.inf, np.float32)
        cosine = np.zeros_like(depth)
        for part in self._rectangles:
            a, (b, c) = part.axis, [axis for axis in range(3) if axis != part.axis]
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (np.float32(part.level_m) - start[a]) / directions[..., a]
                p, q = start[b] + t * directions[..., b], start[c] + t * directions[..., c]
            met = (t > _NEAR_M) & (t < depth)
            met &= (p >= part.low_m[0]) & (p <= part.high_m[0])
            met &= (q >= part.low_m[1]) & (q <= part.high_m[1])
            depth[met] = t[met]
            cosine[met] = (np.abs(directions[..., a]) / self._lengths)[met]
        return np.where(np.isfinite(depth), depth, 0), cosine


@dataclass(frozen=True)
class BodyImage:
    """Image of bodies without noise: depth, body and incidence of every pixel.

    Attributes:
        depth_m: (H, W) float32, 0 where there is nothing.
        part: (H, W) int16 index of the body, -1 for the room or nothing.
        cos_incidence: (H, W) float32, cosine between surface normal and ray.
        visible_shares: (n,) share of each body's whole outline, with what lies outside the image,
            that the image shows.
    """

    depth_m: np.ndarray
    part: np.ndarray
    cos_incidence: np.ndarray
    visible_shares: np.ndarray


def render_bodies(
    bodies: Sequence[Body],
    T_cam_bodies: Sequence[np.ndarray],
    backdrop: tuple[np.ndarray, np.ndarray],
    camera: PinholeCamera,
    *,
    outlined: int | None = None,
) -> BodyImage:
    """Render bodies in front of a backdrop.

    Args:
        bodies: n bodies.
        T_cam_bodies: the pose (4, 4) of each in the camera's frame.
        backdrop: depth and cosine (H, W), see `Backdrop.view_from`.
        camera: of the image to make.
        outlined: visible shares are only wanted of this many bodies; of the others the outline
            outside the image is not rendered. None: of all.
    """
    depth, cosine = (image.copy() for image in backdrop)
    depth[depth == 0] = np.inf
    part = np.full(depth.shape, -1, np.int16)
    outlines = np.zeros(len(bodies))
    for i, (body, T_cam_body) in enumerate(zip(bodies, T_cam_bodies, strict=True)):
        box = body.pixel_box(T_cam_body, camera)
        if box is None:
            continue
        beyond = 1 if outlined is None or i < outlined else 0
        left, top, right, bottom = _limited(box, camera, beyond)
        here, its_cosine = body.cast(_rays(camera, left, top, right, bottom), T_cam_body)
        outlines[i] = np.count_nonzero(here)
        rows = slice(max(top, 0), min(bottom, camera.height))
        columns = slice(max(left, 0), min(right, camera.width))
        inner = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        here, its_cosine = here[inner], its_cosine[inner]
        nearer = (here > 0) & (here < depth[rows, columns])
        depth[rows, columns][nearer] = here[nearer]
        cosine[rows, columns][nearer] = its_cosine[nearer]
        part[rows, columns][nearer] = i
    visible = np.bincount(part[part >= 0], minlength=len(bodies))
    shares = visible / np.maximum(outlines, 1)
    return BodyImage(np.where(np.isfinite(depth), depth, 0), part, cosine, shares)


def _limited(
    box: tuple[int, int, int, int], camera: PinholeCamera, beyond: int
) -> tuple[int, int, int, int]:
    """A box cut at `beyond` image sizes outside each border: what is farther out goes uncounted."""
    left, top, right, bottom = box
    return (
        max(left, -beyond * camera.width),
        max(top, -beyond * camera.height),
        min(right, (1 + beyond) * camera.width),
        min(bottom, (1 + beyond) * camera.height),
    )


def _rays(camera: PinholeCamera, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Directions (bottom - top, right - left, 3) float32 of pixels, z = 1."""
    rays = np.ones((bottom - top, right - left, 3), np.float32)
    rays[..., 0] = (np.arange(left, right) - camera.cx) / camera.fx
    rays[..., 1] = ((np.arange(top, bottom) - camera.cy) / camera.fy)[:, None]
    return rays
