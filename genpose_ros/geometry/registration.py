# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Registration of a depth image with another camera's image: the pixel there of each pixel here."""

import math

import numpy as np
from scipy import ndimage

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import bounding_box

__all__ = ["at_pixels", "mask_at_pixels", "pixels_in_image"]

#: What lies this much behind the nearest surface in its pixel, metres and share of the depth, is
#: hidden from the other camera.
_HIDDEN_M, _HIDDEN = 0.015, 0.01
#: Points of the depth image are this much farther apart in the other one than focal lengths say,
#: where its camera is nearer to a surface or sees it less slanted.
_SPREAD = 1.3
#: Half the width of holes in a mask that are closed where there is no depth, pixels.
_HOLE_PX = 3


def pixels_in_image(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    other: PinholeCamera,
    T_other_cam: np.ndarray,
) -> np.ndarray:
    """Return for each pixel of a depth image the one of another camera that shows the same point.

    Points that the other camera does not see have none: those outside its image, and those that it
    has something in front of (z-buffer).

    Args:
        depth_m: (H, W), metres along z; zero, negative and not finite are no measurement.
        camera: of the depth image.
        other: camera of the other image.
        T_other_cam: (4, 4), from the frame of `camera` to that of `other`, metres.

    Returns:
        (H, W) indices into the flattened image of `other`; -1 where there is none.

    Raises:
        ValueError: the depth image is not of its camera's size.

    Example:
        >>> camera = PinholeCamera(100.0, 100.0, 1.0, 0.0, 4, 1)
        >>> T_other_cam = np.eye(4)
        >>> T_other_cam[0, 3] = 0.01  # points lie 1 cm more to the right: a pixel at 1 m
        >>> pixels_in_image(np.array([[1.0, 1.0, 0.0, 1.0]]), camera, camera, T_other_cam).tolist()
        [[1, 2, -1, -1]]
    """
    if depth_m.shape != (camera.height, camera.width):
        raise ValueError(
            f"depth must be {camera.height} x {camera.width} (rows x columns), got shape "
            f"{depth_m.shape}"
        )
    T = T_other_cam.astype(np.float32)
    u = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    v = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]
    z_m = depth_m.astype(np.float32, copy=False)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z_other = (T[2, 0] * u + T[2, 1] * v + T[2, 2]) * z_m + T[2, 3]
        scale = np.float32(1) / z_other
        column = ((T[0, 0] * u + T[0, 1] * v + T[0, 2]) * z_m + T[0, 3]) * scale
        row = ((T[1, 0] * u + T[1, 1] * v + T[1, 2]) * z_m + T[1, 3]) * scale
        column = column * np.float32(other.fx) + np.float32(other.cx)
        row = row * np.float32(other.fy) + np.float32(other.cy)
        # Written so that NaN fails too.
        inside = (z_m > 0) & (z_other > 0) & np.isfinite(z_other)
        inside &= (column > -0.5) & (column < other.width - 0.5)
        inside &= (row > -0.5) & (row < other.height - 0.5)
    found = np.flatnonzero(inside)
    row, column = (np.rint(axis.ravel()[found]).astype(np.int32) for axis in (row, column))
    seen = _in_front(row, column, z_other.ravel()[found], camera, other)
    pixels = np.full(depth_m.size, -1, dtype=np.int32)
    pixels[found] = np.where(seen, row * np.int32(other.width) + column, -1)
    return pixels.reshape(depth_m.shape)


def at_pixels(images: np.ndarray, pixels: np.ndarray, fill: float = 0) -> np.ndarray:
    """Return what images show at the pixels that `pixels_in_image` found.

    Args:
        images: (..., h, w) of the other camera, such as a label image or B masks.
        pixels: (H, W) indices, -1 for none.
        fill: value of pixels without one.

    Returns:
        (..., H, W) of the same type.

    Example:
        >>> labels = np.array([[0, 7, 8]])
        >>> at_pixels(labels, np.array([[2, 1], [-1, 0]])).tolist()
        [[8, 7], [0, 0]]
    """
    flat = images.reshape(*images.shape[:-2], -1)
    last = np.full((*flat.shape[:-1], 1), fill, dtype=images.dtype)  # what -1 finds
    taken: np.ndarray = np.take(np.concatenate((flat, last), axis=-1), pixels, axis=-1)
    return taken


def mask_at_pixels(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return a mask as the depth camera sees it, without the small holes that its depth image has.

    Args:
        mask: (h, w) bool of the other camera.
        pixels: (H, W) indices, see `pixels_in_image`.

    Returns:
        (H, W) bool.

    Example:
        >>> pixels = np.arange(25).reshape(5, 5)
        >>> pixels[2, 2] = -1  # no depth
        >>> int(mask_at_pixels(np.ones((5, 5), dtype=bool), pixels).sum())
        25
    """
    seen = at_pixels(mask, pixels)
    box = bounding_box(seen)
    if box is not None:
        closed = ndimage.binary_closing(np.pad(seen[box], _HOLE_PX), np.ones((3, 3)), _HOLE_PX)
        inner = slice(_HOLE_PX, -_HOLE_PX)
        seen[box] |= closed[inner, inner] & (pixels[box] < 0)
    return seen


def _in_front(
    row: np.ndarray,
    column: np.ndarray,
    z_m: np.ndarray,
    camera: PinholeCamera,
    other: PinholeCamera,
) -> np.ndarray:
    """Which points (M,) are the nearest ones of their pixels, by a z-buffer, (M,) bool.

    Each point fills the cells around its own, as its pixel of the depth image does: else what lies
    behind would be seen between points and past the outermost ones.
    """
    high, wide = (
        max(1, math.ceil(_SPREAD * ratio / 3))
        for ratio in (other.fy / camera.fy, other.fx / camera.fx)
    )
    shape = (other.height - 1) // high + 3, (other.width - 1) // wide + 3
    cell = (row // high + 1) * shape[1] + column // wide + 1
    nearest_m = np.full(shape, np.inf, dtype=z_m.dtype)
    np.minimum.at(nearest_m.ravel(), cell, z_m)
    nearest_m[1:-1] = np.minimum(np.minimum(nearest_m[:-2], nearest_m[2:]), nearest_m[1:-1])
    nearest_m[:, 1:-1] = np.minimum(
        np.minimum(nearest_m[:, :-2], nearest_m[:, 2:]), nearest_m[:, 1:-1]
    )
    front_m = nearest_m.ravel()[cell]
    in_front: np.ndarray = z_m <= front_m + np.maximum(_HIDDEN_M, _HIDDEN * front_m)
    return in_front
