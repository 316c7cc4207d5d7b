# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Visibility of expected objects in a depth image: seen, hidden or gone; and their points in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import inverse_transform_points, transform_points
from genpose_ros.tracking import constants

__all__ = [
    "Visibility",
    "depth_around",
    "image_pixels",
    "inside_fraction",
    "outside_fraction",
    "shift_onto",
    "visibility",
]


@dataclass(frozen=True)
class Visibility:
    """Shares of an object's expected surface, which add up to 1.

    Attributes:
        seen: the depth is as expected.
        hidden: something is in front.
        gone: the depth image looks through.
        unknown: outside the image or without depth.
        residual_m: median distance between expected and measured depth where nothing is in front,
            metres; NaN where there is none.
    """

    seen: float
    hidden: float
    gone: float
    unknown: float
    residual_m: float


def image_pixels(
    points_cam: np.ndarray, camera: PinholeCamera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows (K,) and columns (K,) of the points in the image, and which (...) bool they are.

    Args:
        points_cam: (..., 3), metres, camera frame.
        camera: of the image.
    """
    uv = np.rint(camera.project(points_cam))
    u, v = uv[..., 0], uv[..., 1]
    with np.errstate(invalid="ignore"):
        inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    return v[inside].astype(np.int64), u[inside].astype(np.int64), inside


def visibility(
    T_cam_obj: np.ndarray,
    points_obj: np.ndarray,
    size_m: np.ndarray,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    *,
    axisymmetric: Sequence[bool],
) -> list[Visibility]:
    """Return how much of the expected surfaces of B objects a depth image shows.

    Surface that has turned away is behind the object itself, not behind something else: it counts
    as seen.

    Args:
        T_cam_obj: (B, 4, 4) expected poses.
        points_obj: (B, M, 3) surfaces, metres, object frames, M >= 1.
        size_m: (B, 3) edge lengths of the boxes.
        depth_m: (H, W), metres along z; zero, negative and not finite are no measurement.
        camera: of the depth image.
        axisymmetric: which of them are so about y.
    """
    rotation, translation = T_cam_obj[:, :3, :3], T_cam_obj[:, None, :3, 3]
    points_cam = points_obj @ rotation.swapaxes(1, 2) + translation
    row, column, inside = image_pixels(points_cam, camera)
    measured = np.full(points_cam.shape[:2], np.nan)
    measured[inside] = depth_m[row, column]
    tolerance_m = constants.SAME_SURFACE_M
    with np.errstate(invalid="ignore"):
        measured[~(np.isfinite(measured) & (measured > 0))] = np.nan
        behind = measured - points_cam[..., 2]
        hidden, gone = behind < -tolerance_m, behind > tolerance_m
    # What is in front of a surface may be the object itself.
    which, point = np.nonzero(hidden)
    ray = points_cam[which, point]
    front_cam = ray * (measured[which, point] / ray[:, 2])[:, None]
    front_obj = np.einsum("ni,nij->nj", front_cam - T_cam_obj[which, :3, 3], rotation[which])
    upright = np.asarray(axisymmetric)[which]
    hidden[which, point] = ~_inside_box(front_obj, size_m[which], upright)
    known = ~np.isnan(behind)
    residual_m = _medians(np.where(hidden, np.nan, np.abs(behind)))
    shares = [part.mean(axis=1).tolist() for part in (known & ~hidden & ~gone, hidden, gone)]
    unknown = (1 - known.mean(axis=1)).tolist()
    columns = zip(*shares, unknown, residual_m.tolist(), strict=True)
    return [Visibility(*numbers) for numbers in columns]


def _medians(values: np.ndarray) -> np.ndarray:
    """Medians (B,) of the numbers in each row (B, M), NaN not counted; NaN where there are none."""
    # NaN come last: the middle is that of the first `count`, or NaN where there are none.
    ordered, count = np.sort(values, axis=1), (~np.isnan(values)).sum(axis=1)
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    middle: np.ndarray = (ordered[rows, last // 2] + ordered[rows, count // 2]) / 2
    return middle


def outside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, axisymmetric: bool
) -> float:
    """Return the share of an object's points (N, 3) outside its box, which is widened a little."""
    points_obj = inverse_transform_points(T_cam_obj, points_cam)
    return float(1 - _inside_box(points_obj, size_m, axisymmetric).mean())


def inside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, axisymmetric: bool
) -> float:
    """Return the share of points (N, 3) inside an object's box, which is widened a little."""
    return 1 - outside_fraction(points_cam, T_cam_obj, size_m, axisymmetric=axisymmetric)


