# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth around expected objects: the points of each without a mask, for all of them at once.

What is small for each object is computed for all together; distances are not, as those of one
object still fit into the processor's cache.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.tracking import constants
from genpose_ros.tracking.visibility import inside_box

__all__ = ["depth_around", "misfit_m", "shift_onto"]


def depth_around(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    surfaces_obj: Sequence[np.ndarray],
    size_m: np.ndarray,
    settings: EstimatorSettings,
    *,
    axisymmetric: Sequence[bool],
    pixels: int,
) -> list[np.ndarray]:
    """Return the points of the depth image that lie on each of B objects expected there.

    They lie in its box and near its last seen surface, both moved along from where they are
    expected to where the depth has them: what goes faster than expected would else be cut off on
    one side, and its pose fall back more in each image.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        T_cam_obj: (B, 4, 4) expected poses.
        surfaces_obj: B of (M, 3), last seen surfaces, object frames, in random order: where there
            are many, the first ones are taken for all of it.
        size_m: (B, 3) edge lengths of the boxes.
        settings: depth limits.
        axisymmetric: which of them are so about y.
        pixels: about how many pixels around each object are looked at.

    Returns:
        B of (N, 3) float32, metres, camera frame.
    """
    if not len(surfaces_obj):
        return []
    shortest = min(constants.CROP_SURFACE_POINTS, *map(len, surfaces_obj))
    surfaces = np.stack([points[:shortest] for points in surfaces_obj]).astype(np.float32)
    index = _pixels_around(depth_m, camera, T_cam_obj, surfaces, settings, pixels)
    whole, ends = np.concatenate(index), np.cumsum([len(own) for own in index])
    parts = [slice(end - len(own), end) for own, end in zip(index, ends, strict=True)]
    points_cam = camera.back_project_pixels(whole, depth_m.ravel()[whole])
    in_obj = np.empty_like(points_cam)
    for part, T, surface in zip(parts, T_cam_obj.astype(np.float32), surfaces, strict=True):
        cloud = inverse_transform_points(T, points_cam[part])
        stride = max(round(len(cloud) / constants.SHIFT_SCENE_POINTS), 1)
        in_obj[part] = cloud - shift_onto(cloud[::stride], surface)
    owner = np.repeat(np.arange(len(parts)), np.diff(ends, prepend=0))
    inside = inside_box(in_obj, size_m[owner], np.asarray(axisymmetric)[owner])
    found = []
    for part, surface in zip(parts, surfaces, strict=True):
        kept = np.flatnonzero(inside[part])
        kept = kept[_is_near(in_obj[part][kept], surface)]
        found.append(points_cam[part][kept])
    return found


