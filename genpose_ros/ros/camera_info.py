# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of CameraInfo messages to calibrations and, once the image is known, to cameras."""

from typing import TYPE_CHECKING

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.geometry.camera import PinholeCamera

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

__all__ = ["calibrated_camera", "calibration_from_info"]


def calibration_from_info(message: "CameraInfo") -> Calibration:
    """Return what a sensor_msgs/CameraInfo says of its camera."""
    region = message.roi
    return Calibration(
        k=tuple(map(float, message.k)),
        p=tuple(map(float, message.p)),
        d=tuple(map(float, message.d)),
        width=int(message.width),
        height=int(message.height),
        region=(int(region.x_offset), int(region.y_offset), int(region.width), int(region.height)),
        binning=(int(message.binning_x), int(message.binning_y)),
    )


def calibrated_camera(
    calibration: Calibration, shape: tuple[int, ...], *, rectified: bool
) -> PinholeCamera | Rejection:
    """Return the camera of an image, or why the calibration is none.

    Args:
        calibration: of camera_info.
        shape: (H, W) of the image; counts where camera_info does not say its size.
        rectified: the image is rectified, see `Calibration.camera`.
    """
    try:
        return calibration.camera((shape[1], shape[0]), rectified=rectified)
    except ValueError as error:
        return Rejection(Reason.BAD_INTRINSICS, f"camera_info: {error}")
