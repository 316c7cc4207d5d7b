# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What cans with ends alike cost: simulated views with cans counted as they are, and either way up.

`.venv/bin/python -m benchmarks.can_ends --meshes MESHES [--weights FILE] [--json FILE]`. The
estimates are the same; a can that is right but for a half turn about a horizontal axis counts as
right in the second row.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from genpose_ros.cli.options import shapes_of
from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation import evaluate_synthetic, synthetic_views
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.geometry import CategorySet, Symmetry

VIEWS, VIEWS_SEED = 2000, 2_000_000


def either_end_up(categories: CategorySet) -> CategorySet:
    """The categories with cans that look the same after half a turn about a horizontal axis."""
    symmetry = Symmetry.parse({"y": "any", "x": "half"})
    return CategorySet(
        tuple(
            replace(category, symmetry=symmetry) if category.name == "can" else category
            for category in categories.categories
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meshes", type=Path, help="folder with a manifest.json")
    parser.add_argument("--weights", default="", help="a checkpoint; default: the released one")
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--json", type=Path, help="write the figures")
    options = parser.parse_args()
    library = shapes_of(options.weights, options.meshes)
    views = synthetic_views(options.views, VIEWS_SEED, library)
    estimator = PoseEstimator.from_settings(EstimatorSettings(weights=options.weights))
    counted = {"as they are": library.categories, "either end": either_end_up(library.categories)}
    figures, console = {}, Console()
    for name, categories in counted.items():
        report = evaluate_synthetic(estimator, views, categories=categories).to_json()
        figures[name] = {part: report[part] for part in ("standing", "tipped", "all")}
        shares = "  ".join(f"{k} {v}" for k, v in report["all"].items() if k.endswith("cm"))
        console.print(f"cans {name}: {shares}", highlight=False)
    if options.json:
        write_results(options.json, figures, weights=options.weights, seed=0)


if __name__ == "__main__":
    main()
