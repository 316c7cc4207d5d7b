# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Picture of a tracked sequence: errors over time, occlusions shaded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genpose_ros.evaluation.plots import category_color, new_figure
from genpose_ros.evaluation.tracking.metrics import runs
from genpose_ros.evaluation.tracking.records import ObjectRecord, SequenceRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_errors", "most_occluded"]

_LIMITS = (5.0, 5.0)
_TOPS = (20.0, 6.0)


def most_occluded(records: Sequence[SequenceRecord]) -> SequenceRecord:
    """Return the record whose objects are hidden most often; the first of equal ones.

    Raises:
        ValueError: there is none.
    """
    return max(records, key=lambda r: sum(int((~o.visible).sum()) for o in r.objects))


def draw_errors(record: SequenceRecord) -> "Figure":
    """Draw rotation and translation error of every object over time.

    Grey: the object is hidden or out of the image. Full line: seen; dotted: predicted. No line:
    nothing is reported. Errors beyond the axis stand at its upper end.
    """
    rows = len(record.objects)
    figure, axes = new_figure(
        rows, 2, width=10, height=1.0 + 1.45 * rows, sharex=True, gridspec_kw={"wspace": 0.05}
    )
    for row, item in enumerate(record.objects):
        for column, (errors, unit) in enumerate(
            ((item.rotation_deg, "°"), (item.translation_cm, "cm"))
        ):
            axis = axes[2 * row + column]
            _draw(axis, item, errors, record.rate_hz, column)
            axis.set_ylabel(f"{item.category}, {unit}" if column == 0 else unit)
    for axis, title in zip(axes[:2], ("rotation error", "translation error"), strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes[-2:]:
        axis.set_xlabel("seconds")
    figure.suptitle(
        f"{record.kind}, seed {record.seed}: grey = hidden, dotted = predicted, "
        "thin line = 5° and 5 cm",
        fontsize=10,
    )
    return figure


def _draw(
    axis: "Axes", item: ObjectRecord, errors: np.ndarray, rate_hz: float, column: int
) -> None:
    times_s = np.arange(len(errors)) / rate_hz
    top = _TOPS[column]
    hidden = [((a - 0.5) / rate_hz, (b - a) / rate_hz) for a, b in runs(~item.visible)]
    axis.broken_barh(hidden, (0, 1), transform=axis.get_xaxis_transform(), color="0.85", lw=0)
    color, shown = category_color(item.category), np.minimum(errors, 0.98 * top)
    axis.plot(times_s, np.where(item.confirmed, shown, np.nan), color=color, lw=1.4)
    axis.plot(times_s, np.where(item.confirmed, np.nan, shown), color=color, lw=1.4, ls=":")
    axis.axhline(_LIMITS[column], color="0.4", lw=0.6)
    axis.set_xlim(0, times_s[-1])
    axis.set_ylim(0, top)
