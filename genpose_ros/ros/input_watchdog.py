# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Watchdog of the inputs: when the last message of each came, and which ones have fallen silent."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from genpose_ros.ros.pace import Pace
from genpose_ros.ros.wording import counted

__all__ = ["InputState", "InputWatchdog"]


@dataclass(frozen=True)
class InputState:
    """Messages of one input until now.

    Attributes:
        topic: its name.
        required: whether the node needs its messages.
        count: number of messages so far.
        silent_s: time since the last one, or since the start, seconds.
        stamp_ns: of the last one; None: there was none yet.
    """

    topic: str
    required: bool
    count: int
    silent_s: float
    stamp_ns: int | None


@dataclass
class _Input:
    since_s: float
    count: int = 0
    stamp_ns: int | None = None
    reported: bool = False
    pace: Pace = field(default_factory=Pace)


class InputWatchdog:
    """Record of the messages on each input, and reports of those that stay away.

    Args:
        topics: names of the inputs.
        publishers: number of publishers of a topic.
        optional: the topics among them that may be silent.
        problem: why a topic's publishers cannot be received, as half a sentence; empty: they can.
        latched: whether what was published once on a topic is kept for late subscribers. Then one
            message may be all there is to come, and silence after it is none.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        topics: Iterable[str],
        publishers: Callable[[str], int],
        optional: Collection[str] = (),
        *,
        problem: Callable[[str], str] = lambda _: "",
        latched: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._publishers, self._problem, self._latched = publishers, problem, latched
        self._optional = frozenset(optional)
        self._inputs = {topic: _Input(clock()) for topic in topics}

    def note_message(self, topic: str, stamp_ns: int) -> None:
        """Note that a message came; topics that are not watched are ignored."""
        if topic not in self._inputs:
            return
        now_s, before = self._clock(), self._inputs[topic]
        if before.count:
            before.pace.note(now_s - before.since_s)
        self._inputs[topic] = _Input(now_s, before.count + 1, stamp_ns, pace=before.pace)

    @property
    def inputs(self) -> tuple[InputState, ...]:
        """The inputs as they are now."""
        now = self._clock()
        return tuple(
            InputState(topic, topic not in self._optional, i.count, now - i.since_s, i.stamp_ns)
            for topic, i in self._inputs.items()
        )

    def silent_inputs(self, timeout_s: float) -> str:
        """Return a sentence about the required inputs without a message for `timeout_s` seconds.

        It is empty where there are none, as always with a timeout of 0.
        """
        return self._sentence(self._overdue(timeout_s))

    def lost_inputs(self, timeout_s: float) -> list[str]:
        """Return the required inputs that came regularly and then broke off.

        They are silent for a second and for much longer than they paused before. With a timeout of
        0 there are none.
        """
        return [
            state.topic
            for state in self.inputs
            if timeout_s > 0
            and state.required
            and self._inputs[state.topic].pace.is_overdue(state.silent_s)
        ]

    def report(self, timeout_s: float) -> str:
        """Return the sentence of `silent_inputs`, with the last stamps, where it has grown.

        Once an input was named it is not again until a message has come; empty: there is nothing
        new to say.
        """
        overdue = self._overdue(timeout_s)
        new = [state for state in overdue if not self._inputs[state.topic].reported]
        for state in new:
            self._inputs[state.topic].reported = True
        return f"{self._sentence(new)}; last stamps: {self._stamps()}" if new else ""

    def _overdue(self, timeout_s: float) -> list[InputState]:
        return [
            state
            for state in self.inputs
            if timeout_s > 0
            and state.required
            and state.silent_s >= timeout_s
            and not self._has_said_all(state)
        ]

    def _has_said_all(self, state: InputState) -> bool:
        """Whether a latched topic was heard, and never at a pace."""
        paced = self._inputs[state.topic].pace.usual_s is not None
        return state.count > 0 and not paced and self._latched(state.topic)

    def _sentence(self, silent: Sequence[InputState]) -> str:
        return f"nothing on {', '.join(map(self._about, silent))}" if silent else ""

    def _about(self, state: InputState) -> str:
        publishers = counted(self._publishers(state.topic), "publisher")
        problem = self._problem(state.topic)
        why = f": {problem}" if problem else ""
        return f"{state.topic} for {state.silent_s:.1f} s ({publishers}{why})"

    def _stamps(self) -> str:
        return ", ".join(
            f"{state.topic} {'none' if state.stamp_ns is None else f'{state.stamp_ns / 1e9:.3f} s'}"
            for state in self.inputs
            if state.required
        )
