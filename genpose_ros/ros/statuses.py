# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Diagnostic states of the node's parts: inputs, rejections, estimator, tracking, transforms."""

import math
import resource
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.accounting import FrameAccount
from genpose_ros.ros.diagnostics import status
from genpose_ros.ros.inputs import Inputs
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.parameters import Parameters
from genpose_ros.ros.rejection_log import RejectionLog
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.transform_queue import TransformQueue
from genpose_ros.ros.up_sources import UpSources
from genpose_ros.ros.wording import counted
from genpose_ros.tracking.tracks import TrackState

__all__ = [
    "AccountStatus",
    "ChangesStatus",
    "EstimatorStatus",
    "InputStatus",
    "LastFrames",
    "RejectionStatus",
    "TrackingStatus",
    "TransformStatus",
    "UpStatus",
]

Clock = Callable[[], float]
#: Counters beside those that have the names of topics or reasons.
_MATCHED, _FRAMES = "matched masks", "whole frames"
#: Topics that masks come on, each before those that only tell of them.
_MASK_TOPICS = ("masks", "instance_masks", "mask_array", "yolo", "mask_detections")
#: What masks are where boxes come alone.
_GUESSED = "guessed from boxes and depth"
#: An input that pauses for so long is named, though it does not count as silent yet, seconds.
_PAUSE_S = 1.0
#: Frames whose times are kept.
_TIMINGS = 256
#: Reasons that a message about new rejections names.
_NAMED_REASONS = 3


class _Rates:
    """Growth of counters between two calls of `take`.

    Args:
        counts: the counters, which only grow.
        clock: seconds, monotonic.
    """

    def __init__(self, counts: Callable[[], Mapping[str, int]], clock: Clock) -> None:
        self._counts, self._clock = counts, clock
        self._before, self._before_s = Counter(counts()), clock()

    def take(self) -> tuple[Counter[str], float]:
        """Return what was added to each counter since the last call, and the seconds since."""
        now, now_s = Counter(self._counts()), self._clock()
        new, passed_s = now - self._before, now_s - self._before_s
        self._before, self._before_s = now, now_s
        return new, max(passed_s, 1e-3)


