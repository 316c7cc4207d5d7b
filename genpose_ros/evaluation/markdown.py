# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Markdown tables, and documents whose tables are written anew from stored results."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from genpose_ros.files import write_whole

__all__ = ["markdown_table", "rewrite_tables"]


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers with one digit, None as a dash, all but the first column right.

    Raises:
        ValueError: a row is not as long as the heads.
    """
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for row in rows:
        if len(row) != len(heads):
            raise ValueError(f"{len(heads)} heads for a row of {len(row)}: {row}")
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def rewrite_tables(document: Path, table_of: Callable[[str], str | None]) -> list[str]:
    """Write the tables between a document's markers anew; return the names of those written.

    The markers are `<!-- table NAME -->` and `<!-- end -->`, each on a line of its own.

    Args:
        document: rewritten in place.
        table_of: gives the table of a name; None: it stays as it is.

    Raises:
        OSError: the document cannot be read or written.
        ValueError: a marker has no end.
    """
    text = document.read_text(encoding="utf-8")
    written: list[str] = []

    def replaced(match: "re.Match[str]") -> str:
        table = table_of(match[1])
        if table is None:
            return match[0]
        written.append(match[1])
        return f"<!-- table {match[1]} -->\n{table}\n<!-- end -->"

    pattern = r"<!-- table ([\w-]+) -->\n.*?<!-- end -->"
    if len(re.findall(r"<!-- table [\w-]+ -->", text)) != len(re.findall(pattern, text, re.S)):
        raise ValueError(f"{document}: a '<!-- table NAME -->' has no '<!-- end -->'")
    text = re.sub(pattern, replaced, text, flags=re.S)
    write_whole(document, text)
    return written
