# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Lookup of the camera's pose in another frame at the time of an image, by TF."""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from geometry_msgs.msg import Transform
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header
from tf2_ros import Buffer, TransformException, TransformListener

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz

__all__ = ["TransformBuffer", "TransformLookup", "header_in"]

#: tf2 lets infinity and 1e300 pass; no camera is farther than this from any frame, metres.
_FARTHEST_M = 1e8
#: After a wait in vain no frame waits for so long, unless transforms come again before.
_RETRY_S = 1.0


class _Transforms(Protocol):
    def camera_in(self, frame: str, header: Header, wait_s: float) -> np.ndarray | Rejection: ...


class TransformBuffer:
    """Buffer of the transforms on /tf and /tf_static, with one listener for all frames.

    Args:
        node: its executor must spin in another thread than the one that calls `camera_in`.
    """

    def __init__(self, node: Node) -> None:
        self.buffer = Buffer()
        self._listener = TransformListener(self.buffer, node)

    def camera_in(self, frame: str, header: Header, wait_s: float) -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp; waits for it at most so long."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            # To tf2 a time of zero means 'the newest', which is not when the image was taken.
            return Rejection(
                Reason.NO_TRANSFORM, "the image has no stamp to look a transform up at"
            )
        try:
            found = self.buffer.lookup_transform(
                frame,
                header.frame_id,
                Time.from_msg(header.stamp),
                timeout=Duration(seconds=wait_s),
            )
            return _matrix(found.transform)
        except (TransformException, ValueError) as error:
            detail = f"no transform from {header.frame_id} to {frame} at the image: {error}"
            return Rejection(Reason.NO_TRANSFORM, detail)

    def clear(self) -> None:
        """Forget all transforms but the static ones, as after a jump of the clock."""
        self.buffer.clear()


class TransformLookup:
    """Lookup of the camera in one frame, which never holds up every image for long.

    After a wait in vain the images of the next second do not wait, until one's transform is found.
    Where transforms had been found before, images wait again as soon as the awaited one has come.

    Attributes:
        frame: name of the frame.
        found: number of images whose transform was found.
        missing: number of images whose transform was not.
        problem: why it was not found for the last image; empty: it was.

    Args:
        transforms: where transforms are looked up, such as a `TransformBuffer`.
        frame: name of the frame.
        clock: seconds, monotonic.
    """

    def __init__(
        self, transforms: _Transforms, frame: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.frame = frame
        self.found = self.missing = 0
        self.problem = ""
        self._transforms = transforms
        self._clock = clock
        self._no_wait_until_s = float("-inf")
        self._awaited: Header | None = None
        self._found_since_wait = True

    def lookup(self, header: Header, wait_s: float) -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp, or why it is not known in time.

        Args:
            header: of the image.
            wait_s: longest wait, seconds.
        """
        waits = self._clock() >= self._no_wait_until_s or self._awaited_came()
        found = self._transforms.camera_in(self.frame, header, wait_s if waits else 0.0)
        if isinstance(found, Rejection):
            self.missing += 1
            self.problem = found.detail
            if waits:
                self._begin_no_wait(header)
            return found
        self.found += 1
        self.problem = ""
        self._found_since_wait = True
        self._no_wait_until_s = float("-inf")
        return found

    def _begin_no_wait(self, header: Header) -> None:
        """Let the next images not wait; where none was found since the last time, for all of it."""
        self._no_wait_until_s = self._clock() + _RETRY_S
        self._awaited = header if self._found_since_wait else None
        self._found_since_wait = False

    def _awaited_came(self) -> bool:
        """Whether the transform that was waited for in vain has come by now."""
        if self._awaited is None:
            return False
        return not isinstance(self._transforms.camera_in(self.frame, self._awaited, 0.0), Rejection)


def header_in(frame: str, header: Header) -> Header:
    """Return the header of outputs that are given in another frame: same stamp."""
    return Header(stamp=header.stamp, frame_id=frame)


def _matrix(transform: Transform) -> np.ndarray:
    """The (4, 4) matrix; ValueError where it is none that a camera can have."""
    q, t = transform.rotation, transform.translation
    quat_wxyz = torch.tensor([q.w, q.x, q.y, q.z], dtype=torch.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_quat_wxyz(quat_wxyz).numpy()
    matrix[:3, 3] = (t.x, t.y, t.z)
    if not (np.abs(matrix) <= _FARTHEST_M).all():  # NaN fails too
        raise ValueError(f"the transform is not finite or absurd: {matrix.tolist()}")
    return matrix
