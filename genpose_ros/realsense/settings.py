# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of a RealSense camera."""

from dataclasses import dataclass

from genpose_ros.settings import check_settings, setting

__all__ = ["RealSenseSettings"]


@dataclass(frozen=True)
class RealSenseSettings:
    """Settings of the camera node; all are read at start.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.

    Example:
        >>> RealSenseSettings(fps=15).fps
        15
    """

    serial: str = setting("", "Serial number of the camera; empty: the first one.", fixed=True)
    bag: str = setting(
        "", "Recording of librealsense (.bag) to play instead of a camera.", fixed=True
    )
    loop: bool = setting(False, "Play the recording again when it is over.", fixed=True)
    width: int = setting(
        640, "Width of depth and colour, pixels.", low=160, high=1920, group="stream", fixed=True
    )
    height: int = setting(
        480, "Height of depth and colour, pixels.", low=90, high=1080, group="stream", fixed=True
    )
    fps: int = setting(30, "Images a second.", low=1, high=120, group="stream", fixed=True)
    align: bool = setting(True, "Publish depth as the colour camera sees it too.", fixed=True)
    imu: bool = setting(True, "Publish the IMU, of cameras that have one.", fixed=True)
    emitter: bool = setting(True, "Project the infrared pattern.", fixed=True)
    decimation: int = setting(
        1,
        "Pixels along a side that become one; 1: off.",
        low=1,
        high=8,
        group="filters",
        fixed=True,
    )
    spatial: bool = setting(
        False,
        "Smooth surfaces, edges kept. It rounds what tells a can's ends apart, so that cans are "
        "turned over.",
        group="filters",
        fixed=True,
    )
    temporal: bool = setting(
        False,
        "Smooth over time. Of what moves it leaves a trail.",
        group="filters",
        fixed=True,
    )
    hole_filling: bool = setting(
        False,
        "Fill holes from their neighbours, with depth that nobody measured.",
        group="filters",
        fixed=True,
    )
    min_m: float = setting(
        0.0, "Nearer depth is left out, metres.", low=0.0, high=15.0, group="depth", fixed=True
    )
    max_m: float = setting(
        0.0,
        "Farther depth is left out, metres; 0: none.",
        low=0.0,
        high=16.0,
        group="depth",
        fixed=True,
    )
    camera_name: str = setting(
        "camera", "Begins the names of the frames, such as camera_link.", fixed=True
    )
    publish_tf: bool = setting(
        True,
        "Publish the frames below camera_link; off where a robot's description has them.",
        fixed=True,
    )
    timeout_s: float = setting(
        3.0, "A camera that sends nothing for so long is opened anew, seconds.", low=0.5,
        high=60.0, fixed=True,
    )  # fmt: skip
    reconnect_s: float = setting(
        2.0, "How long to wait before a camera is looked for again, seconds.", low=0.1, high=60.0,
        fixed=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_settings(self)
        if 0 < self.max_m <= self.min_m:
            raise ValueError(f"depth.max_m {self.max_m:g} is not above depth.min_m {self.min_m:g}")
