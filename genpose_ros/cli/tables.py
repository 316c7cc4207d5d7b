# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables for the terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from genpose_ros.datasets.frame_folders import Truth
from genpose_ros.datasets.nocs_truth import PoseSource
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation.metrics import THRESHOLDS
from genpose_ros.evaluation.nocs import NocsReport
from genpose_ros.evaluation.recorded_frames import FramesReport
from genpose_ros.evaluation.synthetic import SyntheticReport
from genpose_ros.evaluation.tracking.report import tracking_tables

__all__ = [
    "place_cells",
    "print_nocs",
    "print_report",
    "print_result",
    "print_synthetic",
    "print_tracking",
]

#: Refused objects of a frame that are printed.
_MOST_REFUSED = 100
#: Poses that score less are as likely wrong as right, and those of more hardly ever wrong.
LOW_SCORE, HIGH_SCORE = 0.5, 0.9


def print_result(result: FrameResult, console: Console, *, warn_below: float = LOW_SCORE) -> None:
    """Print one frame's objects, what was refused, and the time each stage took.

    Scores are coloured.

    Args:
        result: of the frame.
        console: to print on.
        warn_below: scores that are warned of.
    """
    if result.estimates:
        _print_estimates(result.estimates, result.up_cam, console, warn_below)
    for r in result.rejections[:_MOST_REFUSED]:
        what = "frame" if r.instance_id is None else f"object {r.instance_id}"
        line = f"{what} refused: {r.reason.value}: {r.detail}"
        console.print(line, markup=False, soft_wrap=True)
    if len(result.rejections) > _MOST_REFUSED:
        console.print(f"{len(result.rejections) - _MOST_REFUSED} more refused", markup=False)
    if result.up_cam is not None:
        line = _up_line(result.up_cam, result.estimates)
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in result.timings_ms.items())
    console.print(f"milliseconds: {stages}", markup=False)


def _print_estimates(
    estimates: Sequence[ObjectEstimate], up: UpDirection | None, console: Console, warn_below: float
) -> None:
    table = Table("id", "class", "x y z m", "size x y z cm", "score", "axis", "points")
    for e in estimates:
        scores = [Text(f"{v:.2f}", style=_score_style(v)) for v in (e.score, e.score_axis)]
        place_and_size = place_cells(e.T_cam_obj[:3, 3], e.size_m)
        table.add_row(str(e.instance_id), e.category, *place_and_size, *scores, str(e.n_points))
    console.print(table)
    for e in estimates:
        numbers = " ".join(f"{v:.3f}" for v in e.quat_wxyz[[1, 2, 3, 0]])
        line = f"{e.category} {e.instance_id}: quaternion x y z w {numbers}, tilt {_tilts(e, up)}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for e in estimates:
        for remark in e.remarks:
            line = f"{e.category} {e.instance_id}: {remark.text}"
            console.print(line, style="yellow", markup=False, soft_wrap=True)
        if e.score < warn_below:
            console.print(_low_score(e, warn_below), style="yellow", markup=False, soft_wrap=True)


def _tilts(estimate: ObjectEstimate, up: UpDirection | None) -> str:
    """Tilt against the image's up and, where it is known, against the direction up."""
    tilt = f"{estimate.tilt_deg:.0f}°"
    if up is None:
        return tilt
    cosine = float(np.clip(estimate.T_cam_obj[:3, 1] @ up.direction_cam, -1.0, 1.0))
    return f"{tilt}, {math.degrees(math.acos(cosine)):.0f}° off up"


def place_cells(position_m: Iterable[float], size_m: Iterable[float]) -> tuple[str, str]:
    """Cells of a position in metres and a size in centimetres, narrow enough for 80 columns."""
    return " ".join(f"{v:.3f}" for v in position_m), " ".join(f"{100 * v:.1f}" for v in size_m)


def _up_line(up: UpDirection, estimates: Sequence[ObjectEstimate]) -> str:
    """Where the direction up comes from, and what rests."""
    x, y, z = up.direction_cam
    line = f"up is {up.source}: {x:.2f} {y:.2f} {z:.2f} in the camera's frame"
    if up.level_m is None or not estimates:
        return line
    resting = sum(e.rests for e in estimates)
    return f"{line}; {resting} of {len(estimates)} objects rest on the support"


def _low_score(estimate: ObjectEstimate, warn_below: float) -> str:
    """What a low score means, as a line."""
    what = f"{estimate.category} {estimate.instance_id} scores {estimate.score:.2f}"
    if estimate.score_axis >= warn_below:
        return f"{what}: its turn about the up axis is not known, the axis itself is"
    return (
        f"{what}: its pose is not to be trusted. Is the mask aligned to the depth image, and is it "
        "a whole object of this class?"
    )


def _score_style(score: float) -> str:
    """Green for what may be grasped, yellow for what should be looked at again."""
    if score >= HIGH_SCORE:
        return "green"
    return "yellow" if score >= LOW_SCORE else "bold red"


