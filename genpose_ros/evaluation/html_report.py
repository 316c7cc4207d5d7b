# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""HTML report of an evaluation: tables, curves and provenance in one file, without a server."""

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.evaluation.average_precision import (
    PosePrecision,
    PrecisionCurves,
    pose_precision_curves,
)
from genpose_ros.evaluation.nocs import NocsReport
from genpose_ros.evaluation.synthetic import SyntheticReport
from genpose_ros.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["nocs_html", "synthetic_html", "write_html"]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
    "color:#222}table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;"
    "border-bottom:1px solid #ddd;text-align:right}th:first-child,td:first-child{text-align:left}"
    "img{max-width:100%}pre{background:#f4f4f4;padding:1em;overflow:auto}"
)


def nocs_html(report: NocsReport, source: Mapping[str, Any]) -> str:
    """Return the page of a NOCS split: both matchings as tables and as curves.

    Args:
        report: the scores.
        source: see `provenance`.
    """
    part = "" if report.every == 1 else f", one of {report.every}"
    basis = (
        f"{report.frames} frames{part}; masks: {html.escape(report.masks)}; matched by "
        f"{report.boxes} boxes; origin of mugs: {report.mug_origin.value}; detections without an "
        f"estimate, counted as wrong: {report.rejected}"
    )
    parts = [f"<p>{basis}.</p>"]
    for matching, note in (
        ("official", "unmatched detections and objects left out"),
        ("strict", "missed objects and false detections counted"),
    ):
        parts.append(f"<h2>Average precision, {matching}: {note}</h2>")
        parts.append(_precision_table(report.precision, matching))
        parts.append(_image(_curves_figure(report.curves, matching)))
    return _page(f"NOCS {report.split}", parts, source)


def synthetic_html(report: SyntheticReport, source: Mapping[str, Any]) -> str:
    """Return the page of synthetic views: shares, and average precision by the scores.

    Args:
        report: the views.
        source: see `provenance`.
    """
    content = report.to_json()
    limits = list(content["best_of_k"])
    rows: dict[str, Mapping[str, Any]] = {
        name: content[name] for name in ("standing", "tipped", "all", "best_of_k")
    }
    for category, groups in content["per_category"].items():
        rows |= {f"{category}, {stance}": group for stance, group in groups.items()}
    table = _table(
        ["views", "n", *map(_shown_limit, limits)],
        [
            [name.replace("_", " "), row.get("views", ""), *(_number(row[x]) for x in limits)]
            for name, row in rows.items()
        ],
    )
    curves = pose_precision_curves(*report.poses())
    precision = content["average_precision"]
    ranked = _table(
        ["class", *map(_shown_limit, limits)],
        [[name, *(_number(row[x]) for x in limits)] for name, row in precision.items()],
    )
    parts = [
        "<h2>Share of the views within both limits, %</h2>",
        table,
        "<h2>Average precision, estimates ranked by their scores, %</h2>",
        ranked,
        _image(_curves_figure(curves, "strict")),
    ]
    return _page("Synthetic views", parts, source)


def write_html(path: Path, page: str) -> None:
    """Write a page, creating its folder.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, page)


def _page(title: str, parts: Sequence[str], source: Mapping[str, Any]) -> str:
    rests_on = html.escape(json.dumps(source, indent=1))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{html.escape(title)}</h1>\n"
        + "\n".join(parts)
        + f"\n<h2>What this rests on</h2>\n<pre>{rests_on}</pre>\n</body></html>\n"
    )


def _precision_table(precision: PosePrecision, matching: str) -> str:
    heads = [f"{degrees:g}°{centimetres:g}cm" for degrees, centimetres in precision.limits]
    rows: list[list[Any]] = [
        [name, c.truths, c.matched, *(f"{100 * v:.1f}" for v in getattr(c, matching))]
        for name, c in precision.categories.items()
    ]
    mean = (f"{100 * v:.1f}" for v in precision.mean(matching))
    rows.append([f"mean of {len(rows)}", "", "", *mean])
    return _table(["class", "objects", "found", *heads], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def line(tag: str, cells: Sequence[Any]) -> str:
        inside = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
        return f"<tr>{inside}</tr>"

    return "\n".join(["<table>", line("th", heads), *(line("td", r) for r in rows), "</table>"])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _shown_limit(name: str) -> str:
    return name.replace("d", "°", 1)


def _curves_figure(curves: PrecisionCurves, matching: str) -> "Figure":
    """Average precision over degrees and over centimetres, a line per category and their mean."""
    from genpose_ros.evaluation.plots import CATEGORY_COLORS, new_figure

    figure, panels = new_figure(1, 2, width=10, height=4, sharey=True)
    both = ((curves.degrees, 0, "degrees"), (curves.centimetres, 1, "centimetres"))
    for axes, (precision, axis, unit) in zip(panels, both, strict=True):
        limits = np.array([limit[axis] for limit in precision.limits])
        for name, category in precision.categories.items():
            values = 100 * getattr(category, matching)
            axes.plot(limits, values, color=CATEGORY_COLORS[name], label=name)
        axes.plot(limits, 100 * precision.mean(matching), "k--", linewidth=2, label="mean")
        axes.set(xlabel=f"within {unit}", ylim=(0, 100), xlim=(0, limits[-1]))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"average precision, %, {matching}")
    panels[1].legend(fontsize=8, loc="lower right")
    return figure


def _image(figure: "Figure") -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="average precision over single limits" src="data:image/png;base64,{data}">'
