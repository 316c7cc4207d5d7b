# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Copyright and licence headers: the first two lines of every source file, after a shebang."""

import re
from pathlib import Path

import pytest

HEADER = [
    "# Copyright 2026 genpose_ros contributors",
    "# SPDX-License-Identifier: Apache-2.0",
]

#: Folders that are built or run in, not written.
NOT_OURS = {"__pycache__", "build", "dist", "install", "log", "out", "runs", "site"}


def sources(root: Path) -> list[Path]:
    """Python, shell, CMake and Docker files, by name or by shebang."""
    tops = [path for path in root.iterdir() if not left_out(path.relative_to(root))]
    paths = [path for top in tops for path in (top.rglob("*") if top.is_dir() else [top])]
    return [
        path
        for path in sorted(paths)
        if not left_out(path.relative_to(root)) and path.is_file() and is_source(path)
    ]


def left_out(path: Path) -> bool:
    hidden = any(part.startswith(".") and part != ".ci" for part in path.parts)
    return hidden or any(p in NOT_OURS or p.endswith(".egg-info") for p in path.parts)


def is_source(path: Path) -> bool:
    if path.suffix in {".py", ".sh"} or re.match(r"CMakeLists\.txt$|Dockerfile", path.name):
        return True
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def has_header(text: str) -> bool:
    lines = text.splitlines()
    first = 1 if lines and lines[0].startswith("#!") else 0
    return lines[first : first + 2] == HEADER


def test_every_source_file_begins_with_the_header(root: Path) -> None:
    without = [str(p.relative_to(root)) for p in sources(root) if not has_header(p.read_text())]
    assert without == []


def test_the_files_looked_at_are_of_every_kind(root: Path) -> None:
    found = {str(path.relative_to(root)) for path in sources(root)}
    assert found >= {
        ".ci/run",
        "CMakeLists.txt",
        "docker/Dockerfile.cuda",
        "docker/entrypoint.sh",
        "genpose_ros/__init__.py",
        "launch/estimate.launch.py",
        "scripts/genpose",
        "setup.py",
        "test/packaging/test_headers.py",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n".join(HEADER), True),
        ("\n".join(["#!/usr/bin/env bash", *HEADER, "true"]), True),
        ("\n".join(["", *HEADER]), False),
        ("\n".join(reversed(HEADER)), False),
        ("", False),
    ],
)
def test_the_header_comes_first(text: str, expected: bool) -> None:
    assert has_header(text) is expected
