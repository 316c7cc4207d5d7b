# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Shared memory of Fast DDS that programs which were killed left behind, and its removal."""

import fcntl
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Removed", "abandoned_segments", "remove_abandoned_memory"]

_FOLDER = Path("/dev/shm")  # noqa: S108 (where POSIX keeps shared memory on Linux)
#: A segment's lock file; its program holds the lock for as long as it lives.
_LOCK_ENDING = "_el"
_LOCK = re.compile(rf"(fastrtps|fastdds)_[0-9a-f]{{16}}{_LOCK_ENDING}")
#: One that is younger may be of a program that is just about to lock it, seconds.
_OLDER_S = 60.0


@dataclass(frozen=True)
class Removed:
    """What was removed: segments, and the bytes of memory that they held."""

    segments: int = 0
    n_bytes: int = 0


def remove_abandoned_memory(folder: Path = _FOLDER, older_s: float = _OLDER_S) -> Removed:
    """Remove this user's segments whose programs have ended, as `fastdds shm clean` does.

    A program that is killed cannot remove its own; its peers remove what they have opened, so that
    without it the memory of each program that ended with all of its peers, and half a megabyte of
    any other one, is lost until the machine starts again.

    Args:
        folder: of the segments.
        older_s: younger ones are left alone, seconds.
    """
    segments = n_bytes = 0
    for segment in abandoned_segments(folder, older_s):
        with suppress(OSError):  # another program may be about the same
            held = 512 * segment.stat().st_blocks
            segment.unlink()
            segments, n_bytes = segments + 1, n_bytes + held
        with suppress(OSError):
            segment.with_name(f"{segment.name}{_LOCK_ENDING}").unlink()
    return Removed(segments, n_bytes)


def abandoned_segments(folder: Path = _FOLDER, older_s: float = _OLDER_S) -> list[Path]:
    """Return this user's segments whose programs have ended; arguments as above."""
    return [
        lock.with_name(lock.name.removesuffix(_LOCK_ENDING))
        for lock in folder.glob(f"fast*{_LOCK_ENDING}")
        if _LOCK.fullmatch(lock.name) and _is_abandoned(lock, older_s)
    ]


def _is_abandoned(lock: Path, older_s: float) -> bool:
    """Whether a lock file is this user's, not young any more, and nobody holds the lock."""
    with suppress(OSError):
        status = lock.lstat()
        if status.st_uid != os.getuid() or time.time() - status.st_mtime < older_s:
            return False
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
