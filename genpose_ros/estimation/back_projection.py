"""From a depth image and a mask to the points of one object, or the reason why there are none."""

from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.geometry.clouds import (
    bounding_box,
    erode_mask,
    sample_points,
    statistical_inliers,
)

__all__ = ["ObjectCloud", "object_cloud"]


@dataclass(frozen=True)
class ObjectCloud:
    """The points of one object.

    Attributes:
        instance: where they come from.
        points_cam: (N, 3) float32, metres, camera frame, N = `settings.points`.
        n_points: valid depth pixels they were sampled from.
    """

    instance: Instance
    points_cam: np.ndarray
    n_points: int


def object_cloud(
    depth_m: np.ndarray, camera: PinholeCamera, instance: Instance, settings: EstimatorSettings
) -> ObjectCloud | Rejection:
    """Return the points of one object at full resolution, or why there are none.

    Only the mask's bounding box is looked at. The mask is eroded by `mask_erosion_px`, or by as
    much of that as leaves `min_points`. The random subset depends on `settings.seed` and this
    object alone.

    Args:
        depth_m: (H, W), metres along z; zero, negative, NaN and infinite are no measurement.
        camera: of the depth image.
        instance: the object.
        settings: limits and filters.
    """
    refused = _refuse(depth_m, camera, instance)
    if refused is not None:
        return refused
    box = bounding_box(instance.mask, margin_px=settings.mask_erosion_px)
    if box is None:
        return _reject(Reason.MASK_EMPTY, "the mask has no pixel", instance)
    mask = instance.mask[box].astype(bool, copy=False)
    valid = _valid_depth(depth_m[box], settings) & mask
    n_valid = int(valid.sum())
    if n_valid == 0:
        limits = f"{settings.depth_min_m:g} to {settings.depth_max_m:g} m"
        detail = f"none of the mask's {int(mask.sum())} pixels has a depth of {limits}"
        return _reject(Reason.NO_VALID_DEPTH, detail, instance)
    valid = _without_border(valid, mask, settings)
    points_cam = camera.cropped(*box).back_project(depth_m[box], valid)
    points_cam = points_cam[_inliers(points_cam, settings)]
    if len(points_cam) < settings.min_points:
        detail = (
            f"{len(points_cam)} points are left of {n_valid} pixels with depth, "
            f"expected at least {settings.min_points}"
        )
        return _reject(Reason.TOO_FEW_POINTS, detail, instance)
    rng = np.random.default_rng(settings.seed)
    return ObjectCloud(
        instance, sample_points(points_cam, settings.points, rng), n_points=len(points_cam)
    )


def _refuse(depth_m: np.ndarray, camera: PinholeCamera, instance: Instance) -> Rejection | None:
    if instance.category not in CATEGORIES:
        expected = ", ".join(CATEGORIES)
        detail = f"category {instance.category!r} is none of {expected}"
        return _reject(Reason.UNKNOWN_CATEGORY, detail, instance)
    expected_shape = (camera.height, camera.width)
    for name, image in (("depth image", depth_m), ("mask", instance.mask)):
        if image.shape != expected_shape:
            detail = f"the {name} has shape {image.shape}, expected {expected_shape} of the camera"
            return _reject(Reason.SIZE_MISMATCH, detail, instance)
    return None


def _valid_depth(depth_m: np.ndarray, settings: EstimatorSettings) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false, which is what is meant
        in_range = (depth_m >= settings.depth_min_m) & (depth_m <= settings.depth_max_m)
    valid: np.ndarray = in_range & (depth_m > 0)
    return valid


def _without_border(valid: np.ndarray, mask: np.ndarray, settings: EstimatorSettings) -> np.ndarray:
    """The valid pixels off the mask's border, eroded less where too few would be left."""
    for pixels in range(settings.mask_erosion_px, 0, -1):
        eroded = valid & erode_mask(mask, pixels)
        if eroded.sum() >= settings.min_points:
            return eroded
    return valid


def _inliers(points_cam: np.ndarray, settings: EstimatorSettings) -> np.ndarray:
    """Which points pass the depth window and then the statistical outlier filter, (M,) bool."""
    keep = np.ones(len(points_cam), dtype=bool)
    if settings.depth_window_m > 0:
        z = points_cam[:, 2]
        keep = np.abs(z - np.median(z)) <= settings.depth_window_m
    if settings.outlier_std_ratio > 0:
        keep[keep] = statistical_inliers(
            points_cam[keep], settings.outlier_neighbours, settings.outlier_std_ratio
        )
    return keep


def _reject(reason: Reason, detail: str, instance: Instance) -> Rejection:
    return Rejection(reason, detail, instance.id)
