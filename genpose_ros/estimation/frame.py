"""What goes into the estimator: one depth image with its camera and its segmented objects."""

from dataclasses import dataclass, field

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["Frame", "Instance", "check_frame"]


@dataclass(frozen=True)
class Instance:
    """One segmented object.

    Attributes:
        id: the segmenter's number for it, unique within the frame.
        category: one of `genpose_ros.geometry.CATEGORIES`.
        mask: (H, W) bool, true on the object.
        detection_score: the segmenter's confidence in [0, 1].
    """

    id: int
    category: str
    mask: np.ndarray
    detection_score: float = 1.0


@dataclass(frozen=True)
class Frame:
    """A depth image, its camera and the objects in it.

    Attributes:
        depth_m: (H, W) float32, metres along z; 0 or NaN where there is no measurement.
        camera: the pinhole camera of the depth image.
        instances: the segmented objects.
        stamp_ns: acquisition time of the depth image, nanoseconds.
        frame_id: name of the camera's optical frame (x right, y down, z forward).
    """

    depth_m: np.ndarray
    camera: PinholeCamera
    instances: tuple[Instance, ...] = field(default_factory=tuple)
    stamp_ns: int = 0
    frame_id: str = ""


def check_frame(frame: Frame) -> Rejection | None:
    """Return why nothing can be estimated from a frame; None: it can.

    The depth image has to be of the size that the camera has, or its pixels would be taken for
    others.
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
