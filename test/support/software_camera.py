# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RealSense camera in software: librealsense's own frames, without a camera."""

from typing import Any

import numpy as np
import pyrealsense2 as rs

DEPTH_SIZE, COLOR_SIZE = (64, 48), (96, 72)
#: Turned by a degree about y, and 15 mm beside the depth camera.
TURN_RAD, SHIFT_M = np.radians(1.0), 0.015


def intrinsics(size: tuple[int, int], f_px: float) -> Any:
    made = rs.intrinsics()
    made.width, made.height = size
    made.fx = made.fy = f_px
    made.ppx, made.ppy = size[0] / 2 + 0.5, size[1] / 2 - 0.5
    made.model, made.coeffs = rs.distortion.brown_conrady, [0.0] * 5
    return made


def _video(kind: Any, number: int, form: Any, bytes_per_pixel: int, about: Any) -> Any:
    stream = rs.video_stream()
    stream.type, stream.uid, stream.fmt, stream.bpp = kind, number, form, bytes_per_pixel
    stream.width, stream.height, stream.fps = about.width, about.height, 30
    stream.intrinsics = about
    return stream


class SoftwareCamera:
    """Depth, colour and accelerometer, whose frames are pushed by hand.

    Attributes:
        queue: of framesets, as librealsense matches them.
    """

    def __init__(self, *, imu: bool = False) -> None:
        self.device = rs.software_device()
        self._depth, self._color = (self.device.add_sensor(n) for n in ("Stereo", "RGB"))
        self._depth.add_read_only_option(rs.option.depth_units, 0.001)
        depth = _video(rs.stream.depth, 0, rs.format.z16, 2, intrinsics(DEPTH_SIZE, 60.0))
        color = _video(rs.stream.color, 1, rs.format.rgb8, 3, intrinsics(COLOR_SIZE, 95.0))
        self.depth_profile = self._depth.add_video_stream(depth)
        self.color_profile = self._color.add_video_stream(color)
        c, s = float(np.cos(TURN_RAD)), float(np.sin(TURN_RAD))
        extrinsics = rs.extrinsics()
        extrinsics.rotation = [c, 0, -s, 0, 1, 0, s, 0, c]  # column by column
        extrinsics.translation = [SHIFT_M, 0, 0]
        self.depth_profile.register_extrinsics_to(self.color_profile, extrinsics)
        sensors = [self._depth, self._color]
        self._motion: Any = None
        if imu:
            sensors.append(self._add_imu())
        self.queue = rs.syncer(16)
        for sensor in sensors:
            sensor.open(sensor.get_stream_profiles())
            sensor.start(self.queue)

    def _add_imu(self) -> Any:
        self._motion = self.device.add_sensor("Motion")
        stream = rs.motion_stream()
        stream.type, stream.uid, stream.fps = rs.stream.accel, 2, 100
        stream.fmt, stream.intrinsics = rs.format.motion_xyz32f, rs.motion_device_intrinsic()
        self.motion_profile = self._motion.add_motion_stream(stream)
        same = rs.extrinsics()
        same.rotation, same.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [-0.01, 0, 0]
        self.depth_profile.register_extrinsics_to(self.motion_profile, same)
        return self._motion

    def push_depth(self, number: int, depth_mm: np.ndarray) -> None:
        frame = self._frame(number, depth_mm.astype(np.uint16), 2, self.depth_profile)
        frame.depth_units = 0.001
        self._depth.on_video_frame(frame)

    def push_color(self, number: int, pixels: np.ndarray) -> None:
        self._color.on_video_frame(self._frame(number, pixels, 3, self.color_profile))

    def push_acceleration(self, number: int, values: tuple[float, float, float]) -> None:
        frame, vector = rs.software_motion_frame(), rs.vector()
        vector.x, vector.y, vector.z = values
        frame.data, frame.timestamp, frame.frame_number = vector, 33.0 * number, number
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.profile = self.motion_profile.as_motion_stream_profile()
        self._motion.on_motion_frame(frame)

    def push(self, number: int, depth_mm: np.ndarray) -> None:
        """Both images of a moment; the colour image is grey."""
        self.push_depth(number, depth_mm)
        self.push_color(number, np.full((*COLOR_SIZE[::-1], 3), 90, np.uint8))

    @staticmethod
    def _frame(number: int, pixels: np.ndarray, bytes_per_pixel: int, profile: Any) -> Any:
        frame = rs.software_video_frame()
        frame.pixels = np.ascontiguousarray(pixels)
        frame.bpp, frame.stride = bytes_per_pixel, bytes_per_pixel * pixels.shape[1]
        frame.timestamp, frame.frame_number = 33.0 * number, number
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.profile = profile.as_video_stream_profile()
        return frame
