# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Accuracy against network evaluations per candidate: solvers, schedules and the distilled head.

`.venv/bin/python -m benchmarks.evaluations --meshes MESHES --frames DIR --frames DIR` encodes every
view once and draws its candidates with one sampler after the other, from the same noise. Results go
to docs/results/evaluations.json after each sampler, the table into docs/evaluations.md and the
figure into docs/images; samplers that are in the JSON already are kept.
"""

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from genpose_ros.datasets.frame_folders import RecordedFrame, Truth
from genpose_ros.diffusion import (
    SamplerResult,
    karras_schedule,
    optimised_schedule,
    sample_dpmpp_2m,
    sample_euler,
)
from genpose_ros.estimation import EstimatorSettings, FrameResult, PoseEstimator
from genpose_ros.estimation import candidates as candidates_module
from genpose_ros.evaluation import evaluate_synthetic, synthetic_views
from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.plots import new_figure, save_figure
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.evaluation.recorded_frames import evaluate_frames, instance_handle_visible
from genpose_ros.evaluation.tracking.evaluate import DEFAULT_KINDS
from genpose_ros.evaluation.tracking.methods import TrackerRun
from genpose_ros.evaluation.tracking.metrics import summarise_tracking
from genpose_ros.evaluation.tracking.records import SequenceRecord, record_sequence
from genpose_ros.geometry import NOCS
from genpose_ros.geometry.symmetry import rotation_error_deg
from genpose_ros.networks.interface import Encoding, NoiseLevels, PoseModel, Up
from genpose_ros.synthesis import NOCS_LIBRARY, CloudBatch, held_out_library, load_meshes
from genpose_ros.synthesis.sequences import tracking_sequence
from genpose_ros.tracking.settings import TrackerSettings

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "evaluations.json"
PAGE = ROOT / "docs" / "evaluations.md"
FIGURE = ROOT / "docs" / "images" / "evaluations.png"

#: Limits that the curve shows, degrees and centimetres.
LIMITS = ((5, 2), (10, 2), (10, 5))
#: Views that schedules are optimised on, which are none of those evaluated, and starts of each.
_TUNING_VIEWS, _TUNING_SEED, _STARTS = 96, 2_000_000, 8
#: Samples nearer than this to where the flow ends, in units of the pose vector, are as good.
_NEAR = 0.2

_log = logging.getLogger(__name__)
_Solver = Callable[[Any, Tensor, Tensor], SamplerResult]
SOLVERS: dict[str, _Solver] = {"euler": sample_euler, "dpmpp_2m": sample_dpmpp_2m}
_SCHEDULES = {"karras": "", "optimised": ", optimised schedule", "auto": ", along the curve"}
TITLES = {"euler": "Euler", "dpmpp_2m": "DPM-Solver++ 2M", "rk45": "RK45", "distilled": "distilled"}


@dataclass(frozen=True)
class Variant:
    """Sampler of the curve.

    Attributes:
        sampler: as of `EstimatorSettings`.
        steps: evaluations; of RK45 they are counted.
        schedule: "karras"; "optimised", which is searched for the weights; or "auto", the curve
            that the architecture has.
    """

    sampler: str
    steps: int
    schedule: str = "karras"

    @property
    def name(self) -> str:
        """Title of the curve that it is a point of."""
        return TITLES[self.sampler] + _SCHEDULES[self.schedule]


VARIANTS = (
    Variant("euler", 8),
    Variant("distilled", 2),
    Variant("distilled", 1),
    *(Variant("euler", steps) for steps in (1, 2, 4, 16)),
    *(Variant("dpmpp_2m", steps) for steps in (2, 4, 8, 16)),
    *(Variant(solver, steps, "optimised") for solver in SOLVERS for steps in (2, 4, 8)),
    *(Variant("euler", steps, "auto") for steps in (2, 3, 4, 8)),
    Variant("dpmpp_2m", 4, "auto"),
    Variant("rk45", 0),
    *(Variant(solver, 64) for solver in SOLVERS),
)


class EncodedOnce:
    """Encoder of a model that remembers what it has encoded: samplers share the features."""

    def __init__(self, model: PoseModel) -> None:
        self._encode, self._known = model.encode, dict[int, Encoding]()

    def __call__(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        key = hash((points_cam.numpy().tobytes(), patches, up is None))
        if key not in self._known:
            self._known[key] = self._encode(points_cam, patches=patches, up=up)
        return self._known[key]


class Counted:
    """Score, denoiser or flow's ends of a model: counts evaluations, of how many clouds each."""

    def __init__(self, model: PoseModel) -> None:
        self._model, self.clouds = model, 0

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """The model's, counted."""
        self.clouds += len(pose)
        return type(self._model).score(self._model, pose, sigma, encoding)

    def prepared(
        self, of: Callable[[Encoding, NoiseLevels], Callable[[Tensor, int], Tensor]]
    ) -> Callable[[Encoding, NoiseLevels], Callable[[Tensor, int], Tensor]]:
        """A `denoiser` or `flow_ends`, counted."""

        def prepare(encoding: Encoding, levels: NoiseLevels) -> Callable[[Tensor, int], Tensor]:
            answer = of(encoding, levels)

            def counted(pose: Tensor, step: int) -> Tensor:
                self.clouds += len(pose)
                return answer(pose, step)

            return counted

        return prepare


