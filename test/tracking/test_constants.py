# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Constants of the tracker: described, used by name, in one module."""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from genpose_ros.tracking import constants
from genpose_ros.tracking.constants import described_constants
from genpose_ros.tracking.motion import initial_motion


def test_every_constant_is_described():
    described = {item.name: item for item in described_constants()}
    upper = {name for name in vars(constants) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}
    assert set(described) == upper
    for item in described.values():
        assert item.value == getattr(constants, item.name)
        assert item.value > 0
        assert all((item.about.unit, item.about.meaning, item.about.source))


def test_shares_lie_between_nothing_and_all():
    shares = [item for item in described_constants() if item.about.unit == "share"]
    assert len(shares) > 5
    assert all(0 < item.value < 1 for item in shares)


@pytest.mark.parametrize("name", [item.name for item in described_constants()])
def test_every_constant_is_used(name, root: Path):
    texts = (path.read_text() for path in (root / "genpose_ros" / "tracking").glob("*.py"))
    assert sum(f"constants.{name}" in text for text in texts) >= 1


def test_the_tracker_has_no_other_constants(root: Path):
    """Numbers with a name stand in one module, where one table lists them."""
    for path in (root / "genpose_ros" / "tracking").glob("*.py"):
        if path.name != "constants.py":
            assert not re.findall(r"^_?[A-Z][A-Z0-9_]+ = [\d(]", path.read_text(), re.MULTILINE)


def test_the_document_lists_every_constant_with_its_value(root: Path):
    page = (root / "docs" / "tracking.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| ([\d.]+) \|", page, re.MULTILINE))
    assert rows == {item.name: f"{item.value:g}" for item in described_constants()}


def test_a_constant_can_be_replaced_by_name():
    def deviations():
        return np.sqrt(np.diag(initial_motion(0, np.eye(4), np.eye(6)).covariance)[6:])

    with patch.object(constants, "INITIAL_SPEED_M_S", 0.7):
        assert deviations() == pytest.approx([0.7] * 3 + [1.0] * 3)
    assert deviations() == pytest.approx([0.3] * 3 + [1.0] * 3)
