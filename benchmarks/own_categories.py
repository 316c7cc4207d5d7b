# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Accuracy of the example's four categories, never seen and trained by `genpose category train`.

`.venv/bin/python -m benchmarks.own_categories FOLDER --clouds 30000` writes the folders of
examples/simple_categories.py into FOLDER, measures what the released weights make of each category
that they have never seen, trains it beside the six kept ones, and writes
docs/results/own_categories.json and the tables in docs/own_categories.md. Weights that are in
FOLDER already are kept and measured anew, and an interrupted training goes on. `--trained
drill,box` trains these alone; rows of the others stay as they are.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation import evaluate_synthetic, synthetic_views, told_up
from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.networks import default_weights, describe_checkpoint, load_model
from genpose_ros.networks.description import describe_weights
from genpose_ros.networks.interface import PoseModel
from genpose_ros.own_categories import read_category_folder
from genpose_ros.own_categories.outcome import by_category
from genpose_ros.own_categories.plan import Plan, make_plan
from genpose_ros.own_categories.training import VIEWS_SEED
from genpose_ros.synthesis import D435, WIDE, Domain, ShapeLibrary
from genpose_ros.synthesis.library import held_out_library

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "simple_categories.py"
RESULTS = ROOT / "docs" / "results" / "own_categories.json"
PAGE = ROOT / "docs" / "own_categories.md"
NAMES = ("drill", "banana", "box", "tin")

#: Views of a new category and of each kept one: several times what a training's end measures, which
#: leaves a standard error of three points where the goals are a few points away.
NEW_VIEWS, KEPT_VIEWS = 1_200, 200

_LIMITS = ("share_5deg2cm", "share_10deg5cm")


def write_folder(folder: Path, name: str) -> None:
    """Write the meshes and the category.yaml of one of the categories."""
    words = [sys.executable, str(EXAMPLE), str(folder), name]
    subprocess.run(words, check=True)  # noqa: S603 - our own program


def train(folder: Path, name: str, options: list[str]) -> Path:
    """Train one of the categories with the released six kept; return its weights."""
    weights = folder / f"{name}.safetensors"
    if not weights.exists() or weights.with_suffix(".run").exists():
        program = "from genpose_ros.cli import app; app()"
        command = ["category", "train", str(folder / name), str(weights), "--keep", "all"]
        words = [sys.executable, "-c", program, *command, *options]
        subprocess.run(words, check=True)  # noqa: S603 - our own program
    return weights


def unseen(plan: Plan) -> dict[str, Any]:
    """What the released weights make of held-out views of a category that they never saw.

    They are told its symmetry and its sizes, nothing else. By domain.
    """
    start = load_model(plan.start)
    start.categories = plan.held_out.categories
    (name,) = plan.held_out.categories.names
    return {
        domain.name: accuracy(start, plan.held_out, NEW_VIEWS, domain)[name]
        for domain in (D435, WIDE)
    }


def accuracy(
    model: PoseModel, library: ShapeLibrary, each: int, domain: Domain, *, up: bool = False
) -> dict[str, Any]:
    """By category, of so many held-out views of each; a D435's begin with the training's own.

    Args:
        model: of the library's categories.
        library: held-out shapes.
        each: views of a category.
        domain: cameras, shapes and rolls.
        up: tell the direction up and the table's level, as of `told_up`.
    """
    views = synthetic_views(each * len(library.categories), VIEWS_SEED, library, domain=domain)
    told = told_up(views, np.random.default_rng(VIEWS_SEED)) if up else None
    estimator = PoseEstimator(model, EstimatorSettings(device="cpu"))
    report = evaluate_synthetic(estimator, views, categories=library.categories, up=told)
    return by_category(report)


def measured(plan: Plan, weights: Path) -> dict[str, Any]:
    """The new category, and the kept ones before and after: by D435s, and by all cameras."""
    (name,) = plan.held_out.categories.names
    recorded = describe_weights(weights).recorded
    start, trained = load_model(plan.start), load_model(weights)
    kept = held_out_library(CategorySet(plan.kept))
    by_domain = {
        domain.name: {
            "new": accuracy(trained, plan.held_out, NEW_VIEWS, domain)[name],
            "new_on_table": accuracy(trained, plan.held_out, NEW_VIEWS, domain, up=True)[name],
            "kept_before": accuracy(start, kept, KEPT_VIEWS, domain),
            "kept_after": accuracy(trained, kept, KEPT_VIEWS, domain),
        }
        for domain in (D435, WIDE)
    }
    return {
        **by_domain[D435.name],
        "wide": by_domain[WIDE.name],
        "training": recorded["training"],
        "training_data": recorded["training_data"],
        "provenance": provenance(weights, recorded["training_data"]["seed"]),
    }


