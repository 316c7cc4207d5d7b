# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Accuracy of the example's four categories, each trained by `genpose category train`.

`.venv/bin/python -m benchmarks.own_categories FOLDER --clouds 30000` writes the folders of
examples/simple_categories.py into FOLDER, trains each category beside the six kept ones, and
writes docs/results/own_categories.json and the table in docs/own_categories.md. Weights that are
in FOLDER already are kept, and an interrupted training goes on.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.networks.description import describe_weights

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "simple_categories.py"
RESULTS = ROOT / "docs" / "results" / "own_categories.json"
PAGE = ROOT / "docs" / "own_categories.md"
NAMES = ("drill", "banana", "box", "tin")

_LIMITS = ("share_5deg2cm", "share_10deg5cm")


def train(folder: Path, name: str, options: list[str]) -> Path:
    """Train one of the categories with the released six kept; return its weights."""
    weights = folder / f"{name}.safetensors"
    if not weights.exists() or weights.with_suffix(".run").exists():
        program = "from genpose_ros.cli import app; app()"
        command = ["category", "train", str(folder / name), str(weights), "--keep", "all"]
        for words in ([str(EXAMPLE), str(folder), name], ["-c", program, *command, *options]):
            subprocess.run([sys.executable, *words], check=True)  # noqa: S603 - our own programs
    return weights


def measured(name: str, weights: Path) -> dict[str, Any]:
    """What the weights record: the new category, and the kept ones before and after."""
    described = describe_weights(weights)
    before = described.recorded["accuracy_before"]
    after = {kept: described.accuracy[kept] for kept in before}
    return {
        "new": described.accuracy[name],
        "kept_before": before,
        "kept_after": after,
        "training": described.recorded["training"],
        "training_data": described.recorded["training_data"],
        "provenance": provenance(weights, described.recorded["training_data"]["seed"]),
    }


def table(results: dict[str, Any]) -> str:
    """A row per category; of the kept ones the means."""
    heads = ["category", "clouds seen", "standing 5°2cm", "10°5cm", "all 5°2cm", "10°5cm"]
    heads += ["the six kept, 5°2cm: before", "after"]
    rows: list[list[Any]] = []
    for name, row in results.items():
        groups = [row["new"]["standing"], row["new"]["all"]]
        shares = [100 * group[limit] for group in groups for limit in _LIMITS]
        kept = [_mean(row[key]) for key in ("kept_before", "kept_after")]
        rows.append([name, f"{row['training']['score']['clouds']:,}", *shares, *kept])
    return markdown_table(heads, rows)


def _mean(accuracy: dict[str, Any]) -> float:
    """Share of all views of all categories within 5 degrees and 2 cm, per cent."""
    views = sum(row["all"]["instances"] for row in accuracy.values())
    good = sum(row["all"]["instances"] * row["all"][_LIMITS[0]] for row in accuracy.values())
    return 100 * float(good) / views


def main() -> None:
    """Train what is missing, and write numbers and table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for meshes, weights and reports")
    parser.add_argument("--clouds", type=int, default=30_000, help="that each is trained on")
    parser.add_argument("--workers", type=int, default=2, help="processes and threads")
    given = parser.parse_args()
    options = ["--clouds", str(given.clouds), "--workers", str(given.workers)]
    weights = {name: train(given.folder, name, options) for name in NAMES}
    results = {name: measured(name, file) for name, file in weights.items()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    rewrite_tables(PAGE, {"own-categories": table(results)}.get)


if __name__ == "__main__":
    main()
