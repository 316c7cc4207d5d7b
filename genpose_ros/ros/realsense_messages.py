# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of a RealSense camera, under the topics and frames of realsense-ros."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from genpose_ros.realsense.streams import CameraFrame
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.image_messages import camera_info, image_message

__all__ = ["CameraNames", "camera_messages", "camera_transforms"]

#: From an optical frame (x right, y down, z forward) to that of its body (x forward, z up).
_BODY_OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
_DEPTH, _COLOR = "depth/image_rect_raw", "color/image_raw"
_ALIGNED = "aligned_depth_to_color/image_raw"


@dataclass(frozen=True)
class CameraNames:
    """Names of a camera's frames.

    Attributes:
        camera: begins each of them.
    """

    camera: str = "camera"

    @property
    def link(self) -> str:
        """The camera's body; its depth camera is at its origin."""
        return f"{self.camera}_link"

    def body(self, stream: str) -> str:
        """The frame of a stream's camera, x forward."""
        return f"{self.camera}_{stream}_frame"

    def optical(self, stream: str) -> str:
        """The frame of a stream's images, z forward."""
        return f"{self.camera}_{stream}_optical_frame"


def camera_messages(frame: CameraFrame, names: CameraNames, stamp: Any) -> dict[str, Any]:
    """Return what is published of a frame, by topic below the camera's name.

    All have one stamp. Depth is 16UC1, millimetres; that aligned to colour is in the colour
    camera's frame and along its axis.

    Args:
        frame: of the camera.
        names: of its frames.
        stamp: of all messages.
    """
    depth = Header(stamp=stamp, frame_id=names.optical("depth"))
    color = Header(stamp=stamp, frame_id=names.optical("color"))
    color_info = _info(frame.color_stream, color)
    messages: dict[str, Any] = {
        _DEPTH: image_message(_millimetres(frame.depth_m), "16UC1", depth),
        _sibling(_DEPTH): _info(frame.depth, depth),
        _COLOR: image_message(frame.color, "rgb8", color),
        _sibling(_COLOR): color_info,
    }
    if frame.aligned_m is not None:
        messages[_ALIGNED] = image_message(_millimetres(frame.aligned_m), "16UC1", color)
        messages[_sibling(_ALIGNED)] = color_info
    if frame.acceleration is not None:
        messages["imu"] = _imu(frame, Header(stamp=stamp, frame_id=names.optical("imu")))
    return messages


def camera_transforms(frame: CameraFrame, names: CameraNames, stamp: Any) -> list[TransformStamped]:
    """Return the frames of a camera below its body, as realsense-ros has them.

    Args:
        frame: of the camera, with what the device says of its cameras.
        names: of the frames.
        stamp: of the transforms.
    """
    found = []
    for stream, T_stream_depth in (
        ("depth", np.eye(4)),
        ("color", frame.T_color_depth),
        ("imu", frame.T_imu_depth),
    ):
        if T_stream_depth is None:
            continue
        T_link_body = _BODY_OPTICAL @ np.linalg.inv(T_stream_depth) @ _BODY_OPTICAL.T
        found += [
            _transform(names.link, names.body(stream), T_link_body, stamp),
            _transform(names.body(stream), names.optical(stream), _BODY_OPTICAL, stamp),
        ]
    return found


def _sibling(topic: str) -> str:
    return f"{topic.rpartition('/')[0]}/camera_info"


def _info(stream: Any, header: Header) -> Any:
    return camera_info(stream.camera, header, stream.coefficients, stream.model)


def _millimetres(depth_m: np.ndarray) -> np.ndarray:
    return np.clip(np.round(depth_m * 1000), 0, 65535).astype("<u2")


def _imu(frame: CameraFrame, header: Header) -> Imu:
    message = Imu(header=header)
    message.orientation_covariance[0] = -1.0  # there is none
    if frame.acceleration is not None:
        x, y, z = frame.acceleration.tolist()
        message.linear_acceleration = Vector3(x=x, y=y, z=z)
    if frame.rate is None:
        message.angular_velocity_covariance[0] = -1.0
    else:
        x, y, z = frame.rate.tolist()
        message.angular_velocity = Vector3(x=x, y=y, z=z)
    return message


def _transform(parent: str, child: str, T: np.ndarray, stamp: Any) -> TransformStamped:
    (pose,) = pose_messages(T[None])
    at = pose.position
    return TransformStamped(
        header=Header(stamp=stamp, frame_id=parent),
        child_frame_id=child,
        transform=Transform(translation=Vector3(x=at.x, y=at.y, z=at.z), rotation=pose.orientation),
    )
