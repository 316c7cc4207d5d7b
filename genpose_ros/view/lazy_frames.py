# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames that are made when they are first looked at, and kept until something changes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import overload

from genpose_ros.view.content import ViewedFrame

__all__ = ["LazyFrames"]


class LazyFrames(Sequence[ViewedFrame], ABC):
    """Frames that are made when they are first looked at."""

    def __init__(self) -> None:
        self._known: dict[int, ViewedFrame] = {}

    @overload
    def __getitem__(self, index: int) -> ViewedFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ViewedFrame]: ...
    def __getitem__(self, index: int | slice) -> ViewedFrame | Sequence[ViewedFrame]:
        """Return a frame, or several.

        Raises:
            IndexError: there is none of this number.
            OSError, ValueError: as of `_make`.
        """
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return [self[i] for i in numbers]
        if numbers not in self._known:
            self._known[numbers] = self._make(numbers)
        return self._known[numbers]

    @abstractmethod
    def _make(self, number: int) -> ViewedFrame:
        """The frame of a number, from 0 on."""

    def _forget(self) -> None:
        """Make all frames anew."""
        self._known.clear()
