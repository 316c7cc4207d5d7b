# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Queue of the frames that wait for the camera's pose at their image."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.matching import MOST_BYTES, Matched

if TYPE_CHECKING:
    from std_msgs.msg import Header

__all__ = ["CameraPoses", "LocatedFrame", "TransformQueue"]

#: However long transforms keep coming, no frame waits longer, seconds, but for a longer `wait_s`.
_LONGEST_S = 2.0
#: Frames that may wait at the same time: those of two seconds at 30 Hz.
_MOST = 64
#: Waits of the last frames that are kept for diagnostics.
_WAITS = 256


class CameraPoses(Protocol):
    """Whatever tells where the camera was, such as a buffer of transforms."""

    def camera_in(self, frame: str, header: "Header") -> np.ndarray | Rejection:
        """Return T_frame_cam, (4, 4), at the header's stamp, or why it is not known."""


class _Transforms(CameraPoses, Protocol):
    def newest_ns(self, frame: str, camera_frame: str) -> int | None: ...


@dataclass(frozen=True)
class LocatedFrame:
    """Matched messages and where the camera was at their image.

    Attributes:
        matched: the messages.
        T_frame_cam: (4, 4) the camera in each of the frames that were asked for, by name.
        up_cam: which way is up, as far as TF or an IMU tells.
    """

    matched: Matched
    T_frame_cam: Mapping[str, np.ndarray] = field(default_factory=dict)
    up_cam: UpDirection | None = None


@dataclass(frozen=True)
class _Waiting:
    matched: Matched
    since_s: float

    @property
    def header(self) -> "Header":
        return self.matched.depth.header

    @property
    def stamp_ns(self) -> int:
        return stamp_ns(self.header)


@dataclass
class _Chain:
    """Up to which stamp the poses of a camera are known, and since when they are."""

    newest_ns: int | None
    since_s: float


