# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clouds of all objects of a frame in one pass over its pixels."""

from collections.abc import Sequence

import numpy as np

from genpose_ros.estimation.back_projection import ObjectCloud, valid_depth
from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.labelled_pixels import LabelledPixels
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import sample_rows

__all__ = ["clouds_of_pixels"]


def clouds_of_pixels(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    instances: Sequence[Instance],
    pixels: LabelledPixels,
    settings: EstimatorSettings,
) -> list[ObjectCloud | None]:
    """Return what `object_cloud` does of each object, where nothing about it is out of the usual.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        instances: of known categories, whose masks `pixels` are of.
        pixels: of the masks, in their order.
        settings: limits and filters.

    Returns:
        The same points, but for the last digit; None: `object_cloud` has to look, as where there is
        too little depth, or outliers are to be taken out.
    """
    count = len(instances)
    if settings.outlier_std_ratio > 0 or not len(pixels.index):
        return [None] * count
    z_m = depth_m.ravel()[pixels.index]
    valid = valid_depth(z_m, settings)
    usual = 2 * _sums(valid, pixels.starts) > pixels.counts
    inside = valid & pixels.eroded(settings.mask_erosion_px) if settings.mask_erosion_px else valid
    counts = _sums(inside, pixels.starts)
    usual &= counts >= settings.min_points
    index, z_m = pixels.index[inside], z_m[inside]
    index, z_m, counts = _windowed(index, z_m, counts, settings)
    usual &= counts >= settings.min_points
    chosen = np.flatnonzero(usual).tolist()
    if not chosen:
        return [None] * count
    first = counts.cumsum() - counts
    rows = np.stack(
        [
            first[k] + sample_rows(counts[k], settings.points, np.random.default_rng(settings.seed))
            for k in chosen
        ]
    ).ravel()
    # Pixels are drawn before they are made points, which most of them never become.
    points_cam = camera.back_project_pixels(index[rows], z_m[rows])
    found: list[ObjectCloud | None] = [None] * count
    for k, points in zip(chosen, points_cam.reshape(len(chosen), -1, 3), strict=True):
        found[k] = ObjectCloud(instances[k], points, int(counts[k]), shuffled=True)
    return found


def _sums(marked: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """How many of each object's pixels (P,) are marked, (B,)."""
    upto = np.concatenate(([0], marked.cumsum()))
    counts: np.ndarray = np.diff(upto[starts])
    return counts


def _windowed(
    index: np.ndarray, z_m: np.ndarray, counts: np.ndarray, settings: EstimatorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, depths and counts (B,) of what lies within the window about each object's median."""
    if settings.depth_window_m == 0:
        return index, z_m, counts
    each = z_m.astype(np.float32, copy=False)
    ends = counts.cumsum()
    parts = [each[end - count : end] for end, count in zip(ends, counts, strict=True)]
    medians = np.array([_median(part) for part in parts], dtype=np.float32)
    within = np.abs(each - np.repeat(medians, counts)) <= settings.depth_window_m
    if within.all():
        return index, z_m, counts
    left = _sums(within, np.concatenate(([0], ends)))
    return index[within], z_m[within], left


def _median(values: np.ndarray) -> float:
    """The median as of `np.median`, which looks at much more; 0 where there is nothing."""
    if not len(values):
        return 0.0
    half = len(values) // 2
    ordered = values.copy()
    ordered.partition(half)
    upper = ordered[half]
    return float(upper if len(values) % 2 else (ordered[:half].max() + upper) / 2)
