# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frame, the input of the estimator: a depth image, its camera and its segmented objects."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["Frame", "Instance", "Remark", "check_frame"]


class Remark(str, Enum):
    """Remark on a mask or an estimate that makes its pose worth less than the score says.

    Example:
        >>> print(Remark("guessed_mask").text)
        the mask was guessed from a box and the depth
    """

    GUESSED_MASK = "guessed_mask"
    SEPARATE_PART = "separate_part"
    UNUSUAL_SIZE = "unusual_size"

    @property
    def text(self) -> str:
        """The remark in a few words, for people."""
        return _TEXTS[self]


_TEXTS = {
    Remark.GUESSED_MASK: "the mask was guessed from a box and the depth",
    Remark.SEPARATE_PART: "the mask is one of several separate parts of what was segmented",
    Remark.UNUSUAL_SIZE: "the size is not that of its category: is the depth's unit right?",
}


@dataclass(frozen=True)
class Instance:
    """Segmented object: its mask and its category.

    Attributes:
        id: the segmenter's number for it, unique within the frame.
        category: name of one that the model knows, with the released weights one of
            `genpose_ros.geometry.CATEGORIES`.
        mask: (H, W) bool, true on the object.
        detection_score: the segmenter's confidence in [0, 1].
        remarks: what is to be known of the mask.

    Example:
        >>> label_image = np.array([[0, 0, 7], [0, 7, 7]])
        >>> mug = Instance(id=7, category="mug", mask=label_image == 7, detection_score=0.9)
        >>> int(mug.mask.sum())
        3
    """

    id: int
    category: str
    mask: np.ndarray
    detection_score: float = 1.0
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Frame:
    """Depth image, its camera and the objects in it.

    Attributes:
        depth_m: (H, W) float32, metres along z; 0 or NaN where there is no measurement.
        camera: the pinhole camera of the depth image.
        instances: the segmented objects.
        stamp_ns: acquisition time of the depth image, nanoseconds.
        frame_id: name of the camera's optical frame (x right, y down, z forward).
        up_cam: which way is up, as far as it is known beside the depth image; None: not at all.

    Example:
        >>> camera = PinholeCamera(600.0, 600.0, 320.0, 240.0, 640, 480)
        >>> depth_mm = np.full((480, 640), 800, dtype=np.uint16)
        >>> frame = Frame(depth_mm.astype(np.float32) / 1000, camera, frame_id="camera_optical")
        >>> round(float(frame.depth_m[0, 0]), 6), frame.instances
        (0.8, ())
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    instances: tuple[Instance, ...] = field(default_factory=tuple)
    stamp_ns: int = 0
    frame_id: str = ""
    up_cam: UpDirection | None = None


def check_frame(frame: Frame) -> Rejection | None:
    """Return why nothing can be estimated from a frame, as a rejection; None: all is well.

    The depth image has to be of the size that the camera has, or its pixels would be taken for
    others.

    Args:
        frame: of any content.

    Example:
        >>> camera = PinholeCamera(600.0, 600.0, 320.0, 240.0, 640, 480)
        >>> check_frame(Frame(np.ones((480, 640)), camera)) is None
        True
        >>> check_frame(Frame(np.ones((240, 320)), camera)).reason.value
        'size_mismatch'
    """
    camera, shape = frame.camera, frame.depth_m.shape
    if shape == (camera.height, camera.width):
        return None
    found = f"{shape[1]} x {shape[0]} pixels" if len(shape) == 2 else f"of shape {shape}"
    detail = (
        f"depth is {found} and camera_info says {camera.width} x {camera.height}; is the depth "
        "image aligned?"
    )
    return Rejection(Reason.SIZE_MISMATCH, detail)
