# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Builders of image, camera_info and mask messages, as cameras and segmenters publish them."""

from array import array
from collections.abc import Sequence

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.msg import InstanceMask

__all__ = ["bounds", "camera_info", "detection", "image_message", "instance_mask"]


def image_message(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """Return an image message.

    Args:
        pixels: (H, W) or (H, W, C), of the encoding's type, little-endian.
        encoding: such as rgb8 or 16UC1.
        header: of the message.
    """
    pixels = np.ascontiguousarray(pixels)
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=array("B", pixels.tobytes()),
    )


def camera_info(
    camera: PinholeCamera,
    header: Header,
    distortion: Sequence[float] = (0.0,) * 5,
    model: str = "plumb_bob",
) -> CameraInfo:
    """Return the intrinsics of an image as it comes from a camera, K and P alike.

    Args:
        camera: of the image.
        header: of the message.
        distortion: coefficients of `model`; of an image without distortion 0.
        model: of the distortion, as of sensor_msgs/distortion_models.
    """
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=model,
        d=[float(value) for value in distortion],
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def detection(
    number: int, category: str, score: float, mask: np.ndarray, header: Header
) -> Detection2D:
    """Return class, score and box of a label's object.

    Args:
        number: its value in the label image.
        category: its class.
        score: 0 to 1.
        mask: (H, W) bool, not empty.
        header: of the message.
    """
    left, top, right, bottom = bounds(mask)
    box = BoundingBox2D(size_x=float(right - left), size_y=float(bottom - top))
    box.center.position.x, box.center.position.y = (left + right) / 2, (top + bottom) / 2
    hypothesis = ObjectHypothesis(class_id=category, score=float(score))
    return Detection2D(
        header=header,
        results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
        bbox=box,
        id=str(number),
    )


def instance_mask(number: int, category: str, score: float, mask: np.ndarray) -> InstanceMask:
    """Return an object's mask within its box.

    Args:
        number: the segmenter's for it.
        category: its class.
        score: 0 to 1.
        mask: (H, W) bool, not empty.
    """
    left, top, right, bottom = bounds(mask)
    region = RegionOfInterest(
        x_offset=left, y_offset=top, width=right - left, height=bottom - top, do_rectify=False
    )
    pixels = mask[top:bottom, left:right].astype(np.uint8)
    return InstanceMask(
        id=number,
        class_name=category,
        score=float(score),
        roi=region,
        mask=array("B", pixels.tobytes()),
    )


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a mask that is not empty, the last two exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
