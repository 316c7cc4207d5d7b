# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""History of depth images: those that delayed masks are propagated through."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.tracking import constants
from genpose_ros.tracking.ego_motion import StampedCameraPose

__all__ = ["DepthImage", "append", "newer_than"]


@dataclass(frozen=True)
class DepthImage:
    """A depth image, when and from where it was taken.

    Attributes:
        depth_m: (H, W), metres along z; the caller's own, not a copy.
        camera: of the image.
        camera_pose: when and from where.
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    camera_pose: StampedCameraPose


def append(
    images: Sequence[DepthImage], newest: DepthImage, *, horizon_s: float, most: int
) -> tuple[DepthImage, ...]:
    """Return the images with one more, and without those that are too old, oldest first.

    Args:
        images: kept so far.
        newest: to be kept too.
        horizon_s: for how long they are kept; 0: no image is.
        most: how many are kept, however short a time they cover.
    """
    if horizon_s == 0:
        return ()
    recent = [i for i in images if newest.camera_pose.since_s(i.camera_pose.stamp_ns) <= horizon_s]
    return (*recent[max(len(recent) - most + 1, 0) :], newest)


def newer_than(
    images: Sequence[DepthImage], stamp_ns: int, *, objects: int = 1
) -> list[DepthImage]:
    """Return the images newer than a stamp that lead to the newest one, oldest first.

    Where there are many only some of them, evenly spread.

    Args:
        images: kept ones.
        stamp_ns: of what is to be propagated.
        objects: how many are to be propagated.
    """
    newer = [image for image in images if image.camera_pose.stamp_ns > stamp_ns]
    steps = constants.REPLAY_ESTIMATES // max(objects, 1)
    steps = min(max(steps, 1), constants.REPLAY_IMAGES)
    stride = max(math.ceil(len(newer) / steps), 1)
    # Counted from the end: the newest one is always there.
    return newer[::-stride][::-1]
