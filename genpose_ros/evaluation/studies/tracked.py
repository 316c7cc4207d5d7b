# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking, from the numbers that `genpose evaluate tracking` stored: table 6 of the paper."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.studies import paper
from genpose_ros.evaluation.studies.report import StudyResult

__all__ = ["tracking", "tracking_table"]

_MEASURES = ("5d5cm", "mean_rotation_deg", "mean_translation_cm")
#: Parts of a summary that are not other ways of tracking.
_FINER = ("per_category", "per_kind")


def tracking(tracking_file: Path) -> StudyResult:
    """Lay every summary of a tracking evaluation beside the paper's, as means over the classes.

    Args:
        tracking_file: JSON file of `genpose evaluate tracking`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not JSON, or holds no summary.
    """
    if not tracking_file.is_file():
        raise FileNotFoundError(
            f"{tracking_file} is missing: genpose evaluate tracking --json makes it"
        )
    try:
        stored = json.loads(tracking_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{tracking_file} is not JSON: {error}") from error
    rows = {name: _class_means(summary) for name, summary in _summaries(stored, ())}
    if not rows:
        raise ValueError(f"{tracking_file} holds no summary of a tracking evaluation")
    source = stored.get("provenance") if isinstance(stored, dict) else None
    return StudyResult("tracking", {"rows": rows, "tracking_provenance": source})


def _summaries(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part with the three measures and with classes, named by where it stands."""
    if not isinstance(value, dict):
        return
    if "per_category" in value and all(name in value for name in _MEASURES):
        yield " ".join(path) or "tracker", value
    for name, part in value.items():
        if name not in _FINER:
            yield from _summaries(part, (*path, str(name)))


def _class_means(summary: dict[str, Any]) -> dict[str, float | None]:
    classes = summary["per_category"].values()
    means = {}
    for name in _MEASURES:
        known = [c[name] for c in classes if c.get(name) is not None]
        means[name] = round(float(np.mean(known)), 2) if known else None
    return means


def tracking_table(content: dict[str, Any]) -> str:
    """Rows: ours, then the paper's on REAL275."""
    rows: list[list[Any]] = [
        [name.replace("_", " "), *(row[measure] for measure in _MEASURES)]
        for name, row in content["rows"].items()
    ]
    rows += [[f"*{name}*", *numbers] for name, numbers in paper.TRACKING.items()]
    heads = ["tracker", "5°5cm, %", "mean rotation error °", "mean translation error cm"]
    return markdown_table(heads, rows)