def print_report(report: FramesReport, console: Console) -> None:
    """Print every instance with its errors, then medians and shares per kind of truth."""
    # A name cut short would not say which frame it is.
    frame = Column("frame", overflow="fold")
    table = Table(frame, "id", "class", "rot °", "trans cm", "score", "truth")
    for i in report.instances:
        errors = ["-", "-"] if i.errors is None else [f"{e:.1f}" for e in i.errors]
        note = " (handle hidden)" if i.handle_visible is False else ""
        score = i.rejection or "-" if i.estimate is None else f"{i.estimate.score:.2f}"
        table.add_row(i.frame, str(i.instance_id), i.category + note, *errors, score, i.truth.value)
    console.print(table)
    for truth, title in ((Truth.DATASET, "ground truth"), (Truth.PSEUDO, "pseudo truth")):
        groups = report.summary(truth)
        if groups["all"]["instances"]:
            console.print(_summary_table(title, groups))


def print_nocs(report: NocsReport, console: Console) -> None:
    """Print the average precisions of both matchings per category, and what they rest on."""
    limits = [f"{degrees:g}°{centimetres:g}cm" for degrees, centimetres in report.precision.limits]
    categories = report.precision.categories
    for matching, note in (
        ("official", "unmatched detections and objects left out"),
        ("strict", "missed objects and false detections counted"),
    ):
        table = Table("class", "objects", "found", *limits, title=f"mAP %, {matching}: {note}")
        rows = {name: getattr(c, matching) for name, c in categories.items()}
        rows[f"mean of {len(rows)}"] = report.precision.mean(matching)
        for name, values in rows.items():
            c = categories.get(name)
            counts = ["", ""] if c is None else [str(c.truths), str(c.matched)]
            table.add_row(name, *counts, *(f"{100 * value:.1f}" for value in values))
        console.print(table)
    part = "" if report.every == 1 else f", one of {report.every}"
    lines = [
        f"frames of {report.split}: {report.frames}{part}; masks: {report.masks}",
        "true poses: " + ", ".join(f"{name} ({n})" for name, n in report.pose_sources.items()),
        f"origin of mugs: {report.mug_origin.value}",
    ]
    if not report.listed:
        lines.append("no list of the frames (pose_data.py makes it): all complete ones are taken")
    if PoseSource.COORDINATES.value in report.pose_sources:
        lines.append(
            "without label.pkl (pose_data.py makes it) and gts, poses follow from coordinate maps: "
            "distances of Real to about 2 %"
        )
    if report.unknown_handles:
        lines.append(f"mugs of unknown handle, taken as visible: {report.unknown_handles}")
    if report.boxes == "3d":
        lines.append(
            f"matched by boxes in space; objects of unknown size, by the image's: "
            f"{report.unknown_sizes}"
        )
    if report.rejected:
        lines.append(f"detections without an estimate, counted as wrong: {report.rejected}")
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def print_synthetic(report: SyntheticReport, console: Console) -> None:
    """Print shares and medians over standing, tipped and all views, and per category."""
    content = report.to_json()
    limits = [f"{degrees}d{centimetres}cm" for degrees, centimetres in THRESHOLDS]
    heads = [limit.replace("d", "°") for limit in limits]
    table = Table("views", "n", "median °", "median cm", "size %", *heads)
    rows = {name: content[name] for name in ("standing", "tipped", "all")}
    for category, parts in content["per_category"].items():
        rows |= {f"{category}, {stance}": group for stance, group in parts.items()}
    for name, group in rows.items():
        medians = [group["median_rotation_deg"], group["median_translation_cm"]]
        numbers = [*medians, group["median_size_error_percent"], *(group[x] for x in limits)]
        shown = ("-" if value is None else f"{value:.1f}" for value in numbers)
        table.add_row(name, str(group["views"]), *shown)
    best = (content["best_of_k"][limit] for limit in limits)
    table.add_row("best of K, all", "", "", "", "", *(f"{value:.1f}" for value in best))
    console.print(table)


def print_tracking(report: Mapping[str, Any], console: Console) -> None:
    """Print the tables of a tracking report's numbers, the goals last."""
    tables = tracking_tables(report)
    for name in (*(name for name in tables if name not in ("goals", "settings")), "goals"):
        table = Table(*tables[name].heads)
        for row in tables[name].rows:
            cells = ("-" if v is None else f"{v:.1f}" if isinstance(v, float) else v for v in row)
            table.add_row(*(str(cell).replace("**", "") for cell in cells))
        console.print(table)


def _summary_table(title: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    limits = [f"{degrees}°{centimetres}cm" for degrees, centimetres in THRESHOLDS]
    table = Table("class", "n", "missed", "median °", "median cm", *limits, title=title)
    for name, group in groups.items():
        medians = [group["median_rotation_error_deg"], group["median_translation_error_cm"]]
        shares = [value for key, value in group.items() if key.startswith("share_")]
        table.add_row(
            name,
            str(group["instances"]),
            str(group["missed"]),
            *("-" if value is None else f"{value:.1f}" for value in medians),
            *("-" if value is None else f"{100 * value:.0f} %" for value in shares),
        )
    return table
