# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ablation of the light model's training: variants trained for the same CPU time.

`.venv/bin/python -m benchmarks.training_choices DATA --meshes MESHES` trains the released choices
and one variant after the other on one thread, each from scratch for the same CPU time, and
evaluates all of them on the same views. Results go to docs/results/training_choices.json after each
variant, and as a table into docs/training.md; variants that are in the JSON already are kept.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation import evaluate_synthetic, synthetic_views
from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.geometry import NOCS
from genpose_ros.networks import patch_transformer
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.networks.pointnet2 import gather_rows
from genpose_ros.synthesis import NOCS_LIBRARY, CloudBatch, held_out_library, load_meshes
from genpose_ros.training import CloudPool, TrainingSettings, train

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "training_choices.json"
PAGE = ROOT / "docs" / "training.md"

#: A small network and fewer clouds per step than the released recipe: short runs need many steps.
CONFIG: dict[str, Any] = {
    "patches": 32,
    "subset": 256,
    "width": 128,
    "layers": 2,
    "head_width": 192,
}
SETTINGS: dict[str, Any] = {"batch": 24, "warm_up": 100, "validate_every_min": 0.0}

_log = logging.getLogger(__name__)


class PointNetEncoder(nn.Module):
    """PointNet: every point by itself, twice, the second time with the maximum over the first."""

    def __init__(self, subset: int) -> None:
        super().__init__()
        self.subset, self.out_features = subset, 256
        self.first = nn.Sequential(nn.Linear(3, 64), nn.GELU(), nn.Linear(64, 128), nn.GELU())
        self.second = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 256))
        self.view = nn.Sequential(nn.Linear(4, 64), nn.GELU(), nn.Linear(64, 256))
        self.last = nn.Sequential(nn.GELU(), nn.Linear(256, self.out_features))

    def forward(self, points: Tensor, view: Tensor) -> Tensor:
        """Features (B, out_features) of points (B, N, 3) and view (B, 4)."""
        own = self.first(points[:, : self.subset])
        everything = own.amax(1, keepdim=True).expand_as(own)
        return self.last(self.second(torch.cat((own, everything), -1)).amax(1) + self.view(view))


class PointNetModel(LightPoseModel):
    """Light model with a PointNet for an encoder."""

    def __init__(self, config: LightConfig) -> None:
        super().__init__(config)
        self.encoder: Any = PointNetEncoder(config.subset)


