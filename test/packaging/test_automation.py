# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Workflows, hooks and images: readable, and of one mind with the rest of the repository."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = ("ci", "newest")


def workflow(root: Path, name: str) -> dict[Any, Any]:
    return yaml.safe_load((root / ".github" / "workflows" / f"{name}.yml").read_text())


def pins(root: Path) -> dict[str, str]:
    """Versions that continuous integration installs."""
    text = (root / "requirements" / "ci.txt").read_text()
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.M))


def test_every_workflow_is_among_those_read_here(root: Path) -> None:
    files = {path.stem for path in (root / ".github" / "workflows").iterdir()}
    assert files == set(WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_job_has_a_machine_a_limit_and_steps(root: Path, name: str) -> None:
    for job in workflow(root, name)["jobs"].values():
        assert job["runs-on"].startswith("ubuntu-")
        assert 0 < job["timeout-minutes"] <= 60
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_value_of_a_matrix_is_used(root: Path, name: str) -> None:
    for job in workflow(root, name)["jobs"].values():
        for key in job.get("strategy", {}).get("matrix", {}):
            assert f"${{{{ matrix.{key} }}}}" in yaml.safe_dump(job, width=1000)


def test_supported_pythons_and_distributions_are_tested(root: Path) -> None:
    jobs = workflow(root, "ci")["jobs"]
    assert jobs["pip-ros"]["strategy"]["matrix"]["python"] == ["3.10", "3.12", "3.13"]
    assert jobs["ros"]["strategy"]["matrix"]["distro"] == ["humble", "jazzy", "lyrical"]
    required = re.search(r'requires-python = ">=([\d.]+)"', (root / "pyproject.toml").read_text())
    assert required
    assert required[1] == "3.10"


def test_numpy_1_which_ros_is_built_for_is_tested(root: Path) -> None:
    steps = workflow(root, "ci")["jobs"]["numpy-1"]["steps"]
    assert any('"numpy==1.' in step.get("run", "") for step in steps)


def test_the_oldest_versions_are_tested(root: Path) -> None:
    """Each lower bound is one that the tests are run with."""
    listed = re.search(
        r"^dependencies = \[(.*?)^\]", (root / "pyproject.toml").read_text(), re.M | re.S
    )
    assert listed
    bounds = dict(re.findall(r'"([\w-]+)>=([\d.]+)', listed[1]))
    lines = (root / "requirements" / "lowest.txt").read_text().splitlines()
    pinned = dict(line.split(" ")[0].split("==") for line in lines if not line.startswith("#"))
    assert set(pinned) == set(bounds)
    for name, version in pinned.items():
        assert f"{version}.0.".startswith(f"{bounds[name]}."), name
    steps = workflow(root, "ci")["jobs"]["lowest"]["steps"]
    assert any("-c requirements/lowest.txt" in step.get("run", "") for step in steps)


def test_the_newest_dependencies_are_tried_every_week(root: Path) -> None:
    # YAML 1.1 takes the key `on` for true.
    (schedule,) = workflow(root, "newest")[True]["schedule"]
    minute, hour, day, month, weekday = schedule["cron"].split()
    assert (minute.isdigit(), hour.isdigit(), day, month) == (True, True, "*", "*")
    assert weekday in "0123456"


def test_hooks_run_the_tools_of_continuous_integration(root: Path) -> None:
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())
    for name in ("ruff", "codespell"):
        (rev,) = [r["rev"] for r in hooks["repos"] if name in r["repo"]]
        assert rev == f"v{pins(root)[name]}"


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_an_image_copies_and_runs_files_that_exist(root: Path, name: str) -> None:
    text = (root / "docker" / name).read_text()
    for path in re.findall(r"src/genpose_ros/([\w./-]+)", text):
        assert (root / path).is_file()
        assert not path.startswith(("test", "docs"))  # left out by .dockerignore
