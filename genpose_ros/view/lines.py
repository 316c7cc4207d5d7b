# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Lines that the view draws: boxes, axes, candidates, ellipsoids, trails and the support plane."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.boxes import box_edges
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points

__all__ = [
    "Lines",
    "axes",
    "box",
    "camera_pyramid",
    "candidate_lines",
    "ellipsoid",
    "joined",
    "shades",
    "support_plane",
    "trail",
]

AXIS_COLORS = ((235, 51, 51), (51, 204, 64), (51, 102, 255))
#: Of a circle of an ellipsoid.
_CIRCLE = 24
#: Standard deviations that an ellipsoid shows.
_SIGMAS = 2.0
#: From dark blue over green to yellow, equally bright steps.
_SHADES = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)])
#: Half the edge of the support's grid and the length of the arrow up, metres; lines of the grid.
_PLANE_M, _UP_M, _GRID = 0.4, 0.15, 9


@dataclass(frozen=True)
class Lines:
    """Line segments.

    Attributes:
        ends: (N, 2, 3) float32, metres.
        colors: (N, 2, 3) uint8, RGB, of both ends.
    """

    ends: np.ndarray
    colors: np.ndarray

    @classmethod
    def of(cls, ends: np.ndarray, rgb: "Sequence[int] | np.ndarray") -> "Lines":
        """Return segments (N, 2, 3) in one colour, or in one each (N, 3)."""
        colors = np.empty(ends.shape, dtype=np.uint8)
        colors[:] = np.asarray(rgb, dtype=np.uint8).reshape(-1, 1, 3)
        return cls(np.asarray(ends, dtype=np.float32), colors)


def joined(parts: Iterable[Lines]) -> Lines:
    """Return all segments together.

    Example:
        >>> edges = box(np.eye(4), np.ones(3), (255, 0, 0))
        >>> joined([edges, edges]).ends.shape
        (24, 2, 3)
    """
    found = list(parts)
    if not found:
        return Lines(np.zeros((0, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8))
    ends, colors = ([getattr(part, name) for part in found] for name in ("ends", "colors"))
    return Lines(np.concatenate(ends), np.concatenate(colors))


def box(T: np.ndarray, size_m: np.ndarray, rgb: Sequence[int]) -> Lines:
    """Return the 12 edges of a box.

    Args:
        T: (4, 4), box to the view's frame.
        size_m: (3,) edge lengths.
        rgb: colour.
    """
    return Lines.of(box_edges(T, size_m), rgb)


def axes(T: np.ndarray, length_m: float) -> Lines:
    """Return the axes of a frame: x red, y green, z blue.

    Args:
        T: (4, 4), the frame in the view's.
        length_m: of each.
    """
    ends = np.empty((3, 2, 3))
    ends[:, 0] = T[:3, 3]
    ends[:, 1] = T[:3, 3] + length_m * T[:3, :3].T
    return Lines.of(ends, np.array(AXIS_COLORS))


def camera_pyramid(camera: PinholeCamera, T: np.ndarray, height_m: float) -> Lines:
    """Return the pyramid that a camera sees, up to a distance.

    Args:
        camera: whose field of view it has.
        T: (4, 4), optical frame to the view's.
        height_m: distance along the optical axis.
    """
    u, v = np.array([0.0, 1, 1, 0]) * camera.width, np.array([0.0, 0, 1, 1]) * camera.height
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    corners = transform_points(T, height_m * np.stack((x, y, np.ones(4)), axis=-1))
    rays = np.stack((np.broadcast_to(T[:3, 3], corners.shape), corners), axis=1)
    frame = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
    return Lines.of(np.concatenate((rays, frame)), (150, 160, 175))


def candidate_lines(T: np.ndarray, length_m: float, values: np.ndarray) -> Lines:
    """Return the x axis (short) and the y axis (long) of each candidate, shaded by its value.

    Args:
        T: (K, 4, 4), candidates in the view's frame.
        length_m: of the y axis.
        values: (K,), higher is brighter.
    """
    ends = np.empty((len(T), 2, 2, 3))
    ends[:, :, 0] = T[:, None, :3, 3]
    ends[:, 0, 1] = T[:, :3, 3] + 0.5 * length_m * T[:, :3, 0]
    ends[:, 1, 1] = T[:, :3, 3] + length_m * T[:, :3, 1]
    return Lines.of(ends.reshape(-1, 2, 3), np.repeat(shades(values), 2, axis=0))


def shades(values: np.ndarray) -> np.ndarray:
    """Return colours of values by their place between the lowest and the highest, (K, 3) uint8.

    Example:
        >>> shades(np.array([0.0, 10.0])).tolist()
        [[68, 1, 84], [253, 231, 37]]
    """
    known = np.nan_to_num(values, nan=-np.inf)
    finite = known[np.isfinite(known)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    place = np.clip((known - low) / max(high - low, 1e-9), 0, 1) * (len(_SHADES) - 1)
    steps = np.arange(len(_SHADES))
    channels = [np.interp(place, steps, _SHADES[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def ellipsoid(covariance: np.ndarray, centre: np.ndarray, rgb: Sequence[int]) -> Lines:
    """Return three circles of the ellipsoid at two standard deviations.

    Args:
        covariance: (3, 3) of a position, square metres.
        centre: (3,) metres.
        rgb: colour.
    """
    variances, directions = np.linalg.eigh(covariance)
    half_m = directions * (_SIGMAS * np.sqrt(np.maximum(variances, 0.0)))
    angle = np.linspace(0, 2 * np.pi, _CIRCLE + 1)
    circles = [
        np.outer(np.cos(angle), half_m[:, a]) + np.outer(np.sin(angle), half_m[:, b])
        for a, b in ((0, 1), (1, 2), (2, 0))
    ]
    ends = np.concatenate([np.stack((c[:-1], c[1:]), axis=1) for c in circles])
    return Lines.of(ends + centre, rgb)


def trail(points: np.ndarray, rgb: Sequence[int]) -> Lines:
    """Return the way through points (M, 3), the earlier the darker."""
    if len(points) < 2:
        return joined([])
    share = np.linspace(0.25, 1.0, len(points) - 1)[:, None]
    ends = np.stack((points[:-1], points[1:]), axis=1)
    return Lines.of(ends, (share * np.asarray(rgb, dtype=np.float64)).astype(np.uint8))


def support_plane(up: UpDirection, near: np.ndarray) -> Lines:
    """Return a grid on the support, where its level is known, and an arrow up.

    Args:
        up: in the view's frame.
        near: (3,) point that it is drawn at, metres.
    """
    normal = np.asarray(up.direction_cam, dtype=np.float64)
    centre = np.asarray(near, dtype=np.float64)
    if up.level_m is not None:
        centre = centre + (up.level_m - float(normal @ centre)) * normal
    side = np.cross(normal, np.eye(3)[int(np.abs(normal).argmin())])
    side /= np.linalg.norm(side)
    across = np.cross(normal, side)
    tip, head_m = centre + _UP_M * normal, 0.2 * _UP_M
    arrow = [[centre, tip]]
    arrow += [[tip, tip + head_m * (0.5 * d - normal)] for d in (side, -side, across, -across)]
    parts = [Lines.of(np.array(arrow), AXIS_COLORS[1])]
    if up.level_m is not None:
        places = np.linspace(-_PLANE_M, _PLANE_M, _GRID)
        ends = [
            [centre + p * a - _PLANE_M * b, centre + p * a + _PLANE_M * b]
            for a, b in ((side, across), (across, side))
            for p in places
        ]
        parts.append(Lines.of(np.array(ends), (120, 128, 140)))
    return joined(parts)
