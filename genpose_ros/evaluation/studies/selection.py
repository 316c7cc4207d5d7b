# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Selection of the candidates that become the pose: tables 1 to 4 of the paper."""

import time
from typing import Any

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.likelihood import pose_log_likelihood
from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.metrics import THRESHOLDS
from genpose_ros.evaluation.plots import new_figure
from genpose_ros.evaluation.studies import paper
from genpose_ros.evaluation.studies.candidates import POOLINGS, ViewCandidates
from genpose_ros.evaluation.studies.report import (
    LIMIT_HEADS,
    LIMIT_NAMES,
    StudyResult,
    group_shares,
    limit_shares,
    percent,
)
from genpose_ros.geometry.categories import CATEGORIES

__all__ = [
    "best_of_k",
    "best_of_k_table",
    "candidate_numbers",
    "candidate_numbers_table",
    "categories",
    "categories_table",
    "expected_best_of",
    "ranking",
    "ranking_table",
]

#: Of the likelihood's solver.
_TOLERANCE = 1e-3
_POOLING_NAMES = {"single": "one candidate", "mean": "mean", "modes": "largest mode"}
_KEY_NAMES = {
    "random": "random",
    "density": "density",
    "energy": "energy",
    "likelihood": "likelihood",
    "truth": "ground truth",
}


def best_of_k(candidates: ViewCandidates) -> StudyResult:
    """Table 1: the pooled pose, and the best of K candidates, as if one knew which that is.

    The best of fewer candidates than were drawn is the mean over all ways to choose them.
    """
    drawn = candidates.first(50)
    standing = drawn.truth.standing
    within = np.stack([(drawn.errors <= limit).all(-1).sum(1) for limit in THRESHOLDS], -1)
    content: dict[str, Any] = {
        "views": len(drawn),
        "pooled": group_shares(drawn.selected_errors(drawn.density, "modes"), standing),
        "best_of": {},
    }
    curve_k = [1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50]
    groups = {"standing": standing, "tipped": ~standing, "all": np.ones(len(drawn), dtype=bool)}
    for k in curve_k:
        best = expected_best_of(within, drawn.count, k)
        content["best_of"][str(k)] = {
            group: {
                name: percent(best[rows, i].mean()) if rows.any() else None
                for i, name in enumerate(LIMIT_NAMES)
            }
            for group, rows in groups.items()
        }
    figure, (left, right) = new_figure(1, 2, width=9, height=3.4)
    for axes, group in ((left, "standing"), (right, "all")):
        for i, name in enumerate(LIMIT_NAMES):
            line = axes.plot(curve_k, [content["best_of"][str(k)][group][name] for k in curve_k])
            line[0].set_label(LIMIT_HEADS[i])
            pooled = content["pooled"][group][name]
            axes.axhline(pooled, color=line[0].get_color(), linestyle=":", linewidth=1)
        axes.set(xscale="log", xlabel="K", ylabel="% of views", ylim=(0, 100))
        axes.set_title(f"best of K, {group} views; dotted: pooled")
        axes.set_xticks([1, 5, 10, 20, 50], ["1", "5", "10", "20", "50"])
    right.legend(fontsize=8)
    return StudyResult("best-of-k", content, {"study_best_of_k": figure})


def expected_best_of(within: np.ndarray, drawn: int, count: int) -> np.ndarray:
    """Return the chance (...,) that `count` of `drawn` candidates, taken at random, hold a hit.

    Args:
        within: (...,) int, how many of the drawn ones are hits.
        drawn: how many there are.
        count: how many are taken.
    """
    missed = drawn - np.asarray(within)
    enough = missed >= count
    safe = np.where(enough, missed, count)
    # log of (missed choose count) / (drawn choose count)
    log_none = gammaln(safe + 1) - gammaln(safe - count + 1)
    log_none += gammaln(drawn - count + 1) - gammaln(drawn + 1)
    chance: np.ndarray = 1 - np.where(enough, np.exp(log_none), 0.0)
    return chance


def best_of_k_table(content: dict[str, Any]) -> str:
    """Rows: pooled, best of 10, best of 50; the paper's beside."""
    rows = [("pooled (default)", content["pooled"], paper.POOLED)]
    rows += [
        (f"best of {k}", content["best_of"][str(k)], paper.BEST_OF_K[k]) for k in paper.BEST_OF_K
    ]
    return _beside_paper("pose", rows)


