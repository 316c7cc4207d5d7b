# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Features of the clouds by an encoder that is given no category: figure 5 of the paper."""

from typing import Any

import numpy as np

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.plots import CATEGORY_COLORS, new_figure
from genpose_ros.evaluation.studies.candidates import ViewCandidates
from genpose_ros.evaluation.studies.report import StudyResult, percent
from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["features", "features_table"]

_MOST_VIEWS = 1200
_NEIGHBOURS = 5


def features(candidates: ViewCandidates) -> StudyResult:
    """The clouds' features in a plane by t-SNE, and how often neighbours share their category.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    rows = np.arange(min(_MOST_VIEWS, len(candidates)))
    values = candidates.features[rows].astype(np.float64)
    values = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    category = candidates.truth.views.category[rows]
    standing = candidates.truth.standing[rows]
    count = min(_NEIGHBOURS, len(rows) - 1)
    near, points = _neighbours_and_plane(values, count)
    votes = np.stack([(category[near] == c).sum(1) for c in range(len(CATEGORIES))], -1)
    right = votes.argmax(1) == category
    groups = {"standing": standing, "tipped": ~standing}
    groups |= {name: category == c for c, name in enumerate(CATEGORIES)}
    groups["all"] = np.ones(len(rows), dtype=bool)
    content: dict[str, Any] = {
        "views": len(rows),
        "neighbours": count,
        "right_category": {
            name: percent(right[mine].mean()) if mine.any() else None
            for name, mine in groups.items()
        },
    }
    figure, (axes,) = new_figure(1, 1, width=6.4, height=5.0)
    for c, name in enumerate(CATEGORIES):
        for mine, marker, label in ((standing, "o", name), (~standing, "x", None)):
            chosen = points[(category == c) & mine].T
            color = CATEGORY_COLORS[name]
            axes.scatter(*chosen, s=12, marker=marker, color=color, label=label, linewidths=0.8)
    axes.set(xticks=[], yticks=[], title="features of clouds (o standing, x tipped)")
    axes.legend(fontsize=8)
    return StudyResult("features", content, {"study_features": figure})


def _neighbours_and_plane(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows (n, count) of every row, itself not counted, and its place (n, 2)."""
    try:
        from sklearn.manifold import TSNE
        from sklearn.neighbors import NearestNeighbors
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "t-SNE needs scikit-learn: pip install 'genpose_ros[study]'"
        ) from error
    near = NearestNeighbors(n_neighbors=count).fit(values).kneighbors(return_distance=False)
    plane = TSNE(perplexity=min(30, (len(values) - 1) / 3), init="pca", random_state=0)
    return near, plane.fit_transform(values.astype(np.float32))


def features_table(content: dict[str, Any]) -> str:
    """How often most of the nearest neighbours are of the same category."""
    groups = list(content["right_category"])
    heads = [f"same category as most of {content['neighbours']} neighbours, %", *groups]
    return markdown_table(heads, [["share", *content["right_category"].values()]])
