# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The generated pages follow the code."""

from dataclasses import fields

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.settings import setting
from genpose_ros.tracking.settings import TrackerSettings

MESSAGE = """# One thing.
# Of two lines.

# Values of state.
uint8 STATE_NEW = 1  # just seen
uint8 STATE_OLD = 2

# Where it is: two fields.

# Its place, metres.
float64 x
float64 y

# The rest.
Other[] others
"""


def test_the_generated_pages_are_current(generate):
    behind = [path.name for path, _ in generate.outdated()]
    assert behind == [], "run: python docs/generate.py"


def test_a_page_that_was_changed_by_hand_is_outdated(generate, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    generate.main()
    assert list(generate.outdated()) == []
    page = tmp_path / "reference" / "messages.md"
    page.write_text(page.read_text().replace("score", "mark"))
    assert [path for path, _ in generate.outdated()] == [page]


def test_every_parameter_has_a_row_with_its_default_and_range(generate):
    page = (generate.DOCS / "reference" / "parameters.md").read_text()
    names = [f"`{item.name}`" for item in fields(EstimatorSettings)]
    names += [f"`tracking.{item.name}`" for item in fields(TrackerSettings)]
    assert [name for name in names if f"| {name} |" not in page] == []
    row = next(line for line in page.splitlines() if line.startswith("| `tracking.max_coast_s`"))
    assert "| double | `0.5` | 0 to 60 | live |" in row


def test_a_message_is_read_with_the_comments_that_belong_to_its_fields(generate):
    description, found = generate.parse_message(MESSAGE)
    assert description == "One thing. Of two lines."
    assert [(f.kind, f.name, f.value) for f in found] == [
        ("uint8", "STATE_NEW", "1"),
        ("uint8", "STATE_OLD", "2"),
        ("float64", "x", ""),
        ("float64", "y", ""),
        ("Other[]", "others", ""),
    ]
    assert [f.comment for f in found] == [
        "just seen",
        "Values of state.",
        "Where it is: two fields. Its place, metres.",
        "Where it is: two fields. Its place, metres.",
        "The rest.",
    ]


def test_every_field_of_every_message_is_on_the_page(generate, root):
    page = (root / "docs" / "reference" / "messages.md").read_text()
    for path in (root / "msg").glob("*.msg"):
        section = page.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
        for field in generate.parse_message(path.read_text())[1]:
            assert f"| `{field.name}` |" in section, f"{path.stem}.{field.name}"


def test_every_field_of_services_and_actions_is_on_the_page(generate, root):
    page = (root / "docs" / "reference" / "messages.md").read_text()
    for path in (*(root / "srv").glob("*.srv"), *(root / "action").glob("*.action")):
        section = page.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
        for part in path.read_text().split("---\n"):
            for field in generate.parse_message(part)[1]:
                assert f"| `{field.name}` |" in section, f"{path.stem}.{field.name}"
    assert "[`genpose_ros/ObjectPoseArray[]`](#objectposearray)" in page


def test_a_bar_in_a_description_does_not_break_the_table(generate):
    from dataclasses import make_dataclass

    kind = make_dataclass("Own", [("rate", float, setting(1.0, "a | b <c>", low=0, high=2))])
    row = generate._parameter(fields(kind)[0], "rate")
    assert row == ["`rate`", "double", "`1.0`", "0 to 2", "live", "a \\| b &lt;c>"]