def candidate_numbers(candidates: ViewCandidates) -> StudyResult:
    """Table 2: how many candidates are drawn, and which share of them is kept, at 10°2cm."""
    content: dict[str, Any] = {"views": len(candidates), "limit": "10d2cm"}
    groups = ("standing", "all")
    for pooling in ("mean", "modes"):
        content[pooling] = {group: {} for group in groups}
        for k in paper.CANDIDATES_10D2CM:
            part = candidates.first(k)
            # The mean of the best by energy is the paper's; the other is the default here.
            key = part.energy if pooling == "mean" else part.density
            rows = [
                group_shares(part.selected_errors(key, pooling, share), part.truth.standing)
                for share in paper.KEEP_SHARES
            ]
            for group in groups:
                content[pooling][group][str(k)] = [row[group]["10d2cm"] for row in rows]
    figure, panels = new_figure(1, 2, width=9, height=3.2, sharey=True)
    for axes, pooling in zip(panels, ("mean", "modes"), strict=True):
        kept = [round(100 * share) for share in paper.KEEP_SHARES]
        for k, values in content[pooling]["all"].items():
            axes.plot(kept, values, marker="o", label=f"K = {k}")
        axes.set(xlabel="kept, %", ylabel="10°2cm, % of all views", title=f"pooling: {pooling}")
        axes.legend(fontsize=8)
    return StudyResult("candidates", content, {"study_candidates": figure})


def candidate_numbers_table(content: dict[str, Any]) -> str:
    """Rows: pooling and K; columns: share kept; the paper's in brackets."""
    heads = ["10°2cm, kept", *(f"{100 * share:.0f} %" for share in paper.KEEP_SHARES)]
    rows: list[list[Any]] = []
    for pooling, name in (("mean", "mean"), ("modes", "largest mode")):
        for group in ("standing", "all"):
            for k, values in content[pooling][group].items():
                theirs = paper.CANDIDATES_10D2CM[int(k)]
                beside = pooling == "mean" and group == "standing"
                cells = [
                    _with_paper(value, number) if beside else value
                    for value, number in zip(values, theirs, strict=True)
                ]
                rows.append([f"{name}, K = {k}, {group}", *cells])
    return markdown_table(heads, rows)


def ranking(
    candidates: ViewCandidates, estimator: PoseEstimator, *, likelihood_views: int = 400
) -> StudyResult:
    """Table 3: what candidates are ranked by, and how they are pooled, K = 50.

    The likelihood (equation 5) is compared on the first `likelihood_views` views alone, with the
    other rankings beside it and the processor time that each takes per object.
    """
    drawn = candidates.first(50)
    keys: dict[str, Tensor | None] = {"random": None, "density": drawn.density}
    if drawn.energy is not None:
        keys["energy"] = drawn.energy
    keys["truth"] = torch.from_numpy(-np.nan_to_num(drawn.errors, posinf=1e9))
    content: dict[str, Any] = {
        "views": len(drawn),
        "rows": {
            name: {
                pooling: group_shares(drawn.selected_errors(key, pooling), drawn.truth.standing)
                for pooling in POOLINGS
            }
            for name, key in keys.items()
        },
    }
    few = drawn[np.arange(min(likelihood_views, len(drawn)))]
    content["likelihood"] = _likelihood_rows(few, estimator)
    return StudyResult("ranking", content, {"study_ranking": _ranking_figure(content)})


def _likelihood_rows(few: ViewCandidates, estimator: PoseEstimator) -> dict[str, Any]:
    """Every ranking that needs no truth, with its cost, on the same few views."""
    keys, cost = _timed_keys(few, estimator)
    rows = {
        name: {
            "cpu_ms_per_object": cost[name],
            **{pooling: limit_shares(few.selected_errors(key, pooling)) for pooling in POOLINGS},
        }
        for name, key in keys.items()
    }
    return {"views": len(few), "tolerance": _TOLERANCE, "rows": rows}


def _ranking_figure(content: dict[str, Any]) -> Any:
    figure, panels = new_figure(1, 2, width=9, height=3.2, sharey=True)
    rows = content["rows"]
    for axes, group in zip(panels, ("standing", "all"), strict=True):
        for offset, pooling in enumerate(POOLINGS):
            heights = [row[pooling][group]["5d2cm"] for row in rows.values()]
            place = np.arange(len(heights)) + 0.27 * (offset - 1)
            axes.bar(place, heights, width=0.25, label=_POOLING_NAMES[pooling])
        axes.set_xticks(range(len(rows)), [_KEY_NAMES[name] for name in rows])
        axes.set(ylabel="5°2cm, %", title=f"{group} views")
    panels[0].legend(fontsize=8)
    return figure