@contextmanager
def _scheduled(schedule: list[float] | None) -> Iterator[None]:
    """Draw candidates by noise levels of one's own; None: by those of the settings."""
    if schedule is None:
        yield
        return
    with patch.object(candidates_module, "noise_levels", lambda *told: schedule):
        yield


def optimise(model: PoseModel, solver: str, steps: int, library: Any) -> list[float]:
    """The schedule from which fewest samples end elsewhere than the flow from the same noise."""
    views = synthetic_views(_TUNING_VIEWS, _TUNING_SEED, library)
    start = EstimatorSettings().start_sigma
    generator = torch.Generator().manual_seed(_TUNING_SEED)
    with torch.inference_mode():
        encoding = model.encode(torch.from_numpy(views.points_cam))
        x = start * torch.randn(len(views), _STARTS, 9, generator=generator, dtype=torch.float64)

        def score(pose: Tensor, sigma: Tensor) -> Tensor:
            return model.score(pose, sigma, encoding)

        exact = sample_dpmpp_2m(score, x, karras_schedule(start, model.sigma_min, 64)).x

        def error(sigmas: Tensor) -> float:
            apart = (SOLVERS[solver](score, x, sigmas).x - exact).norm(dim=-1) / _NEAR
            return float((apart**2 / (1 + apart**2)).mean())

        return optimised_schedule(error, start, model.sigma_min, steps, trials=120).tolist()


def measure(
    estimator: PoseEstimator, views: CloudBatch, folders: Sequence[Path], seeds: int
) -> dict[str, Any]:
    """Shares within the limits, simulated and recorded, and how often the network was asked."""
    model = estimator.model
    count = Counted(model)
    denoiser, flow_ends = count.prepared(model.denoiser), count.prepared(model.flow_ends)
    with (
        patch.object(model, "score", count.score),
        patch.object(model, "denoiser", denoiser),
        patch.object(model, "flow_ends", flow_ends),
    ):
        report = evaluate_synthetic(estimator, views).to_json()
    encoded = len(views) * estimator.settings.tta_views
    return {
        "evaluations": count.clouds / encoded,
        "simulated": {key: report["all"][key] for key in map(_name, LIMITS)},
        "simulated_best_of_50": {key: report["best_of_k"][key] for key in map(_name, LIMITS)},
        "simulated_median_deg": report["all"]["median_rotation_deg"],
        "simulated_median_cm": report["all"]["median_translation_cm"],
        **recorded(estimator, folders, seeds),
    }


