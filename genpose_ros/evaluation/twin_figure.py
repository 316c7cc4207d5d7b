# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Figure of recorded residuals beside simulated ones: images, autocorrelation, profiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.evaluation.plots import new_figure, save_figure
from genpose_ros.evaluation.twins import (
    LAGS_PX,
    SIDES,
    Residual,
    TwinReport,
    percentiles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_twins"]

#: Simulated cameras shown of each domain, and the colours of the recording and of the domains.
_SHOWN = 3
_COLORS = {"recorded": "#d94801", "wide": "#08519c", "d435": "#7f7f7f"}
#: Residuals of this size have the fullest colours, millimetres.
_FULL_MM = 15.0


def draw_twins(twins: Sequence[TwinReport], path: Path) -> None:
    """Draw a row per object into a PNG: residual images, then curves of recording and domains.

    Raises:
        OSError: it cannot be written.
    """
    domains = list(twins[0].simulated)
    columns = 1 + _SHOWN * len(domains) + 2
    figure, axes = new_figure(
        len(twins),
        columns,
        width=1.55 * columns + 3,
        height=2.1 * len(twins) + 0.6,
        gridspec_kw={"width_ratios": [1] * (columns - 2) + [1.9, 1.9]},
    )
    for row, (twin, panels) in enumerate(
        zip(twins, axes.reshape(len(twins), columns), strict=True)
    ):
        _image(panels[0], twin.recorded, "recorded" if row == 0 else "")
        panels[0].set_ylabel(f"{twin.category}\n{twin.frame}", fontsize=7)
        place = 1
        for name in domains:
            for number in range(_SHOWN):
                title = f"{name}, camera {number + 1}" if row == 0 else ""
                those = twin.simulated[name]
                _image(panels[place], those[number] if number < len(those) else None, title)
                place += 1
        _autocorrelation(panels[-2], twin, row == 0)
        _profiles(panels[-1], twin, row == 0)
    save_figure(figure, path)


def _image(axes: "Axes", residual: Residual | None, title: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8)
    if residual is None:
        return
    image = residual.image_mm
    rows, columns = (np.flatnonzero(np.isfinite(image).any(axis)) for axis in (1, 0))
    shown = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    axes.set_facecolor("#dddddd")
    axes.imshow(shown, cmap="RdBu", vmin=-_FULL_MM, vmax=_FULL_MM, interpolation="nearest")
    axes.set_xlabel(f"sd {residual.spread_mm:.1f} mm", fontsize=7)


def _autocorrelation(axes: "Axes", twin: TwinReport, first: bool) -> None:
    for name, those in twin.simulated.items():
        values = np.array([residual.autocorrelation for residual in those])
        low, middle, high = np.array([percentiles(column) for column in values.T]).T
        axes.fill_between(LAGS_PX, low, high, color=_COLORS[name], alpha=0.2, lw=0)
        axes.plot(LAGS_PX, middle, color=_COLORS[name], label=f"{name}, 80 % of the cameras")
    recorded = twin.recorded.autocorrelation
    axes.plot(LAGS_PX, recorded, "o-", color=_COLORS["recorded"], ms=3, label="recorded")
    axes.set_xscale("log", base=2)
    axes.set_xticks(LAGS_PX, [str(lag) for lag in LAGS_PX], fontsize=7)
    axes.tick_params(labelsize=7)
    axes.set_ylim(-0.3, 1)
    if first:
        axes.set_title("autocorrelation along a row, by pixels", fontsize=8)
        axes.legend(fontsize=6)


def _profiles(axes: "Axes", twin: TwinReport, first: bool) -> None:
    """Worst side of each, as which side it is differs from camera to camera."""
    distance = np.arange(1, twin.recorded.profile.shape[1] + 1)
    for name, those in twin.simulated.items():
        worst = np.array([_worst_side(residual)[1] for residual in those])
        low, middle, high = 100 * np.array([percentiles(column) for column in worst.T]).T
        axes.fill_between(distance, low, high, color=_COLORS[name], alpha=0.2, lw=0)
        axes.plot(distance, middle, color=_COLORS[name])
    side, values = _worst_side(twin.recorded)
    axes.plot(distance, 100 * values, "o-", color=_COLORS["recorded"], ms=3)
    axes.text(0.97, 0.95, f"recorded: {side} side", fontsize=7, ha="right", va="top",
              transform=axes.transAxes)  # fmt: skip
    axes.tick_params(labelsize=7)
    axes.set_ylim(0, 100)
    if first:
        axes.set_title("% off the mesh, by pixels from the worst side", fontsize=8)


def _worst_side(residual: Residual) -> tuple[str, np.ndarray]:
    worst = int(np.nanargmax(np.nanmean(residual.profile, axis=1)))
    return SIDES[worst], residual.profile[worst]
