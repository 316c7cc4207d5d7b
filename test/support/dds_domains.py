# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""DDS domains that runs of the tests on one machine claim, so that none hears another's nodes."""

import fcntl
import os
import tempfile
from pathlib import Path

__all__ = ["claim_domain"]

#: Domains that every platform has ports for.
_FIRST, _LAST = 1, 101
_FOLDER = Path(tempfile.gettempdir()) / "genpose_ros_domains"
#: Locks of the domains that this process has claimed; they end with it.
_claimed: list[int] = []


def claim_domain(preferred: int, folder: Path = _FOLDER) -> int:
    """Return a DDS domain that no other process claims until this one ends.

    Args:
        preferred: taken if it is free, else the next one that is.
        folder: of the lock files.

    Raises:
        RuntimeError: all are taken.
    """
    folder.mkdir(mode=0o777, parents=True, exist_ok=True)
    count = _LAST - _FIRST + 1
    for step in range(count):
        domain = _FIRST + (preferred - _FIRST + step) % count
        if _locked(folder / f"{domain}.lock"):
            return domain
    raise RuntimeError(f"all {count} DDS domains are claimed by the lock files in {folder}")


def _locked(path: Path) -> bool:
    """Whether the lock of a file could be had, for as long as this process lives."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _claimed.append(descriptor)
    return True
