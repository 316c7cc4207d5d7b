# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Energy of candidates against their errors: figure 3 of the paper."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.studies.candidates import ViewCandidates
from genpose_ros.evaluation.studies.report import StudyResult
from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["energy", "energy_table", "rank_correlation"]

_SHOWN = 4000
_PARTS = (("rotation", "degrees", 0), ("translation", "cm", 1))


def energy(candidates: ViewCandidates) -> StudyResult:
    """Rank correlation of energy and error within each view, and the error per tenth of energy.

    Raises:
        ValueError: the model has no energy network.
    """
    drawn = candidates.first(50)
    if drawn.energy is None:
        raise ValueError("the model has no energy network")
    energies = drawn.energy.double().numpy()
    content: dict[str, Any] = {"views": len(drawn), "spearman": {}, "deciles": {}}
    figure, panels = new_figure(1, 2, width=9, height=3.4)
    rng = np.random.default_rng(0)
    for axes, (part, unit, axis) in zip(panels, _PARTS, strict=True):
        errors, values = drawn.errors[..., axis], energies[..., axis]
        correlation = rank_correlation(values, errors)
        content["spearman"][part] = {
            name: _median(correlation[drawn.truth.of_category(name)]) for name in CATEGORIES
        } | {"all": _median(correlation)}
        place = (rankdata(values, axis=1) - 0.5) / values.shape[1]
        tenths = np.clip((10 * place).astype(int), 0, 9)
        quartiles = [
            [round(float(q), 3) for q in np.quantile(errors[tenths == i], (0.25, 0.5, 0.75))]
            for i in range(10)
        ]
        content["deciles"][part] = quartiles
        shown = rng.choice(errors.size, min(_SHOWN, errors.size), replace=False)
        axes.scatter(
            100 * place.ravel()[shown], errors.ravel()[shown], s=2, alpha=0.25, color="#7f7f7f"
        )
        low, middle, high = np.array(quartiles).T
        centres = 10 * np.arange(10) + 5
        axes.fill_between(centres, low, high, alpha=0.3, label="middle half")
        axes.plot(centres, middle, marker="o", label="median")
        axes.set(yscale="log", xlabel="energy's rank within its view, %", ylabel=f"error, {unit}")
        axes.set_title(part)
        axes.set_ylim(max(1e-3, low.min() / 4), None)
        axes.legend(fontsize=8)
    return StudyResult("energy", content, {"study_energy": figure})


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation of each row, (n,); NaN where a row is constant.

    Args:
        a, b: (n, K).
    """
    ranks = [rankdata(values, axis=1) for values in (a, b)]
    centred = [r - r.mean(1, keepdims=True) for r in ranks]
    norm = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    with np.errstate(invalid="ignore"):
        correlation: np.ndarray = (centred[0] * centred[1]).sum(1) / norm
    return correlation


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(np.median(known)), 3) if len(known) else None


def energy_table(content: dict[str, Any]) -> str:
    """Rank correlations per category; best and worst tenth of the energy."""
    heads = ["rank correlation of energy and error", *CATEGORIES, "all", "error, best tenth",
             "error, worst tenth"]  # fmt: skip
    rows = []
    for part, unit, _ in _PARTS:
        row = content["spearman"][part]
        cells = ["-" if row[name] is None else f"{row[name]:.2f}" for name in (*CATEGORIES, "all")]
        tenths = content["deciles"][part]
        rows.append([part, *cells, f"{tenths[-1][1]:.2g} {unit}", f"{tenths[0][1]:.2g} {unit}"])
    return markdown_table(heads, rows)
