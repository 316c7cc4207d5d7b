# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Supervisor of the worker: what is wrong with it, and when only a new process helps."""

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.ros.diagnostics import status
from genpose_ros.ros.worker import Worker

__all__ = ["Supervisor", "WorkerStatus"]


class Supervisor:
    """Watchdog of a worker that dies, hangs, or fails frame after frame.

    Attributes:
        failure: why the last frame failed; empty: it did not.

    Args:
        worker: is watched.
        hang_timeout_s: gives the seconds after which one frame can only be ended with the process;
            0: never.
        give_up: called once, with a sentence, where only a new process can help.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        worker: Worker,
        hang_timeout_s: Callable[[], float],
        give_up: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failure = ""
        self._worker, self._hang_timeout_s = worker, hang_timeout_s
        self._give_up, self._clock = give_up, clock
        self._fatal = ""
        self._result_s = clock()
        self._frame_s: float | None = None
        self._has_result = False

    def note_frame(self) -> None:
        """Note that the worker was given a frame."""
        self._frame_s = self._clock()

    def note_result(self, failure: str = "") -> None:
        """Note that the worker is through with a frame; with a failure, why it has no result."""
        self.failure = failure
        if not failure:
            self._result_s, self._has_result = self._clock(), True

    def condemn(self, sentence: str) -> None:
        """Say that nothing more is to be expected of this process; the first one who does counts.

        Args:
            sentence: what happened.
        """
        if not self._fatal:
            self._fatal = sentence
            self._give_up(sentence)

    def check(self) -> None:
        """Look whether the worker is dead, or hangs for good."""
        busy_s, limit_s = self._worker.busy_s, self._hang_timeout_s()
        if self._worker.died:
            self.condemn("the thread that estimates has ended")
        elif 0 < limit_s < busy_s:
            what = "one frame" if self._worker.prepared else "the warm-up"
            limit = f"hang_timeout_s is {limit_s:g} s"
            self.condemn(f"{what} has taken {busy_s:.0f} s and does not end ({limit})")

    @property
    def trouble(self) -> str:
        """What is wrong, as a sentence; empty: nothing."""
        busy_s = self._worker.busy_s
        if self._fatal or self._worker.died:
            return self._fatal or "the thread that estimates has ended"
        if self._worker.prepared and self._worker.pace.is_overdue(busy_s):
            usual_s = self._worker.pace.usual_s
            usual = "" if usual_s is None else f", usual are {usual_s:.1f} s"
            return f"one frame has taken {busy_s:.1f} s so far{usual}"
        return f"the last frame failed: {self.failure}" if self.failure else ""

    @property
    def since_frame_s(self) -> float | None:
        """Time since the worker was given a frame, seconds; None: it never was."""
        return None if self._frame_s is None else self._clock() - self._frame_s

    @property
    def has_result(self) -> bool:
        """Whether any frame was done without failure."""
        return self._has_result

    @property
    def since_result_s(self) -> float:
        """Time since the last frame without failure, or since the start, seconds."""
        return self._clock() - self._result_s


class WorkerStatus:
    """State of the worker: whether it works, and how old its last result is.

    Args:
        supervisor: of the worker.
        worker: the worker itself.
    """

    def __init__(self, supervisor: Supervisor, worker: Worker) -> None:
        self._supervisor, self._worker = supervisor, worker

    def __call__(self) -> DiagnosticStatus:
        """Return the present state."""
        watched, busy_s, usual_s = self._supervisor, self._worker.busy_s, self._worker.pace.usual_s
        values: dict[str, object] = {
            "frame in hand, s": f"{busy_s:.2f}" if busy_s else "none",
            "usual frame, s": "not known yet" if usual_s is None else f"{usual_s:.2f}",
            "age of the last frame, s": _age(watched.since_frame_s),
            "age of the last result, s": _age(
                watched.since_result_s if watched.has_result else None
            ),
        }
        message = "warming up"
        if self._worker.prepared:
            message = "at work" if busy_s else "waiting for frames"
        trouble = watched.trouble
        return status("worker", trouble or message, values, warn=False, error=bool(trouble))


def _age(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:.2f}"
