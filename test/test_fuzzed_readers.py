# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Damaged files through every reader, in a process of their own: one sentence each, no crash."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fuzz


def fuzzed(root: Path, folder: Path, cases: int, seed: int, end: str = "") -> dict:
    """What the readers did with so many files; a crash says which file it was."""
    program = root / "test" / "support" / "fuzzed_readers.py"
    done = subprocess.run(
        [sys.executable, program, folder, str(cases), str(seed), end],
        capture_output=True, text=True, cwd=root, check=False, env=None,
    )  # fmt: skip
    assert done.returncode == 0, f"crashed at a file in {folder}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


def test_damaged_files_are_read_or_refused_in_a_sentence(
    root: Path, tmp_path: Path, fuzz_cases: int, fuzz_seed: int
) -> None:
    result = fuzzed(root, tmp_path, fuzz_cases, fuzz_seed)
    assert result["findings"] == {}
    assert result["refused"] > result["read"] > fuzz_cases / 20


def test_damaged_pickles_are_read_or_refused_in_a_sentence(
    root: Path, tmp_path: Path, fuzz_cases: int, fuzz_seed: int
) -> None:
    result = fuzzed(root, tmp_path, fuzz_cases, fuzz_seed + 1, ".pkl")
    assert result["findings"] == {}
    assert result["read"] > 0
