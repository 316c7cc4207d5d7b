# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Callers who wait for the frames that come after they asked, and what each is told in the end."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rclpy.task import Future

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.matching import Matched

__all__ = ["Answer", "Caller", "WaitingCallers", "refusal"]

#: Callers that may wait at the same time.
_MOST = 16


@dataclass(frozen=True)
class Answer:
    """Answer to a caller.

    Attributes:
        frames: what was estimated, oldest first, as on `~/objects`.
        rejection: why there are no more of them; None: there are as many as were asked for.
    """

    frames: Sequence[ObjectPoseArray] = ()
    rejection: Rejection | None = None


@dataclass
class Caller:
    """Caller who waits.

    Attributes:
        count: number of frames that are asked for.
        timeout_s: how long they are waited for, seconds.
        alone: waits for what is estimated for it alone, and for no frame of the node's inputs.
        epoch: of the matcher when they were asked for.
        after_ns: images of that epoch must have newer stamps; None: any will do.
        not_before_ns: no image may have an older stamp.
        on_frame: called with each frame, in the worker.
        answered: becomes the `Answer`; settled in any thread.
    """

    count: int
    timeout_s: float
    alone: bool = False
    epoch: int = 0
    after_ns: int | None = None
    not_before_ns: int = 0
    on_frame: Callable[[int, ObjectPoseArray], None] = lambda _count, _frame: None
    answered: Future = field(default_factory=Future)
    frames: list[ObjectPoseArray] = field(default_factory=list)
    masks_seen: bool = False
    refused: Rejection | None = None
    until_s: float = 0.0

    def wants(self, matched: Matched) -> bool:
        """Whether an image was taken after it was asked for."""
        stamp = stamp_ns(matched.depth.header)
        if self.alone or stamp < self.not_before_ns:
            return False
        if self.not_before_ns or self.after_ns is None or matched.epoch > self.epoch:
            return True
        return stamp > self.after_ns


class WaitingCallers:
    """Callers who wait for frames; the worker offers it each frame that it is done with.

    A caller gets frames whose objects come from masks of an image taken after it asked: in mode
    `track`, where delayed masks show in a later image, that one.

    Args:
        wake: called in the worker's thread when a caller is answered.
        clock: seconds, monotonic.
    """

    def __init__(
        self, wake: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wake, self._clock = wake, clock
        self._callers: list[Caller] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._callers)

    @property
    def want_frames(self) -> bool:
        """Whether anybody waits for frames of the node's inputs."""
        return any(not caller.alone for caller in list(self._callers))

    def add(self, caller: Caller) -> None:
        """Let a caller wait, unless there are too many."""
        with self._lock:
            if len(self._callers) >= _MOST:
                detail = f"{_MOST} others wait already; ask again when they are answered"
                caller.answered.set_result(refusal(Reason.TOO_MANY_REQUESTS, detail))
                return
            caller.until_s = self._clock() + caller.timeout_s
            self._callers.append(caller)

    def offer(self, matched: Matched, objects: ObjectPoseArray | None) -> None:
        """Give a frame to those who wait for it.

        Args:
            matched: its messages.
            objects: what was published of it; None: nothing, as of delayed masks in mode `track`.
        """
        with self._lock:
            waiting = [caller for caller in self._callers if caller.wants(matched)]
        for caller in waiting:
            caller.masks_seen |= matched.masks is not None
            if objects is not None and caller.masks_seen:
                self._give(caller, objects)

    def hand(self, caller: Caller, result: ObjectPoseArray | Rejection) -> None:
        """Give a caller what was estimated for it alone, or why it was not."""
        if isinstance(result, Rejection):
            self._answer(caller, result)
        else:
            self._give(caller, result)

    def refuse(self, rejection: Rejection) -> None:
        """Note why a frame was refused before it came to the worker."""
        with self._lock:
            for caller in self._callers:
                caller.refused = rejection

    def expire(self, why: Callable[[], str]) -> None:
        """Answer those who have waited too long; to be called now and then.

        Args:
            why: gives what may be missing, as a sentence; empty: nothing is.
        """
        now_s = self._clock()
        with self._lock:
            late = [caller for caller in self._callers if now_s >= caller.until_s]
        for caller in late:
            detail = f"{len(caller.frames)} of {caller.count} frames in {caller.timeout_s:g} s"
            detail = f"{detail}; {_cause(caller, why)}"
            self._answer(caller, Rejection(Reason.REQUEST_TIMED_OUT, detail))

    def end(self, rejection: Rejection, caller: Caller | None = None) -> None:
        """Answer one caller, or all of them, before their frames have come."""
        with self._lock:
            callers = list(self._callers) if caller is None else [caller]
        for item in callers:
            self._answer(item, rejection)

    def _give(self, caller: Caller, frame: ObjectPoseArray) -> None:
        caller.frames.append(frame)
        caller.on_frame(len(caller.frames), frame)
        if len(caller.frames) >= caller.count:
            self._answer(caller, None)

    def _answer(self, caller: Caller, rejection: Rejection | None) -> None:
        with self._lock:
            if caller not in self._callers:
                return  # another thread was faster
            self._callers.remove(caller)
        caller.answered.set_result(Answer(tuple(caller.frames), rejection))
        self._wake()


def _cause(caller: Caller, why: Callable[[], str]) -> str:
    """Why a caller has waited in vain."""
    if caller.alone:
        return "the estimator is busy with others"
    missing = why()
    if missing:
        return missing
    if caller.refused is not None:
        last = caller.refused
        return f"the last one was refused, {last.reason.value}: {last.detail}"
    return "no image taken since then has got its masks"


def refusal(reason: Reason, detail: str) -> Answer:
    """Return an answer without frames."""
    return Answer(rejection=Rejection(reason, detail))
