"""How the tracking goes, for diagnostics."""

import time
from collections import Counter
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.ros.diagnostics import status
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.tracking.tracks import TrackState

__all__ = ["TrackingStatus"]


class TrackingStatus:
    """Says when called how many tracks there are, how fast it goes and what was not compensated.

    Args:
        tracking: what it tells about.
        dropped: how many frames were replaced by newer ones so far.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        tracking: Tracking,
        dropped: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracking, self._dropped, self._clock = tracking, dropped, clock
        self._before = self._counts()
        self._before_s = clock()

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        now, now_s = self._counts(), self._clock()
        passed_s = max(now_s - self._before_s, 1e-3)
        new = now - self._before
        self._before, self._before_s = now, now_s
        states = Counter(track.state for track in self._tracking.tracks)
        values: dict[str, object] = {state.value: states[state] for state in TrackState}
        values["frames with masks per second"] = f"{new['masks'] / passed_s:.1f}"
        values["depth images without masks per second"] = f"{new['depth_only'] / passed_s:.1f}"
        values["frames dropped for newer ones"] = now["dropped"]
        fixed = self._tracking.fixed_frame
        if fixed is not None:
            values["fixed frame"] = fixed.frame
            values["frames compensated"] = now["compensated"]
            values["frames uncompensated"] = now["uncompensated"]
            values["last transform"] = fixed.problem or "found"
        message = f"{states[TrackState.CONFIRMED]} of {states.total()} tracks are confirmed"
        if new["uncompensated"]:
            frames = new["uncompensated"] + new["compensated"]
            message = f"camera motion not compensated in {new['uncompensated']} of {frames} frames"
        return status("tracking", message, values, warn=new["uncompensated"] > 0)

    def _counts(self) -> Counter[str]:
        counts = Counter(self._tracking.frames)
        counts["dropped"] = self._dropped()
        fixed = self._tracking.fixed_frame
        if fixed is not None:
            counts["compensated"], counts["uncompensated"] = fixed.compensated, fixed.uncompensated
        return counts
