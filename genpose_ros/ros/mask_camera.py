# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Camera whose image was segmented, where that is not the depth image's: intrinsics and place."""

from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.geometry.transforms import is_transform
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.matching import MaskCamera
from genpose_ros.ros.transform_queue import CameraPoses

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo
    from std_msgs.msg import Header

__all__ = ["MaskCameraSource", "extrinsics_matrix"]

_CURE = "publish extrinsics (realsense-ros: .../extrinsics/depth_to_color) or the transform on /tf"


class MaskCameraSource:
    """What has been told of the camera whose image is segmented.

    Its place is what an extrinsics message says; without one, what TF does.

    Attributes:
        calibration: the newest; None: there was none yet.

    Args:
        transforms: what TF tells.
    """

    def __init__(self, transforms: CameraPoses) -> None:
        self.calibration: Calibration | None = None
        self._frame = ""
        self._T_mask_depth: np.ndarray | None = None
        self._problem = ""
        self._transforms = transforms

    def take_camera_info(self, message: "CameraInfo") -> None:
        """Take the intrinsics, and the frame that TF knows the camera by."""
        self._frame = message.header.frame_id.lstrip("/")
        self.calibration = calibration_from_info(message)

    def take_extrinsics(self, message: Any) -> None:
        """Take a message with `rotation` and `translation`, see `extrinsics_matrix`."""
        try:
            self._T_mask_depth, self._problem = extrinsics_matrix(message), ""
        except ValueError as error:
            self._problem = f"; {error}"

    def find(self, header: "Header") -> MaskCamera | Rejection:
        """Return the camera for the depth image of a header, or what is missing.

        Args:
            header: names the depth camera's frame.
        """
        if self.calibration is None:
            detail = (
                "no camera_info of the image that was segmented has arrived yet (topic "
                "mask_camera_info, see depth.aligned)"
            )
            return Rejection(Reason.BAD_INTRINSICS, detail)
        if self._T_mask_depth is not None:
            return MaskCamera(self.calibration, self._T_mask_depth)
        if not self._frame:
            detail = f"mask_camera_info names no frame, and there are no extrinsics: {_CURE}"
            return Rejection(Reason.NO_TRANSFORM, detail + self._problem)
        found = self._transforms.camera_in(self._frame, header)
        if isinstance(found, Rejection):
            return Rejection(found.reason, f"{found.detail}; {_CURE}{self._problem}")
        return MaskCamera(self.calibration, found)


def extrinsics_matrix(message: Any) -> np.ndarray:
    """Return the transform (4, 4) of a realsense2_camera_msgs/Extrinsics, metres.

    It leads from the first camera of the topic's name to the second: depth_to_color.

    Args:
        message: `rotation`, 9 numbers column by column, and `translation`, 3 metres.

    Raises:
        ValueError: it lacks these, or they are no rigid transform.
    """
    kind = str(getattr(message, "__msgtype__", type(message).__name__))
    try:
        rotation = np.asarray(message.rotation, dtype=np.float64).reshape(3, 3).T
        translation = np.asarray(message.translation, dtype=np.float64).reshape(3)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{kind} on extrinsics has no rotation of 9 and translation of 3 numbers"
        ) from error
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    if not is_transform(matrix):
        raise ValueError(f"{kind} on extrinsics is no rotation and translation")
    return matrix
