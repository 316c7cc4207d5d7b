# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Latency of estimates: where frames take longer than they may, the next ones are made cheaper."""

from dataclasses import replace

from genpose_ros.estimation.settings import EstimatorSettings

__all__ = ["RUNGS", "LatencyKeeper"]

#: What is lowered, in this order, each on top of those before: by the accuracy that it costs for
#: the time that it saves (docs/performance.md).
RUNGS = (
    "half of the candidates and one roll",
    "one view of each cloud",
    "32 patches",
    "2 steps",
)
#: Frames in a row that take less than this share of the limit end a rung.
_SHORT, _FRAMES = 0.6, 20
#: A rung that had to be taken again is kept for so many times as many frames, at most.
_LONGER, _MOST_FRAMES = 2, 640


class LatencyKeeper:
    """Keeper of a limit for the time that a frame takes.

    A frame that took longer lowers the next ones by a rung of `RUNGS`. After 20 frames in a row
    that took less than 0.6 of the limit the last rung is given up; if it has to be taken again at
    once, only after twice as many the next time, and so on.

    Args:
        most_ms: the limit, milliseconds; 0: none, and nothing is lowered.

    Example:
        >>> keeper = LatencyKeeper(40.0)
        >>> keeper.note(55.0)
        >>> keeper.lowered(EstimatorSettings()).candidates, keeper.told
        (25, 'half of the candidates and one roll')
    """

    def __init__(self, most_ms: float) -> None:
        self._most_ms = most_ms
        self._rung, self._wait = 0, _FRAMES
        self._short, self._since = 0, _FRAMES  # frames in a row; since a rung was given up

    @property
    def told(self) -> str:
        """What is lowered, in words; empty: nothing."""
        return ", ".join(RUNGS[: self._rung])

    def lowered(self, settings: EstimatorSettings) -> EstimatorSettings:
        """Return settings with what is lowered; nothing is ever raised."""
        if self._rung > 0:
            settings = replace(settings, candidates=-(-settings.candidates // 2), roll_views=1)
        if self._rung > 1:
            settings = replace(settings, tta_views=1)
        if self._rung > 2:
            settings = replace(settings, patches=min(settings.patches or 32, 32))
        if self._rung > 3:
            settings = replace(settings, steps=min(settings.steps, 2))
        return settings

    def note(self, took_ms: float) -> None:
        """Note how long a frame took, and decide on the next ones."""
        if self._most_ms == 0:
            return
        self._since += 1
        if took_ms > self._most_ms:
            if self._rung < len(RUNGS):
                again = self._since <= _FRAMES
                self._wait = min(_LONGER * self._wait, _MOST_FRAMES) if again else _FRAMES
                self._rung += 1
            self._short, self._since = 0, _FRAMES
            return
        self._short = self._short + 1 if took_ms < _SHORT * self._most_ms else 0
        if self._rung and self._short >= self._wait:
            self._rung -= 1
            self._short = self._since = 0
