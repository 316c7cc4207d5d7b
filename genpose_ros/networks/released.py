# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Released weights by the SHA-256 of their files, to tell them from files of others."""

import hashlib
from pathlib import Path
from typing import NamedTuple

__all__ = ["RELEASED_WEIGHTS", "ReleasedWeights", "file_sha256", "released_name"]


class ReleasedWeights(NamedTuple):
    """File of released weights: name with the release that brought it, bytes, SHA-256."""

    name: str
    size: int
    sha256: str


#: All releases, the newest last; the model card states the same hashes.
RELEASED_WEIGHTS = (
    ReleasedWeights(
        "genpose-base of 0.2.0",
        17430460,
        "fbe123bf56b3f1e310f2cd255f4e987c67edd4551bc5ed3291c5b3b62ad8e1e3",
    ),
    ReleasedWeights(
        "genpose-base of 0.3.0",
        22389736,
        "8dacbb60fce5441b608523583e906aa0f113bc34f901959941cd147b932241a7",
    ),
)


def released_name(file: Path) -> str | None:
    """Return which released weights a file is, byte for byte; None: none that is known here.

    A checkpoint's own hash finds damage, this one finds forgery.

    Raises:
        OSError: it cannot be read.
    """
    size = file.stat().st_size
    candidates = [known for known in RELEASED_WEIGHTS if known.size == size]
    found = file_sha256(file) if candidates else ""
    return next((known.name for known in candidates if known.sha256 == found), None)


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, as `sha256sum` prints it.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
