# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Back-projection of a depth image and a mask to the points of one object."""

from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.frame import Frame, Instance, check_frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.geometry.clouds import (
    bounding_box,
    erode_mask,
    sample_points,
    sample_rows,
    statistical_inliers,
)

__all__ = ["ObjectCloud", "object_cloud", "shuffled_cloud", "valid_depth"]

#: Masks whose depth is mostly nearer or farther, metres, are of no object that anybody handles,
#: unless the settings' own limits reach farther.
_NEAREST_M, _FARTHEST_M = 0.1, 10.0


@dataclass(frozen=True)
class ObjectCloud:
    """Points of one object, what the networks encode.

    The light model encodes the first points of a cloud alone, so their order matters: points row
    by row, as pixels come, would show it one end of the object. Clouds that are not marked as
    `shuffled` are sampled and shuffled by the estimator.

    Attributes:
        instance: where they come from.
        points_cam: (N, 3), N >= 1, metres, camera optical frame; float32 and N = `settings.points`
            when made by `object_cloud`.
        n_points: valid depth pixels they were sampled from.
        shuffled: whether the points are in random order, as `object_cloud` and `sample_points`
            return them.
        up_cam: which way is up, for models that take it; None: not known.

    Raises:
        ValueError: the points are not (N, 3) with N >= 1.

    Example:
        >>> mask = np.ones((2, 3), dtype=bool)
        >>> row_by_row = PinholeCamera(4.0, 4.0, 1.0, 0.5, 3, 2).back_project(np.ones((2, 3)), mask)
        >>> cloud = ObjectCloud(Instance(1, "mug", mask), row_by_row, len(row_by_row))
        >>> cloud.points_cam.shape, cloud.shuffled
        ((6, 3), False)
    """

    instance: Instance
    points_cam: np.ndarray
    n_points: int
    shuffled: bool = False
    up_cam: UpDirection | None = None

    @classmethod
    def of_points(
        cls,
        instance_id: int,
        category: str,
        points_cam: np.ndarray,
        *,
        up_cam: UpDirection | None = None,
    ) -> "ObjectCloud":
        """Return the cloud of points in random order that are of no image, as simulated ones.

        Args:
            instance_id: of the object.
            category: of it.
            points_cam: (N, 3), metres, camera optical frame.
            up_cam: as of the class.

        Example:
            >>> cloud = ObjectCloud.of_points(1, "mug", np.zeros((5, 3), np.float32))
            >>> cloud.instance.category, cloud.n_points, cloud.shuffled
            ('mug', 5, True)
        """
        instance = Instance(instance_id, category, np.ones((1, 1), dtype=bool))
        return cls(instance, points_cam, len(points_cam), shuffled=True, up_cam=up_cam)

    def __post_init__(self) -> None:
        shape = self.points_cam.shape
        if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
            raise ValueError(f"points_cam must be (N, 3) with N >= 1, got shape {shape}")


def object_cloud(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    instance: Instance,
    settings: EstimatorSettings,
    *,
    categories: CategorySet = NOCS,
) -> ObjectCloud | Rejection:
    """Return the points of one object at full resolution, or the reason why there are none.

    Only the mask's bounding box is read. The mask is eroded by `mask_erosion_px`, or by as
    much of that as leaves `min_points`. The random subset depends on `settings.seed` and this
    object alone.

    Args:
        depth_m: (H, W), metres along z; zero, negative, NaN and infinite are no measurement.
        camera: of the depth image.
        instance: the object.
        settings: limits and filters.
        categories: that the model knows; objects of others are refused.

    Returns:
        `settings.points` points in random order, or a rejection: unknown category, mask or depth
        image of another size than the camera's, empty mask, no valid depth, too few points.

    Example:
        >>> camera = PinholeCamera(300.0, 300.0, 80.0, 60.0, 160, 120)
        >>> mask = np.zeros((120, 160), dtype=bool)
        >>> mask[50:70, 70:90] = True
        >>> can = Instance(1, "can", mask)
        >>> cloud = object_cloud(np.full((120, 160), 0.8), camera, can, EstimatorSettings())
        >>> cloud.points_cam.shape, cloud.n_points  # the mask is eroded by a pixel
        ((1024, 3), 324)
        >>> object_cloud(np.zeros((120, 160)), camera, can, EstimatorSettings()).detail
        "none of the mask's 400 pixels have a depth of 0.1 to 5 m: none is measured"
    """
    refused = check_frame(Frame(depth_m, camera)) or _check_instance(instance, camera, categories)
    if refused is not None:
        return replace(refused, instance_id=instance.id)
    box = bounding_box(instance.mask, margin_px=settings.mask_erosion_px)
    if box is None:
        return _reject(Reason.MASK_EMPTY, "the mask has no pixel", instance)
    mask = instance.mask[box].astype(bool, copy=False)
    pixels = np.flatnonzero(mask)
    z_m = depth_m[box].ravel()[pixels]
    valid = valid_depth(z_m, settings)
    n_valid = int(np.count_nonzero(valid))
    if n_valid == 0 or _mostly_out_of_reach(z_m, settings):
        return _reject(Reason.NO_VALID_DEPTH, _without_depth(z_m, settings), instance)
    kept = _without_border(valid, pixels, mask, settings)
    pixels, z_m = pixels[kept], z_m[kept]
    within, view = _within_window(z_m, settings), camera.cropped(*box)
    if within is not None:
        pixels, z_m = pixels[within], z_m[within]
    if settings.outlier_std_ratio > 0:
        near = _inliers(view.back_project_pixels(pixels, z_m), settings)
        pixels, z_m = pixels[near], z_m[near]
    if len(pixels) < settings.min_points:
        detail = (
            f"{len(pixels)} points are left of {n_valid} pixels with depth, "
            f"expected at least {settings.min_points}"
        )
        return _reject(Reason.TOO_FEW_POINTS, detail, instance)
    # Pixels are drawn before they are made points, which most of them never become.
    drawn = sample_rows(len(pixels), settings.points, np.random.default_rng(settings.seed))
    points_cam = view.back_project_pixels(pixels[drawn], z_m[drawn])
    return ObjectCloud(instance, points_cam, len(pixels), shuffled=True)


