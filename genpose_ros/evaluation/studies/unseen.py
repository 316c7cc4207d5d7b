# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Unseen categories: poses by models trained without them; table 5 of the paper."""

from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.studies import paper
from genpose_ros.evaluation.studies.candidates import ViewTruth, draw_view_candidates
from genpose_ros.evaluation.studies.report import (
    LIMIT_HEADS,
    LIMIT_NAMES,
    StudyResult,
    group_shares,
)
from genpose_ros.evaluation.studies.small_models import (
    load_small_diffusion,
    read_record,
    small_file,
)
from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["unseen", "unseen_table"]


def unseen(truth: ViewTruth, run: Path) -> StudyResult:
    """Views of a category, by the model trained on all and by the one trained without it.

    Args:
        truth: the views.
        run: folder of the trained models, see `train_missing`.

    Raises:
        FileNotFoundError: `diffusion`, or any `without-` model, has not been trained.
        ValueError: a file is something else.
    """
    names = [name for name in CATEGORIES if small_file(run, f"without-{name}").is_file()]
    if not names:
        raise FileNotFoundError(f"{run} holds no without-*.safetensors: genpose study train")
    content: dict[str, Any] = {"training": read_record(run), "rows": {}}
    for name in names:
        mine = truth[np.flatnonzero(truth.of_category(name))]
        content["rows"][name] = {
            "views": len(mine),
            "seen": _shares(mine, run, "diffusion"),
            "unseen": _shares(mine, run, f"without-{name}"),
        }
    figure, (axes,) = new_figure(1, 1, width=5.5, height=3.0)
    for offset, (kind, label) in enumerate((("seen", "trained on"), ("unseen", "left out"))):
        heights = [row[kind]["standing"]["10d5cm"] for row in content["rows"].values()]
        axes.bar(np.arange(len(names)) + 0.4 * (offset - 0.5), heights, width=0.38, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="10°5cm, % of standing views", ylim=(0, 100))
    axes.legend(fontsize=8)
    return StudyResult("unseen", content, {"study_unseen": figure})


def _shares(truth: ViewTruth, run: Path, model: str) -> dict[str, Any]:
    settings = EstimatorSettings(ranking="none", tta_views=1)
    estimator = PoseEstimator(load_small_diffusion(run, model), settings)
    drawn = draw_view_candidates(estimator, truth.views, settings.candidates)
    return group_shares(drawn.selected_errors(None, "modes"), truth.standing)


def unseen_table(content: dict[str, Any]) -> str:
    """Rows: category, trained with and without it; the paper's 5°2cm in brackets."""
    heads = ["class", "views", *(f"{limit} standing" for limit in LIMIT_HEADS)]
    heads += [f"{limit} all" for limit in LIMIT_HEADS]
    rows = []
    for name, row in content["rows"].items():
        theirs = {
            "seen": paper.CATEGORY_5D2CM.get(name),
            "unseen": paper.UNSEEN_5D2CM.get(name),
        }
        for kind, label in (("seen", "trained on"), ("unseen", "left out")):
            cells = [row[kind]["standing"][limit] for limit in LIMIT_NAMES]
            first = "-" if cells[0] is None else f"{cells[0]:.1f}"
            if theirs[kind] is not None:
                first += f" ({theirs[kind]:.1f})"
            everything = [row[kind]["all"][limit] for limit in LIMIT_NAMES]
            rows.append([f"{name}, {label}", row["views"], first, *cells[1:], *everything])
    s = content["training"]["settings"]
    note = f"Each model: {s['steps']} steps of {s['batch']} clouds.\n\n"
    return note + markdown_table(heads, rows)
