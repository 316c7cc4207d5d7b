# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Shared memory of Fast DDS, which a process leaves behind when it ends without its own end.

Each process has segments in `/dev/shm` for what it publishes, 16 MB with `config/fastdds.xml`, and
beside each a file that is locked for as long as it lives. Nobody removes them in its place: where a
node is started anew again and again, they would take all memory.
"""

import fcntl
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["remove_own_segments", "remove_segments_of_the_dead"]

_FOLDER = Path("/dev/shm")  # noqa: S108 - Fast DDS has it there
_LOCK = re.compile(r"fastrtps_[0-9a-f]{16}_el")
#: Younger files, seconds, may be of a process that begins and has not locked them yet.
_BEGINS_S = 10.0


def remove_own_segments() -> None:
    """Remove this process's segments; peers that are reading from one keep it until they close it.

    For its last moment: nothing that it publishes afterwards is sure to arrive.
    """
    for lock in _open_files():
        if lock.parent == _FOLDER and _LOCK.fullmatch(lock.name):
            _remove(lock)


def remove_segments_of_the_dead() -> int:
    """Remove segments of processes that have ended, as `fastdds shm clean` does; returns how many.

    Those that may not be opened, as another user's, stay.
    """
    removed = 0
    for lock in _FOLDER.glob("fastrtps_*_el"):
        if not _LOCK.fullmatch(lock.name):
            continue
        with suppress(OSError), lock.open("rb") as stream:
            if time.time() - lock.stat().st_mtime < _BEGINS_S:
                continue
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(lock)
            removed += 1
    return removed


def _open_files() -> Iterator[Path]:
    """The files that this process has open."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the listing itself is closed by now
            yield entry.readlink()


def _remove(lock: Path) -> None:
    """Remove a segment and its lock."""
    for path in (lock.with_name(lock.name.removesuffix("_el")), lock):
        with suppress(OSError):
            path.unlink()
