# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables and their place in documents."""

import json

import numpy as np
import pytest

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.studies import results_file, write_tables
from genpose_ros.evaluation.studies.report import group_shares, limit_shares

TABLES = {"one": lambda content: f"| {content['n']} |", "other": lambda content: "never"}
DOC = "# Title\n<!-- table one -->\nold\nolder\n<!-- end -->\ntext\n"


def test_a_markdown_table_has_a_row_per_record():
    table = markdown_table(["a", "b"], [["x", 1.25], ["y", None], ["z", 3]])
    assert table == "| a | b |\n|---|---:|\n| x | 1.2 |\n| y | - |\n| z | 3 |"
    with pytest.raises(ValueError, match="2 heads"):
        markdown_table(["a", "b"], [["x"]])


def test_tables_are_written_between_their_markers(tmp_path):
    doc = tmp_path / "doc.md"
    doc.write_text(DOC)
    results_file(tmp_path, "one").write_text(json.dumps({"n": 7}))
    assert write_tables(doc, tmp_path, TABLES) == (["one"], [])
    expected = "# Title\n<!-- table one -->\n| 7 |\n<!-- end -->\ntext\n"
    assert doc.read_text() == expected
    write_tables(doc, tmp_path, TABLES)
    assert doc.read_text() == expected


def test_the_table_of_a_study_that_was_not_run_is_kept(tmp_path):
    doc = tmp_path / "doc.md"
    doc.write_text(DOC)
    assert write_tables(doc, tmp_path, TABLES) == ([], ["one"])
    assert doc.read_text() == DOC


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!-- table nobody -->\n<!-- end -->\n", "unknown study: nobody"),
        ("<!-- table one -->\nno end\n", "no '<!-- end -->'"),
    ],
)
def test_wrong_markers_are_named_and_leave_the_document_unchanged(tmp_path, text, what):
    doc = tmp_path / "doc.md"
    doc.write_text(text)
    with pytest.raises(ValueError, match=what):
        write_tables(doc, tmp_path, TABLES)
    assert doc.read_text() == text


def test_results_are_stored_under_the_name_of_the_study():
    assert results_file(__import__("pathlib").Path("x"), "best-of-k").as_posix() == (
        "x/study_best_of_k.json"
    )


def test_shares_within_limits_count_views_without_estimate():
    errors = np.array([[4.0, 1.0], [6.0, 1.0], [4.0, 3.0], [np.inf, np.inf]])
    assert limit_shares(errors) == {"5d2cm": 25.0, "5d5cm": 50.0, "10d2cm": 50.0, "10d5cm": 75.0}
    assert limit_shares(errors[:0])["5d2cm"] is None
    groups = group_shares(errors, np.array([True, False, False, False]))
    assert groups["standing"]["5d2cm"] == 100
    assert groups["tipped"]["10d5cm"] == pytest.approx(66.67)