class TransformQueue:
    """Queue in which frames wait until TF tells where the camera was at their image.

    Poses are looked up when a frame comes and again whenever transforms do. A frame is refused
    when none newer has come for `wait_s`, when it has waited for 2 s, or when its pose can come no
    more. Frames of one camera are delivered in the order they came; where several get their poses
    at once, together. All methods are to be called in one thread.

    Attributes:
        frames: names of the frames that the camera is looked up in; without any nothing waits.
        found: number of frames that were delivered.
        refused: number of frames that were refused.
        waits_ms: how long the last frames delivered had waited, milliseconds.
        problem: why the last frame was refused; empty: the last one was delivered.

    Args:
        transforms: where poses are looked up, such as a `TransformBuffer`.
        frames: see above.
        wait_s: gives how long a frame waits while no newer transform comes, seconds.
        deliver: called with frames whose poses are known, oldest first.
        refuse: called with each other frame and the reason.
        most_bytes: gives how much the frames that wait may hold; the oldest go first.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        transforms: _Transforms,
        frames: Sequence[str],
        *,
        wait_s: Callable[[], float],
        deliver: Callable[[Sequence[LocatedFrame]], None],
        refuse: "Callable[[Rejection, Header], None]",
        most_bytes: Callable[[], int] = lambda: MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.frames = tuple(dict.fromkeys(frames))
        self.found = self.refused = 0
        self.waits_ms: deque[float] = deque(maxlen=_WAITS)
        self.problem = ""
        self._transforms = transforms
        self._wait_s, self._clock = wait_s, clock
        self._deliver, self._refuse = deliver, refuse
        self._most_bytes = most_bytes
        self._waiting: list[_Waiting] = []
        self._chains: dict[str, _Chain] = {}

    def __len__(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    def add(self, matched: Matched) -> int:
        """Deliver a frame, at once or later; one with masks replaces its image without them.

        Returns:
            how many frames were replaced.
        """
        new, before = _Waiting(matched, self._clock()), len(self._waiting)
        if matched.masks is not None:
            self._waiting = [w for w in self._waiting if not _is_image_of(w, new)]
        replaced = before - len(self._waiting)
        self._waiting.append(new)
        self.look_up()
        if len(self._waiting) > _MOST:
            oldest = self._waiting.pop(0)
            self._give_up(oldest, f"more than {_MOST} newer images wait for their transforms")
        while len(self._waiting) > 1 and self._held_bytes() > self._most_bytes():
            oldest = self._waiting.pop(0)
            self._give_up(oldest, "newer images that wait hold limits.held_mb")
        return replaced

    def look_up(self) -> None:
        """Deliver the frames whose poses are known by now, as after new transforms."""
        if not self._waiting:
            return
        self._note_progress()
        ready, waiting = [], []
        for item in self._waiting:
            newest_ns = self._chains[item.header.frame_id].newest_ns
            if item.stamp_ns and newest_ns is not None and 0 < newest_ns < item.stamp_ns:
                waiting.append(item)
                continue
            poses = self._poses(item.header)
            # Where the newest is not known the image's may be, as beside what is left of a loop.
            if newest_ns is None and item.stamp_ns and isinstance(poses, Rejection):
                waiting.append(item)
            elif isinstance(poses, Rejection):
                self._note_refused(poses, item)
            else:
                ready.append(LocatedFrame(item.matched, poses))
                self.waits_ms.append(1e3 * (self._clock() - item.since_s))
        self._waiting = waiting
        if ready:
            self.found += len(ready)
            self.problem = ""
            self._deliver(ready)

    def refuse_overdue(self) -> None:
        """Refuse the frames that have waited too long; to be called now and then."""
        now_s, wait_s = self._clock(), self._wait_s()
        waiting = self._waiting
        self._waiting = []
        for item in waiting:
            waited_s = now_s - item.since_s
            chain = self._chains[item.header.frame_id]
            stands_still = now_s - max(item.since_s, chain.since_s) >= wait_s
            if stands_still or waited_s >= max(wait_s, _LONGEST_S):
                self._give_up(item, f"waited {waited_s:.2f} s, {_lag(item, chain)}")
            else:
                self._waiting.append(item)

    def clear(self) -> int:
        """Forget the frames that wait; returns how many there were."""
        forgotten = len(self._waiting)
        self._waiting.clear()
        self._chains.clear()
        return forgotten

    def _held_bytes(self) -> int:
        return sum(item.matched.n_bytes for item in self._waiting)

    def _note_progress(self) -> None:
        """Note up to which stamp the poses of the cameras of waiting frames are known."""
        cameras = {item.header.frame_id for item in self._waiting}
        chains: dict[str, _Chain] = {}
        for camera in cameras:
            newest_ns = self._newest_ns(camera)
            before = self._chains.get(camera)
            if before is not None and before.newest_ns == newest_ns:
                chains[camera] = before
            else:
                chains[camera] = _Chain(newest_ns, self._clock())
        self._chains = chains

    def _newest_ns(self, camera: str) -> int | None:
        """Up to which stamp all poses of a camera are known; 0: at all times; None: at none."""
        each = [self._transforms.newest_ns(frame, camera) for frame in self.frames]
        known = [newest_ns for newest_ns in each if newest_ns is not None]
        if len(known) < len(each):
            return None
        return min((newest_ns for newest_ns in known if newest_ns), default=0)

    def _poses(self, header: "Header") -> dict[str, np.ndarray] | Rejection:
        """T_frame_cam of all frames at an image, or why one of them is not known."""
        poses = {}
        for frame in self.frames:
            pose = self._transforms.camera_in(frame, header)
            if isinstance(pose, Rejection):
                return pose
            poses[frame] = pose
        return poses

    def _give_up(self, item: _Waiting, why: str) -> None:
        poses = self._poses(item.header)
        reason = poses.detail if isinstance(poses, Rejection) else "its transform came too late"
        detail = f"{reason} ({why}; see transform_wait_s)"
        self._note_refused(Rejection(Reason.NO_TRANSFORM, detail), item)

    def _note_refused(self, rejection: Rejection, item: _Waiting) -> None:
        self.refused += 1
        self.problem = rejection.detail
        self._refuse(rejection, item.header)


def _is_image_of(item: _Waiting, other: _Waiting) -> bool:
    """Whether an item is the depth image of another one, without its masks."""
    return item.matched.masks is None and item.matched.depth is other.matched.depth


def _lag(item: _Waiting, chain: _Chain) -> str:
    """How far the newest transform is behind an image."""
    if chain.newest_ns is None:
        return "no transform has come yet"
    lag_s = (item.stamp_ns - chain.newest_ns) / 1e9
    return f"the newest transform is {lag_s:.2f} s older than the image"
