# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sources of the direction up beside the depth image: a frame on TF, and the camera's IMU."""

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.gravity_filter import GravityFilter, ImuSample
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import CameraPoses, LocatedFrame

if TYPE_CHECKING:
    from sensor_msgs.msg import Imu
    from std_msgs.msg import Header

__all__ = ["UpSources", "asks_imu", "imu_sample"]

#: How well frames on TF are taken to stand upright: cameras are calibrated to a degree.
_TF_SIGMA_RAD = math.radians(1.0)
#: Deviations that an orientation's covariance is believed to say, and the one where it says none.
_LEAST_RAD, _MOST_RAD, _UNSAID_RAD = math.radians(0.2), math.radians(10.0), math.radians(1.0)


class UpSources:
    """Directions up of frames, as TF and the camera's IMU tell them.

    The z axis of `up_frame` counts where that is named; else the IMU where it is heard. All methods
    but `note` are to be called in one thread.

    Attributes:
        last: what the objects of the last frame were estimated with; None: nothing.
        last_s: when that was, monotonic; None: never.
        imu_problem: why the IMU told nothing of the last image; empty: it did, or was not asked.

    Args:
        transforms: where the IMU's place on the camera is looked up.
        settings: in force.
    """

    def __init__(self, transforms: CameraPoses, settings: Settings) -> None:
        self.last: UpDirection | None = None
        self.last_s: float | None = None
        self.imu_problem = ""
        self._transforms = transforms
        self._filter = GravityFilter()
        self._imu_frame = ""
        self._settings = settings

    @property
    def source(self) -> str:
        """Where the direction may come from."""
        return self._settings.estimator.up_source

    @property
    def asks_imu(self) -> bool:
        """Whether the IMU counts."""
        return asks_imu(self._settings)

    @property
    def imu_heard(self) -> bool:
        """Whether the IMU has sent anything."""
        return self._filter.newest_ns is not None

    def configure(self, settings: Settings) -> None:
        """Take other settings from now on."""
        self._settings = settings

    def clear(self) -> None:
        """Forget the IMU's samples, as after a jump of the clock."""
        self._filter = GravityFilter()

    def hear(self, message: "Imu") -> bool:
        """Take a message of the IMU; returns whether it counts, so that its place is wanted too."""
        if not self.asks_imu:
            return False
        frame = message.header.frame_id.lstrip("/")
        if frame != self._imu_frame:
            self._imu_frame = frame
            self.clear()
        sample = imu_sample(message)
        if sample is not None:
            self._filter.add(sample)
        return True

    def told(self, located: LocatedFrame) -> LocatedFrame:
        """Return a frame with what is known of the direction up at its image."""
        return replace(located, up_cam=self._up(located))

    def note(self, up_cam: UpDirection | None) -> None:
        """Note what the objects of a frame were estimated with; in any thread."""
        self.last = up_cam
        if up_cam is not None:
            self.last_s = time.monotonic()

    def _up(self, located: LocatedFrame) -> UpDirection | None:
        up_frame = self._settings.node.up_frame
        if self.source in ("auto", "tf") and up_frame in located.T_frame_cam:
            z_axis_cam = located.T_frame_cam[up_frame][2, :3]
            return UpDirection(z_axis_cam, _TF_SIGMA_RAD, None, "tf")
        if not self.asks_imu:
            return None
        found = self._imu_up(located.matched.depth.header)
        self.imu_problem = found if isinstance(found, str) else ""
        return None if isinstance(found, str) else found

    def _imu_up(self, header: "Header") -> UpDirection | str:
        """The direction that the IMU tells at an image, camera frame; else why it does not."""
        found = self._filter.up_at(stamp_ns(header))
        if isinstance(found, str) or self._imu_frame == header.frame_id:
            return found
        T_imu_cam = self._transforms.camera_in(self._imu_frame, header)
        if isinstance(T_imu_cam, Rejection):
            return T_imu_cam.detail
        return replace(found, direction_cam=T_imu_cam[:3, :3].T @ found.direction_cam)


def asks_imu(settings: Settings) -> bool:
    """Return whether an IMU may tell which way is up: it is asked, or no frame on TF is named."""
    source = settings.estimator.up_source
    return source == "imu" or (source == "auto" and not settings.node.up_frame)


def imu_sample(message: "Imu") -> ImuSample | None:
    """Return what an IMU's message measures; None: nothing, or no finite numbers.

    Args:
        message: of which -1 in the first place of a covariance says that there is no such
            measurement, and all zeros in one that nothing is known of its errors.
    """
    acceleration = _measured(message.linear_acceleration, message.linear_acceleration_covariance)
    rate = _measured(message.angular_velocity, message.angular_velocity_covariance)
    q, covariance = message.orientation, message.orientation_covariance
    quat_wxyz = np.array([q.w, q.x, q.y, q.z])
    up, sigma = None, _UNSAID_RAD
    unfilled = not np.any(covariance) and quat_wxyz[0] == 1  # as messages are made
    if covariance[0] != -1 and not unfilled and abs(float(np.linalg.norm(quat_wxyz)) - 1) < 0.01:
        rotation = rotation_from_quat_wxyz(torch.from_numpy(quat_wxyz)).numpy()
        up = rotation[2] / np.linalg.norm(rotation[2])  # the z axis of the world in its own frame
        variance = max(covariance[0], covariance[4])
        if variance > 0:
            sigma = min(max(math.sqrt(variance), _LEAST_RAD), _MOST_RAD)
    if acceleration is None and up is None and rate is None:
        return None
    return ImuSample(stamp_ns(message.header), acceleration, rate, up, sigma)


def _measured(vector: object, covariance: np.ndarray) -> np.ndarray | None:
    """The vector (3,), unless its covariance says that it is not measured, or it is not finite."""
    values = np.array([getattr(vector, axis) for axis in "xyz"], dtype=np.float64)
    if covariance[0] == -1 or not np.isfinite(values).all():
        return None
    return values