def shuffled_cloud(cloud: ObjectCloud, settings: EstimatorSettings) -> ObjectCloud:
    """Return a cloud of `settings.points` points in random order; a shuffled one as it is.

    Args:
        cloud: with any number of points in any order.
        settings: number of points, and the seed: the draw depends on it and on this cloud alone.

    Example:
        >>> points_cam = np.arange(6000.0).reshape(2000, 3)
        >>> own = ObjectCloud(Instance(1, "mug", np.ones((1, 1), dtype=bool)), points_cam, 2000)
        >>> shuffled = shuffled_cloud(own, EstimatorSettings())
        >>> shuffled.points_cam.shape, shuffled.shuffled
        ((1024, 3), True)
    """
    if cloud.shuffled:
        return cloud
    rng = np.random.default_rng(settings.seed)
    points_cam = sample_points(cloud.points_cam, settings.points, rng)
    return replace(cloud, points_cam=points_cam.astype(np.float32, copy=False), shuffled=True)


def _check_instance(
    instance: Instance, camera: PinholeCamera, categories: CategorySet
) -> Rejection | None:
    if instance.category not in categories:
        expected = ", ".join(categories.names)
        detail = f"category {instance.category!r} is none of {expected}"
        return _reject(Reason.UNKNOWN_CATEGORY, detail, instance)
    expected_shape = (camera.height, camera.width)
    if instance.mask.shape != expected_shape:
        detail = (
            f"the mask has shape {instance.mask.shape}, expected {expected_shape} of the camera"
        )
        return _reject(Reason.SIZE_MISMATCH, detail, instance)
    return None


def valid_depth(depth_m: np.ndarray, settings: EstimatorSettings) -> np.ndarray:
    """Return which depths are measured and within the limits, bool of their shape."""
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false, which is what is meant
        in_range = (depth_m >= settings.depth_min_m) & (depth_m <= settings.depth_max_m)
    valid: np.ndarray = in_range & (depth_m > 0)
    return valid


def _mostly_out_of_reach(depth_m: np.ndarray, settings: EstimatorSettings) -> bool:
    """Whether most of an object's pixels (M,) with a depth are where no object can be."""
    limits_m = min(_NEAREST_M, settings.depth_min_m), max(_FARTHEST_M, settings.depth_max_m)
    with np.errstate(invalid="ignore"):
        inside = np.count_nonzero((depth_m >= limits_m[0]) & (depth_m <= limits_m[1]))
    if limits_m[0] > 0 and 2 * inside > len(depth_m):
        return False  # the median is one of them
    measured = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    return not limits_m[0] <= float(np.median(measured)) <= limits_m[1]


def _without_depth(depth_m: np.ndarray, settings: EstimatorSettings) -> str:
    """A sentence about an object's pixels (M,), few or none of which have a depth in the limits."""
    low_m, high_m = settings.depth_min_m, settings.depth_max_m
    measured = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    inside = np.count_nonzero((measured >= low_m) & (measured <= high_m))
    sentence = (
        f"{inside or 'none'} of the mask's {depth_m.size} pixels have a depth of {low_m:g} to "
        f"{high_m:g} m"
    )
    if not measured.size:
        return f"{sentence}: none is measured"
    median_m = float(np.median(measured))
    sentence = f"{sentence}: the median is {median_m:.3g} m"
    for factor, units in (
        (0.001, "millimetres taken for metres"),
        (1000, "metres for millimetres"),
    ):
        if low_m <= median_m * factor <= high_m:
            return f"{sentence}, as of {units} (depth.unit, --depth-unit)"
    return f"{sentence} (is the unit right? depth.unit, --depth-unit)"


def _without_border(
    valid: np.ndarray, pixels: np.ndarray, mask: np.ndarray, settings: EstimatorSettings
) -> np.ndarray:
    """Which of the mask's pixels (M,) are valid and off its border, bool.

    The mask is eroded less where too few would be left.
    """
    for width_px in range(settings.mask_erosion_px, 0, -1):
        eroded: np.ndarray = valid & erode_mask(mask, width_px).ravel()[pixels]
        if np.count_nonzero(eroded) >= settings.min_points:
            return eroded
    return valid


def _within_window(z_m: np.ndarray, settings: EstimatorSettings) -> np.ndarray | None:
    """Which depths (M,) lie within the window about their median, bool; None: all."""
    if settings.depth_window_m == 0 or not len(z_m):
        return None
    z_m = z_m.astype(np.float32, copy=False)
    within: np.ndarray = np.abs(z_m - np.median(z_m)) <= settings.depth_window_m
    return within


def _inliers(points_cam: np.ndarray, settings: EstimatorSettings) -> np.ndarray:
    """Points that pass the statistical outlier filter, (M,) bool."""
    neighbours, std_ratio = settings.outlier_neighbours, settings.outlier_std_ratio
    return statistical_inliers(points_cam, neighbours, std_ratio)


def _reject(reason: Reason, detail: str, instance: Instance) -> Rejection:
    return Rejection(reason, detail, instance.id)
