# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Comparison of what the encoder could be taught beside the score, several seeds each.

`.venv/bin/python -m benchmarks.training_extras DATA --meshes MESHES` trains the small network of
`benchmarks.training_choices` from scratch for the same CPU time on one thread: with nothing else,
with each auxiliary loss, and with noise paired with the poses of round objects. DATA is a set with
surface points (`genpose synthesize DATA --surface-points 256`). Every run is kept in
docs/results/training_extras.json when it ends, so that the comparison goes on where it was, and the
tables go into docs/training.md. With `--keep` the first network that regresses a pose too is
evaluated once more, with candidates that start around it.
"""

import argparse
import itertools
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.training_choices import CONFIG, PAGE, ROOT, SETTINGS, evaluate, evaluated_views
from genpose_ros.estimation import program
from genpose_ros.estimation.candidates import Sampling, sampled
from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.synthesis import CloudBatch
from genpose_ros.training import CloudPool, TrainingSettings, train
from genpose_ros.training.auxiliary import AuxiliaryHeads
from genpose_ros.training.state import read_state

RESULTS = ROOT / "docs" / "results" / "training_extras.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extra:
    """What is learnt beside the score, as settings; and whether it may make flows straighter."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    straighter: bool = False


EXTRAS = (
    Extra("score and size alone", straighter=True),
    Extra("where each patch lies on the object", {"place_weight": 1.0}),
    Extra("a regressed pose", {"regression_weight": 1.0}),
    Extra("noise paired with round objects' poses", {"pairing": "transport"}, straighter=True),
    Extra("the whole surface", {"surface_weight": 2.0}),
)


@dataclass(frozen=True)
class Start:
    """Where a network's candidates start: noise level, steps, and around the regressed pose."""

    name: str
    sigma: float
    steps: int
    regressed: bool = True


STARTS = (
    Start("noise, 8 steps", 5.0, 8, regressed=False),
    Start("noise, 4 steps", 5.0, 4, regressed=False),
    Start("the regressed pose and noise of 1, 8 steps", 1.0, 8),
    Start("the regressed pose and noise of 1, 4 steps", 1.0, 4),
    Start("the regressed pose and noise of 0.5, 4 steps", 0.5, 4),
    Start("the regressed pose as it is", 1.0, 0),
)

#: What a network reaches with fewer evaluations than eight.
_QUICK = {"in_four_evaluations": 4, "in_two_evaluations": 2}

#: Columns of the tables: part of the views, and what of it.
_COLUMNS = (
    ("standing", "5d2cm"),
    ("standing", "10d5cm"),
    ("all", "5d2cm"),
    ("all", "10d5cm"),
    ("all", "median_rotation_deg"),
)
#: Their heading.
_HEADING = "| standing 5°2cm | 10°5cm | all 5°2cm | 10°5cm | median, all |"


def run_extra(
    extra: Extra, seed: int, pool: CloudPool, views: CloudBatch, minutes: float, kept: Path | None
) -> dict[str, Any]:
    """Train and evaluate once; the state is kept in a folder where one is given."""
    settings = TrainingSettings(minutes=minutes, seed=seed, **{**SETTINGS, **extra.settings})
    torch.manual_seed(seed)
    model = LightPoseModel(LightConfig(**CONFIG))
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or Path(temporary)
        state_file = _state_file(folder, extra, seed)
        done = train(pool, state_file, settings, model, clock=time.process_time)
    fewer = _QUICK if extra.straighter else {}
    quick = {name: evaluate(done.model, views, steps=steps) for name, steps in fewer.items()}
    return {"steps": done.steps, **evaluate(done.model, views), **quick}


class _Regressing(LightPoseModel):
    """Light model that regresses a pose too, which comes with the encoding."""

    heads: AuxiliaryHeads

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        encoding = super().encode(points_cam, patches=patches, up=up)
        _, _, features = self.features(points_cam, patches=patches, up=up)
        pose = self.heads.get_submodule("pose")(features).unsqueeze(1)
        # These weights have no distilled head, whose place is free.
        return replace(
            encoding, distilled=self.encode_pose(*self.decode_pose(pose, encoding), encoding)
        )


def regressing_model(extra: Extra, state_file: Path) -> LightPoseModel:
    """The averaged network of a run with its regression head."""
    state = read_state(state_file)
    model = _Regressing(LightConfig(**CONFIG))
    model.load_state_dict(state["averaged"])
    heads = AuxiliaryHeads(model, TrainingSettings(**extra.settings))
    heads.load_state_dict(state["auxiliary"])
    model.heads = heads
    return model.eval()


