# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tree of recorded transforms, and the matrix of a transform message; both without tf2."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.single_rotations import rotation_from_quat_wxyz
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.tracking.ego_motion import pose_at

if TYPE_CHECKING:
    from geometry_msgs.msg import Transform, TransformStamped
    from std_msgs.msg import Header

__all__ = ["TransformTree", "transform_matrix"]

#: tf2 lets infinity and 1e300 pass; no camera is farther than this from any frame, metres.
_FARTHEST_M = 1e8
#: Frames above one another, and transforms of one frame, that are held.
_DEEPEST, _MOST = 1000, 1_000_000


class TransformTree:
    """Tree of all transforms of a recording, to be asked for any time in it."""

    def __init__(self) -> None:
        self._static: dict[str, tuple[str, np.ndarray]] = {}
        self._parents: dict[str, str] = {}
        self._moving: dict[str, list[tuple[int, np.ndarray]]] = {}
        self._sorted = True

    def add(self, transforms: "Sequence[TransformStamped]", *, static: bool) -> None:
        """Take the transforms of a message; those that are no rigid motion are left out."""
        for item in transforms:
            child, parent = (n.lstrip("/") for n in (item.child_frame_id, item.header.frame_id))
            try:
                matrix = transform_matrix(item.transform)
            except ValueError:
                continue
            if static:
                self._static[child] = (parent, matrix)
                continue
            self._parents[child] = parent
            held = self._moving.setdefault(child, [])
            if len(held) < _MOST:
                held.append((stamp_ns(item.header), matrix))
                self._sorted = False

    def camera_in(self, frame: str, header: "Header") -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp, or why it is not known."""
        stamp, camera = stamp_ns(header), header.frame_id
        self._sort()
        try:
            above_camera = dict(self._above(camera, stamp))
            for name, T_name_frame in self._above(frame, stamp):
                if name in above_camera:
                    return np.linalg.inv(T_name_frame) @ above_camera[name]
        except LookupError as error:
            detail = f"no transform from {camera} to {frame} at the image: {error.args[0]}"
            return Rejection(Reason.NO_TRANSFORM, detail)
        detail = f"no transform from {camera} to {frame}: nothing recorded connects them"
        return Rejection(Reason.NO_TRANSFORM, detail)

    def _above(self, frame: str, stamp: int) -> Iterator[tuple[str, np.ndarray]]:
        """The frames above one, itself first, and its pose in them.

        Raises:
            LookupError: the pose of one of them is not known at that time.
        """
        T_name_frame = np.eye(4)
        for _ in range(_DEEPEST):
            yield frame, T_name_frame
            if frame in self._static:
                frame, matrix = self._static[frame]
            elif frame in self._moving:
                matrix, frame = self._at(frame, stamp), self._parents[frame]
            else:
                return
            T_name_frame = matrix @ T_name_frame

    def _at(self, frame: str, stamp: int) -> np.ndarray:
        held = self._moving[frame]
        first, last = held[0][0], held[-1][0]
        if not first <= stamp <= last:
            raise LookupError(
                f"{frame} is known from {first / 1e9:.3f} to {last / 1e9:.3f} s, the image is of "
                f"{stamp / 1e9:.3f} s"
            )
        after = bisect_left(held, stamp, key=lambda item: item[0])
        return pose_at(tuple(held[max(after - 1, 0) : after + 1]), stamp)

    def _sort(self) -> None:
        if not self._sorted:
            for held in self._moving.values():
                held.sort(key=lambda item: item[0])
            self._sorted = True


def transform_matrix(transform: "Transform") -> np.ndarray:
    """Return the (4, 4) matrix of a geometry_msgs/Transform.

    Raises:
        ValueError: it is not finite, no rotation, or farther than any camera can be.
    """
    q, t = transform.rotation, transform.translation
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_from_quat_wxyz(q.w, q.x, q.y, q.z)
    matrix[:3, 3] = (t.x, t.y, t.z)
    if not (np.abs(matrix) <= _FARTHEST_M).all():  # NaN fails too
        raise ValueError(f"the transform is not finite or absurd: {matrix.tolist()}")
    return matrix
