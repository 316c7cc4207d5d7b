# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the bill of materials: distributions of a folder made for it."""

import sys
from pathlib import Path

import pytest

from embedded.sbom import bill_of_materials, needed


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions that need each other in a circle, an extra, and one that is not there."""
    requirements = {
        "Top_Part": ["middle.part>=1", "absent", "extra-part; extra == 'test'"],
        "middle-part": ["leaf (>2)", "top-part"],
        "leaf": [],
        "extra-part": [],
    }
    for name, needs in requirements.items():
        folder = tmp_path / f"{name.replace('-', '_').lower()}-1.5.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.5"]
        lines += ["License-Expression: MIT"] if name == "leaf" else []
        (folder / "METADATA").write_text(
            "\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]) + "\n"
        )
    monkeypatch.setattr(sys, "path", [str(tmp_path)])


def test_all_that_is_needed_is_found_once_and_extras_are_left_out(installed) -> None:
    assert sorted(needed("top-part")) == ["leaf", "middle-part", "top-part"]


def test_the_bill_names_parts_versions_licences_and_who_needs_whom(installed) -> None:
    bill = bill_of_materials("top-part")
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/top-part@1.5"
    assert [(part["name"], part["version"]) for part in bill["components"]] == [
        ("leaf", "1.5"), ("middle-part", "1.5")
    ]  # fmt: skip
    assert bill["components"][0]["licenses"] == [{"expression": "MIT"}]
    assert {d["ref"]: d["dependsOn"] for d in bill["dependencies"]} == {
        "pkg:pypi/leaf@1.5": [],
        "pkg:pypi/middle-part@1.5": ["pkg:pypi/leaf@1.5"],
        "pkg:pypi/top-part@1.5": ["pkg:pypi/middle-part@1.5"],
    }
