# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Streams of a RealSense camera or of a recording: framesets, filtered, aligned and described."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.files import check_file
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.realsense.alignment import AlignedDepth
from genpose_ros.realsense.settings import RealSenseSettings

__all__ = [
    "CameraError",
    "CameraFrame",
    "DeviceClock",
    "EndOfRecordingError",
    "ImageStream",
    "Streams",
    "convert_frames",
    "import_librealsense",
    "open_streams",
]

#: Bytes of a recording.
_MOST_BYTES = 2**40
#: Stamps that are farther from now than this are not believed, seconds.
_APART_S = 0.5
#: The farthest that its threshold takes, metres.
_FARTHEST_M = 16.0
#: Words of librealsense's errors, and what to do.
_NONE = (
    "no RealSense camera is connected: plug it into a USB 3 port (rs-enumerate-devices lists those "
    "there are)"
)
_RIGHTS = (
    "the camera may not be opened: install librealsense's udev rules (99-realsense-libusb.rules in "
    "/etc/udev/rules.d, then udevadm control --reload), plug it in again, and see that no other "
    "program has it"
)
_STREAMS = (
    "the camera has no such streams, or not on this USB port: change stream.width, .height or .fps "
    "(USB 2 allows 640 x 480 at 15), and update its firmware (rs-fw-update)"
)
_REMEDIES = (
    (("no device connected",), _NONE),
    (("couldn't resolve requests",), _STREAMS),
    (("busy", "in use"), "another program has the camera: end it"),
    (("access", "permission", "failed to open", "not opened"), _RIGHTS),
)


class CameraError(RuntimeError):
    """Raised where the camera cannot be opened or sends nothing any more; it may come back."""


class EndOfRecordingError(Exception):
    """Raised where a recording is over."""


@dataclass(frozen=True)
class ImageStream:
    """Camera of a stream.

    Attributes:
        camera: pinhole.
        model: of its distortion, as ROS calls it.
        coefficients: (5,) of it.
    """

    camera: PinholeCamera
    model: str = "plumb_bob"
    coefficients: tuple[float, ...] = (0.0,) * 5


@dataclass(frozen=True)
class CameraFrame:
    """Depth and colour of one moment.

    Attributes:
        depth_m: (H, W) float32, along the depth camera's axis; 0: no measurement.
        depth: its camera.
        color: (H, W, 3) uint8, RGB.
        color_stream: its camera.
        T_color_depth: (4, 4), depth camera's frame to the colour camera's, metres.
        aligned_m: (H, W) of the colour image, along the colour camera's axis; None: not asked for.
        time_ms: of the depth image by the camera's clock, milliseconds.
        time_is_global: that clock counts from 1970.
        acceleration: (3,) m/s^2, IMU's frame (x right, y down, z forward); None: there is no IMU.
        rate: (3,) rad/s; None: there is no gyroscope.
        T_imu_depth: (4, 4), depth camera's frame to the IMU's; None: there is none.
    """

    depth_m: np.ndarray
    depth: ImageStream
    color: np.ndarray
    color_stream: ImageStream
    T_color_depth: np.ndarray
    aligned_m: np.ndarray | None
    time_ms: float
    time_is_global: bool = False
    acceleration: np.ndarray | None = None
    rate: np.ndarray | None = None
    T_imu_depth: np.ndarray | None = None


