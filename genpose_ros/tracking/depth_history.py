"""The depth images of the last moments, for what masks that come late bring up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.tracking.state import Moment

__all__ = ["MOST_IMAGES", "DepthImage", "kept", "since"]

#: No more images are kept, however short a time they cover: 20 MB of 640x480 float32.
MOST_IMAGES = 16
#: Objects are carried through no more images than this, and so many at once through fewer that
#: there are no more than so many estimates, but through one.
_MOST_STEPS, _MOST_ESTIMATES = 3, 12


@dataclass(frozen=True)
class DepthImage:
    """A depth image, when and from where it was taken.

    Attributes:
        depth_m: (H, W), metres along z; the caller's own, not a copy.
        camera: of the image.
        moment: when and from where.
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    moment: Moment


def kept(
    images: Sequence[DepthImage], newest: DepthImage, seconds: float
) -> tuple[DepthImage, ...]:
    """Return the images with one more, and without those that are too old, oldest first.

    Args:
        images: kept so far.
        newest: to be kept too.
        seconds: for how long; 0: no image is kept.
    """
    if seconds == 0:
        return ()
    recent = [i for i in images if newest.moment.since_s(i.moment.stamp_ns) <= seconds]
    return (*recent[-MOST_IMAGES + 1 :], newest)


def since(images: Sequence[DepthImage], stamp_ns: int, objects: int = 1) -> list[DepthImage]:
    """Return the images newer than a stamp that lead to the newest one, oldest first.

    Where there are many only some of them, evenly spread.

    Args:
        images: kept ones.
        stamp_ns: of what is to be carried up.
        objects: how many are to be carried.
    """
    newer = [image for image in images if image.moment.stamp_ns > stamp_ns]
    steps = min(max(_MOST_ESTIMATES // max(objects, 1), 1), _MOST_STEPS)
    stride = max(math.ceil(len(newer) / steps), 1)
    # Counted from the end: the newest one is always there.
    return newer[::-stride][::-1]
