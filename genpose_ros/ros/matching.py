# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Matching of masks with the depth image that they were made from, and the order of time.

Depth images for which no masks came in time can be asked for too: `FrameMatcher.poll_depth`. That a
clock jumped or that a message is out of order is judged here, for all that comes after.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.images import DepthPixels
from genpose_ros.ros.stamped_ring import Added, StampedRing

if TYPE_CHECKING:
    from std_msgs.msg import Header
    from vision_msgs.msg import Detection2D

__all__ = [
    "DepthMessage",
    "FrameMatcher",
    "MaskCamera",
    "MaskInput",
    "MatchOutcome",
    "Matched",
    "RefusedMasks",
]

Item = TypeVar("Item")

#: Masks that may wait at the same time.
MAX_WAITING = 32
#: What depth images and waiting masks may hold together where nothing else is said.
MOST_BYTES = 512_000_000
#: Images in a row whose masks came before the next image: the segmenter keeps up with the camera.
_KEEPS_UP = 2


@dataclass(frozen=True)
class DepthMessage:
    """Depth image as received: its header, its stored pixels (H, W), and the bytes it holds."""

    header: "Header"
    pixels: DepthPixels
    n_bytes: int = 0


@dataclass(frozen=True)
class MaskInput:
    """Masks as received.

    Attributes:
        content: a label image's pixels (H, W), or a message of the kind that `source` says.
        needs_detections: the classes come from a Detection2DArray that should be waited for.
        source: one of the node's mask sources.
        header: of the message; None: it had none.
        label_names: class names of label values, as the segmenter has published them.
        n_bytes: what it holds.
    """

    content: Any
    needs_detections: bool = False
    source: str = "label_image"
    header: "Header | None" = None
    label_names: Mapping[int, str] = field(default_factory=dict)
    n_bytes: int = 0


@dataclass(frozen=True)
class MaskCamera:
    """Camera whose image was segmented, of a depth image that is not aligned to it.

    Attributes:
        calibration: of that camera.
        T_mask_depth: (4, 4), from the depth camera's frame to its own, metres.
    """

    calibration: Calibration
    T_mask_depth: np.ndarray


@dataclass(frozen=True)
class Matched:
    """Messages that belong together.

    Attributes:
        depth: the depth image.
        masks: its masks; None for a depth image by itself, of which is not known what it shows.
        calibration: of the depth image's camera.
        detections: classes and scores of the labels.
        epoch: how often the clock had jumped until then; stamps of one epoch can be compared.
        mask_camera: of the masks; None: their pixels are those of the depth image.
    """

    depth: DepthMessage
    masks: MaskInput | None
    calibration: Calibration
    detections: "tuple[Detection2D, ...]" = ()
    epoch: int = 0
    mask_camera: MaskCamera | None = None

    @property
    def n_bytes(self) -> int:
        """How much memory depth and masks hold."""
        return self.depth.n_bytes + (0 if self.masks is None else self.masks.n_bytes)


@dataclass(frozen=True)
class RefusedMasks:
    """Masks that are never matched, and why."""

    rejection: Rejection
    masks: MaskInput


@dataclass
class MatchOutcome:
    """Matches and refusals of the waiting masks, oldest first."""

    matched: list[Matched] = field(default_factory=list)
    refused: list[RefusedMasks] = field(default_factory=list)


@dataclass(frozen=True)
class _Waiting:
    masks: MaskInput
    since_s: float


