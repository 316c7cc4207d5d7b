# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Comparison of what the encoder could be taught beside the score, several seeds each.

`.venv/bin/python -m benchmarks.training_extras DATA --meshes MESHES` trains the small network of
`benchmarks.training_choices` from scratch for the same CPU time on one thread: with nothing else,
with each auxiliary loss, and with noise paired with the poses of round objects. DATA is a set with
surface points (`genpose synthesize DATA --surface-points 256`). Every run is kept in
docs/results/training_extras.json when it ends, so that the comparison goes on where it was, and the
table goes into docs/training.md.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.training_choices import CONFIG, PAGE, ROOT, SETTINGS, evaluate
from genpose_ros.evaluation import synthetic_views
from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.geometry import NOCS
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.synthesis import NOCS_LIBRARY, CloudBatch, held_out_library, load_meshes
from genpose_ros.training import CloudPool, TrainingSettings, train

RESULTS = ROOT / "docs" / "results" / "training_extras.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extra:
    """What is learnt beside the score, as settings."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)


EXTRAS = (
    Extra("score and size alone"),
    Extra("where each patch lies on the object", {"place_weight": 1.0}),
    Extra("a regressed pose", {"regression_weight": 1.0}),
    Extra("noise paired with round objects' poses", {"pairing": "transport"}),
    Extra("the whole surface", {"surface_weight": 2.0}),
    Extra(
        "all four",
        {
            "place_weight": 1.0,
            "regression_weight": 1.0,
            "surface_weight": 2.0,
            "pairing": "transport",
        },
    ),
)

#: Columns of the table: part of the views, and what of it.
_COLUMNS = (
    ("standing", "5d2cm"),
    ("standing", "10d5cm"),
    ("all", "5d2cm"),
    ("all", "10d5cm"),
    ("all", "median_rotation_deg"),
)


def run_extra(
    extra: Extra, seed: int, pool: CloudPool, views: CloudBatch, minutes: float, kept: Path | None
) -> dict[str, Any]:
    """Train and evaluate once; the state is kept in a folder where one is given."""
    settings = TrainingSettings(minutes=minutes, seed=seed, **{**SETTINGS, **extra.settings})
    torch.manual_seed(seed)
    model = LightPoseModel(LightConfig(**CONFIG))
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or Path(temporary)
        state_file = folder / f"{EXTRAS.index(extra)}-{seed}.pt"
        done = train(pool, state_file, settings, model, clock=time.process_time)
    return {"steps": done.steps, **evaluate(done.model, views)}


def table(results: dict[str, dict[str, Any]]) -> str:
    """Means over the seeds and, behind each, the standard deviation, as a table in Markdown."""
    lines = [
        "| learnt beside the score | seeds | steps "
        + "| standing 5°2cm | 10°5cm | all 5°2cm | 10°5cm | median, all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for extra in EXTRAS:
        runs = list(results.get(extra.name, {}).values())
        if not runs:
            continue
        cells = [extra.name, str(len(runs)), f"{mean(run['steps'] for run in runs):,.0f}"]
        for part, key in _COLUMNS:
            values = [run[part][key] for run in runs]
            spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
            unit = "°" if key.endswith("deg") else ""
            cells.append(f"{mean(values):.1f}{spread}{unit}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not in the results yet, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a set with surface points")
    parser.add_argument("--meshes", type=Path, help="meshes with a manifest, for half of the views")
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU time of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--views", type=int, default=1000, help="views evaluated")
    parser.add_argument("--seed", type=int, default=3_000_000, help="seed of the views")
    parser.add_argument("--keep", type=Path, help="folder for the states of the runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file of the results")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    pool = CloudPool(options.data)
    library = NOCS_LIBRARY
    if options.meshes is not None:
        library = held_out_library(NOCS, load_meshes(options.meshes, "test"))
    views = synthetic_views(options.views, options.seed, library)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    results: dict[str, dict[str, Any]] = known.get("runs", {})
    if known.get("cpu_minutes", options.minutes) != options.minutes:
        parser.error(f"{options.output} holds runs of --minutes {known['cpu_minutes']:g}")
    origin = provenance(None, options.seed)
    for seed in range(options.seeds):
        for extra in EXTRAS:
            runs = results.setdefault(extra.name, {})
            if str(seed) in runs:
                continue
            _log.info("%s, seed %d", extra.name, seed)
            runs[str(seed)] = run_extra(extra, seed, pool, views, options.minutes, options.keep)
            content = {
                "cpu_minutes": options.minutes,
                "network": CONFIG,
                "settings": SETTINGS,
                "extras": {extra.name: extra.settings for extra in EXTRAS},
                "views": options.views,
                "clouds_in_the_set": len(pool),
                "runs": results,
                # No released weights are used.
                "provenance": {k: v for k, v in origin.items() if not k.startswith("weights")},
            }
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            if options.output == RESULTS:
                rewrite_tables(PAGE, {"extras": table(results)}.get)


if __name__ == "__main__":
    main()
