# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Comparison of the diffusion model with baselines and with regression, on the same views."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.baselines import Template, icp_pose, make_template, pca_box_pose
from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.studies.candidates import (
    ViewCandidates,
    ViewTruth,
    draw_view_candidates,
)
from genpose_ros.evaluation.studies.report import (
    LIMIT_HEADS,
    LIMIT_NAMES,
    StudyResult,
    group_shares,
    limit_shares,
)
from genpose_ros.evaluation.studies.small_models import (
    load_small_diffusion,
    load_small_regression,
    read_record,
)
from genpose_ros.geometry.categories import CATEGORIES, NOCS

__all__ = ["baselines", "baselines_table", "small_models", "small_models_table", "view_kinds"]

Errors = dict[str, np.ndarray]


def baselines(
    candidates: ViewCandidates,
    estimator: PoseEstimator,
    *,
    views: int = 500,
    on_views: Callable[[int], None] | None = None,
) -> StudyResult:
    """ICP to a template, a box around the points, and the model, on the first `views` views.

    Args:
        candidates: of all views.
        estimator: what made them.
        views: how many are taken.
        on_views: called with how many have been done since the last call.
    """
    few = candidates.first(50)[np.arange(min(views, len(candidates)))]
    truth = few.truth
    templates = [make_template(name) for name in CATEGORIES]
    methods: dict[str, Callable[[np.ndarray, Template], np.ndarray]] = {
        "PCA box": pca_box_pose,
        "ICP": icp_pose,
        "ICP, told that it stands": lambda points, t: icp_pose(points, t, upright=True),
    }
    errors: Errors = {}
    cost: dict[str, float] = {}
    for name, method in methods.items():
        start = time.process_time()
        poses = []
        for row, category in enumerate(truth.views.category):
            poses.append(method(truth.views.points_cam[row], templates[category]))
            if on_views is not None:
                on_views(1)
        cost[name] = 1e3 * (time.process_time() - start) / len(few)
        T = torch.from_numpy(np.stack(poses))
        errors[name] = truth.errors(T[:, :3, :3], T[:, :3, 3])
    errors["this model"] = few.selected_errors(few.density, "modes")
    cost["this model"] = _cost_ms(estimator, truth)
    content = _content(errors, truth)
    for name, row in content["rows"].items():
        row["cpu_ms_per_object"] = round(cost[name], 2)
    return StudyResult("baselines", content, {"study_baselines": _figure(content)})


def _cost_ms(estimator: PoseEstimator, truth: ViewTruth) -> float:
    """Processor milliseconds of encoding, sampling and ranking 50 candidates per object."""
    part = truth.views[:64]
    start = time.process_time()
    few = draw_view_candidates(estimator, part, 50)
    few.select(few.density, "modes")
    return 1e3 * (time.process_time() - start) / len(part)


def small_models(truth: ViewTruth, run: Path) -> StudyResult:
    """Diffusion and direct regression after the same few steps on the same clouds.

    Args:
        truth: the views.
        run: folder of the trained models, see `train_missing`.

    Raises:
        FileNotFoundError: a model has not been trained.
        ValueError: a file is something else.
    """
    record = read_record(run)
    model = load_small_diffusion(run)
    settings = EstimatorSettings(ranking="none", tta_views=1)
    drawn = draw_view_candidates(PoseEstimator(model, settings), truth.views, settings.candidates)
    drawn = replace(drawn, energy=None)
    within = (drawn.errors / (5, 2)).max(-1)
    best = np.take_along_axis(drawn.errors, within.argmin(1)[:, None, None], 1)[:, 0]
    errors: Errors = {
        "regression": _regression_errors(run, "regression", drawn),
        "regression, told symmetry": _regression_errors(run, "regression-symmetry", drawn),
        "diffusion, one candidate": drawn.selected_errors(None, "single"),
        "diffusion, mean": drawn.selected_errors(None, "mean"),
        "diffusion, largest mode": drawn.selected_errors(None, "modes"),
        "diffusion, best of 50": best,
    }
    content = {**_content(errors, truth), "training": record}
    return StudyResult("small-models", content, {"study_small_models": _figure(content)})