def recorded(estimator: PoseEstimator, folders: Sequence[Path], seeds: int) -> dict[str, Any]:
    """Shares of the objects with a data set's truth, over several seeds of the noise."""
    pooled: list[np.ndarray] = []
    candidates: list[np.ndarray] = []

    def on_frame(folder: Path, frame: RecordedFrame, result: FrameResult, count: int) -> None:
        found = {estimate.instance_id: estimate for estimate in result.estimates}
        for one in frame.instances:
            if one.truth is Truth.DATASET and one.T_cam_obj is not None:
                seen = instance_handle_visible(frame, one) is not False
                poses = np.full((1, 4, 4), np.nan)
                if one.id in found:
                    estimate = found[one.id]
                    poses = np.concatenate((estimate.T_cam_obj[None], estimate.T_cam_candidates))
                errors = _errors(poses, one.T_cam_obj, one.category, handle=seen)
                pooled.append(errors[0])
                candidates.append(errors)

    for seed in range(seeds):
        again = PoseEstimator(estimator.models, replace(estimator.settings, seed=seed))
        for folder in folders:
            evaluate_frames(folder, again, on_frame)

    def share(within: Callable[[tuple[int, int]], list[bool]]) -> dict[str, float | None]:
        found = {_name(limit): within(limit) for limit in LIMITS}
        return {key: round(100 * float(np.mean(v)), 2) if v else None for key, v in found.items()}

    return {
        "recorded": share(lambda limit: [bool((e <= limit).all()) for e in pooled]),
        "recorded_best_of_50": share(
            lambda limit: [bool((e[1:] <= limit).all(1).any()) for e in candidates]
        ),
        "recorded_objects": len(pooled) // max(seeds, 1),
    }


def tracked(estimator: PoseEstimator, sequences: int, frames: int) -> dict[str, Any]:
    """Tracking of the same sequences by Euler's two steps, by one, and by the distilled head."""
    ways = {
        "Euler, 2 evaluations": ("euler", 2, "karras"),
        "Euler, 2 evaluations along the curve": ("euler", 2, "auto"),
        "Euler, 1 evaluation": ("euler", 1, "karras"),
    }
    if estimator.model.distilled_sigma is not None:
        ways["distilled, 1 evaluation"] = ("distilled", 1, "karras")
    records: dict[str, list[SequenceRecord]] = {name: [] for name in ways}
    for number in range(sequences):
        kind, seed = DEFAULT_KINDS[number % len(DEFAULT_KINDS)], 1000 + number
        sequence = tracking_sequence(kind, seed, frames=frames)
        runs = {
            name: TrackerRun(
                # New objects are estimated as the sampler does it with all of its steps.
                PoseEstimator(
                    estimator.models,
                    replace(
                        estimator.settings,
                        sampler=sampler,
                        schedule=schedule,
                        steps=8 if schedule == "karras" else estimator.settings.steps,
                    ),
                ),
                TrackerSettings(steps=steps),
            )
            for name, (sampler, steps, schedule) in ways.items()
        }
        seen: dict[str, list[Any]] = {name: [] for name in ways}
        for item in sequence:
            for name, run in runs.items():
                seen[name].append((item.objects, run.step(item)))
        for name, parts in seen.items():
            records[name].append(record_sequence(kind, seed, sequence.rate_hz, parts))
    wanted = ("5d5cm", "mean_rotation_deg", "median_rotation_deg", "mean_translation_cm", "objects")
    found = {name: summarise_tracking(parts) for name, parts in records.items()}
    return {name: {key: whole[key] for key in wanted} for name, whole in found.items()}


def tracking_table(ways: dict[str, dict[str, Any]]) -> str:
    """The tracking as a table in Markdown."""
    heads = ["tracked by", "5°5cm", "mean °", "median °", "mean cm", "poses"]
    rows = [
        [name, *(f"{v:.2f}" if isinstance(v, float) else v for v in way.values())]
        for name, way in ways.items()
    ]
    return markdown_table(heads, rows)


def _errors(T: np.ndarray, T_true: np.ndarray, category: str, *, handle: bool) -> np.ndarray:
    """Degrees and centimetres (n, 2) of poses (n, 4, 4)."""
    angles = rotation_error_deg(T[:, :3, :3], T_true[:3, :3], NOCS[category], handle).numpy()
    distances = 100 * np.linalg.norm(T[:, :3, 3] - T_true[:3, 3], axis=1)
    return np.stack([angles, distances], -1)


