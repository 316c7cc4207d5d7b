# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of the best and the worst cases of each category."""

from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import CATEGORY_COLORS, new_figure
from genpose_ros.evaluation.studies.candidates import ViewCandidates, ViewTruth
from genpose_ros.evaluation.studies.report import StudyResult
from genpose_ros.geometry.boxes import BOX_CORNERS, BOX_EDGES
from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis import STANCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cases", "cases_table"]

_AXIS_COLORS = ("#e03030", "#20a040", "#3060e0")
#: How many cases of each kind.
_BEST, _WORST = 2, 3


def cases(candidates: ViewCandidates) -> StudyResult:
    """Per category the best standing views, the worst standing ones and the worst tipped ones.

    Of errors in units of 5 degrees and 2 cm, added up.
    """
    drawn = candidates.first(50)
    rotation, translation = (part.numpy() for part in drawn.select(drawn.density, "modes"))
    errors = drawn.selected_errors(drawn.density, "modes")
    badness = errors[:, 0] / 5 + errors[:, 1] / 2
    content: dict[str, Any] = {"views": len(drawn), "rows": {}}
    figures = {}
    for name in CATEGORIES:
        chosen = _chosen(drawn.truth, name, badness)
        content["rows"][name] = [
            {
                "kind": kind,
                "view": i,
                "stance": STANCES[drawn.truth.views.stance[i]],
                "degrees": _finite(errors[i, 0]),
                "centimetres": _finite(errors[i, 1]),
            }
            for kind, i in chosen
        ]
        if not chosen:
            continue
        figure, panels = new_figure(1, len(chosen), width=1.75 * len(chosen), height=2.3)
        for axes, (kind, i) in zip(panels, chosen, strict=True):
            _draw_case(axes, drawn, i, (rotation[i], translation[i]), CATEGORY_COLORS[name])
            text = f"{kind}\n{errors[i, 0]:.0f}°, {errors[i, 1]:.1f} cm"
            axes.set_title(text, fontsize=8)
        figures[f"study_cases_{name}"] = figure
    return StudyResult("cases", content, figures)


def _chosen(truth: ViewTruth, name: str, badness: np.ndarray) -> list[tuple[str, int]]:
    """Kind and number of the views of a category that are shown."""
    mine = truth.of_category(name)
    standing, tipped = (
        rows[np.argsort(badness[rows], kind="stable")].tolist()
        for rows in (np.flatnonzero(mine & truth.standing), np.flatnonzero(mine & ~truth.standing))
    )
    return [
        *(("best", i) for i in standing[:_BEST]),
        *(("worst standing", i) for i in standing[_BEST:][::-1][:_WORST]),
        *(("worst tipped", i) for i in tipped[::-1][:_WORST]),
    ]


def _finite(value: float) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None


def _draw_case(
    axes: "Axes",
    candidates: ViewCandidates,
    row: int,
    pose: tuple[np.ndarray, np.ndarray],
    color: str,
) -> None:
    """Points as the camera sees them; the truth as a black box, the estimate in colour.

    Of round objects the y axis alone is drawn: the others may turn.
    """
    views = candidates.truth.views
    points = views.points_cam[row]
    u, v = _projected(points).T
    axes.scatter(u, v, c=-points[:, 2], s=1.2, cmap="Greys", alpha=0.8, linewidths=0)
    true_pose = (views.rotation[row].astype(np.float64), views.translation[row].astype(np.float64))
    true_size = views.size_m[row].astype(np.float64)
    size = true_size if candidates.size_m is None else candidates.size_m[row]
    for (rotation, translation), edges, line, width in (
        (true_pose, true_size, "black", 1.0),
        (pose, size, color, 1.4),
    ):
        corners = _projected((BOX_CORNERS * edges) @ rotation.T + translation)
        for a, b in BOX_EDGES:
            axes.plot(*corners[[a, b]].T, color=line, linewidth=width, alpha=0.8)
    for (rotation, translation), style, width in ((true_pose, ":", 1.3), (pose, "-", 2.0)):
        shown = enumerate(_AXIS_COLORS)
        for axis, shade in [(1, _AXIS_COLORS[1])] if candidates.truth.symmetric[row] else shown:
            tip = translation + 0.6 * true_size.max() * rotation[:, axis]
            axes.plot(*_projected(np.stack((translation, tip))).T, style, color=shade, lw=width)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.invert_yaxis()


def _projected(points_cam: np.ndarray) -> np.ndarray:
    """Tangents (M, 2) of points (M, 3): pixels of a camera with focal length 1."""
    projected: np.ndarray = points_cam[:, :2] / np.maximum(points_cam[:, 2:], 0.05)
    return projected


def cases_table(content: dict[str, Any]) -> str:
    """Errors of the cases in the pictures, in their order."""
    heads = ["class", "best standing", "worst standing", "worst tipped"]
    rows = []
    for name, shown in content["rows"].items():
        cells = [
            ", ".join(
                "refused"
                if case["degrees"] is None
                else f"{case['degrees']:.0f}° {case['centimetres']:.1f} cm"
                for case in shown
                if case["kind"] == kind
            )
            for kind in ("best", "worst standing", "worst tipped")
        ]
        rows.append([name, *cells])
    return markdown_table(heads, rows)