class RawModel(LightPoseModel):
    """Light model whose head sees the noisy pose as it is, and says score times sigma."""

    def denoise(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return pose + sigma * self.score_head(pose, sigma, encoding.score)


class ViewlessModel(LightPoseModel):
    """Light model that is given the centred cloud alone: not where in the image it is."""

    def features(
        self, points_cam: Tensor, *, patches: int = 0, bf16: bool = False, up: Up | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        centre = points_cam.mean(1)
        centred = (points_cam - centre.unsqueeze(1)) / self.settings.length_unit_m
        with torch.autocast(points_cam.device.type, torch.bfloat16, enabled=bf16):
            features = self.encoder(centred, centred.new_zeros(len(centred), 4), patches)
        alignment = torch.eye(3).expand(len(points_cam), 3, 3)
        return centre, alignment, features.float()


def _first_points(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first points as centres, which are random ones, instead of farthest point sampling."""
    order = torch.arange(count).expand(len(points), count)
    distances2 = (gather_rows(points, order).unsqueeze(2) - points.unsqueeze(1)).square().sum(-1)
    return order, distances2


@dataclass(frozen=True)
class Variant:
    """Choice that differs from the released ones."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    model: type[LightPoseModel] = LightPoseModel
    random_centres: bool = False


VARIANTS = (
    Variant("the base: AdamW, the settings of `light`"),
    Variant("the same, another seed", {"seed": 1}),
    Variant("the same, a third seed", {"seed": 2}),
    Variant("Muon for the hidden matrices", {"optimizer": "muon"}),
    Variant("the paper's loss (weight 1 / sigma²)", {"weighting": "paper"}),
    Variant(
        "the paper's loss, no preconditioning (raw pose in, sigma x score out)",
        {"weighting": "paper"},
        model=RawModel,
    ),
    Variant("noise levels log-uniform (the paper's uniform t)", {"middle_share": 0.0}),
    Variant("points and translation in metres", {}, {"length_unit_m": 1.0}),
    Variant("random centres instead of farthest points", random_centres=True),
    Variant("a PointNet as encoder", model=PointNetModel),
    Variant("1 draw per encoded cloud", {"draws": 1}),
    Variant("8 draws per encoded cloud", {"draws": 8}),
    Variant("no augmentation", {"mirror_share": 0.0, "roll_deg": 0.0, "scale_range": 0.0}),
    Variant("half of the clouds rolled by any angle", {"any_roll_share": 0.5}),
    Variant("without the direction of view", model=ViewlessModel),
    Variant("float32 instead of bfloat16", {"bf16": False}),
    Variant("without the size head", {"size_weight": 0.0}),
    Variant("sigma_min 0.001 instead of 0.01", {"sigma_low": 0.0008}, {"sigma_min": 0.001}),
)

#: Not a run of its own: the weights of the base that were not averaged.
_NOT_AVERAGED = "no average of the weights"
_ROWS = (VARIANTS[0].name, _NOT_AVERAGED, *(variant.name for variant in VARIANTS[1:]))


def run_variant(
    variant: Variant, pool: CloudPool, views: CloudBatch, minutes: float
) -> dict[str, dict[str, Any]]:
    """Train and evaluate one variant; the results by name."""
    settings = TrainingSettings(minutes=minutes, **{**SETTINGS, **variant.settings})
    torch.manual_seed(settings.seed)
    model = variant.model(LightConfig(**{**CONFIG, **variant.config}))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if variant.random_centres:
            stack.enter_context(patch.object(patch_transformer, "farthest_points", _first_points))
        done = train(pool, folder / "score.pt", settings, model, clock=time.process_time)
        effort = {"steps": done.steps, "clouds": done.steps * settings.batch}
        results = {variant.name: {**effort, **evaluate(done.model, views)}}
        if variant == VARIANTS[0]:
            results[_NOT_AVERAGED] = {**effort, **evaluate(model, views)}
    return results


def evaluate(model: PoseModel, views: CloudBatch, **changes: Any) -> dict[str, Any]:
    """Shares within the limits and medians, standing and of all views.

    Args:
        model: what is evaluated.
        views: on what.
        changes: of the estimator's settings: one view of each cloud, no ranking, and eight steps
            along a curve that was not searched for any of the variants.
    """
    plain = EstimatorSettings(
        ranking="none", tta_views=1, batch_size=16, steps=8, schedule="karras"
    )
    estimator = PoseEstimator(model, replace(plain, **changes))
    with torch.no_grad():
        report = evaluate_synthetic(estimator, views).to_json()
    wanted = ("5d2cm", "10d5cm", "median_rotation_deg", "median_translation_cm")
    return {part: {key: report[part][key] for key in wanted} for part in ("standing", "all")}


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as a table in Markdown."""
    lines = [
        "| variant | steps | standing 5°2cm | 10°5cm | all 5°2cm | 10°5cm | median, all |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in (row for row in _ROWS if row in results):
        result = results[name]
        shares = [result[p][key] for p in ("standing", "all") for key in ("5d2cm", "10d5cm")]
        every = result["all"]
        median = f"{every['median_rotation_deg']:.0f}° / {every['median_translation_cm']:.1f} cm"
        cells = [name, f"{result['steps']:,}", *(f"{share:.1f}" for share in shares), median]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def evaluated_views(options: argparse.Namespace) -> CloudBatch:
    """The seeded views that all are evaluated on, with `--meshes` half of them of those."""
    library = NOCS_LIBRARY
    if options.meshes is not None:
        library = held_out_library(NOCS, load_meshes(options.meshes, "test"))
    return synthetic_views(options.views, options.seed, library)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the variants that are not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of a set: genpose synthesize")
    parser.add_argument("--meshes", type=Path, help="meshes with a manifest, for half of the views")
    parser.add_argument("--minutes", type=float, default=0.5, help="CPU time of each variant")
    parser.add_argument("--views", type=int, default=600, help="views evaluated")
    parser.add_argument("--seed", type=int, default=3_000_000, help="seed of the views")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file of the results")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    pool = CloudPool(options.data)
    views = evaluated_views(options)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    results: dict[str, dict[str, Any]] = known.get("variants", {})
    if known.get("cpu_minutes", options.minutes) != options.minutes:
        parser.error(f"{options.output} holds variants of --minutes {known['cpu_minutes']:g}")
    origin = provenance(None, options.seed)
    for variant in VARIANTS:
        if variant.name in results:
            continue
        _log.info("%s", variant.name)
        results |= run_variant(variant, pool, views, options.minutes)
        content = {
            "cpu_minutes": options.minutes,
            "network": CONFIG,
            "settings": SETTINGS,
            "views": options.views,
            "clouds_in_the_set": len(pool),
            "variants": results,
            # No released weights are used.
            "provenance": {k: v for k, v in origin.items() if not k.startswith("weights")},
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        if options.output == RESULTS:
            rewrite_tables(PAGE, {"choices": table(results)}.get)


if __name__ == "__main__":
    main()