def _name(limit: tuple[int, int]) -> str:
    return f"{limit[0]}d{limit[1]}cm"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a table in Markdown."""
    shown = [f"{d}°{cm}cm" for d, cm in LIMITS]
    heads = [
        "sampler",
        "evaluations",
        *shown,
        "best of 50 5°2cm",
        *(f"recorded {s}" for s in shown),
    ]
    parts = []
    for row in sorted(rows, key=lambda row: (row["name"], row["evaluations"])):
        cells = [row["simulated"][_name(limit)] for limit in LIMITS]
        real = [row["recorded"][_name(limit)] for limit in LIMITS]
        count = f"{row['evaluations']:.0f}"
        parts.append([row["name"], count, *cells, row["simulated_best_of_50"]["5d2cm"], *real])
    return markdown_table(heads, parts)


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The curves: shares of the simulated and the recorded objects against evaluations."""
    figure, axes = new_figure(1, 3, width=11, height=3.6)
    panels = [("simulated", "5d2cm"), ("simulated", "10d5cm"), ("recorded", "5d2cm")]
    for axis, (kind, key) in zip(axes, panels, strict=True):
        for name in dict.fromkeys(row["name"] for row in rows):
            points = sorted((r["evaluations"], r[kind][key]) for r in rows if r["name"] == name)
            style = "o--" if "optimised" in name else "s-" if "distilled" in name else "o-"
            axis.plot(*zip(*points, strict=True), style, label=name, markersize=4)
        axis.set_xscale("log", base=2)
        axis.set_xlabel("evaluations per candidate")
        axis.set_title(f"{kind}, within {key.replace('d', '° ').replace('cm', ' cm')}, %", size=10)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=7)
    save_figure(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the samplers that are not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="default: the released ones")
    parser.add_argument("--meshes", type=Path, help="meshes with a manifest, for half of the views")
    parser.add_argument("--frames", type=Path, action="append", default=[], help="recorded frames")
    parser.add_argument("--views", type=int, default=1000, help="views evaluated")
    parser.add_argument("--seeds", type=int, default=4, help="of the noise, on recorded frames")
    parser.add_argument("--seed", type=int, default=0, help="seed of the views")
    parser.add_argument("--sequences", type=int, default=7, help="tracked; 0: none")
    parser.add_argument("--track-frames", type=int, default=45, help="of each of them")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file of the results")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    library = NOCS_LIBRARY
    if options.meshes is not None:
        library = held_out_library(NOCS, load_meshes(options.meshes, "test"))
    views = synthetic_views(options.views, options.seed, library)
    settings = EstimatorSettings(weights=str(options.weights or ""), device="cpu")
    estimator = PoseEstimator.from_settings(settings)
    model = estimator.model
    content: dict[str, Any] = {"views": options.views, "seeds": options.seeds, "rows": []}
    if options.output.exists():
        content = json.loads(options.output.read_text())
        content.pop("provenance")
    known = {(row["name"], row["steps"]) for row in content["rows"]}
    with patch.object(model, "encode", EncodedOnce(model)):
        for variant in VARIANTS:
            if (variant.name, variant.steps) in known:
                continue
            if variant.sampler == "distilled" and model.distilled_sigma is None:
                continue
            levels = None
            if variant.schedule == "optimised":
                levels = optimise(model, variant.sampler, variant.steps, library)
            chosen = replace(
                settings,
                sampler=variant.sampler,
                steps=max(variant.steps, 1),
                schedule="auto" if variant.schedule == "auto" else "karras",
            )
            with _scheduled(levels):
                found = measure(PoseEstimator(model, chosen), views, options.frames, options.seeds)
            row = {"name": variant.name, "steps": variant.steps, "schedule": levels, **found}
            _log.info("%s", row)
            content["rows"].append(row)
            write_results(options.output, content, weights=options.weights, seed=options.seed)
    if options.sequences and "tracking" not in content:
        content["tracking"] = tracked(estimator, options.sequences, options.track_frames)
        write_results(options.output, content, weights=options.weights, seed=options.seed)
    if options.output == RESULTS:
        draw(content["rows"], FIGURE)
        tables = {"evaluations": table(content["rows"])}
        if "tracking" in content:
            tables["evaluations-tracking"] = tracking_table(content["tracking"])
        rewrite_tables(PAGE, tables.get)


if __name__ == "__main__":
    main()
