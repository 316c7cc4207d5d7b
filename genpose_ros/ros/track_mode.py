# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mode `track` of the node: objects keep their names from frame to frame."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.estimate_mode import ActiveEstimator, MakeEstimator
from genpose_ros.ros.frame_builder import build_frame
from genpose_ros.ros.output_checks import check_estimate
from genpose_ros.ros.published import PublishedFrame, published_track
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracks import Track, TrackingResult

if TYPE_CHECKING:
    from std_msgs.msg import Header

__all__ = ["MakeTracker", "ObjectTracker", "Tracking"]

#: Rejections of delayed masks, whose own frame is not published, kept for the next frame.
_KEPT_REJECTIONS = 100
#: A stamp before all others.
_NEVER = -1


class ObjectTracker(Protocol):
    """Tracker as the node needs it; its estimator and settings may change at any frame."""

    estimator: Any
    settings: TrackerSettings

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks, as of the newest frame."""

    def track(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> TrackingResult:
        """Take a frame with masks."""

    def track_depth(
        self,
        depth_m: np.ndarray,
        camera: PinholeCamera,
        stamp_ns: int,
        T_fixed_cam: np.ndarray | None = None,
        *,
        up_cam: UpDirection | None = None,
    ) -> TrackingResult:
        """Take a depth image without masks."""

    def reset(self) -> None:
        """Forget all tracks."""


#: From an estimator and settings to a tracker.
MakeTracker = Callable[[Any, TrackerSettings], ObjectTracker]


class Tracking:
    """Tracking of objects through the frames of one camera.

    Published frames never go back in time: masks of an image older than the newest one published
    name and begin tracks, which the next image shows. With another epoch of the matcher, which
    means that the clock had jumped, all tracks are cleared.

    Attributes:
        frames: number of frames tracked so far, those with `masks` and `depth_only`.

    Args:
        make_estimator: builds the estimator for given settings.
        make_tracker: builds the tracker.
        settings: to begin with; where `fixed_frame` names a frame that stands still, every frame
            must come with the camera's pose in it.
        warn: called with a subject and a line about it.
    """

    def __init__(
        self,
        make_estimator: MakeEstimator,
        make_tracker: MakeTracker,
        settings: Settings,
        warn: Callable[[str, str], None],
    ) -> None:
        self.frames: Counter[str] = Counter()
        self._active = ActiveEstimator(make_estimator, settings)
        self._tracker = make_tracker(self._active.current[0], settings.tracker)
        self._warn = warn
        self._epoch = 0
        self._published_ns = _NEVER
        self._kept: deque[Rejection] = deque(maxlen=_KEPT_REJECTIONS)
        # Held while a frame is tracked: services come in another thread.
        self._lock = threading.Lock()
        self._due: deque[Callable[[], None]] = deque()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks, as of the newest frame."""
        return self._tracker.tracks

    @property
    def categories(self) -> CategorySet:
        """What the estimator knows."""
        return self._active.current[0].categories

    def configure(self, settings: Settings) -> None:
        """Take other settings from the next frame on; the tracks stay."""
        self._active.configure(settings)

    def warm_up(self) -> None:
        """Make the first frame as fast as the others."""
        self._active.current[0].warm_up()

    def stop(self) -> None:
        """End the frame in hand, and all that come."""
        self._active.current[0].stop.set()

    def reset(self) -> int:
        """Forget all tracks, once the frame in hand is done; returns how many there are.

        Never waits for that frame, which may take long.
        """
        count = len(self._tracker.tracks)
        self._do_when_free(self._tracker.reset)
        return count

    def restart(self) -> None:
        """Begin anew, once the frame in hand is done: what comes may be older than before."""
        self._do_when_free(lambda: self._begin_epoch(0))

    def estimate(self, located: LocatedFrame) -> PublishedFrame | Rejection:
        """Return the estimates of a frame by itself, apart from all tracks."""
        return self._active.estimate(located)

    def process(self, located: LocatedFrame) -> PublishedFrame | Rejection | Drop:
        """Return what to publish of a frame, why all of it is refused, or why nothing is.

        Raises:
            KeyError: the camera's pose in the fixed frame is not given.
        """
        matched = located.matched
        estimator, settings = self._active.current
        built = build_frame(matched, settings, estimator.categories)
        if isinstance(built, Rejection):
            return built
        header = matched.depth.header
        fixed_frame = settings.node.fixed_frame
        T_fixed_cam = located.T_frame_cam[fixed_frame] if fixed_frame else None
        with self._lock:
            self._tracker.estimator, self._tracker.settings = estimator, settings.tracker
            self._do_what_is_due()
            if matched.epoch != self._epoch:
                self._begin_epoch(matched.epoch)
            frame = replace(built.frame, up_cam=located.up_cam)
            result = self._track(frame, matched.masks is None, T_fixed_cam)
            if isinstance(result, Drop):
                return result
            for note in result.notes:
                self._warn("tracker", note)
            self._kept.extend(built.rejections + result.rejections)
            if self._outdated(built.frame.stamp_ns):
                return Drop.LATE_MASKS
            self._published_ns = built.frame.stamp_ns
            return self._published(result, header, settings)

    def _do_when_free(self, step: Callable[[], None]) -> None:
        """Take a step now or, where a frame is in hand, before the next one; never wait."""
        self._due.append(step)
        if self._lock.acquire(blocking=False):
            try:
                self._do_what_is_due()
            finally:
                self._lock.release()

    def _do_what_is_due(self) -> None:
        """Take the steps that were asked for in the meantime; the lock is held."""
        while self._due:
            self._due.popleft()()

    def _begin_epoch(self, epoch: int) -> None:
        self._tracker.reset()
        self._epoch = epoch
        self._published_ns = _NEVER
        self._kept.clear()

    def _track(
        self, frame: Frame, depth_only: bool, T_fixed_cam: np.ndarray | None
    ) -> TrackingResult | Drop:
        """The tracker's result, or why there was nothing to do."""
        stamp_ns = frame.stamp_ns
        if depth_only and self._outdated(stamp_ns):
            return Drop.OUTDATED
        if depth_only and not self._tracker.tracks:
            return Drop.NO_TRACKS
        if self._exceeds_delay(stamp_ns):
            return Drop.LATE_MASKS
        self.frames["depth_only" if depth_only else "masks"] += 1
        if depth_only:
            return self._tracker.track_depth(
                frame.depth_m, frame.camera, stamp_ns, T_fixed_cam, up_cam=frame.up_cam
            )
        return self._tracker.track(frame, stamp_ns, T_fixed_cam)

    def _outdated(self, stamp_ns: int) -> bool:
        return stamp_ns <= self._published_ns

    def _exceeds_delay(self, stamp_ns: int) -> bool:
        """Whether masks are more delayed than the tracker takes; the rejection is kept.

        It would take them for a clock that jumped back, which within an epoch is not so.
        """
        delay_s = (self._published_ns - stamp_ns) / 1e9
        if delay_s <= self._tracker.settings.clock_jump_s:
            return False
        detail = (
            f"masks came {delay_s:.2f} s after a newer image was tracked; see tracking.clock_jump_s"
        )
        self._kept.append(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
        return True

    def _published(
        self, result: TrackingResult, header: "Header", settings: Settings
    ) -> PublishedFrame:
        rejections, objects = list(self._kept), []
        self._kept.clear()
        for track in result.tracks:
            refused = check_estimate(track.estimate, settings.estimator.workspace_m)
            if refused is None:
                R_fixed_cam = result.T_fixed_cam[:3, :3]
                objects.append(published_track(track, R_fixed_cam, settings.tracker.max_coast_s))
            else:
                rejections.append(refused)
        timings_ms, up_cam = dict(result.timings_ms), result.up_cam
        lowered = result.lowered
        return PublishedFrame(
            objects, rejections, header, timings_ms, up_cam=up_cam, lowered=lowered
        )