def _timed_keys(
    few: ViewCandidates, estimator: PoseEstimator
) -> tuple[dict[str, Tensor | None], dict[str, float]]:
    """Every ranking that needs no truth, on few views, and its processor time in milliseconds."""
    model = estimator.model
    points = torch.from_numpy(few.truth.views.points_cam).to(model.device)
    keys: dict[str, Tensor | None] = {"random": None}
    cost = {"random": 0.0}
    start = time.process_time()
    keys["density"] = few.density
    cost["density"] = time.process_time() - start
    energies, likelihoods = [], []
    for first in range(0, len(few), 16):
        rows = slice(first, first + 16)
        with torch.no_grad():
            encoding = model.encode(points[rows])
            rotation = few.rotation[rows].float().to(model.device)
            translation = few.translation[rows].float().to(model.device)
            pose = model.encode_pose(rotation, translation, encoding)
        start = time.process_time()
        if model.has_energy:
            with torch.no_grad():
                energies.append(model.energy(pose, encoding).cpu())
        middle = time.process_time()
        cost["energy"] = cost.get("energy", 0.0) + middle - start
        generator = torch.Generator().manual_seed(first)
        logs = pose_log_likelihood(model, encoding, pose, generator=generator, tolerance=_TOLERANCE)
        likelihoods.append(logs.cpu())
        cost["likelihood"] = cost.get("likelihood", 0.0) + time.process_time() - middle
    if energies:
        keys["energy"] = torch.cat(energies)
    keys["likelihood"] = torch.cat(likelihoods)[..., None].expand(-1, -1, 2)
    return keys, {name: round(1e3 * seconds / len(few), 3) for name, seconds in cost.items()}


def ranking_table(content: dict[str, Any]) -> str:
    """Two tables: all rankings, and the likelihood with its cost on fewer views."""
    rows = [
        (f"{_KEY_NAMES[name]}, {_POOLING_NAMES[p]}", row[p], paper.RANKING.get((name, p)))
        for name, row in content["rows"].items()
        for p in POOLINGS
    ]
    part = content["likelihood"]
    heads = ["ranking", "CPU ms per object"]
    heads += [f"{_POOLING_NAMES[p]}, {limit}" for p in POOLINGS for limit in ("5°2cm", "10°2cm")]
    costs = [
        [
            _KEY_NAMES[name],
            f"{row['cpu_ms_per_object']:.2f}",
            *(row[p][limit] for p in POOLINGS for limit in ("5d2cm", "10d2cm")),
        ]
        for name, row in part["rows"].items()
    ]
    return (
        _beside_paper("ranking, pooling", rows)
        + f"\n\nThe likelihood with its cost, on {part['views']} of the views:\n\n"
        + markdown_table(heads, costs)
    )


def categories(candidates: ViewCandidates) -> StudyResult:
    """Table 4: per category."""
    drawn = candidates.first(50)
    errors = drawn.selected_errors(drawn.density, "modes")
    standing = drawn.truth.standing
    content: dict[str, Any] = {"views": len(drawn), "rows": {}}
    for name in CATEGORIES:
        mine = drawn.truth.of_category(name)
        content["rows"][name] = group_shares(errors[mine], standing[mine])
    content["rows"]["all"] = group_shares(errors, standing)
    figure, panels = new_figure(1, 2, width=9, height=3.2)
    for axes, axis, top, unit in zip(panels, (0, 1), (30, 6), ("degrees", "cm"), strict=True):
        grid = np.linspace(0, top, 121)
        for name in CATEGORIES:
            values = errors[drawn.truth.of_category(name) & standing][:, axis]
            if len(values):
                share = (values[:, None] <= grid).mean(0)
                axes.plot(grid, 100 * share, label=name)
        axes.set(xlabel=unit, ylabel="% of standing views within", ylim=(0, 100))
    panels[0].legend(fontsize=8)
    return StudyResult("categories", content, {"study_categories": figure})


def categories_table(content: dict[str, Any]) -> str:
    """Rows: categories; the paper's 5°2cm in brackets."""
    rows = [
        (
            name,
            row,
            (paper.CATEGORY_5D2CM[name], None, None, None) if name != "all" else paper.POOLED,
        )
        for name, row in content["rows"].items()
    ]
    return _beside_paper("class", rows)


def _beside_paper(first: str, rows: list[tuple[str, Any, Any]]) -> str:
    """Rows of name, shares of `group_shares`, and the paper's four numbers or None."""
    heads = [first, *(f"{limit} standing" for limit in LIMIT_HEADS)]
    heads += [f"{limit} all" for limit in LIMIT_HEADS]
    lines = []
    for name, shares, theirs in rows:
        standing = [
            _with_paper(shares["standing"][limit], number)
            for limit, number in zip(LIMIT_NAMES, theirs or (None,) * 4, strict=True)
        ]
        lines.append([name, *standing, *(shares["all"][limit] for limit in LIMIT_NAMES)])
    return markdown_table(heads, lines)


def _with_paper(value: float | None, theirs: float | None) -> str:
    mine = "-" if value is None else f"{value:.1f}"
    return mine if theirs is None else f"{mine} ({theirs:.1f})"
