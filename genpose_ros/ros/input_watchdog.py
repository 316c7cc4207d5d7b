"""Tells once when an input falls silent, and which."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["SilenceWatch"]


@dataclass
class _Input:
    heard_s: float
    stamp_ns: int | None = None
    told: bool = False


class SilenceWatch:
    """Remembers when each input was last heard.

    Args:
        topics: names of the inputs to watch.
        publishers: number of publishers of a topic.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        topics: Iterable[str],
        publishers: Callable[[str], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._publishers = publishers
        self._inputs = {topic: _Input(clock()) for topic in topics}

    def heard(self, topic: str, stamp_ns: int) -> None:
        """Note a message; topics that are not watched are ignored."""
        if topic in self._inputs:
            self._inputs[topic] = _Input(self._clock(), stamp_ns)

    def report(self, input_timeout_s: float) -> list[str]:
        """Return a line for each input that has been silent this long and was not told yet."""
        if input_timeout_s <= 0:
            return []
        lines = []
        for topic, state in self._inputs.items():
            silent_s = self._clock() - state.heard_s
            if silent_s < input_timeout_s or state.told:
                continue
            state.told = True
            lines.append(
                f"nothing on {topic} for {silent_s:.1f} s ({self._publishers(topic)} publishers); "
                f"last stamps: {self._stamps()}"
            )
        return lines

    def _stamps(self) -> str:
        return ", ".join(
            f"{topic} {'none' if state.stamp_ns is None else f'{state.stamp_ns / 1e9:.3f} s'}"
            for topic, state in self._inputs.items()
        )