class DeviceClock:
    """Stamps of images from the camera's clock, which may count from anywhere.

    Args:
        now_ns: gives the time now, nanoseconds.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._offset_ns: int | None = None

    def stamp_ns(self, time_ms: float, *, is_global: bool) -> int:
        """Return a time of the camera as one since 1970, nanoseconds.

        A clock that counts from anywhere is set by the first image, and again where it jumped.

        Args:
            time_ms: of the camera, milliseconds.
            is_global: it counts from 1970 already.
        """
        whole_ms = int(time_ms)  # apart, as a double does not hold nanoseconds since 1970
        device_ns = whole_ms * 1_000_000 + round((time_ms - whole_ms) * 1e6)
        if is_global:
            return device_ns
        now_ns = self._now_ns()
        offset_ns = self._offset_ns
        if offset_ns is None or abs(device_ns + offset_ns - now_ns) > _APART_S * 1e9:
            offset_ns = self._offset_ns = now_ns - device_ns
        return device_ns + offset_ns


class Streams:
    """Source of framesets that was opened.

    Args:
        rs: the module pyrealsense2.
        settings: of the camera.
        wait: gives whether a frameset came within some milliseconds, and that.
        close: ends the streams.
        ended: tells whether a recording is over.
        about: the camera in words.
    """

    def __init__(
        self,
        rs: Any,
        settings: RealSenseSettings,
        wait: Callable[[int], tuple[bool, Any]],
        close: Callable[[], None] = lambda: None,
        ended: Callable[[], bool] = lambda: False,
        about: str = "",
    ) -> None:
        self.about = about
        self._rs, self._settings = rs, settings
        self._wait, self._close, self._ended = wait, close, ended
        self._filters = _Filters(rs, settings)
        self._align = rs.align(rs.stream.color) if settings.align else None
        self._correction: AlignedDepth | None = None

    def read(self, timeout_s: float) -> CameraFrame | None:
        """Return the next frameset that has both images; None: none came in time.

        Raises:
            EndOfRecordingError: the recording is over.
            CameraError: the camera was unplugged, or fails.
        """
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            try:
                came, frames = self._wait(max(int(1000 * left_s), 1))
            except RuntimeError as error:
                raise CameraError(explained(error)) from error
            # A recording that is over looks like a camera that is slow.
            if not came and self._ended():
                raise EndOfRecordingError
            if not came:
                return None
            # The first framesets, and some after a lost image, have one image alone.
            if frames.get_depth_frame() and frames.get_color_frame():
                return self._converted(frames)

    def close(self) -> None:
        """End the streams; of a camera that is gone, without a word."""
        try:
            self._close()
        except RuntimeError:
            return

    def _converted(self, frames: Any) -> CameraFrame:
        filtered = self._filters.applied(frames)
        aligned = None
        if self._align is not None:
            aligned = self._align.process(filtered)
        frame = convert_frames(self._rs, filtered, aligned)
        if frame.aligned_m is None:
            return frame
        correction = self._correction
        same = (
            correction is not None
            and correction.color_camera == frame.color_stream.camera
            and np.array_equal(correction.T_color_depth, frame.T_color_depth)
        )
        if correction is None or not same:
            correction = AlignedDepth(frame.color_stream.camera, frame.T_color_depth)
            self._correction = correction
        corrected = correction.corrected(frame.aligned_m)
        return replace(frame, aligned_m=corrected)


class _Filters:
    """librealsense's filters, in the order that it recommends."""

    def __init__(self, rs: Any, settings: RealSenseSettings) -> None:
        self._steps: list[Any] = []
        if settings.decimation > 1:
            decimation = rs.decimation_filter()
            decimation.set_option(rs.option.filter_magnitude, settings.decimation)
            self._steps.append(decimation)
        if settings.min_m > 0 or settings.max_m > 0:
            self._steps.append(rs.threshold_filter(settings.min_m, settings.max_m or _FARTHEST_M))
        smooth = []
        if settings.spatial:
            smooth.append(rs.spatial_filter())
        if settings.temporal:
            smooth.append(rs.temporal_filter())
        if smooth:
            # Disparity has the same error everywhere.
            smooth = [rs.disparity_transform(True), *smooth, rs.disparity_transform(False)]
        self._steps += smooth
        if settings.hole_filling:
            self._steps.append(rs.hole_filling_filter())

    def applied(self, frames: Any) -> Any:
        """The frameset with its depth image filtered."""
        for step in self._steps:
            frames = step.process(frames).as_frameset()
        return frames


