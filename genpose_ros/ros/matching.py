"""Brings masks together with the depth image that they were made from.

Depth images for which no masks came in time can be asked for too: `FrameMatcher.poll_depth`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.stamped_ring import StampedRing

__all__ = ["DepthMessage", "FrameMatcher", "MaskInput", "MatchOutcome", "Matched"]

#: Masks that may wait at the same time.
MAX_WAITING = 32
#: Images in a row whose masks came before the next image: the segmenter keeps up with the camera.
_KEEPS_UP = 2


@dataclass(frozen=True)
class DepthMessage:
    """A depth image as it came: its header and a view of its stored pixels."""

    header: Any
    pixels: np.ndarray


@dataclass(frozen=True)
class MaskInput:
    """Masks as they came: a label image's pixels, or an InstanceMasks message.

    `needs_detections`: the classes come from a Detection2DArray that should be waited for.
    """

    content: Any
    needs_detections: bool = False


@dataclass(frozen=True)
class Matched:
    """What belongs together. `camera` may be the reason why there is none.

    `masks` is None for a depth image by itself; that there are no objects, masks tell. `epoch`
    counts how often the clock had jumped back until then.
    """

    depth: DepthMessage
    masks: MaskInput | None
    camera: PinholeCamera | Rejection
    detections: tuple[Any, ...] = ()
    epoch: int = 0


@dataclass
class MatchOutcome:
    """What a look at the waiting masks gave, oldest first."""

    matched: list[Matched] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True)
class _Waiting:
    masks: MaskInput
    since_s: float


@dataclass
class _Newest:
    """The newest depth image, whether it was given away, and how its masks come.

    `kept_up`: so many images before it, in a row, had their masks when the next image came.
    """

    stamp_ns: int = 0
    depth: DepthMessage | None = None
    taken: bool = False
    has_masks: bool = False
    kept_up: int = 0

    def followed_by(self, stamp_ns: int, depth: DepthMessage) -> "_Newest":
        """The state when the next image has come."""
        return _Newest(stamp_ns, depth, kept_up=self.kept_up + 1 if self.has_masks else 0)


class FrameMatcher:
    """Holds the last seconds of depth and detections, and the masks that wait for theirs.

    Masks are matched with the depth image of exactly their stamp; when no such one can come any
    more, with the nearest within the slop. The camera is the one of their stamp too, so that late
    masks survive a change of resolution; without one the newest. Not thread-safe: for one executor
    thread.

    Attributes:
        camera: the newest; None: there was none yet.

    Args:
        depth_history_s: how much depth is held; masks later than this find nothing.
        sync_slop_s: greatest difference of stamps.
        wait_seconds: how long masks wait for depth, camera or detections that come after them.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        depth_history_s: float,
        sync_slop_s: float,
        wait_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sync_slop_s = sync_slop_s
        self.wait_seconds = wait_seconds
        self.camera: PinholeCamera | Rejection | None = None
        self._depth: StampedRing[DepthMessage] = StampedRing(depth_history_s)
        self._detections: StampedRing[tuple[Any, ...]] = StampedRing(depth_history_s)
        self._cameras: StampedRing[PinholeCamera | Rejection] = StampedRing(depth_history_s)
        self._waiting: dict[int, _Waiting] = {}
        self._last_ns: int | None = None
        self._newest = _Newest()
        self._epoch = 0
        self._clock = clock

    def configure(self, depth_history_s: float, sync_slop_s: float, wait_seconds: float) -> None:
        """Take other lengths from now on."""
        for ring in (self._depth, self._detections, self._cameras):
            ring.seconds = depth_history_s
        self.sync_slop_s, self.wait_seconds = sync_slop_s, wait_seconds

    def jumps_back(self, stamp_ns: int) -> bool:
        """Whether a depth image of this stamp means that the clock was set back."""
        return self._depth.jumps_back(stamp_ns)

    def add_depth(self, stamp_ns: int, depth: DepthMessage) -> Rejection | None:
        """Hold a depth image. When its clock jumped back, everything older is forgotten."""
        if self.jumps_back(stamp_ns):
            self.clear()
            self._epoch += 1
        rejection = self._depth.add(stamp_ns, depth)
        if rejection is None:
            self._newest = self._newest.followed_by(stamp_ns, depth)
        return rejection

    def add_camera(self, stamp_ns: int, camera: PinholeCamera | Rejection) -> None:
        """Hold the camera of an image, or why it is none; whatever its stamp, it is the newest."""
        self.camera = camera
        self._cameras.add(stamp_ns, camera)

    def add_detections(self, stamp_ns: int, detections: tuple[Any, ...]) -> Rejection | None:
        """Hold the detections of an image."""
        return self._detections.add(stamp_ns, detections)

    def add_masks(self, stamp_ns: int, masks: MaskInput) -> Rejection | None:
        """Let masks wait for what belongs to them."""
        if self._last_ns is not None and stamp_ns < self._last_ns:
            late_ms = (self._last_ns - stamp_ns) / 1e6
            detail = f"masks are {late_ms:.1f} ms older than the last ones estimated"
            return Rejection(Reason.STAMP_OUT_OF_ORDER, detail)
        self._waiting[stamp_ns] = _Waiting(masks, self._clock())
        if len(self._waiting) <= MAX_WAITING:
            return None
        oldest = min(self._waiting)
        del self._waiting[oldest]
        return Rejection(
            Reason.NO_DEPTH_FOR_MASKS, f"more than {MAX_WAITING} masks wait for their depth"
        )

    def poll(self) -> MatchOutcome:
        """Match what can be matched now and reject what never can."""
        outcome = MatchOutcome()
        for stamp_ns in sorted(self._waiting):
            result = self._match(stamp_ns, self._waiting[stamp_ns])
            if result is None:
                continue
            self._waiting.pop(stamp_ns)
            if isinstance(result, Rejection):
                outcome.rejections.append(result)
            else:
                outcome.matched.append(result)
                self._last_ns = stamp_ns
                self._newest.has_masks |= result.depth is self._newest.depth
        return outcome

    def poll_depth(self) -> Matched | None:
        """Return the newest depth image without masks, once; None: there is nothing new.

        While the segmenter keeps up with the camera, an image waits for its masks.
        """
        newest = self._newest
        if newest.depth is None or newest.taken or newest.has_masks or newest.kept_up >= _KEEPS_UP:
            return None
        camera = self._cameras.exact(newest.stamp_ns) or self.camera
        if camera is None or _of_other_size(camera, newest.depth):
            return None  # its own may still be on the way
        newest.taken = True
        return Matched(newest.depth, None, camera, epoch=self._epoch)

    def clear(self) -> None:
        """Forget all but the newest camera."""
        for ring in (self._depth, self._detections, self._cameras):
            ring.clear()
        self._waiting.clear()
        self._last_ns = None
        self._newest = _Newest()

    def _match(self, stamp_ns: int, waiting: _Waiting) -> Matched | Rejection | None:
        """The match or the rejection; None: wait on."""
        late = self._clock() - waiting.since_s >= self.wait_seconds
        depth = self._lookup(self._depth, stamp_ns, late)
        if depth is None:
            passed = late or _passed(self._depth, stamp_ns)
            return self._no_depth(stamp_ns) if passed else None
        detections = self._lookup(self._detections, stamp_ns, late)
        missing = detections is None and waiting.masks.needs_detections
        if missing and not late and not _passed(self._detections, stamp_ns):
            return None
        own_camera = self._lookup(self._cameras, stamp_ns, late)
        camera = own_camera or self.camera
        if camera is None:
            detail = "no camera_info has arrived yet"
            return Rejection(Reason.BAD_INTRINSICS, detail) if late else None
        may_come = own_camera is None and not late and not _passed(self._cameras, stamp_ns)
        if may_come and _of_other_size(camera, depth):
            return None
        return Matched(depth, waiting.masks, camera, detections or (), self._epoch)

    def _lookup(self, ring: StampedRing[Any], stamp_ns: int, late: bool) -> Any | None:
        found = ring.exact(stamp_ns)
        if found is None and (late or _passed(ring, stamp_ns)):
            found = ring.nearest(stamp_ns, self.sync_slop_s)
        return found

    def _no_depth(self, stamp_ns: int) -> Rejection:
        oldest, newest = self._depth.oldest_ns, self._depth.newest_ns
        if oldest is None or newest is None:
            held = "no depth image is held"
        else:
            held = f"depth is held from {oldest / 1e9:.3f} to {newest / 1e9:.3f} s"
        detail = f"masks of stamp {stamp_ns / 1e9:.3f} s, but {held}"
        return Rejection(Reason.NO_DEPTH_FOR_MASKS, detail)


def _passed(ring: StampedRing[Any], stamp_ns: int) -> bool:
    """Whether the ring is past a stamp, so that exactly this one cannot come any more."""
    return ring.newest_ns is not None and ring.newest_ns > stamp_ns


def _of_other_size(camera: PinholeCamera | Rejection, depth: DepthMessage) -> bool:
    """Whether the camera took another image; its own may still be on the way."""
    if isinstance(camera, Rejection):
        return False
    return depth.pixels.shape != (camera.height, camera.width)
