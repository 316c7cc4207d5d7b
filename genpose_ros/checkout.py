# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Git commit of the checkout that this package runs from, for the provenance of results."""

import subprocess
from pathlib import Path

__all__ = ["git"]

_ROOT = Path(__file__).resolve().parents[1]


def git(*arguments: str) -> str | None:
    """Return what git answers in this package's checkout; None: it is installed, or no git."""
    if not (_ROOT / "package.xml").is_file():
        return None  # a repository around a virtual environment is somebody else's
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - from PATH
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
