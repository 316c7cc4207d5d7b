"""Where the camera was, frame by frame, in a fixed frame: known or carried on."""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from genpose_ros.geometry.single_rotations import rotation_from_vector, vector_from_rotation

__all__ = ["HISTORY_S", "CameraPath", "pose_at", "remembered"]

#: Poses are remembered this long, for masks that come late, and no more than so many of them.
HISTORY_S = 2.0
_HISTORY_LENGTH = 256


@dataclass(frozen=True)
class CameraPath:
    """The camera's poses up to the newest frame.

    Attributes:
        newest_ns: stamp of the newest frame; None before the first.
        T_fixed_cam: (4, 4) the pose in force: the newest known one; at first the identity, which
            makes the camera itself the fixed frame.
        known: whether it is that of the newest frame.
        history: (stamp, pose in force) of the last frames, oldest first.
    """

    newest_ns: int | None = None
    T_fixed_cam: np.ndarray = field(default_factory=lambda: np.eye(4))
    known: bool = False
    history: tuple[tuple[int, np.ndarray], ...] = ()

    def moved(self, stamp_ns: int, T_fixed_cam: np.ndarray | None) -> "CameraPath":
        """Return the path with one more frame; without a pose the camera stands still."""
        known = T_fixed_cam is not None
        T = np.array(T_fixed_cam, dtype=np.float64) if known else self.T_fixed_cam
        return CameraPath(stamp_ns, T, known, remembered(self.history, stamp_ns, T))

    def at(self, stamp_ns: int) -> np.ndarray:
        """Return the pose at a stamp, between those in force in the frames around it."""
        return pose_at(self.history, stamp_ns) if self.history else self.T_fixed_cam


def remembered(
    history: tuple[tuple[int, np.ndarray], ...], stamp_ns: int, T: np.ndarray
) -> tuple[tuple[int, np.ndarray], ...]:
    """Return a history (stamp, pose) with one more pose, and without those that are too old."""
    first = stamp_ns - round(HISTORY_S * 1e9)
    recent = tuple(item for item in history[-_HISTORY_LENGTH + 1 :] if item[0] >= first)
    return (*recent, (stamp_ns, T))


def pose_at(history: tuple[tuple[int, np.ndarray], ...], stamp_ns: int) -> np.ndarray:
    """Return a history's pose (4, 4) at a stamp, between the frames around it.

    Before the first and after the last frame it is theirs. The history must not be empty.
    """
    after = bisect_left(history, stamp_ns, key=lambda item: item[0])
    if after == len(history):
        return history[-1][1]
    late_ns, late = history[after]
    if after == 0 or late_ns == stamp_ns:
        return late
    early_ns, early = history[after - 1]
    share = (stamp_ns - early_ns) / (late_ns - early_ns)
    turn = vector_from_rotation(late[:3, :3] @ early[:3, :3].T)
    T = early + share * (late - early)
    T[:3, :3] = rotation_from_vector(share * turn) @ early[:3, :3]
    return T
