# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ego-motion: the camera's poses, frame by frame, in a fixed frame; known or carried over."""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from genpose_ros.geometry.single_rotations import rotation_from_vector, vector_from_rotation
from genpose_ros.tracking import constants

__all__ = ["EgoMotion", "PoseHistory", "StampedCameraPose", "append_pose", "pose_at"]

#: Poses (4, 4) with their stamps, oldest first.
PoseHistory = tuple[tuple[int, np.ndarray], ...]


@dataclass(frozen=True)
class StampedCameraPose:
    """The camera's pose at the time of a frame.

    Attributes:
        stamp_ns: acquisition time.
        T_fixed_cam: (4, 4) camera in the fixed frame.
        known: whether that is the frame's own, not that of an earlier one.
    """

    stamp_ns: int
    T_fixed_cam: np.ndarray
    known: bool

    @property
    def T_cam_fixed(self) -> np.ndarray:
        """Fixed frame to camera, (4, 4)."""
        return np.linalg.inv(self.T_fixed_cam)

    def since_s(self, stamp_ns: int) -> float:
        """Seconds since another time."""
        return (self.stamp_ns - stamp_ns) / 1e9


@dataclass(frozen=True)
class EgoMotion:
    """The camera's poses up to the newest frame.

    Attributes:
        newest_ns: stamp of the newest frame; None before the first.
        T_fixed_cam: (4, 4) the pose in force: the newest known one; at first the identity, which
            makes the camera itself the fixed frame.
        known: whether it is that of the newest frame.
        history: the poses in force in the last frames.
    """

    newest_ns: int | None = None
    T_fixed_cam: np.ndarray = field(default_factory=lambda: np.eye(4))
    known: bool = False
    history: PoseHistory = ()

    def updated(self, stamp_ns: int, T_fixed_cam: np.ndarray | None) -> "EgoMotion":
        """Return the motion with one more frame; without a pose the camera stands still."""
        known = T_fixed_cam is not None
        T = np.array(T_fixed_cam, dtype=np.float64) if known else self.T_fixed_cam
        return EgoMotion(stamp_ns, T, known, append_pose(self.history, stamp_ns, T))

    def at(self, stamp_ns: int) -> np.ndarray:
        """Return the pose (4, 4) at a stamp, between those in force in the frames around it."""
        return pose_at(self.history, stamp_ns) if self.history else self.T_fixed_cam

    def camera_pose_at(
        self, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> StampedCameraPose:
        """Return the camera's pose in a frame that is not newer than the newest one.

        Args:
            stamp_ns: of the frame.
            T_fixed_cam: (4, 4) what is said of an older frame; it counts only where the newest
                pose is known, too, since tracks are where that has them.
        """
        if stamp_ns == self.newest_ns:
            T = self.T_fixed_cam
        elif T_fixed_cam is None or not self.known:
            T = self.at(stamp_ns)
        else:
            T = np.asarray(T_fixed_cam, dtype=np.float64)
        return StampedCameraPose(stamp_ns, T, self.known)


def append_pose(history: PoseHistory, stamp_ns: int, T: np.ndarray) -> PoseHistory:
    """Return a history with one more pose (4, 4), and without those that are too old."""
    first = stamp_ns - round(constants.POSE_HISTORY_S * 1e9)
    newest = history[-constants.POSE_HISTORY_LENGTH + 1 :]
    return (*newest[bisect_left(newest, first, key=lambda item: item[0]) :], (stamp_ns, T))


def pose_at(history: PoseHistory, stamp_ns: int) -> np.ndarray:
    """Return a history's pose (4, 4) at a stamp, interpolated between the frames around it.

    Before the first and after the last frame it is theirs. The history must not be empty.
    """
    after = bisect_left(history, stamp_ns, key=lambda item: item[0])
    if after == len(history):
        return history[-1][1]
    later_ns, later = history[after]
    if after == 0 or later_ns == stamp_ns:
        return later
    earlier_ns, earlier = history[after - 1]
    share = (stamp_ns - earlier_ns) / (later_ns - earlier_ns)
    turn = vector_from_rotation(later[:3, :3] @ earlier[:3, :3].T)
    T = earlier + share * (later - earlier)
    T[:3, :3] = rotation_from_vector(share * turn) @ earlier[:3, :3]
    return T
