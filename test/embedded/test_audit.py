# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The verdict on a report of pip-audit."""

import json

import pytest
import yaml

from embedded.advisories import Hole, installed, known_holes
from embedded.audit import audit_by_copy, main, read_report

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


def entry(folder, name, ident, *, events=(), versions=(), **more):
    """An entry of the data base as its files have it."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}, {"type": "GIT", "events": [{}]}]
    affected = [{"package": {"name": name}, "ranges": ranges, "versions": list(versions)}]
    content = {"id": ident, "modified": "2026-03-04T05:06:07Z", "affected": affected, **more}
    (folder / "vulns" / name).mkdir(parents=True, exist_ok=True)
    (folder / "vulns" / name / f"{ident}.yaml").write_text(yaml.safe_dump(content))


def test_a_copy_of_the_data_base_knows_the_versions_between_introduced_and_fixed(tmp_path):
    twice = [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.10"}]
    entry(tmp_path, "some-name", "TWICE", events=twice)
    entry(tmp_path, "some-name", "OPEN", events=[{"introduced": "2.9"}])
    entry(tmp_path, "some-name", "LISTED", versions=["1.0", "3.0"])
    entry(tmp_path, "some-name", "GONE", events=[{"introduced": "0"}], withdrawn="2026-01-01")
    entry(tmp_path, "other", "OTHER", events=[{"introduced": "0"}])
    for version, expected in {
        "1.0": {"TWICE", "LISTED"}, "1.5": set(), "1.5rc1": {"TWICE"}, "2.0": {"TWICE"},
        "2.9": {"TWICE", "OPEN"}, "2.10": {"OPEN"}, "3.0": {"OPEN", "LISTED"},
    }.items():  # fmt: skip
        holes, newest = known_holes(tmp_path, {"some-name": version})
        assert {hole.id for hole in holes} == expected, version
        assert newest == "2026-03-04"
    assert known_holes(tmp_path, {"some-name": "2.0"})[0] == [
        Hole("some-name", "2.0", "TWICE", ("1.5", "2.10"))
    ]


def test_the_verdict_by_a_copy_says_how_old_it_is(tmp_path, capsys):
    entry(tmp_path, "pytest", "OLD", events=[{"introduced": "0"}, {"fixed": "1.0"}])
    assert main(["--advisories", str(tmp_path)]) == 0
    assert "by entries of 2026-03-04 and before" in capsys.readouterr().out
    entry(tmp_path, "pytest", "NEW", events=[{"introduced": "1.0"}])
    audit = audit_by_copy(tmp_path)
    assert audit.code == 1
    assert audit.holes == (f"pytest {installed()['pytest']}: NEW, mended in no version yet",)


def test_a_folder_that_is_no_copy_is_refused(tmp_path, capsys):
    assert main(["--advisories", str(tmp_path)]) == 1
    assert "clone pypa/advisory-database" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="no folder vulns"):
        known_holes(tmp_path, {})
    (tmp_path / "vulns" / "a").mkdir(parents=True)
    assert audit_by_copy(tmp_path).code == 1
    (tmp_path / "vulns" / "a" / "b.yaml").write_text("[1")
    with pytest.raises(ValueError, match=r"b\.yaml is no entry"):
        known_holes(tmp_path, {"a": "1"})
