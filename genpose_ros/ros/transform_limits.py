# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Limits on what is kept of the transforms that anybody may send."""

__all__ = ["TransformLimits"]

#: Frames that are known at the same time, and characters of a name.
_MOST_FRAMES, _LONGEST_NAME = 10_000, 256
#: Stamps of a frame are so far apart at least, ns: joints tell theirs a thousand times a second.
_APART_NS = 1_000_000
#: Transforms older than the newest of their frame that are taken until a newer one comes.
_MOST_LATE = 10


class TransformLimits:
    """Limits on the transforms that tf2 is given.

    It keeps each frame for ever, and the last ten seconds of one however many transforms they hold,
    so that stamps that hardly advance, or ever new names, would fill any memory.
    """

    def __init__(self) -> None:
        self._newest_ns: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._static: set[str] = set()

    def admits(self, frame: str, stamp_ns: int | None) -> bool:
        """Return whether a transform is to be kept, and count it.

        Args:
            frame: whose pose it tells.
            stamp_ns: of the transform; None: it is static.
        """
        if len(frame) > _LONGEST_NAME:
            return False
        known = frame in (self._static if stamp_ns is None else self._newest_ns)
        if not known and len(self._static) + len(self._newest_ns) >= _MOST_FRAMES:
            return False
        if stamp_ns is None:
            self._static.add(frame)
            return True
        newest_ns = self._newest_ns.get(frame)
        if newest_ns is None or stamp_ns >= newest_ns + _APART_NS:
            self._newest_ns[frame], self._late[frame] = stamp_ns, 0
            return True
        late = self._late[frame]
        self._late[frame] += 1
        return late < _MOST_LATE and stamp_ns <= newest_ns - _APART_NS

    def clear(self) -> None:
        """Forget all but the static ones, as tf2 does after a jump of the clock."""
        self._newest_ns.clear()
        self._late.clear()
