# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The check of a machine runs with torch, numpy, scipy and safetensors alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Refuses everything that a bare GPU machine lacks, and then runs the check.
PROGRAM = """
import sys

ABSENT = {"open3d", "typer", "rich", "rclpy", "yaml", "matplotlib", "trimesh", "h5py", "lightning"}


class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not there", name=name)
        return None


sys.meta_path.insert(0, Bare())
from benchmarks import gpu_check

gpu_check.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_bare_machine_can_be_checked(tmp_path):
    arguments = ["--out", str(tmp_path), "--minutes", "5", "--small"]
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, check=True)
    report = json.loads((tmp_path / "gpu_check.json").read_text())
    parts = [part for part in report.values() if isinstance(part, dict)]
    assert not [part["failed"] for part in parts if "failed" in part]
    assert report["parity"]["cpu bfloat16"]["mm"] < 5
    assert report["frames"]["1"]["total_ms"] > 0
    assert report["tracked"]["1"]["tracks"] == 1
    assert report["looks"]["most_apart"] < 0.01 * report["looks"]["points"]
    for kind in ("single", "tracked"):
        assert report["operations"][kind]["operations"] > 100
    assert report["trained_clouds"]["per_second"] > 0
    assert "parity" in (tmp_path / "gpu_check.md").read_text()