def shift_onto(scene: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Return the translation (3,) that brings a surface (M, 3) onto a scene (N, 3), metres.

    Iterated closest points, without rotation; surface far from all of the scene, being hidden, does
    not count. Some points of the surface, the first ones, are taken for all of it: they must be in
    random order.
    """
    surface = surface[: constants.SHIFT_POINTS].astype(np.float32)
    scene = np.ascontiguousarray(scene, dtype=np.float32)
    move = np.zeros(3, dtype=np.float32)
    if not len(scene):
        return move
    columns, each = _as_columns(scene), np.arange(len(surface))
    for _ in range(constants.SHIFT_STEPS):
        distance2 = torch.mm(_as_rows(surface + move), columns).numpy()
        nearest = distance2.argmin(axis=1)
        found = distance2[each, nearest] < constants.SHIFT_RADIUS_M**2
        count = np.count_nonzero(found)
        if not count:
            break
        step = found @ (scene[nearest] - surface) / np.float32(count) - move
        move += step
        if step @ step < constants.SHIFT_LAST_STEP_M**2:
            break
    return move


def misfit_m(scene: np.ndarray, surface: np.ndarray) -> float:
    """Return the mean distance from points of a surface (M, 3) to the nearest of a scene (N, 3).

    Metres, of the first points of the surface, as `shift_onto`; farther ones count as its radius.
    """
    surface = surface[: constants.SHIFT_POINTS].astype(np.float32)
    if not len(scene) or not len(surface):
        return constants.SHIFT_RADIUS_M
    columns = _as_columns(scene.astype(np.float32))
    distance2 = torch.mm(_as_rows(surface), columns).numpy().min(axis=1)
    distance_m = np.sqrt(np.clip(distance2, 0.0, constants.SHIFT_RADIUS_M**2))
    return float(distance_m.mean())


def _pixels_around(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    surfaces: np.ndarray,
    settings: EstimatorSettings,
    pixels: int,
) -> list[np.ndarray]:
    """Numbers of the pixels with a depth within reach of each surface (B, M, 3)."""
    rotation, translation = T_cam_obj[:, :3, :3], T_cam_obj[:, None, :3, 3]
    uv = camera.project(surfaces @ rotation.swapaxes(1, 2) + translation)
    distances_m = T_cam_obj[:, 2, 3]
    margins = constants.SHIFT_RADIUS_M * camera.fx / np.maximum(distances_m, 0.05)
    known = np.isfinite(uv)
    low = np.where(known, uv, np.inf).min(axis=1) - margins[:, None]
    high = np.where(known, uv, -np.inf).max(axis=1) + margins[:, None]
    reach = np.linalg.norm(surfaces, axis=2).max(axis=1) + constants.SHIFT_RADIUS_M
    nearest = np.maximum(distances_m - reach, settings.depth_min_m)
    farthest = np.minimum(distances_m + reach, settings.depth_max_m)
    found = []
    for begin, end, *limits_m in zip(low, high, nearest, farthest, strict=True):
        if not (begin <= end).all():
            found.append(np.zeros(0, dtype=np.int64))
            continue
        columns = _pixels_between(begin[0], end[0], camera.width)
        rows = _pixels_between(begin[1], end[1], camera.height)
        stride = max(round(math.sqrt(len(rows) * len(columns) / pixels)), 1)
        z_m = depth_m[rows.start : rows.stop : stride, columns.start : columns.stop : stride]
        with np.errstate(invalid="ignore"):
            near = (z_m >= limits_m[0]) & (z_m <= limits_m[1]) & (z_m > 0)
        v, u = np.nonzero(near)
        found.append((rows.start + stride * v) * camera.width + columns.start + stride * u)
    return found


def _pixels_between(first: float, last: float, size: int) -> range:
    """The pixels of an axis of `size` from one coordinate to another."""
    begin = max(math.floor(first), 0)
    end = min(math.ceil(last), size - 1)
    return range(begin, max(end + 1, begin))


def _is_near(points: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Which points (N, 3) are near a surface (M, 3), bool."""
    limit, columns = constants.NEAR_SURFACE_M**2, _as_columns(points)
    first, others = np.split(surface, [constants.CROP_FIRST_POINTS])
    near: np.ndarray = torch.mm(_as_rows(first), columns).numpy().min(axis=0) < limit
    left = np.flatnonzero(~near)
    if len(others) and len(left):
        rest = columns[:, torch.from_numpy(left)]
        near[left] = torch.mm(_as_rows(others), rest).numpy().min(axis=0) < limit
    return near


def _as_rows(points: np.ndarray) -> Tensor:
    """Points p (N, 3) as rows (-2 p, |p|^2, 1), whose product with columns is |p - q|^2.

    For so few points that is faster than a tree. PyTorch multiplies with the threads it is allowed,
    NumPy with all there are.
    """
    rows = np.ones((len(points), 5), dtype=np.float32)
    np.multiply(points, -2, out=rows[:, :3])
    np.einsum("ni,ni->n", points, points, out=rows[:, 3])
    return torch.from_numpy(rows)


def _as_columns(points: np.ndarray) -> Tensor:
    """Points q (M, 3) as columns (q, 1, |q|^2)."""
    columns = np.ones((5, len(points)), dtype=np.float32)
    columns[:3] = points.T
    np.einsum("ni,ni->n", points, points, out=columns[4])
    return torch.from_numpy(columns)
