# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""DDS domains that demos and test runs on one machine claim, so that none hears another's nodes."""

import fcntl
import os
import tempfile
from pathlib import Path

__all__ = ["DOMAINS", "claim_domain"]

#: Domains that every platform has ports for.
DOMAINS = range(1, 102)
#: A folder for each user: nobody can open another's lock files.
_FOLDER = Path(tempfile.gettempdir()) / f"genpose_ros_domains_{os.getuid()}"
#: Locks of the domains that this process has claimed; they end with it.
_claimed: list[int] = []


def claim_domain(preferred: int, folder: Path = _FOLDER) -> int:
    """Return a DDS domain that no other process of this user claims until this one ends.

    Args:
        preferred: taken if it is free, else the next one that is.
        folder: of the lock files.

    Raises:
        RuntimeError: all are taken.
        OSError: the lock files cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = len(DOMAINS)
    for step in range(count):
        domain = DOMAINS[(preferred - DOMAINS.start + step) % count]
        if _locked(folder / f"{domain}.lock"):
            return domain
    raise RuntimeError(f"all {count} DDS domains are claimed by the lock files in {folder}")


def _locked(path: Path) -> bool:
    """Whether the lock of a file could be had, for as long as this process lives."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _claimed.append(descriptor)
    return True
