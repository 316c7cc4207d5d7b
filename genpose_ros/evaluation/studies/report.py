# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Results of a study: numbers as JSON, a table as Markdown, pictures; and their place in docs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.metrics import THRESHOLDS, share_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "LIMIT_HEADS",
    "LIMIT_NAMES",
    "StudyResult",
    "group_shares",
    "limit_shares",
    "percent",
    "results_file",
    "write_tables",
]

#: The limits as keys of JSON files and as heads of tables.
LIMIT_NAMES: tuple[str, ...] = tuple(f"{d}d{c}cm" for d, c in THRESHOLDS)
LIMIT_HEADS: tuple[str, ...] = tuple(f"{d}°{c}cm" for d, c in THRESHOLDS)


@dataclass(frozen=True)
class StudyResult:
    """Result of one study.

    Attributes:
        name: of the study, as the command line has it.
        content: its numbers, as JSON values; the table is made of these.
        figures: its pictures, by the file's name without ending.
    """

    name: str
    content: dict[str, Any]
    figures: "dict[str, Figure]" = field(default_factory=dict)


#: Tables that are not of studies: the file that an evaluation's --json is stored in.
_EVALUATIONS: dict[str, str] = {
    "frames": "frames.json",
    "frame-objects": "frames.json",
    "synthetic": "synthetic.json",
    "synthetic-categories": "synthetic.json",
}


def results_file(folder: Path, name: str) -> Path:
    """Where the numbers of a study, or of another table, are stored."""
    return folder / _EVALUATIONS.get(name, f"study_{name.replace('-', '_')}.json")


def limit_shares(errors: np.ndarray) -> dict[str, float | None]:
    """Per cent of the poses within each limit; None of no poses.

    Args:
        errors: (n, 2), degrees and centimetres.
    """
    shares = {}
    for name, (degrees, centimetres) in zip(LIMIT_NAMES, THRESHOLDS, strict=True):
        share = share_within(errors[:, 0].tolist(), errors[:, 1].tolist(), degrees, centimetres)
        shares[name] = percent(share)
    return shares


def group_shares(errors: np.ndarray, standing: np.ndarray) -> dict[str, dict[str, float | None]]:
    """`limit_shares` of standing, tipped and all views.

    Args:
        errors: (n, 2), degrees and centimetres.
        standing: (n,) bool.
    """
    return {
        "standing": limit_shares(errors[standing]),
        "tipped": limit_shares(errors[~standing]),
        "all": limit_shares(errors),
    }


def percent(share: float) -> float | None:
    """A share in per cent with two digits; None for one that does not exist."""
    return round(100 * float(share), 2) if np.isfinite(share) else None


def write_tables(
    docs: Path, results: Path, tables: Mapping[str, Callable[[dict[str, Any]], str]]
) -> tuple[list[str], list[str]]:
    """Write the tables of stored results between a document's markers, see `rewrite_tables`.

    Args:
        docs: the document, rewritten in place.
        results: folder of the studies' JSON files.
        tables: study name -> makes the table of its numbers.

    Returns:
        The names whose tables were written, and those that the document wants but that have not
        been run yet, whose tables stay as they are.

    Raises:
        OSError: the document cannot be read or written.
        ValueError: a marker names no study, or has no end.
    """
    missing: list[str] = []

    def table_of(name: str) -> str | None:
        if name not in tables:
            raise ValueError(f"{docs} has a marker of an unknown study: {name}")
        path = results_file(results, name)
        if not path.is_file():
            missing.append(name)
            return None
        return tables[name](json.loads(path.read_text(encoding="utf-8")))

    return rewrite_tables(docs, table_of), missing