@dataclass
class _Newest:
    """State of the newest depth image: whether it was given away, and how its masks come.

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
    """Matcher that holds the last seconds of depth and detections, and the masks that wait.

    Masks are matched with the depth image of exactly their stamp; when no such one can come any
    more, with the nearest within the slop. The camera is the one of their stamp too, so that
    delayed masks survive a change of resolution; without one the newest. Matches with masks come in
    the order of their stamps within an epoch. Not thread-safe: for one executor thread.

    Attributes:
        calibration: the newest; None: there was none yet.
        most_bytes: what depth images and waiting masks may hold together; the oldest images go
            first, then the oldest masks, never the newest of either.
        let_go: how many depth images went for that.

    Args:
        history_s: how much depth is held; masks later than this find nothing.
        slop_s: greatest difference of stamps.
        wait_s: how long masks wait for depth, camera or detections that come after them.
        drop: called with the cause for which masks are neither matched nor refused, and how many.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        history_s: float,
        slop_s: float,
        wait_s: float,
        drop: Callable[[Drop, int], None] = lambda cause, count: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slop_s, self._wait_s, self._drop = slop_s, wait_s, drop
        self.calibration: Calibration | None = None
        self.most_bytes = MOST_BYTES
        self.let_go = 0
        self._depth: StampedRing[DepthMessage] = StampedRing(history_s, clock)
        self._detections: StampedRing[tuple[Detection2D, ...]] = StampedRing(history_s, clock)
        self._calibrations: StampedRing[Calibration] = StampedRing(history_s, clock)
        self._waiting: dict[int, _Waiting] = {}
        self._last_ns: int | None = None
        self._newest = _Newest()
        self._epoch = 0
        self._clock = clock

    @property
    def newest(self) -> tuple[int, int | None]:
        """The epoch, and the stamp of the newest depth image, ns; None: there was none in it."""
        return self._epoch, self._newest.stamp_ns if self._newest.depth is not None else None

    def configure(self, history_s: float, slop_s: float, wait_s: float) -> None:
        """Take other lengths from now on."""
        for ring in (self._depth, self._detections, self._calibrations):
            ring.seconds = history_s
        self._slop_s, self._wait_s = slop_s, wait_s

    def add_depth(self, stamp_ns: int, depth: DepthMessage) -> Added:
        """Hold a depth image. When its clock jumped, everything before is forgotten."""
        newest_ns = self._depth.newest_ns
        if stamp_ns == 0 and newest_ns is not None and newest_ns > 0:
            detail = "the depth image has the stamp 0, unlike those before: its driver left it out"
            return Added(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
        if stamp_ns < 0:
            detail = f"the depth image's stamp is {stamp_ns / 1e9:.3f} s, which no clock can show"
            return Added(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
        added = self._depth.add(stamp_ns, depth)
        if added.jump_s:
            self._begin_epoch()
        if added.rejection is None:
            self._newest = self._newest.followed_by(stamp_ns, depth)
            self._limit_memory()
        return added

    def add_calibration(self, stamp_ns: int, calibration: Calibration) -> None:
        """Hold the calibration of an image; whatever its stamp, it is the newest."""
        self.calibration = calibration
        self._calibrations.add(stamp_ns, calibration)

    def add_detections(
        self, stamp_ns: int, detections: "tuple[Detection2D, ...]"
    ) -> Rejection | None:
        """Hold the detections of an image."""
        return self._detections.add(stamp_ns, detections).rejection

    @property
    def waiting(self) -> int:
        """How many masks wait."""
        return len(self._waiting)

    def add_masks(self, stamp_ns: int, masks: MaskInput) -> RefusedMasks | None:
        """Let masks wait for what belongs to them, in the place of others of their stamp."""
        if self._last_ns is not None and stamp_ns < self._last_ns:
            back_ms = (self._last_ns - stamp_ns) / 1e6
            detail = f"masks are {back_ms:.1f} ms older than the last ones estimated"
            return RefusedMasks(Rejection(Reason.STAMP_OUT_OF_ORDER, detail), masks)
        if stamp_ns in self._waiting:
            self._drop(Drop.SAME_STAMP, 1)
        self._waiting[stamp_ns] = _Waiting(masks, self._clock())
        self._limit_memory()
        if len(self._waiting) <= MAX_WAITING:
            return None
        oldest = self._waiting.pop(min(self._waiting))
        detail = f"more than {MAX_WAITING} masks wait for their depth"
        return RefusedMasks(Rejection(Reason.NO_DEPTH_FOR_MASKS, detail), oldest.masks)

    def poll(self) -> MatchOutcome:
        """Match what can be matched now and reject what never can.

        Masks that have to wait hold up newer ones, so that stamps do not go back.
        """
        outcome = MatchOutcome()
        for stamp_ns in sorted(self._waiting):
            result = self._match(stamp_ns, self._waiting[stamp_ns])
            if result is None:
                break
            waiting = self._waiting.pop(stamp_ns)
            if isinstance(result, Rejection):
                outcome.refused.append(RefusedMasks(result, waiting.masks))
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
        calibration = self._calibrations.exact(newest.stamp_ns) or self.calibration
        if calibration is None or _of_other_size(calibration, newest.depth):
            return None  # its own may still be on the way
        newest.taken = True
        return Matched(newest.depth, None, calibration, epoch=self._epoch)

    @property
    def held_bytes(self) -> int:
        """What depth images and waiting masks hold together."""
        waiting = sum(waiting.masks.n_bytes for waiting in self._waiting.values())
        return waiting + sum(depth.n_bytes for depth in self._depth.values())

    def _limit_memory(self) -> None:
        excess = self.held_bytes - self.most_bytes
        while excess > 0 and len(self._depth) > 1:
            excess -= self._depth.pop_oldest().n_bytes
            self.let_go += 1
        while excess > 0 and len(self._waiting) > 1:
            excess -= self._waiting.pop(min(self._waiting)).masks.n_bytes
            self._drop(Drop.MEMORY, 1)

    def _begin_epoch(self) -> None:
        """Forget what belongs to the time before a jump of the clock, but the newest camera."""
        self._epoch += 1
        self._detections.clear()
        self._calibrations.clear()
        self._drop(Drop.CLOCK_JUMP, len(self._waiting))
        self._waiting.clear()
        self._last_ns = None
        self._newest = _Newest()

    def _match(self, stamp_ns: int, waiting: _Waiting) -> Matched | Rejection | None:
        """The match or the rejection; None: wait on."""
        waited = self._clock() - waiting.since_s >= self._wait_s
        depth = self._lookup(self._depth, stamp_ns, waited)
        if depth is None:
            may_come = self._may_come(self._depth, stamp_ns, waited)
            return None if may_come else self._no_depth(stamp_ns)
        detections = self._lookup(self._detections, stamp_ns, waited)
        missing = detections is None and waiting.masks.needs_detections
        if missing and self._may_come(self._detections, stamp_ns, waited):
            return None
        own = self._lookup(self._calibrations, stamp_ns, waited)
        calibration = own or self.calibration
        if calibration is None:
            detail = "no camera_info has arrived yet"
            return Rejection(Reason.BAD_INTRINSICS, detail) if waited else None
        may_come = own is None and self._may_come(self._calibrations, stamp_ns, waited)
        if may_come and _of_other_size(calibration, depth):
            return None
        return Matched(depth, waiting.masks, calibration, detections or (), self._epoch)

    def _lookup(self, ring: StampedRing[Item], stamp_ns: int, waited: bool) -> Item | None:
        found = ring.exact(stamp_ns)
        if found is None and not self._may_come(ring, stamp_ns, waited):
            found = ring.nearest(stamp_ns, self._slop_s)
        return found

    def _may_come(self, ring: StampedRing[Any], stamp_ns: int, waited: bool) -> bool:
        """Whether exactly this stamp may still come: nothing newer has, and time is left."""
        return not waited and (ring.newest_ns is None or ring.newest_ns <= stamp_ns)

    def _no_depth(self, stamp_ns: int) -> Rejection:
        nearest = self._depth.nearest_stamp_ns(stamp_ns)
        oldest, newest = self._depth.oldest_ns, self._depth.newest_ns
        if nearest is None or oldest is None or newest is None:
            held = "no depth image is held"
        else:
            apart_ms = (nearest - stamp_ns) / 1e6
            cure = "sync.depth_history_s" if stamp_ns < oldest else "sync.slop_s"
            setting = self._depth.seconds if stamp_ns < oldest else self._slop_s
            held = (
                f"the nearest depth image is {abs(apart_ms):.1f} ms "
                f"{'later' if apart_ms > 0 else 'earlier'} ({cure} is {setting:g} s); depth is "
                f"held from {oldest / 1e9:.3f} to {newest / 1e9:.3f} s"
            )
        detail = f"masks of stamp {stamp_ns / 1e9:.3f} s, but {held}"
        return Rejection(Reason.NO_DEPTH_FOR_MASKS, detail)


def _of_other_size(calibration: Calibration, depth: DepthMessage) -> bool:
    """Whether it is of another image's camera; its own may still be on the way."""
    return calibration.image_size not in (None, depth.pixels.shape[::-1])