def table(results: dict[str, Any]) -> str:
    """A row per category, of the kept ones the means; by D435s and by all cameras."""
    heads = ["category", "from weights", "clouds seen", "standing 5°2cm", "10°5cm"]
    heads += ["with the table seen 5°2cm", "10°5cm", "the six kept, 5°2cm: before", "after"]
    heads += ["all cameras: standing 5°2cm", "10°5cm", "with the table seen 5°2cm", "10°5cm"]
    heads += ["the six: before", "after"]
    rows: list[list[Any]] = []
    for name, row in results.items():
        shares = _shares(row) + (_shares(row["wide"]) if "wide" in row else [None] * 6)
        rows.append([name, _start(row), f"{row['training']['score']['clouds']:,}", *shares])
    return markdown_table(heads, rows)


def _start(row: dict[str, Any]) -> str:
    """Which weights a row was trained from: the released ones, or those released before."""
    described = describe_checkpoint(default_weights())
    # A distilled head changes nothing that a training starts from.
    before = json.loads(described.get("distillation", "{}")).get("teacher_sha256")
    same = row["training_data"]["start_sha256"] in (described["tensor_sha256"], before)
    return "released" if same else "0.2.0"


def _shares(row: dict[str, Any]) -> list[float | None]:
    """Per cent: the new category standing within both limits, the kept before and after."""
    new = [
        100 * row[key]["standing"][limit] if key in row else None
        for key in ("new", "new_on_table")
        for limit in _LIMITS
    ]
    return [*new, *(_mean(row[key]) for key in ("kept_before", "kept_after"))]


def unseen_table(results: dict[str, Any]) -> str:
    """Two rows per category: never seen, and trained."""
    heads = ["category", "standing 5°2cm", "10°5cm", "all 5°2cm", "10°5cm"]
    heads += ["all cameras: standing 5°2cm", "10°5cm", "all 5°2cm", "10°5cm"]
    rows: list[list[Any]] = []
    for name, row in results.items():
        trained = f"{name}, trained" + (" from 0.2.0" if _start(row) == "0.2.0" else "")
        for label, by_d435, by_all in (
            (f"{name}, never seen", row["unseen"][D435.name], row["unseen"][WIDE.name]),
            (trained, row["new"], row.get("wide", {}).get("new")),
        ):
            shares = [
                100 * group[stance][limit] if group else None
                for group in (by_d435, by_all)
                for stance in ("standing", "all")
                for limit in _LIMITS
            ]
            rows.append([label, *shares])
    return markdown_table(heads, rows)


def _mean(accuracy: dict[str, Any]) -> float:
    """Share of all views of all categories within 5 degrees and 2 cm, per cent."""
    views = sum(row["all"]["instances"] for row in accuracy.values())
    good = sum(row["all"]["instances"] * row["all"][_LIMITS[0]] for row in accuracy.values())
    return 100 * float(good) / views


def main() -> None:
    """Train what is missing, and write numbers and tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for meshes, weights and reports")
    parser.add_argument("--clouds", type=int, default=30_000, help="that each is trained on")
    parser.add_argument("--workers", type=int, default=2, help="processes and threads")
    parser.add_argument("--trained", default=",".join(NAMES), help="names of those to train")
    given = parser.parse_args()
    options = ["--clouds", str(given.clouds), "--workers", str(given.workers)]
    results = json.loads(RESULTS.read_text())
    for name in NAMES:
        write_folder(given.folder, name)
        plan = make_plan([read_category_folder(given.folder / name)])
        if name in given.trained.split(","):
            results[name] = measured(plan, train(given.folder, name, options))
        results[name]["unseen"] = unseen(plan)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    tables = {"own-categories": table(results), "unseen-categories": unseen_table(results)}
    rewrite_tables(PAGE, tables.get)


if __name__ == "__main__":
    main()
