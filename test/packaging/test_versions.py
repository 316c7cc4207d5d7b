# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One version, in every file that has to name it."""

import datetime as dt
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml
from typer.testing import CliRunner

from genpose_ros.cli import app


def pyproject_version(root: Path) -> str:
    found = re.search(r'^version = "([\d.]+)"', (root / "pyproject.toml").read_text(), re.M)
    assert found
    return found[1]


def newest_release(root: Path) -> tuple[str, str]:
    """Version and date of the changelog's uppermost section."""
    found = re.search(r"^## ([\d.]+) \((.*)\)$", (root / "CHANGELOG.md").read_text(), re.M)
    assert found
    return found[1], found[2]


def test_the_ros_package_has_the_python_package_s_version(root: Path) -> None:
    manifest = ET.parse(root / "package.xml")
    assert manifest.findtext("version") == pyproject_version(root)


def test_the_newest_section_of_the_changelog_is_this_version_with_its_date(root: Path) -> None:
    number, date = newest_release(root)
    assert number == pyproject_version(root)
    dt.date.fromisoformat(date)


def test_the_citation_names_this_version_and_its_date(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert (citation["version"], str(citation["date-released"])) == newest_release(root)


def test_the_command_tells_this_version(root: Path) -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.output.strip() == pyproject_version(root)