def evaluate_starts(model: LightPoseModel, views: CloudBatch) -> dict[str, Any]:
    """What `evaluate` says of each of `STARTS`, by its name."""
    results = {}
    for start in STARTS:

        def draw(
            model: PoseModel,
            encoding: Encoding,
            sampling: Sampling,
            _start: Tensor | None,
            between_steps: Callable[[], None],
            chosen: Start = start,
        ) -> Tensor:
            regressed, encoding = encoding.distilled, replace(encoding, distilled=None)
            if regressed is not None and chosen.steps == 0:
                return regressed.double().expand(-1, sampling.noise.shape[1], -1)
            around = regressed if chosen.regressed else None
            return sampled(model, encoding, sampling, around, between_steps)

        with patch.object(program, "sampled", draw):
            settings = {"start_sigma": start.sigma, "steps": max(start.steps, 1)}
            results[start.name] = evaluate(model, views, **settings)
    return results


def table(results: dict[str, dict[str, Any]]) -> str:
    """Means over the seeds and, behind each, the standard deviation, as a table in Markdown."""
    fewer = " | ".join(f"all 5°2cm in {steps} evaluations" for steps in _QUICK.values())
    lines = [f"| learnt beside the score | seeds | steps {_HEADING} {fewer} |", "|---" * 10 + "|"]
    for extra in EXTRAS:
        runs = list(results.get(extra.name, {}).values())
        if not runs:
            continue
        cells = [extra.name, str(len(runs)), f"{mean(run['steps'] for run in runs):,.0f}"]
        cells += _cells(runs)
        for name in _QUICK:
            quick = [run[name] for run in runs if name in run]
            cells.append(_cell(quick, "all", "5d2cm") if quick else "-")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def starts_table(results: dict[str, dict[str, Any]]) -> str:
    """The same of where the candidates of the first network that regresses a pose start."""
    lines = [f"| candidates start from {_HEADING}", "|---" * 6 + "|"]
    found = results.get("a regressed pose", {}).get("0", {}).get("starts", {})
    lines += [f"| {' | '.join([name, *_cells([run])])} |" for name, run in found.items()]
    return "\n".join(lines)


def _cells(runs: list[dict[str, Any]]) -> list[str]:
    return [_cell(runs, part, key) for part, key in _COLUMNS]


def _cell(runs: list[dict[str, Any]], part: str, key: str) -> str:
    """Mean and, of several runs, standard deviation."""
    values = [run[part][key] for run in runs]
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}{'°' if key.endswith('deg') else ''}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not in the results yet, seed by seed."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    pool = CloudPool(options.data)
    views = evaluated_views(options)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    if known.get("cpu_minutes", options.minutes) != options.minutes:
        raise SystemExit(f"{options.output} holds runs of --minutes {known['cpu_minutes']:g}")
    results: dict[str, dict[str, Any]] = known.get("runs", {})
    content = {
        "cpu_minutes": options.minutes,
        "network": CONFIG,
        "settings": SETTINGS,
        "extras": {extra.name: extra.settings for extra in EXTRAS},
        "views": options.views,
        "clouds_in_the_set": len(pool),
        "runs": results,
        # No released weights are used.
        "provenance": {
            key: value
            for key, value in provenance(None, options.seed).items()
            if not key.startswith("weights")
        },
    }
    for seed, extra in itertools.product(range(options.seeds), EXTRAS):
        runs = results.setdefault(extra.name, {})
        if str(seed) not in runs:
            _log.info("%s, seed %d", extra.name, seed)
            runs[str(seed)] = run_extra(extra, seed, pool, views, options.minutes, options.keep)
            _write(content, options.output)
    extra = next(extra for extra in EXTRAS if "regression_weight" in extra.settings)
    first = results[extra.name]["0"]
    if options.keep is not None and "starts" not in first:
        model = regressing_model(extra, _state_file(options.keep, extra, 0))
        first["starts"] = evaluate_starts(model, views)
        _write(content, options.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a set with surface points")
    parser.add_argument("--meshes", type=Path, help="meshes with a manifest, for half of the views")
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU time of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--views", type=int, default=1000, help="views evaluated")
    parser.add_argument("--seed", type=int, default=3_000_000, help="seed of the views")
    parser.add_argument("--keep", type=Path, help="folder for the states of the runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file of the results")
    return parser


def _state_file(folder: Path, extra: Extra, seed: int) -> Path:
    return folder / f"{EXTRAS.index(extra)}-{seed}.pt"


def _write(content: dict[str, Any], output: Path) -> None:
    """Write the results; the page's tables follow those in their usual place."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if output == RESULTS:
        tables = {"extras": table(content["runs"]), "starts": starts_table(content["runs"])}
        rewrite_tables(PAGE, tables.get)


if __name__ == "__main__":
    main()