def depth_around(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    points_obj: np.ndarray,
    size_m: np.ndarray,
    settings: EstimatorSettings,
    *,
    axisymmetric: bool,
    pixels: int,
) -> np.ndarray:
    """Return the points of the depth image that lie on an object expected there.

    They lie in its box and near its last seen surface, both moved along from where they are
    expected to where the depth has them: what goes faster than expected would else be cut off on
    one side, and its pose fall back more in each image.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        T_cam_obj: (4, 4) expected pose.
        points_obj: (M, 3) last seen surface, object frame, in random order: where there are many,
            the first ones are taken for all of it.
        size_m: (3,) edge lengths of the box.
        settings: depth limits.
        axisymmetric: about y.
        pixels: about how many pixels around the object are looked at.

    Returns:
        (N, 3) float32, metres, camera frame.
    """
    surface = points_obj[: constants.CROP_SURFACE_POINTS].astype(np.float32)
    points_cam = _points_around(depth_m, camera, T_cam_obj, surface, settings, pixels)
    if len(points_cam) == 0:
        return points_cam
    in_obj = inverse_transform_points(T_cam_obj.astype(np.float32), points_cam)
    stride = max(round(len(in_obj) / constants.SHIFT_SCENE_POINTS), 1)
    in_obj -= shift_onto(in_obj[::stride], surface)
    inside = _inside_box(in_obj, size_m, axisymmetric)
    points_cam, in_obj = points_cam[inside], in_obj[inside]
    distance2 = _squared_distances(_as_rows(surface), _as_columns(in_obj))
    near = distance2.min(axis=0) < constants.NEAR_SURFACE_M**2
    on_object: np.ndarray = points_cam[near]
    return on_object


def _points_around(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    surface: np.ndarray,
    settings: EstimatorSettings,
    pixels: int,
) -> np.ndarray:
    """Points (N, 3) float32 of the depth image within reach of a surface (M, 3), camera frame."""
    nothing = np.zeros((0, 3), dtype=np.float32)
    uv = camera.project(transform_points(T_cam_obj, surface))
    uv = uv[np.isfinite(uv).all(axis=1)]
    if len(uv) == 0:
        return nothing
    distance_m = float(T_cam_obj[2, 3])
    margin = constants.SHIFT_RADIUS_M * camera.fx / max(distance_m, 0.05)
    columns = _pixels_around(uv[:, 0], margin, camera.width)
    rows = _pixels_around(uv[:, 1], margin, camera.height)
    stride = max(round(math.sqrt(len(rows) * len(columns) / pixels)), 1)
    box = slice(rows.start, rows.stop, stride), slice(columns.start, columns.stop, stride)
    z = depth_m[box]
    if z.size == 0:
        return nothing
    reach = float(np.linalg.norm(surface, axis=1).max()) + constants.SHIFT_RADIUS_M
    nearest = max(distance_m - reach, settings.depth_min_m)
    farthest = min(distance_m + reach, settings.depth_max_m)
    with np.errstate(invalid="ignore"):
        near = (z >= nearest) & (z <= farthest)
    return camera.cropped(*box).back_project(z, near)


def _pixels_around(coordinates: np.ndarray, margin: float, size: int) -> range:
    """The pixels of an axis of `size` from the least to the largest coordinate, and a margin."""
    first = max(math.floor(coordinates.min() - margin), 0)
    last = min(math.ceil(coordinates.max() + margin), size - 1)
    return range(first, max(last + 1, first))


def shift_onto(scene: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Return the translation (3,) that brings a surface (M, 3) onto a scene (N, 3), metres.

    Iterated closest points, without rotation; surface far from all of the scene, being hidden, does
    not count. Some points of the surface, the first ones, are taken for all of it: they must be in
    random order.
    """
    surface = surface[: constants.SHIFT_POINTS].astype(np.float32)
    scene = scene.astype(np.float32)
    columns, rows = _as_columns(scene), np.arange(len(surface))
    move = np.zeros(3, dtype=np.float32)
    for _ in range(constants.SHIFT_STEPS):
        distance2 = _squared_distances(_as_rows(surface + move), columns)
        nearest = distance2.argmin(axis=1)
        found = distance2[rows, nearest] < constants.SHIFT_RADIUS_M**2
        if not found.any():
            break
        step = (scene[nearest[found]] - surface[found]).mean(axis=0) - move
        move += step
        if step @ step < constants.SHIFT_LAST_STEP_M**2:
            break
    return move


def _squared_distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Squared distances (N, M) between points, given `_as_rows` and `_as_columns`.

    For so few points that is faster than a tree. PyTorch multiplies with the threads it is allowed,
    NumPy with all there are.
    """
    return torch.mm(torch.from_numpy(rows), torch.from_numpy(columns)).numpy()


def _as_rows(points: np.ndarray) -> np.ndarray:
    """Points p (N, 3) as rows (-2 p, |p|^2, 1), whose product with columns is |p - q|^2."""
    rows = np.ones((len(points), 5), dtype=np.float32)
    rows[:, :3], rows[:, 3] = -2 * points, np.einsum("ni,ni->n", points, points)
    return rows


def _as_columns(points: np.ndarray) -> np.ndarray:
    """Points q (M, 3) as columns (q, 1, |q|^2)."""
    columns = np.ones((5, len(points)), dtype=np.float32)
    columns[:3], columns[4] = points.T, np.einsum("ni,ni->n", points, points)
    return columns


def _inside_box(
    points_obj: np.ndarray, size_m: np.ndarray, axisymmetric: bool | np.ndarray
) -> np.ndarray:
    """Which points (N, 3) lie in the box, or in the upright cylinder of an axisymmetric object.

    Edge lengths (3,) or (N, 3) and symmetry, one or (N,), are of one object or of each point's own.
    """
    x, y, z = np.abs(points_obj).T
    half = size_m / 2 * (1 + constants.BOX_MARGIN_SHARE) + constants.BOX_MARGIN_M
    width, height, length = half.T
    in_box = (x <= width) & (z <= length)
    inside: np.ndarray = np.where(axisymmetric, np.hypot(x, z) <= width, in_box) & (y <= height)
    return inside