class InputStatus:
    """State of the inputs: rate and age of each, and the share of masks that find their depth.

    Args:
        inputs: the node's inputs.
        timeout_s: gives the seconds after which a required input counts as silent; 0: never.
        clock: seconds, monotonic.
    """

    def __init__(
        self, inputs: Inputs, timeout_s: Callable[[], float], clock: Clock = time.monotonic
    ) -> None:
        self._inputs, self._timeout_s = inputs, timeout_s
        self._rates = _Rates(self._counts, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, passed_s = self._rates.take()
        watchdog, names = self._inputs.watchdog, self._inputs.topic_names
        values: dict[str, object] = {}
        for state in watchdog.inputs:
            values[f"{state.topic} rate, Hz"] = f"{new[state.topic] / passed_s:.1f}"
            age = f"{state.silent_s:.2f}" if state.count else "none"
            values[f"{state.topic} age, s"] = age
        masks = new[next(names[name] for name in _MASK_TOPICS if name in names)]
        values["matches per second"] = f"{new[_MATCHED] / passed_s:.1f}"
        values["masks matched, %"] = f"{100 * new[_MATCHED] / masks:.0f}" if masks else "none"
        silent = watchdog.silent_inputs(self._timeout_s())
        paused = watchdog.silent_inputs(_PAUSE_S)
        lost = watchdog.lost_inputs(self._timeout_s())
        frozen = self._inputs.frozen
        values["depth images in a row that are the same"] = frozen.repeats + 1
        values["enabled"] = self._inputs.enabled
        values["held for masks, MB"] = f"{self._inputs.held_bytes / MB:.1f}"
        values["depth images let go for limits.held_mb"] = self._inputs.let_go
        named = silent or self._awaited() or paused or frozen.doubt
        message = named or "messages come on all inputs"
        if "mask_detections" in names and "masks" not in names:
            values["masks"] = _GUESSED
        if not self._inputs.enabled:
            message = f"images are ignored (~/enable); {message}"
        return status(
            "inputs", message, values, warn=bool(silent or frozen.doubt), error=bool(lost)
        )

    def _awaited(self) -> str:
        """A sentence about the required inputs without any message yet; empty: there are none."""
        states = self._inputs.watchdog.inputs
        topics = ", ".join(state.topic for state in states if state.required and not state.count)
        return f"nothing has come on {topics} yet" if topics else ""

    def _counts(self) -> dict[str, int]:
        counts = {state.topic: state.count for state in self._inputs.watchdog.inputs}
        return {**counts, _MATCHED: self._inputs.matched}


class RejectionStatus:
    """State of the rejections: how many of each reason, with a warning while frames are refused.

    Args:
        log: counts them.
        clock: seconds, monotonic.
    """

    def __init__(self, log: RejectionLog, clock: Clock = time.monotonic) -> None:
        self._log = log
        self._rates = _Rates(self._counts, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, passed_s = self._rates.take()
        frames = new.pop(_FRAMES, 0)
        counts = self._log.counts
        values: dict[str, object] = {r.value: counts[r] for r in Reason if r in counts}
        message = "nothing is rejected"
        if new:
            named = ", ".join(
                f"{count} {reason}" for reason, count in new.most_common(_NAMED_REASONS)
            )
            message = f"in {passed_s:.0f} s {new.total()} rejected, {frames} whole frames: {named}"
        return status("rejections", message, values, warn=frames > 0)

    def _counts(self) -> dict[str, int]:
        counts = {reason.value: count for reason, count in self._log.counts.items()}
        return {**counts, _FRAMES: self._log.frames}


class AccountStatus:
    """State of the account: how many frames came in, were answered, dropped by cause, and wait.

    Args:
        account: counts them.
        clock: seconds, monotonic.
    """

    def __init__(self, account: FrameAccount, clock: Clock = time.monotonic) -> None:
        self._account = account
        self._rates = _Rates(account.counts, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, passed_s = self._rates.take()
        received, answered = new.pop("received", 0), new.pop("answered", 0)
        new.pop("waiting", 0)
        came = counted(received, "frame")
        message = f"in {passed_s:.0f} s {came} came in, answered: {answered}"
        if new:
            causes = ", ".join(f"{count} {cause}" for cause, count in new.most_common())
            message = f"{message}, {new.total()} dropped: {causes}"
        return status("frames", message, self._values(), warn=False)

    def _values(self) -> dict[str, object]:
        counts = self._account.counts()
        own = {name: counts.pop(name) for name in ("received", "answered", "waiting")}
        return {**own, **{f"dropped, {cause}": n for cause, n in sorted(counts.items())}}


class ChangesStatus:
    """State of the parameters: those that were changed since the start, whoever did it.

    Args:
        parameters: of the node.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def __call__(self) -> DiagnosticStatus:
        """Return the present state."""
        changes = self._parameters.changes
        locked = self._parameters.current.node.lock_parameters
        message = f"changed since the start: {', '.join(changes)}" if changes else "as at the start"
        if locked:
            message = "locked, as at the start"
        return status("parameters", message, {"locked": locked, **changes}, warn=False)


@dataclass
class LastFrames:
    """Results of the worker so far.

    Attributes:
        count: number of frames published.
        ready: whether the estimator's warm-up is over.
        timings_ms: wall times of the last frames, by stage.
        lowered: what of the last frame was lowered to keep `max_latency_ms`; empty: nothing.
    """

    count: int = 0
    ready: bool = False
    timings_ms: dict[str, deque[float]] = field(default_factory=dict)
    lowered: str = ""

    def note(self, timings_ms: Mapping[str, float], lowered: str = "") -> None:
        """Note that a frame was published, its wall time per stage, and what was lowered."""
        self.count += 1
        self.lowered = lowered
        for stage, ms in timings_ms.items():
            self.timings_ms.setdefault(stage, deque(maxlen=_TIMINGS)).append(ms)


class EstimatorStatus:
    """State of the estimator: device, checkpoint, memory, frames per second, time of each stage.

    Args:
        about: what does not change: device, checkpoint and so on.
        last: the last frames.
        clock: seconds, monotonic.
        state: gives the node's state.
    """

    def __init__(
        self,
        about: Mapping[str, str],
        last: LastFrames,
        clock: Clock = time.monotonic,
        state: Callable[[], str] = lambda: "active",
    ) -> None:
        self._about, self._last, self._state = about, last, state
        self._rates = _Rates(lambda: {"frames": last.count}, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, passed_s = self._rates.take()
        per_second = f"{new['frames'] / passed_s:.1f}"
        state = self._state()
        values: dict[str, object] = {
            **self._about,
            "state": state,
            "frames published per second": per_second,
            "resident memory, MB": _resident_mb(),
        }
        for stage, timings_ms in list(self._last.timings_ms.items()):
            values |= _percentiles(stage, timings_ms)
        message = f"{per_second} frames per second" if self._last.ready else "warming up"
        if self._last.lowered:
            values["lowered to keep sampling.max_latency_ms"] = self._last.lowered
            message = f"{message}, of {self._last.lowered} (sampling.max_latency_ms)"
        if state != "active":
            message = f"the node is {state}"
        return status("estimator", message, values, warn=False)


class TrackingStatus:
    """State of the tracking: tracks by state, frames per second.

    Args:
        tracking: mode `track`.
        age_s: gives the time since the last result, seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, tracking: Tracking, age_s: Callable[[], float], clock: Clock = time.monotonic
    ) -> None:
        self._tracking, self._age_s = tracking, age_s
        self._rates = _Rates(lambda: tracking.frames, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, passed_s = self._rates.take()
        states = Counter(track.state for track in self._tracking.tracks)
        values: dict[str, object] = {state.value: states[state] for state in TrackState}
        values["frames with masks per second"] = f"{new['masks'] / passed_s:.1f}"
        values["depth images without masks per second"] = f"{new['depth_only'] / passed_s:.1f}"
        message = f"{states[TrackState.CONFIRMED]} of {states.total()} tracks are confirmed"
        age_s = self._age_s()
        stale = age_s >= _PAUSE_S and states.total() > 0
        if stale:
            message = f"nothing was tracked for {age_s:.1f} s; before, {message}"
        return status("tracking", message, values, warn=stale)


class TransformStatus:
    """State of the transforms: how long frames wait for them, and how many do so in vain.

    Args:
        queue: in which they wait.
        clock: seconds, monotonic.
    """

    def __init__(self, queue: TransformQueue, clock: Clock = time.monotonic) -> None:
        self._queue = queue
        self._rates = _Rates(lambda: {"found": queue.found, "refused": queue.refused}, clock)

    def __call__(self) -> DiagnosticStatus:
        """Return the state since the last call."""
        new, _ = self._rates.take()
        queue = self._queue
        values: dict[str, object] = {
            "frames of reference": ", ".join(queue.frames),
            "frames located": queue.found,
            "frames without a transform": queue.refused,
            "frames that wait": len(queue),
            **_percentiles("wait", queue.waits_ms),
            "last transform": queue.problem or "found",
        }
        message = "the camera's pose is known"
        if new["refused"]:
            count = new.total()
            message = f"the camera's pose was not known in {new['refused']} of {count} frames"
        return status("transforms", message, values, warn=new["refused"] > 0)


class UpStatus:
    """State of the direction up: where the last one came from, its age, and what the IMU lacks.

    Args:
        sources: of the node.
        clock: seconds, monotonic.
    """

    def __init__(self, sources: UpSources, clock: Clock = time.monotonic) -> None:
        self._sources, self._clock = sources, clock

    def __call__(self) -> DiagnosticStatus:
        """Return the present state."""
        sources, last = self._sources, self._sources.last
        source = "none" if last is None else last.source
        values: dict[str, object] = {"up_source": sources.source, "last source": source}
        since_s = sources.last_s
        values["age, s"] = "none" if since_s is None else f"{self._clock() - since_s:.2f}"
        if last is not None:
            values["tilt, standard deviation, degrees"] = f"{math.degrees(last.sigma_rad):.2f}"
            values["support"] = "not known" if last.level_m is None else "known"
        if sources.asks_imu:
            told = "told the direction of the last image" if source == "imu" else "was not asked"
            values["imu"] = sources.imu_problem or told
        message = "not known" if last is None else f"known from {source}"
        lacks_imu = sources.source == "imu" and bool(sources.imu_problem)
        if lacks_imu:
            message = f"{message}: {sources.imu_problem}"
        return status("up", message, values, warn=lacks_imu)


def _resident_mb() -> str:
    """How much memory this process holds; why that is not known where no more files can be opened.

    A status that failed for that would take all others with it.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError as error:
        return f"not known: {error.strerror}"
    return f"{pages * resource.getpagesize() / 2**20:.0f}"


def _percentiles(name: str, values_ms: Iterable[float]) -> dict[str, object]:
    """Return median and 95th percentile of times, as values of a status; empty without any."""
    ordered = sorted(values_ms)
    if not ordered:
        return {}
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p95": 0.95}
    return {f"{name} {p}, ms": f"{ordered[round(s * last)]:.1f}" for p, s in shares.items()}
