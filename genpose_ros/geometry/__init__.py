# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rotations, the pinhole camera, point clouds, categories and their symmetries."""

from genpose_ros.geometry.calibration import Calibration
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import (
    CATEGORIES,
    DEFORMATIONS,
    NOCS,
    Category,
    CategorySet,
    category_id,
    category_name,
)
from genpose_ros.geometry.clouds import (
    bounding_box,
    erode_mask,
    inverse_transform_points,
    sample_points,
    statistical_inliers,
    transform_points,
)
from genpose_ros.geometry.registration import at_pixels, mask_at_pixels, pixels_in_image
from genpose_ros.geometry.rotations import (
    axis_angle_rad,
    columns_from_rotation,
    geodesic_angle,
    mean_rotation,
    quat_wxyz_from_rotation,
    random_rotations,
    rotation_from_columns,
    rotation_from_quat_wxyz,
    so3_exp,
    so3_log,
)
from genpose_ros.geometry.symmetry import (
    handle_visible,
    is_symmetric,
    nearest_equivalent,
    pin_yaw,
    rotation_error_deg,
)
from genpose_ros.geometry.symmetry_groups import Symmetry, SymmetryBatch
from genpose_ros.geometry.transforms import (
    is_transform,
    pose_difference,
    rotate_covariance,
    with_uniform_angle,
)

__all__ = [
    "CATEGORIES",
    "DEFORMATIONS",
    "NOCS",
    "Calibration",
    "Category",
    "CategorySet",
    "PinholeCamera",
    "Symmetry",
    "SymmetryBatch",
    "at_pixels",
    "axis_angle_rad",
    "bounding_box",
    "category_id",
    "category_name",
    "columns_from_rotation",
    "erode_mask",
    "geodesic_angle",
    "handle_visible",
    "inverse_transform_points",
    "is_symmetric",
    "is_transform",
    "mask_at_pixels",
    "mean_rotation",
    "nearest_equivalent",
    "pin_yaw",
    "pixels_in_image",
    "pose_difference",
    "quat_wxyz_from_rotation",
    "random_rotations",
    "rotate_covariance",
    "rotation_error_deg",
    "rotation_from_columns",
    "rotation_from_quat_wxyz",
    "sample_points",
    "so3_exp",
    "so3_log",
    "statistical_inliers",
    "transform_points",
    "with_uniform_angle",
]
