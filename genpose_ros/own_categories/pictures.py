# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Figures of a fine-tuning: validation over clouds, held-out views with estimated axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.synthetic import ViewReport
from genpose_ros.geometry.boxes import BOX_CORNERS, BOX_EDGES
from genpose_ros.own_categories.outcome import Outcome
from genpose_ros.own_categories.validation import CurvePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "views_figure"]

#: Pictures of a category: so many best, middling and worst views.
_EACH = 4
_AXIS_COLORS = ("#d62728", "#2ca02c", "#1f77b4")


def curve_figure(curve: Sequence[CurvePoint]) -> "Figure":
    """Return the shares of the validation views over the clouds that the score had seen."""
    figure, (axes,) = new_figure(1, 1, width=8, height=3.5)
    clouds = [point.clouds for point in curve]
    lines = (
        ("new_5d2cm", "new, 5°2cm", "#d62728", "-"),
        ("new_10d5cm", "new, 10°5cm", "#d62728", "--"),
        ("kept_5d2cm", "kept, 5°2cm", "#1f77b4", "-"),
        ("kept_10d5cm", "kept, 10°5cm", "#1f77b4", "--"),
    )
    for field, label, color, style in lines:
        shares = [getattr(point, field) for point in curve]
        if None not in shares:
            axes.plot(clouds, shares, style, color=color, marker="o", markersize=4, label=label)
    axes.set(xlabel="clouds seen", ylabel="validation views, %", ylim=(0, 100))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper")
    return figure


def views_figure(outcome: Outcome, name: str) -> "Figure":
    """Return the best, middling and worst held-out views of a category with estimated axes."""
    reports = outcome.new.views
    rows = [row for row, view in enumerate(reports) if view.category == name]
    rows.sort(key=lambda row: _badness(reports[row]))
    middle = max(0, len(rows) // 2 - _EACH // 2)
    groups = (rows[:_EACH], rows[middle : middle + _EACH], rows[-_EACH:])
    figure, panels = new_figure(3, _EACH, width=10, height=8.4)
    for axes in panels:
        axes.axis("off")
    for line, group in enumerate(groups):
        for place, row in enumerate(group):
            _draw(panels[line * _EACH + place], outcome, row)
    return figure


def _badness(view: ViewReport) -> float:
    """Errors in limits of 5 degrees and 2 centimetres; refused views come last."""
    if view.errors is None:
        return np.inf
    return max(view.errors[0] / 5, view.errors[1] / 2)


def _draw(axes: "Axes", outcome: Outcome, row: int) -> None:
    view, points = outcome.new.views[row], outcome.views.points_cam[row]
    size = outcome.views.size_m[row]
    near, far = np.percentile(points[:, 2], (2, 98))
    shade = np.clip((points[:, 2] - near) / max(far - near, 1e-3), 0, 1)
    x, y = _flat(points)
    axes.scatter(x, y, c=shade, s=1.5, cmap="viridis", linewidths=0)
    corners = BOX_CORNERS * size @ view.T_true[:3, :3].T + view.T_true[:3, 3]
    for a, b in BOX_EDGES:
        axes.plot(*_flat(corners[[a, b]]), color="0.6", linewidth=0.7)
    text = "refused"
    if view.errors is not None:
        _draw_axes(axes, view.T_cam_obj, size)
        text = f"{view.errors[0]:.1f}°, {view.errors[1]:.1f} cm, score {view.score:.2f}"
    axes.set_aspect("equal")
    axes.set_title(text, fontsize=9, y=-0.12)


def _draw_axes(axes: "Axes", T_cam_obj: np.ndarray, size: np.ndarray) -> None:
    """The axes of a pose, to the faces of the box but never too short to be seen."""
    lengths = 0.5 * np.maximum(size, 0.5 * size.max())
    origin = T_cam_obj[:3, 3]
    for i, color in enumerate(_AXIS_COLORS):
        ends = np.stack([origin, origin + lengths[i] * T_cam_obj[:3, i]])
        axes.plot(*_flat(ends), color="white", linewidth=4, solid_capstyle="round")
        axes.plot(*_flat(ends), color=color, linewidth=2.2, solid_capstyle="round")


def _flat(points: np.ndarray) -> tuple[Any, Any]:
    """x to the right and y up of points (N, 3) in an image of the camera."""
    tangents = points[:, :2] / points[:, 2:]
    return tangents[:, 0], -tangents[:, 1]