def import_librealsense() -> Any:
    """Return the module pyrealsense2.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        import pyrealsense2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the camera node needs pyrealsense2: pip install 'genpose_ros[realsense]', or use "
            "realsense-ros"
        ) from error
    return pyrealsense2


def open_streams(settings: RealSenseSettings) -> Streams:
    """Open a camera or a recording.

    Raises:
        CameraError: there is no camera, or it cannot be opened; what to do is said.
        FileNotFoundError: no such recording.
        ValueError: it is none.
        ModuleNotFoundError: pyrealsense2 is not installed.
    """
    rs = import_librealsense()
    pipeline, config = rs.pipeline(), rs.config()
    if settings.bag:
        path = check_file(Path(settings.bag), _MOST_BYTES)
        config.enable_device_from_file(str(path), repeat_playback=False)
    else:
        _choose_streams(rs, config, settings)
    try:
        profile = pipeline.start(config)
        device = profile.get_device()
        about = str(device.get_info(rs.camera_info.name))
        playback = device.as_playback() if settings.bag else None
        if playback is None:
            _set_emitter(rs, device, on=settings.emitter)
    except RuntimeError as error:
        if settings.bag:
            raise ValueError(f"{settings.bag} is no recording of librealsense: {error}") from error
        raise CameraError(explained(error)) from error

    def ended() -> bool:
        return playback is not None and playback.current_status() == rs.playback_status.stopped

    return Streams(rs, settings, pipeline.try_wait_for_frames, pipeline.stop, ended, about)


def explained(error: BaseException) -> str:
    """Return what to do about an error of librealsense, with its own words."""
    words = " ".join(str(error).split())
    for signs, remedy in _REMEDIES:
        if any(sign in words.lower() for sign in signs):
            return f"{remedy} ({words})"
    return f"the camera fails: {words}"


def _choose_streams(rs: Any, config: Any, settings: RealSenseSettings) -> None:
    """Ask for depth, colour and, of a camera that has them, accelerometer and gyroscope."""
    try:
        devices = list(rs.context().query_devices())
    except RuntimeError as error:
        raise CameraError(explained(error)) from error
    serials = [str(d.get_info(rs.camera_info.serial_number)) for d in devices]
    if not devices:
        raise CameraError(explained(RuntimeError("No device connected")))
    if settings.serial and settings.serial not in serials:
        raise CameraError(
            f"there is no RealSense camera {settings.serial}; there are {', '.join(serials)}"
        )
    device = devices[serials.index(settings.serial) if settings.serial else 0]
    config.enable_device(str(device.get_info(rs.camera_info.serial_number)))
    size = (settings.width, settings.height)
    config.enable_stream(rs.stream.depth, *size, rs.format.z16, settings.fps)
    config.enable_stream(rs.stream.color, *size, rs.format.rgb8, settings.fps)
    if settings.imu and any(s.is_motion_sensor() for s in device.query_sensors()):
        config.enable_stream(rs.stream.accel)
        config.enable_stream(rs.stream.gyro)


def _set_emitter(rs: Any, device: Any, *, on: bool) -> None:
    sensor = device.first_depth_sensor()
    if sensor.supports(rs.option.emitter_enabled):
        sensor.set_option(rs.option.emitter_enabled, 1.0 if on else 0.0)


def convert_frames(rs: Any, frames: Any, aligned: Any = None) -> CameraFrame:
    """Return a frameset as arrays in metres; aligned depth as librealsense leaves it.

    Args:
        rs: the module pyrealsense2.
        frames: with a depth and a colour image.
        aligned: the same, with depth aligned to colour; None: there is none.
    """
    depth, color = frames.get_depth_frame(), frames.get_color_frame()
    depth_profile, color_profile = depth.get_profile(), color.get_profile()
    acceleration, rate, imu_profile = _motion(rs, frames)
    domains = rs.timestamp_domain
    return CameraFrame(
        depth_m=_metres(depth),
        depth=_stream(rs, depth_profile),
        color=_rgb(rs, color),
        color_stream=_stream(rs, color_profile),
        T_color_depth=_transform(depth_profile.get_extrinsics_to(color_profile)),
        aligned_m=None if aligned is None else _metres(aligned.get_depth_frame()),
        time_ms=float(depth.get_timestamp()),
        time_is_global=depth.get_frame_timestamp_domain()
        in (domains.global_time, domains.system_time),
        acceleration=acceleration,
        rate=rate,
        T_imu_depth=None
        if imu_profile is None
        else _transform(depth_profile.get_extrinsics_to(imu_profile)),
    )


def _metres(depth: Any) -> np.ndarray:
    counts = np.asanyarray(depth.get_data())
    metres: np.ndarray = counts.astype(np.float32) * np.float32(depth.get_units())
    return metres


def _rgb(rs: Any, color: Any) -> np.ndarray:
    pixels = np.array(np.asanyarray(color.get_data()))  # its memory is the camera's
    return pixels[..., ::-1] if color.get_profile().format() == rs.format.bgr8 else pixels


def _stream(rs: Any, profile: Any) -> ImageStream:
    i = profile.as_video_stream_profile().get_intrinsics()
    camera = PinholeCamera(i.fx, i.fy, i.ppx, i.ppy, i.width, i.height)
    if i.model == rs.distortion.kannala_brandt4:
        return ImageStream(camera, "equidistant", tuple(i.coeffs[:4]))
    return ImageStream(camera, "plumb_bob", tuple(i.coeffs))


def _transform(extrinsics: Any) -> np.ndarray:
    """(4, 4) of librealsense's extrinsics, whose rotation is column by column."""
    T = np.eye(4)
    T[:3, :3] = np.reshape(extrinsics.rotation, (3, 3), order="F")
    T[:3, 3] = extrinsics.translation
    return T


def _motion(rs: Any, frames: Any) -> tuple[np.ndarray | None, np.ndarray | None, Any]:
    """Acceleration, rate and the profile of the IMU; None where there is none."""
    found: dict[Any, np.ndarray] = {}
    profile = None
    for frame in frames:
        kind = frame.get_profile().stream_type()
        if kind in (rs.stream.accel, rs.stream.gyro):
            data = frame.as_motion_frame().get_motion_data()
            found[kind] = np.array([data.x, data.y, data.z])
            if kind == rs.stream.accel:
                profile = frame.get_profile()
    return found.get(rs.stream.accel), found.get(rs.stream.gyro), profile
