# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Visibility of expected objects in a depth image: seen, hidden, gone or outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.tracking import constants

__all__ = [
    "Visibility",
    "image_pixels",
    "inside_box",
    "inside_fraction",
    "outside_fraction",
    "outside_fractions",
    "visibility",
]

_Array = TypeVar("_Array", np.ndarray, Tensor)


@dataclass(frozen=True)
class Visibility:
    """Shares of an object's expected surface, which add up to 1.

    Attributes:
        seen: the depth is as expected.
        hidden: something is in front.
        gone: the depth image looks through.
        outside: beyond the image's border, or behind the camera.
        unknown: without depth.
        residual_m: median distance between expected and measured depth where nothing is in front,
            metres; NaN where there is none.
    """

    seen: float
    hidden: float
    gone: float
    outside: float
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
    hidden[which, point] = ~inside_box(front_obj, size_m[which], upright)
    known = ~np.isnan(behind)
    residual_m = _medians(np.where(hidden, np.nan, np.abs(behind)))
    shares = [part.mean(axis=1).tolist() for part in (known & ~hidden & ~gone, hidden, gone)]
    unknown = (inside & ~known).mean(axis=1).tolist()
    outside = (~inside).mean(axis=1).tolist()
    columns = zip(*shares, outside, unknown, residual_m.tolist(), strict=True)
    return [Visibility(*numbers) for numbers in columns]


def _medians(values: np.ndarray) -> np.ndarray:
    """Medians (B,) of the numbers in each row (B, M), NaN not counted; NaN where there are none."""
    # NaN come last: the middle is that of the first `count`, or NaN where there are none.
    ordered, count = np.sort(values, axis=1), (~np.isnan(values)).sum(axis=1)
    rows, last = np.arange(len(values)), np.maximum(count - 1, 0)
    middle: np.ndarray = (ordered[rows, last // 2] + ordered[rows, count // 2]) / 2
    return middle


def outside_fractions(
    points_cam: Sequence[np.ndarray],
    T_cam_obj: np.ndarray,
    size_m: np.ndarray,
    *,
    axisymmetric: Sequence[bool],
) -> np.ndarray:
    """Return the share (B,) of each object's points outside its box, which is widened a little.

    Args:
        points_cam: B of (N, 3), metres, camera frame, N >= 1 and not the same for all.
        T_cam_obj: (B, 4, 4).
        size_m: (B, 3) edge lengths of the boxes.
        axisymmetric: which of the objects are so about y.
    """
    counts = np.array([len(points) for points in points_cam])
    if not len(counts):
        return np.zeros(0)
    # What is missing of the longest is NaN, which lies in no box.
    points = np.full((len(counts), int(counts.max()), 3), np.nan)
    for row, own in zip(points, points_cam, strict=True):
        row[: len(own)] = own
    with np.errstate(invalid="ignore"):
        points_obj = (points - T_cam_obj[:, None, :3, 3]) @ T_cam_obj[:, :3, :3]
        inside = inside_box(points_obj, size_m[:, None], np.asarray(axisymmetric)[:, None])
    share: np.ndarray = 1 - inside.sum(axis=1) / counts
    return share


def outside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, axisymmetric: bool
) -> float:
    """Return the share of an object's points (N, 3) outside its box, which is widened a little."""
    points_obj = inverse_transform_points(T_cam_obj, points_cam)
    return float(1 - inside_box(points_obj, size_m, axisymmetric).mean())


def inside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, axisymmetric: bool
) -> float:
    """Return the share of points (N, 3) inside an object's box, which is widened a little."""
    return 1 - outside_fraction(points_cam, T_cam_obj, size_m, axisymmetric=axisymmetric)


def inside_box(points_obj: _Array, size_m: _Array, axisymmetric: bool | _Array) -> _Array:
    """Return which points lie in the box, or in the upright cylinder of an axisymmetric object.

    Both are widened a little. Of arrays or of tensors.

    Args:
        points_obj: (..., 3) metres, object frame.
        size_m: (3,) edge lengths, or those of each point's own object, which broadcast.
        axisymmetric: about y, of one object or of each point's own.
    """
    x, y, z = (points_obj[..., axis] for axis in range(3))
    half = size_m / 2 * (1 + constants.BOX_MARGIN_SHARE) + constants.BOX_MARGIN_M
    width, height, length = (half[..., axis] for axis in range(3))
    in_box = (abs(x) <= width) & (abs(z) <= length) & (axisymmetric ^ True)
    in_cylinder = (x * x + z * z <= width * width) & axisymmetric
    inside: _Array = (in_box | in_cylinder) & (abs(y) <= height)
    return inside
