# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of CameraInfo messages to pinhole cameras."""

import numpy as np
from sensor_msgs.msg import CameraInfo

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["camera_from_info", "is_distorted"]


def is_distorted(message: CameraInfo) -> bool:
    """Whether a sensor_msgs/CameraInfo has a lens distortion, which a pinhole camera has not."""
    return bool(np.any(np.asarray(message.d, dtype=np.float64)))


def camera_from_info(message: CameraInfo, *, rectified: bool = True) -> PinholeCamera | Rejection:
    """Return the camera of the image that a sensor_msgs/CameraInfo came with.

    K, P, width and height describe the full sensor; the image is the region of interest of it
    (offsets in full-resolution pixels), then binned (REP 104).

    Args:
        message: the CameraInfo.
        rectified: the image is rectified, so that P describes it (K where P is not filled in);
            false: take K.
    """
    projection = np.asarray(message.p, dtype=np.float64).reshape(3, 4)
    matrix = np.asarray(message.k, dtype=np.float64).reshape(3, 3)
    if rectified and projection.any():
        matrix = projection[:, :3]
    region = message.roi
    binning = np.array([message.binning_x or 1, message.binning_y or 1], dtype=np.int64)
    size = np.array(
        [region.width or message.width, region.height or message.height], dtype=np.int64
    )
    offset = np.array([region.x_offset, region.y_offset])
    fx, fy = (np.array([matrix[0, 0], matrix[1, 1]]) / binning).tolist()
    cx, cy = ((np.array([matrix[0, 2], matrix[1, 2]]) - offset) / binning).tolist()
    width, height = (size // binning).tolist()
    try:
        return PinholeCamera(fx, fy, cx, cy, width, height)
    except ValueError as error:
        return Rejection(Reason.BAD_INTRINSICS, f"camera_info: {error}")
