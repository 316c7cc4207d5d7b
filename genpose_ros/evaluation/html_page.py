# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""HTML pages in one file, without a server: style, tables and pictures."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genpose_ros.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["html_image", "html_page", "html_table", "write_html"]

#: Sober, and the same on every page.
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
    "color:#222}table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;"
    "border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child{text-align:left}"
    "img{max-width:100%}pre{background:#f4f4f4;padding:1em;overflow:auto}"
)


def write_html(path: Path, page: str) -> None:
    """Write a page, creating its folder.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, page)


def html_page(title: str, parts: Sequence[str], source: Mapping[str, Any]) -> str:
    """Return a page.

    Args:
        title: of the page, as text.
        parts: its content, as HTML.
        source: see `provenance`; shown at the end.
    """
    rests_on = html.escape(json.dumps(source, indent=1))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{html.escape(title)}</h1>\n"
        + "\n".join(parts)
        + f"\n<h2>What this rests on</h2>\n<pre>{rests_on}</pre>\n</body></html>\n"
    )


def html_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table of texts and numbers."""

    def line(tag: str, cells: Sequence[Any]) -> str:
        inside = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
        return f"<tr>{inside}</tr>"

    return "\n".join(["<table>", line("th", heads), *(line("td", r) for r in rows), "</table>"])


def html_image(figure: "Figure", description: str) -> str:
    """Return a figure as a picture within the page.

    Args:
        figure: what to draw.
        description: for those who do not see it.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(description)}" src="data:image/png;base64,{data}">'
