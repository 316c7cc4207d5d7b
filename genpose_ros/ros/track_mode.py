"""Mode `track`: objects keep their names from frame to frame."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from std_msgs.msg import Header

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.estimate_mode import MakeEstimator
from genpose_ros.ros.fixed_frame import FixedFrame
from genpose_ros.ros.frame_builder import build_frame
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.output_checks import check_estimate
from genpose_ros.ros.parameters import Settings
from genpose_ros.ros.published import PublishedFrame, published_track
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracks import Track, TrackingResult

__all__ = ["MakeTracker", "ObjectTracker", "Tracking"]

#: Rejections of masks that came too late to be published themselves, kept for the next frame.
_CARRIED = 100
#: A stamp before all others.
_NEVER = -1


class ObjectTracker(Protocol):
    """What the node needs of a tracker; its estimator and settings may change at any frame."""

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
    ) -> TrackingResult:
        """Take a depth image without masks."""

    def reset(self) -> None:
        """Forget all tracks."""


#: From an estimator and settings to a tracker.
MakeTracker = Callable[[Any, TrackerSettings], ObjectTracker]


class Tracking:
    """Tracks objects through the frames of one camera.

    What is published never goes back in time: masks of an image older than the newest one
    published name and begin tracks, which the next image shows. When the clock jumps back, which
    the frames' epoch tells, all begins anew.

    Args:
        make_estimator: builds the estimator for given settings.
        make_tracker: builds the tracker.
        settings: to begin with.
        fixed_frame: tells the camera's motion; None: nothing does.
        warn: called with a subject and a line about it.
    """

    def __init__(
        self,
        make_estimator: MakeEstimator,
        make_tracker: MakeTracker,
        settings: Settings,
        fixed_frame: FixedFrame | None,
        warn: Callable[[str, str], None],
    ) -> None:
        self.fixed_frame = fixed_frame
        self.frames: Counter[str] = Counter()
        self._make_estimator = make_estimator
        self._settings = settings
        self._tracker = make_tracker(make_estimator(settings.estimator), settings.tracker)
        self._warn = warn
        self._epoch = 0
        self._tracked_ns = self._published_ns = _NEVER
        self._R_fixed_cam = np.eye(3)
        self._carried: deque[Rejection] = deque(maxlen=_CARRIED)
        # Held while a frame is tracked: services and parameters come in other threads.
        self._lock = threading.Lock()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks, as of the newest frame."""
        return self._tracker.tracks

    def configure(self, settings: Settings) -> None:
        """Take other settings from the next frame on; the tracks stay."""
        estimator = self._tracker.estimator
        if settings.estimator != self._settings.estimator:
            estimator = self._make_estimator(settings.estimator)
        with self._lock:
            self._settings = settings
            self._tracker.estimator, self._tracker.settings = estimator, settings.tracker

    def warm_up(self) -> None:
        """Make the first frame as fast as the others."""
        self._tracker.estimator.warm_up()

    def reset(self) -> int:
        """Forget all tracks, once the frame in hand is done; returns how many there were."""
        with self._lock:
            count = len(self._tracker.tracks)
            self._tracker.reset()
            self._tracked_ns = _NEVER
        return count

    def process(self, matched: Matched) -> PublishedFrame | Rejection | None:
        """Return what to publish of a frame, or why all of it is refused; None: nothing."""
        built = build_frame(matched, self._settings)
        if isinstance(built, Rejection):
            return built
        header = matched.depth.header
        T_fixed_cam = self._camera_motion(header)
        with self._lock:
            if matched.epoch != self._epoch:
                self._begin_anew(matched.epoch)
            result = self._track(built.frame, matched.masks is None, T_fixed_cam)
            if result is None:
                return None
            for note in result.notes:
                self._warn("tracker", note)
            self._carried.extend(built.rejections + result.rejections)
            if self._outdated(built.frame.stamp_ns):
                return None
            self._published_ns = built.frame.stamp_ns
            if T_fixed_cam is not None:
                self._R_fixed_cam = T_fixed_cam[:3, :3]
            return self._published(result, header)

    def _begin_anew(self, epoch: int) -> None:
        self._tracker.reset()
        self._epoch = epoch
        self._tracked_ns = self._published_ns = _NEVER
        self._carried.clear()

    def _camera_motion(self, header: Header) -> np.ndarray | None:
        if self.fixed_frame is None:
            return None
        wait_seconds = self._settings.node.fixed_frame_wait_s
        T_fixed_cam = self.fixed_frame.lookup(header, wait_seconds)
        if T_fixed_cam is None:
            line = f"camera motion is not compensated: {self.fixed_frame.problem}"
            self._warn("fixed_frame", line)
        return T_fixed_cam

    def _track(
        self, frame: Frame, depth_only: bool, T_fixed_cam: np.ndarray | None
    ) -> TrackingResult | None:
        """The tracker's result; None where there was nothing to do."""
        stamp_ns = frame.stamp_ns
        late_s = (self._tracked_ns - stamp_ns) / 1e9
        if depth_only and (self._outdated(stamp_ns) or not self._tracker.tracks):
            return None
        if late_s > self._settings.tracker.clock_jump_s:
            # To the tracker it would look as if the clock had jumped back, which it has not.
            detail = f"masks came {late_s:.2f} s late; see tracking.clock_jump_s"
            self._carried.append(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
            return None
        self._tracked_ns = max(self._tracked_ns, stamp_ns)
        self.frames["depth_only" if depth_only else "masks"] += 1
        if depth_only:
            return self._tracker.track_depth(frame.depth_m, frame.camera, stamp_ns, T_fixed_cam)
        return self._tracker.track(frame, stamp_ns, T_fixed_cam)

    def _outdated(self, stamp_ns: int) -> bool:
        return stamp_ns <= self._published_ns

    def _published(self, result: TrackingResult, header: Header) -> PublishedFrame:
        settings = self._settings
        rejections, objects = list(self._carried), []
        self._carried.clear()
        for track in result.tracks:
            refused = check_estimate(track.estimate, settings.estimator.workspace_m)
            if refused is None:
                own = published_track(track, self._R_fixed_cam, settings.tracker.max_coast_s)
                objects.append(own)
            else:
                rejections.append(refused)
        return PublishedFrame(objects, rejections, header, dict(result.timings_ms))
