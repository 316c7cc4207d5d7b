# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The verdict on a report of pip-audit."""

import json

import pytest

from embedded.audit import main, read_report

CLEAN = {"name": "a", "version": "1.0", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
HOLES = {
    "name": "c",
    "version": "2.0",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]},
        {"id": "PYSEC-2", "fix_versions": []},
    ],
}


def report(*items: dict) -> str:
    return json.dumps({"dependencies": list(items), "fixes": []})


def test_what_is_looked_up_and_has_no_hole_is_an_all_clear():
    audit = read_report(report(CLEAN, SKIPPED))
    assert (audit.looked_up, audit.unknown, audit.holes, audit.code) == (1, ("b",), (), 0)
    assert audit.verdict == "no known holes in 1 distributions; 1 are not in the data base"


def test_each_hole_is_told_with_the_versions_that_mend_it():
    audit = read_report(report(CLEAN, HOLES))
    assert audit.code == 1
    assert audit.holes == (
        "c 2.0: PYSEC-1, mended in 2.1, 3.0",
        "c 2.0: PYSEC-2, mended in no version yet",
    )


def test_nothing_looked_up_is_no_all_clear():
    audit = read_report(report(SKIPPED, SKIPPED))
    assert audit.code == 1
    assert audit.verdict.startswith("nothing could be looked up")


@pytest.mark.parametrize("text", ["[]", "{}", '{"dependencies": 3}', "oh"])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError, match=r"no report|Expecting value"):
        read_report(text)


def test_without_pip_audit_the_command_says_how_to_get_it(monkeypatch, capfd):
    monkeypatch.setattr("embedded.audit.sys.executable", "/bin/false")
    assert main([]) == 1
    assert "pip install" in capfd.readouterr().err
