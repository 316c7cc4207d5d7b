# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clouds of all objects of a frame in one pass over its label image, on the networks' device.

What `label_clouds` does in NumPy, in tensor operations: depth and labels go there once, pixels are
sorted there, and the host waits twice, for the counts that random draws need and for the points.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import sample_rows

__all__ = ["back_projected", "clouds_on_device"]


@torch.inference_mode()
def clouds_on_device(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    instances: Sequence[Instance],
    labels: np.ndarray,
    settings: EstimatorSettings,
    device: torch.device,
) -> list[ObjectCloud | None]:
    """Return what `clouds_of_pixels` does, the same points but for the last digit.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        instances: of known categories.
        labels: (H, W) unsigned, 1 to B on the instances and 0 elsewhere.
        settings: limits and filters.
        device: where it is computed.
    """
    found: list[ObjectCloud | None] = [None] * len(instances)
    if settings.outlier_std_ratio > 0:
        return found
    owner = torch.from_numpy(labels.astype(np.int32, copy=False)).to(device)
    z_m = torch.from_numpy(depth_m.astype(np.float32, copy=False)).to(device)
    size = len(instances) + 1
    valid = (z_m >= settings.depth_min_m) & (z_m <= settings.depth_max_m) & (z_m > 0)
    masked = _counts(owner, size)
    usual = 2 * _counts(torch.where(valid, owner, 0), size) > masked
    kept = torch.where(valid & _eroded(owner, settings.mask_erosion_px), owner, 0).flatten()
    depths = z_m.flatten()
    usual &= _counts(kept, size) >= settings.min_points
    if settings.depth_window_m > 0:
        medians = _medians(depths, kept, size)
        near = (depths - medians[kept.long()]).abs() <= settings.depth_window_m
        kept = torch.where(near, kept, 0)
    counts = _counts(kept, size)
    usual &= counts >= settings.min_points
    pixels = kept.argsort(stable=True)  # object after object, row by row in each
    ends = counts.cumsum(0)
    told = torch.stack((counts, ends - counts, usual.long())).cpu().numpy()[:, 1:]
    chosen = np.flatnonzero(told[2]).tolist()
    if not chosen:
        return found
    rows = [
        told[1, k]
        + sample_rows(int(told[0, k]), settings.points, np.random.default_rng(settings.seed))
        for k in chosen
    ]
    drawn = pixels[torch.from_numpy(np.concatenate(rows)).to(device)]
    points_cam = back_projected(drawn, depths[drawn], camera).cpu().numpy()
    for k, points in zip(chosen, points_cam.reshape(len(chosen), -1, 3), strict=True):
        found[k] = ObjectCloud(instances[k], points, int(told[0, k]), shuffled=True)
    return found


def _counts(owner: Tensor, size: int) -> Tensor:
    """Pixels (size,) of each label, the background's first."""
    return torch.bincount(owner.flatten(), minlength=size)


def _medians(depths: Tensor, owner: Tensor, size: int) -> Tensor:
    """Medians (size,) float32 of the depths (P,) of each label (P,), as of `np.median`."""
    by_depth = depths.argsort()
    ordered = depths[by_depth[owner[by_depth].argsort(stable=True)]]
    counts = _counts(owner, size)
    first = counts.cumsum(0) - counts
    last = len(depths) - 1
    lower, upper = (first + (counts - 1).clamp_min(0) // 2), first + counts // 2
    return (ordered[lower.clamp_max(last)] + ordered[upper.clamp_max(last)]) / 2


def _eroded(owner: Tensor, width_px: int) -> Tensor:
    """Which pixels (H, W) are left of every mask without its border, see `erode_mask`."""
    image = torch.ones_like(owner, dtype=torch.bool)
    for step in range(width_px):
        # One pixel in, masks no longer touch: their neighbours are then in or out.
        image = _alike(owner) if step == 0 else _alike(image) & image
    return image


def _alike(image: Tensor) -> Tensor:
    """Where an image (H, W) is the same in the square of 3 x 3 pixels around, as far as it goes."""
    across = torch.ones_like(image, dtype=torch.bool)
    same = image[:, 1:] == image[:, :-1]
    across[:, 1:] &= same
    across[:, :-1] &= same
    alike = across.clone()
    same = (image[1:] == image[:-1]) & across[1:] & across[:-1]
    alike[1:] &= same
    alike[:-1] &= same
    return alike


def back_projected(pixels: Tensor, z_m: Tensor, camera: PinholeCamera) -> Tensor:
    """Return the points (..., 3) float32 of pixels, as of `PinholeCamera.back_project_pixels`.

    Args:
        pixels: (...) their numbers, row by row.
        z_m: (...) their depth, metres along z.
        camera: of the image.
    """
    v, u = pixels // camera.width, pixels % camera.width
    z = z_m.double()
    x, y = (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z
    return torch.stack((x, y, z), -1).float()
