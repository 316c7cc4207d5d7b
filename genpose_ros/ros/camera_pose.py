"""Where the camera was in another frame when an image was taken."""

from typing import Any

import numpy as np
import torch
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header
from tf2_ros import Buffer, TransformException, TransformListener

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz

__all__ = ["CameraPose", "header_in"]

#: tf2 lets infinity and 1e300 pass; no camera is farther than this from any frame, metres.
_FARTHEST_M = 1e8


class CameraPose:
    """Looks up the camera's pose at the time of an image; one listener for all frames.

    Args:
        node: its executor must spin in another thread than the one that calls `lookup`.
    """

    def __init__(self, node: Node) -> None:
        self._buffer = Buffer()
        self._listener = TransformListener(self._buffer, node)

    def lookup(self, frame: str, header: Header, wait_seconds: float) -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp; waits for it at most so long."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            # To tf2 a time of zero means 'the newest', which is not when the image was taken.
            return Rejection(
                Reason.NO_TRANSFORM, "the image has no stamp to look a transform up at"
            )
        try:
            found = self._buffer.lookup_transform(
                frame,
                header.frame_id,
                Time.from_msg(header.stamp),
                timeout=Duration(seconds=wait_seconds),
            )
            return _matrix(found.transform)
        except (TransformException, ValueError) as error:
            detail = f"no transform from {header.frame_id} to {frame} at the image: {error}"
            return Rejection(Reason.NO_TRANSFORM, detail)

    def forget(self) -> None:
        """Forget all transforms but the static ones, as after a jump of the clock."""
        self._buffer.clear()


def header_in(frame: str, header: Header) -> Header:
    """Return the header of outputs that are given in another frame: same stamp."""
    return Header(stamp=header.stamp, frame_id=frame)


def _matrix(transform: Any) -> np.ndarray:
    """The (4, 4) matrix; ValueError where it is none that a camera can have."""
    q, t = transform.rotation, transform.translation
    quat_wxyz = torch.tensor([q.w, q.x, q.y, q.z], dtype=torch.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_quat_wxyz(quat_wxyz).numpy()
    matrix[:3, 3] = (t.x, t.y, t.z)
    if not (np.abs(matrix) <= _FARTHEST_M).all():  # NaN fails too
        raise ValueError(f"the transform is not finite or absurd: {matrix.tolist()}")
    return matrix
