# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Figure of reliability: told against true probabilities, and how many poses reach a score."""

from pathlib import Path

import numpy as np

from genpose_ros.evaluation.plots import new_figure, save_figure
from genpose_ros.evaluation.score_calibration import Reliability

__all__ = ["draw_reliability"]


def draw_reliability(report: Reliability, path: Path) -> None:
    """Draw a reliability diagram, and shares of poses and of right ones by threshold, into a PNG.

    Raises:
        OSError: it cannot be written.
    """
    figure, axes = new_figure(1, 2, width=9.5, height=4.2)
    diagram, shares = axes.reshape(-1)
    bins = report.bins()
    score, hold, count = (np.array([b[key] for b in bins]) for key in ("score", "hold", "poses"))
    error = np.sqrt(np.maximum(hold * (1 - hold), 0.25 / count) / count)
    diagram.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    diagram.errorbar(score, hold, yerr=error, fmt="o", color="#08519c", capsize=3)
    diagram.set(xlabel="score", ylabel="share within 10° 5 cm", xlim=(0, 1), ylim=(0, 1.02))
    diagram.set_title(
        f"{len(report.scores)} poses, told and true {report.calibration_error:.3f} apart"
    )
    rows = report.table(np.linspace(0, 0.98, 50).tolist())
    at = [row["threshold"] for row in rows]
    shares.plot(at, [row["hold"] for row in rows], color="#08519c", label="of these right")
    shares.plot(
        at, [row["taken"] for row in rows], color="#d94801", label="poses that score as much"
    )
    shares.set(xlabel="score at least", xlim=(0, 1), ylim=(0, 1.02))
    shares.legend(loc="lower left")
    save_figure(figure, path)
