# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Studies of the paper on synthetic views, each with its numbers, a table and pictures."""

from collections.abc import Callable
from typing import Any

from genpose_ros.evaluation.studies.candidates import (
    ViewCandidates,
    ViewTruth,
    draw_view_candidates,
)
from genpose_ros.evaluation.studies.cases import cases, cases_table
from genpose_ros.evaluation.studies.compared import (
    baselines,
    baselines_table,
    small_models,
    small_models_table,
)
from genpose_ros.evaluation.studies.distribution import distribution, distribution_table
from genpose_ros.evaluation.studies.energies import energy, energy_table
from genpose_ros.evaluation.studies.features import features, features_table
from genpose_ros.evaluation.studies.report import StudyResult, results_file, write_tables
from genpose_ros.evaluation.studies.selection import (
    best_of_k,
    best_of_k_table,
    candidate_numbers,
    candidate_numbers_table,
    categories,
    categories_table,
    ranking,
    ranking_table,
)
from genpose_ros.evaluation.studies.stored import (
    frame_objects_table,
    frames_table,
    synthetic_categories_table,
    synthetic_table,
)
from genpose_ros.evaluation.studies.tracked import tracking, tracking_table
from genpose_ros.evaluation.studies.unseen import unseen, unseen_table

__all__ = [
    "CANDIDATES",
    "TABLES",
    "StudyResult",
    "ViewCandidates",
    "ViewTruth",
    "baselines",
    "best_of_k",
    "candidate_numbers",
    "cases",
    "categories",
    "distribution",
    "draw_view_candidates",
    "energy",
    "features",
    "ranking",
    "results_file",
    "small_models",
    "tracking",
    "unseen",
    "write_tables",
]

#: Candidates that the studies need of every view.
CANDIDATES = 100

#: Makes a table of stored numbers, of studies and of evaluations.
TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "best-of-k": best_of_k_table,
    "candidates": candidate_numbers_table,
    "ranking": ranking_table,
    "categories": categories_table,
    "unseen": unseen_table,
    "tracking": tracking_table,
    "energy": energy_table,
    "distribution": distribution_table,
    "features": features_table,
    "baselines": baselines_table,
    "small-models": small_models_table,
    "cases": cases_table,
    "frames": frames_table,
    "frame-objects": frame_objects_table,
    "synthetic": synthetic_table,
    "synthetic-categories": synthetic_categories_table,
}
