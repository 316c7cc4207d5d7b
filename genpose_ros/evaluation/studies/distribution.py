# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distribution of the rotations that the model thinks possible: figure 4 of the paper."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.studies.candidates import (
    ViewCandidates,
    draw_view_candidates,
)
from genpose_ros.evaluation.studies.report import StudyResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["distribution", "distribution_table", "upright_angles_deg"]

#: Upright and looking at the camera: y up is -y of the optical frame.
_UPRIGHT = np.diag([1.0, -1.0, -1.0])
_DRAWS = 400
#: What is shown: name, category, whether the turn about y is free.
_SHOWN = (
    ("bowl: round", "bowl", True),
    ("mug, handle seen", "mug", False),
    ("mug, handle hidden", "mug", True),
)


def upright_angles_deg(rotation: np.ndarray) -> np.ndarray:
    """Return yaw, pitch and roll (..., 3) in degrees of rotations (..., 3, 3).

    The object's own turn about y (yaw) comes first, then nodding (pitch), then tilting in the image
    (roll), from an object that stands upright and looks at the camera.
    """
    flat = Rotation.from_matrix((_UPRIGHT.T @ rotation).reshape(-1, 3, 3))
    roll, pitch, yaw = flat.as_euler("ZXY", degrees=True).T
    return np.stack((yaw, pitch, roll), -1).reshape(*rotation.shape[:-2], 3)


def distribution(candidates: ViewCandidates, estimator: PoseEstimator) -> StudyResult:
    """Many candidates of a round object, of a mug, and of a mug whose handle is not seen.

    The views are those in the middle of their kind: standing, the pooled pose within 10 degrees,
    and of these the one with the median error.
    """
    kinds = [
        (title, _median_view(candidates, name, symmetric)) for title, name, symmetric in _SHOWN
    ]
    known = [(title, row) for title, row in kinds if row is not None]
    content: dict[str, Any] = {"draws": _DRAWS, "rows": {}}
    if not known:
        return StudyResult("distribution", content)
    views = candidates.truth.views[np.array([row for _, row in known])]
    drawn = draw_view_candidates(estimator, views, _DRAWS)
    angles = upright_angles_deg(drawn.rotation.numpy())
    for i, (title, row) in enumerate(known):
        yaw = angles[i, :, 0]
        content["rows"][title] = {
            "view": row,
            "yaw_concentration": round(_concentration(yaw), 3),
            "yaw_twelfths": len(np.unique(np.floor((yaw + 180) / 30))),
            "median_tilt_error_deg": _round_errors(drawn.rotation[i], views.rotation[i]),
        }
    truths = upright_angles_deg(views.rotation.astype(np.float64))
    figure = _figure([title for title, _ in known], angles, truths)
    return StudyResult("distribution", content, {"study_distribution": figure})


def _figure(titles: list[str], angles: np.ndarray, truths: np.ndarray) -> "Figure":
    """Yaw and pitch as places on a globe, roll as colour; the truth as an open circle."""
    figure, panels = new_figure(
        1, len(titles), width=4.2 * len(titles), height=3.0, subplot_kw={"projection": "mollweide"}
    )
    for axes, title, drawn, truth in zip(panels, titles, angles, truths, strict=True):
        places = np.radians(drawn[:, :2]).T
        dots = axes.scatter(*places, c=drawn[:, 2], cmap="hsv", vmin=-180, vmax=180, s=6)
        axes.scatter(*np.radians(truth[:2]), s=130, facecolors="none", edgecolors="black", lw=1.6)
        axes.set_title(title, fontsize=10)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.4)
        axes.set_xlabel("yaw", fontsize=8)
        axes.set_ylabel("pitch", fontsize=8)
    figure.colorbar(dots, ax=list(panels), label="roll, degrees", shrink=0.8)
    return figure


def _median_view(candidates: ViewCandidates, name: str, symmetric: bool) -> int | None:
    truth, drawn = candidates.truth, candidates.first(min(50, candidates.count))
    mine = truth.of_category(name) & truth.standing & (truth.symmetric == symmetric)
    degrees = drawn.selected_errors(drawn.density, "modes")[:, 0]
    rows = np.flatnonzero(mine & (degrees < 10))
    if not len(rows):
        return None
    return int(rows[np.argsort(degrees[rows])[len(rows) // 2]])


def _concentration(angles_deg: np.ndarray) -> float:
    """Length of the mean direction: 0 all around, 1 one angle."""
    return float(np.abs(np.exp(1j * np.radians(angles_deg)).mean()))


def _round_errors(rotation: Tensor, truth: np.ndarray) -> float:
    cosine = (rotation[..., 1] @ torch.from_numpy(truth[:, 1]).double()).clamp(-1, 1)
    return round(float(torch.rad2deg(cosine.arccos()).median()), 2)


def distribution_table(content: dict[str, Any]) -> str:
    """How far the yaw is spread, and how well the y axis is known."""
    heads = ["view", "twelfths of the circle with candidates", "concentration of yaw",
             "median error of the y axis, degrees"]  # fmt: skip
    rows = [
        [
            title,
            row["yaw_twelfths"],
            f"{row['yaw_concentration']:.2f}",
            row["median_tilt_error_deg"],
        ]
        for title, row in content["rows"].items()
    ]
    return markdown_table(heads, rows)
