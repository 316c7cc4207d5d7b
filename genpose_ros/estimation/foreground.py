# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks where the segmenter gives less: parts of a class's region, and what stands out in a box."""

import numpy as np

from genpose_ros.geometry.clouds import erode_mask

__all__ = ["box_foreground", "separate_parts"]

#: Neighbouring pixels whose depths differ more, relatively, belong to two surfaces.
_STEP = 0.03
#: The ring around a box that shows what the object stands before, in shares of the box's sides.
_RING = 0.25
#: A pixel this much nearer than the plane behind it, in shares of the depth and metres, stands out.
_NEARER, _NEARER_M = 0.006, 0.008
#: Planes that are tried, points of each fit, and the share of the ring a plane has to explain.
_TRIES, _EXPLAINED = 64, 0.3
#: Where there is no plane behind, what is within this of the box's middle belongs to the object.
_WINDOW = 0.12
_SMALLEST_PX = 16


def separate_parts(mask: np.ndarray, depth_m: np.ndarray, min_pixels: int = 64) -> list[np.ndarray]:
    """Return the connected parts of a region, from the top left on, without small ones.

    Parts touch when a pixel has one of its eight neighbours in the other and their depths differ by
    less than 3 %; where the depth is not measured, it separates nothing.

    Args:
        mask: (H, W) bool.
        depth_m: (H, W), metres; 0 and what is not finite is no measurement.
        min_pixels: parts with fewer are left out.

    Returns:
        masks (H, W) bool, disjoint.

    Example:
        >>> mask = np.ones((20, 40), dtype=bool)
        >>> depth_m = np.ones((20, 40))
        >>> depth_m[:, 25:] = 1.2
        >>> [int(part.sum()) for part in separate_parts(mask, depth_m)]
        [500, 280]
    """
    from scipy import ndimage

    if not mask.any():
        return []
    whole = mask & ~_steps(depth_m)
    labels, count = ndimage.label(whole, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [labels == 1 + i for i in np.flatnonzero(sizes >= min_pixels)]


def box_foreground(depth_m: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return a guess at the mask of the object in a box: what stands out of the plane behind it.

    A plane is fitted to the depth around the box; what is nearer inside it, and connected, is the
    object. Without such a plane it is what is as near as the middle of the box.

    Args:
        depth_m: (H, W), metres; 0 and what is not finite is no measurement.
        box: (left, top, right, bottom) in pixels.

    Returns:
        (H, W) bool; empty where the box has no depth or lies outside the image.

    Example:
        >>> depth_m = np.full((60, 80), 1.0)
        >>> depth_m[20:40, 30:50] = 0.9
        >>> box_foreground(depth_m, (28.0, 18.0, 52.0, 42.0)).sum()
        np.int64(400)
    """
    height, width = depth_m.shape
    mask = np.zeros((height, width), dtype=bool)
    if not np.isfinite(box).all():
        return mask
    left, top, right, bottom = (
        int(np.clip(round(value), 0, side))
        for value, side in zip(box, (width, height) * 2, strict=True)
    )
    if right - left < 2 or bottom - top < 2:
        return mask
    margin_x, margin_y = (max(2, round(_RING * n)) for n in (right - left, bottom - top))
    rows = slice(max(top - margin_y, 0), bottom + margin_y)
    columns = slice(max(left - margin_x, 0), right + margin_x)
    part = np.nan_to_num(depth_m[rows, columns], nan=0.0, posinf=0.0, neginf=0.0)
    inside = np.zeros(part.shape, dtype=bool)
    inside[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = (
        True
    )
    behind = _plane_depth(part, ~inside & (part > 0))
    if behind is None:
        nearer = _around_middle(part, inside)
    else:
        nearer = part < behind - np.maximum(_NEARER * behind, _NEARER_M)
    mask[rows, columns] = _largest_part(inside & (part > 0) & nearer, part)
    return mask


def _steps(depth_m: np.ndarray) -> np.ndarray:
    """Pixels on the far side of a step in depth, (H, W) bool."""
    depth = np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0)
    steps = np.zeros(depth.shape, dtype=bool)
    for axis in (0, 1):
        near, far = (
            depth.take(range(start, depth.shape[axis] - 1 + start), axis) for start in (0, 1)
        )
        both = (near > 0) & (far > 0)
        for a, b, start in ((near, far, 1), (far, near, 0)):
            step = both & (b - a > _STEP * a)
            index = [slice(None), slice(None)]
            index[axis] = slice(start, depth.shape[axis] - 1 + start)
            steps[tuple(index)] |= step
    return steps


def _plane_depth(depth_m: np.ndarray, ring: np.ndarray) -> np.ndarray | None:
    """The depth of the plane that most of the ring lies in, (H, W); None: there is none.

    A plane's inverse depth is linear in the pixel's coordinates.
    """
    v, u = np.nonzero(ring)
    if len(v) < _SMALLEST_PX:
        return None
    inverse = 1.0 / depth_m[v, u].astype(np.float64)
    places = np.stack((u, v, np.ones(len(u))), axis=1).astype(np.float64)
    rng = np.random.default_rng(0)
    best, most = None, _EXPLAINED * len(v)
    for _ in range(_TRIES):
        chosen = rng.choice(len(v), 3, replace=False)
        try:
            plane = np.linalg.solve(places[chosen], inverse[chosen])
        except np.linalg.LinAlgError:
            continue
        near = np.abs(places @ plane - inverse) < _NEARER * inverse
        if near.sum() > most:
            best, most = near, int(near.sum())
    if best is None:
        return None
    plane = np.linalg.lstsq(places[best], inverse[best], rcond=None)[0]
    rows, columns = np.indices(depth_m.shape)
    behind = plane[0] * columns + plane[1] * rows + plane[2]
    return np.where(behind > 0, 1.0 / np.maximum(behind, 1e-6), np.inf)


def _around_middle(depth_m: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Pixels about as near as the middle of the box, (H, W) bool."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    quarter = (len(rows) // 4, len(columns) // 4)
    middle = depth_m[
        rows[quarter[0]] : rows[-1 - quarter[0]] + 1,
        columns[quarter[1]] : columns[-1 - quarter[1]] + 1,
    ]
    measured = middle[middle > 0]
    if not measured.size:
        return np.zeros(depth_m.shape, dtype=bool)
    near: np.ndarray = np.abs(depth_m - np.median(measured)) < _WINDOW
    return near


def _largest_part(mask: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask, without bridges of a pixel."""
    thinned = erode_mask(mask, 1)
    parts = separate_parts(thinned if thinned.any() else mask, depth_m, 1)
    if not parts:
        return np.zeros(mask.shape, dtype=bool)
    part = max(parts, key=np.count_nonzero)
    grown: np.ndarray = ~erode_mask(~part, 1) & mask
    return grown