def _regression_errors(run: Path, name: str, drawn: ViewCandidates) -> np.ndarray:
    model, views = load_small_regression(run, name), drawn.truth.views
    parts = [
        model.estimate(torch.from_numpy(views.points_cam[rows]), drawn.pooled_symmetric[rows])
        for rows in (slice(i, i + 64) for i in range(0, len(views), 64))
    ]
    rotation, translation = (torch.cat(part) for part in zip(*parts, strict=True))
    return drawn.truth.errors(rotation, translation)


def view_kinds(truth: ViewTruth) -> dict[str, np.ndarray]:
    """Return the views (n,) bool by what makes them hard: symmetry, ambiguity, stance."""
    round_ones = [i for i, c in enumerate(NOCS) if c.symmetry.free_axis]
    is_round = np.isin(truth.views.category, round_ones)
    mug = truth.of_category("mug")
    return {
        "round, standing": is_round & truth.standing,
        "round, tipped": is_round & ~truth.standing,
        "mug, handle seen": mug & ~truth.symmetric,
        "mug, handle hidden": mug & truth.symmetric,
        "laptop, standing": truth.of_category("laptop") & truth.standing,
        "camera, standing": truth.of_category("camera") & truth.standing,
        "laptop and camera, tipped": ~is_round & ~mug & ~truth.standing,
    }


def _content(errors: Errors, truth: ViewTruth) -> dict[str, Any]:
    kinds = view_kinds(truth)
    return {
        "views": len(truth),
        "kinds": {kind: int(mine.sum()) for kind, mine in kinds.items()},
        "rows": {
            name: {
                **group_shares(values, truth.standing),
                "kinds": {kind: limit_shares(values[mine]) for kind, mine in kinds.items()},
            }
            for name, values in errors.items()
        },
    }


def _figure(content: dict[str, Any]) -> Any:
    figure, (axes,) = new_figure(1, 1, width=9.5, height=3.4)
    kinds = list(content["kinds"])
    width = 0.85 / len(content["rows"])
    for offset, (name, row) in enumerate(content["rows"].items()):
        heights = [row["kinds"][kind]["10d5cm"] or 0.0 for kind in kinds]
        place = np.arange(len(kinds)) + width * (offset - (len(content["rows"]) - 1) / 2)
        axes.bar(place, heights, width=width, label=name)
    axes.set_xticks(range(len(kinds)), [kind.replace(", ", ",\n") for kind in kinds], fontsize=8)
    axes.set(ylabel="10°5cm, %", ylim=(0, 100))
    axes.legend(fontsize=8)
    return figure


def baselines_table(content: dict[str, Any]) -> str:
    """Shares of standing and all views, and the processor time."""
    heads = ["method", *(f"{limit} standing" for limit in LIMIT_HEADS)]
    heads += [f"{limit} all" for limit in LIMIT_HEADS]
    timed = all("cpu_ms_per_object" in row for row in content["rows"].values())
    heads += ["CPU ms per object"] if timed else []
    rows = [
        [
            name,
            *(row[group][limit] for group in ("standing", "all") for limit in LIMIT_NAMES),
            *([row["cpu_ms_per_object"]] if timed else []),
        ]
        for name, row in content["rows"].items()
    ]
    kinds = content["kinds"]
    by_kind = [
        [name, *(row["kinds"][kind]["10d5cm"] for kind in kinds)]
        for name, row in content["rows"].items()
    ]
    return (
        markdown_table(heads, rows)
        + "\n\nWithin 10°5cm, by kind of view (how many):\n\n"
        + markdown_table(["method", *(f"{k} ({n})" for k, n in kinds.items())], by_kind)
    )


def small_models_table(content: dict[str, Any]) -> str:
    """As `baselines_table`, with what the training took."""
    training = content["training"]
    s = training["settings"]
    minutes = ", ".join(
        f"{name} {training[name]['cpu_seconds'] / 60:.1f}"
        for name in ("diffusion", "regression", "regression-symmetry")
    )
    note = (
        f"{s['steps']} steps of {s['batch']} clouds each; minutes on one busy core: {minutes}.\n\n"
    )
    return note + baselines_table(content)
