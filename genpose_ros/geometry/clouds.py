# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks and point clouds: bounding boxes, erosion, outliers, sampling, rigid transforms."""

import numpy as np

__all__ = [
    "bounding_box",
    "erode_mask",
    "inverse_transform_points",
    "sample_points",
    "sample_rows",
    "statistical_inliers",
    "transform_points",
]


def bounding_box(mask: np.ndarray, margin_px: int = 0) -> tuple[slice, slice] | None:
    """Return rows and columns of the smallest box around the true pixels of a mask.

    Args:
        mask: (H, W) bool.
        margin_px: pixels that the box is widened by on each side, up to the image border.

    Returns:
        Slices that crop an image of the mask's size; None when no pixel is true.

    Example:
        >>> mask = np.zeros((4, 6), dtype=bool)
        >>> mask[1:3, 4] = True
        >>> bounding_box(mask, margin_px=1)
        (slice(0, 4, None), slice(3, 6, None))
    """
    rows = np.flatnonzero(_as_words(mask).any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    top, left = (max(int(i[0]) - margin_px, 0) for i in (rows, columns))
    bottom, right = (int(i[-1]) + 1 + margin_px for i in (rows, columns))
    return slice(top, min(bottom, mask.shape[0])), slice(left, min(right, mask.shape[1]))


def _as_words(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) as (H, W / 8) numbers of eight pixels each, where it lies in memory so."""
    whole = mask.dtype == bool and mask.flags.c_contiguous and mask.shape[1] % 8 == 0
    return mask.view(np.uint64) if whole and mask.size else mask


def erode_mask(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Return the mask without its border: true where the (2 pixels + 1)^2 square around is true.

    The image border does not count as the object's border: an object cut off by it is not eroded
    there.

    Args:
        mask: (H, W) bool.
        pixels: width of the border taken off; 0 returns the mask itself.

    Raises:
        ValueError: `pixels` is negative.

    Example:
        >>> mask = np.zeros((3, 6), dtype=bool)
        >>> mask[:, :4] = True
        >>> erode_mask(mask, 1)[1].tolist()
        [True, True, True, False, False, False]
    """
    if pixels < 0:
        raise ValueError(f"pixels must not be negative, got {pixels}")
    if pixels == 0:
        return mask
    eroded = mask.astype(bool)
    for _ in range(pixels):  # a pixel at a time: the square of p is p squares of 1
        across = eroded.copy()
        across[:, 1:] &= eroded[:, :-1]
        across[:, :-1] &= eroded[:, 1:]
        eroded = across.copy()
        eroded[1:] &= across[:-1]
        eroded[:-1] &= across[1:]
    return eroded


def statistical_inliers(points: np.ndarray, neighbours: int, std_ratio: float) -> np.ndarray:
    """Return which points the statistical outlier filter keeps.

    A point is an outlier when its mean distance to its nearest neighbours exceeds the mean of that
    over the cloud by more than `std_ratio` standard deviations.

    Args:
        points: (M, 3), metres.
        neighbours: how many neighbours count; clouds that have fewer are all inliers.
        std_ratio: the larger, the fewer outliers.

    Returns:
        (M,) bool, true for inliers.

    Example:
        >>> line = np.stack([np.arange(9.0), np.zeros(9), np.zeros(9)], axis=-1)
        >>> line[8, 1] = 50.0
        >>> statistical_inliers(line, neighbours=2, std_ratio=2.0).tolist()
        [True, True, True, True, True, True, True, True, False]
    """
    from scipy.spatial import cKDTree

    if len(points) <= neighbours:
        return np.ones(len(points), dtype=bool)
    distances, _ = cKDTree(points).query(points, k=neighbours + 1)
    mean_distance = distances[:, 1:].mean(axis=1)
    limit = mean_distance.mean() + std_ratio * mean_distance.std()
    inliers: np.ndarray = mean_distance <= limit
    return inliers


def sample_points(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n points of a cloud in random order: a subset, or all of them, repeated.

    A cloud with fewer than n points is shuffled, then repeated until there are n: its first points
    are spread over all of it too, as networks that encode those alone need them.

    Args:
        points: (M, 3).
        n: how many.
        rng: source of the draw.

    Returns:
        (n, 3), of the dtype of `points`.

    Raises:
        ValueError: there is no point.

    Example:
        >>> points = np.arange(15.0).reshape(5, 3)
        >>> some = sample_points(points, 3, np.random.default_rng(0))
        >>> some.shape, len({tuple(row) for row in some.tolist()})
        ((3, 3), 3)
    """
    sample: np.ndarray = points[sample_rows(len(points), n, rng)]
    return sample


def sample_rows(count: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows (n,) that `sample_points` takes of a cloud with `count` points.

    Args:
        count: how many there are.
        n: how many to take.
        rng: source of the draw.

    Raises:
        ValueError: there is no point.

    Example:
        >>> sorted(sample_rows(3, 6, np.random.default_rng(0)).tolist())
        [0, 0, 1, 1, 2, 2]
    """
    if count == 0:
        raise ValueError("cannot sample from an empty cloud")
    if count <= n:
        return np.resize(rng.permutation(count), n)
    return rng.choice(count, size=n, replace=False)


def transform_points(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points in the frame that a transform leads to, (..., 3).

    Args:
        T: (4, 4), such as T_cam_obj, object to camera.
        points: (..., 3) in the frame it leads from, in the unit of its translation.

    Example:
        >>> T_cam_obj = np.array([[0.0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        >>> transform_points(T_cam_obj, np.array([[1.0, 2.0, 3.0]])).tolist()
        [[3.0, 1.0, 3.0]]
    """
    moved: np.ndarray = points @ T[:3, :3].T + T[:3, 3]
    return moved


def inverse_transform_points(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points in the frame that a rigid transform leads from, (..., 3).

    Args:
        T: (4, 4), such as T_cam_obj, object to camera.
        points: (..., 3) in the frame it leads to, in the unit of its translation.

    Example:
        >>> T_cam_obj = np.array([[0.0, -1, 0, 5], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        >>> inverse_transform_points(T_cam_obj, np.array([[3.0, 1.0, 3.0]])).tolist()
        [[1.0, 2.0, 3.0]]
    """
    moved: np.ndarray = (points - T[:3, 3]) @ T[:3, :3]
    return moved
