# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training of small models to compare: by steps, so that a busy machine changes nothing."""

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.evaluation.studies.small_models import (
    RECORD,
    read_record,
    save_small,
    small_file,
)
from genpose_ros.files import write_whole
from genpose_ros.geometry.categories import CATEGORIES, NOCS
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.networks.regression import PoseRegression
from genpose_ros.synthesis import CloudBatch, read_shard, shard_paths
from genpose_ros.synthesis.shards import SHARD_SIZE
from genpose_ros.training.data import Batch, augment
from genpose_ros.training.objectives import draw_noise_levels, objective_of
from genpose_ros.training.settings import TrainingSettings

__all__ = [
    "SMALL_MODELS",
    "SmallPool",
    "SmallTraining",
    "regression_loss",
    "train_missing",
    "train_small",
]

Loss = Callable[[Batch, Tensor], Tensor]

#: What is trained, by file name. `diffusion` is what the others are compared with.
SMALL_MODELS: tuple[str, ...] = (
    "diffusion",
    "regression",
    "regression-symmetry",
    *(f"without-{name}" for name in ("bottle", "bowl", "can")),
)


@dataclass(frozen=True)
class SmallTraining:
    """Budget that all small models share.

    Attributes:
        steps: optimiser steps.
        batch: clouds per step.
        draws: (noise level, noise) draws per cloud of the diffusion model.
        learning_rate: highest learning rate; flat for 30 % of the steps, then a cosine to zero.
        warm_up: steps until it is reached.
        average: decay of the moving average of the weights.
        patches, width, layers: of the encoder; half of the released model's, since with so few
            steps the cheapest learns most.
        bf16: run the encoder in bfloat16.
        shards: how many of the set's shards are held in memory; 0: enough to see most clouds once.
        seed: of weights and draws.
    """

    steps: int = 2000
    batch: int = 32
    draws: int = 16
    learning_rate: float = 1e-3
    warm_up: int = 100
    average: float = 0.998
    patches: int = 32
    width: int = 96
    layers: int = 2
    bf16: bool = True
    shards: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "draws", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def shards_held(self) -> int:
        """`shards`, or enough for one pass."""
        return self.shards or -(-self.steps * self.batch // SHARD_SIZE)


class SmallPool:
    """First shards of a synthetic set in memory, with their categories.

    Args:
        folder: of the set.
        shards: how many of its shards.
        without: categories whose clouds are left out.

    Raises:
        ValueError: no shard, a damaged one, an unknown category, or nothing is left.
    """

    def __init__(self, folder: Path, shards: int, without: Sequence[str] = ()) -> None:
        unknown = set(without) - set(CATEGORIES)
        if unknown:
            raise ValueError(f"unknown category {sorted(unknown)[0]!r}")
        clouds = CloudBatch.concatenate([read_shard(p) for p in shard_paths(folder)[:shards]])
        left_out = [CATEGORIES.index(name) for name in without]
        self._clouds = clouds[~np.isin(clouds.category, left_out)]
        if not len(self._clouds):
            raise ValueError(f"{folder} holds nothing but {', '.join(without)}")

    def __len__(self) -> int:
        return len(self._clouds)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Batch, Tensor]:
        """Draw clouds with their points in a new order, and their categories (count,) int64."""
        rows = torch.randint(len(self), (count,), generator=generator).numpy()
        part = self._clouds[rows]
        points = torch.from_numpy(part.points_cam)
        order = torch.rand(points.shape[:2], generator=generator).argsort(1)
        batch = Batch(
            points_cam=points.gather(1, order.unsqueeze(-1).expand_as(points)),
            rotation=torch.from_numpy(part.rotation),
            translation=torch.from_numpy(part.translation),
            size_m=torch.from_numpy(part.size_m),
            category=torch.from_numpy(part.category),
            up=torch.from_numpy(part.up),
            level_m=torch.from_numpy(part.level_m),
            surface_obj=torch.empty(count, 0, 3),
        )
        return batch, batch.category


def regression_loss(
    model: PoseRegression, batch: Batch, category: Tensor, *, symmetry: bool, bf16: bool = False
) -> Tensor:
    """Smooth L1 distance of the pose vectors, summed over their nine numbers.

    Args:
        model: what is trained.
        batch: B clouds.
        category: (B,) int.
        symmetry: leave the free angle of bottles, bowls and cans out: their x axis counts nothing.
        bf16: run the encoder in bfloat16.
    """
    pose, encoding = model(batch.points_cam, bf16=bf16)
    truth = model.trunk.encode_pose(batch.rotation[:, None], batch.translation[:, None], encoding)
    loss = F.smooth_l1_loss(pose, truth, beta=0.1, reduction="none")[:, 0]
    if symmetry:
        is_round = torch.tensor([c.symmetry.free_axis for c in NOCS])[category]
        loss = torch.cat((torch.where(is_round[:, None], 0.0, loss[:, :3]), loss[:, 3:]), -1)
    return loss.sum(-1).mean()


def train_small(
    name: str,
    data: Path,
    settings: SmallTraining,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Train one of `SMALL_MODELS` (or `without-` any category) and return its averaged weights.

    Args:
        name: which.
        data: folder of a synthetic set.
        settings: the budget.
        on_step: called after each step with its number and loss.

    Raises:
        ValueError: unknown name, or an unusable set.
    """
    torch.manual_seed(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    config = LightConfig(
        patches=settings.patches, width=settings.width, layers=settings.layers, head_width=128
    )
    left_out = [name.removeprefix("without-")] if name.startswith("without-") else []
    if left_out or name == "diffusion":
        pool = SmallPool(data, settings.shards_held, left_out)
        model = LightPoseModel(config)
        return _train(model, _score_loss(model, settings, generator), pool, settings, on_step)
    if name not in SMALL_MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(SMALL_MODELS)}")
    regression = PoseRegression(config)

    def loss(batch: Batch, category: Tensor) -> Tensor:
        symmetry = name == "regression-symmetry"
        return regression_loss(regression, batch, category, symmetry=symmetry, bf16=settings.bf16)

    return _train(regression, loss, SmallPool(data, settings.shards_held), settings, on_step)


def _score_loss(model: LightPoseModel, settings: SmallTraining, generator: torch.Generator) -> Loss:
    """The denoising loss and the size head's, as the released weights are trained."""
    training = TrainingSettings(draws=settings.draws, batch=settings.batch, bf16=settings.bf16)
    objective = objective_of(model, training)

    def loss(batch: Batch, _category: Tensor) -> Tensor:
        count = len(batch.rotation)
        sigma = draw_noise_levels(count, training, model.sigma_max, generator)
        noise = torch.randn(count, settings.draws, 9, generator=generator)
        total: Tensor = objective(*vars(batch).values(), sigma, noise).sum()
        return total

    return loss


def _train(
    model: nn.Module,
    loss_of: Loss,
    pool: SmallPool,
    s: SmallTraining,
    on_step: Callable[[int, float], None] | None,
) -> nn.Module:
    generator = torch.Generator().manual_seed(s.seed + 1)
    changes = TrainingSettings()
    averaged = copy.deepcopy(model)
    pairs = zip(model.parameters(), averaged.parameters(), strict=True)
    trained = [pair for pair in pairs if pair[0].requires_grad]
    parameters: list[Tensor] = [parameter for parameter, _ in trained]
    averages: list[Tensor] = [average for _, average in trained]
    optimizer = torch.optim.AdamW(parameters, s.learning_rate, (0.9, 0.99))
    for step in range(s.steps):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, s)
        batch, category = pool.draw(s.batch, generator)
        chance = torch.rand(s.batch, 5, generator=generator)
        loss = loss_of(augment(batch, chance, changes), category)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        decay = min(s.average, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 1 - decay)
        if on_step is not None:
            on_step(step + 1, loss.item())
    return averaged.requires_grad_(False).eval()


def _learning_rate(step: int, s: SmallTraining) -> float:
    fall = max(0.0, (step / s.steps - 0.3) / 0.7)
    return (
        s.learning_rate * min(1.0, (step + 1) / s.warm_up) * (0.5 + 0.5 * math.cos(math.pi * fall))
    )


def train_missing(
    data: Path,
    run: Path,
    names: Sequence[str],
    settings: SmallTraining,
    on_step: Callable[[str, int, float], None] | None = None,
) -> None:
    """Train the models that a run's folder lacks, and write down what each took.

    Args:
        data: folder of a synthetic set.
        run: the run's folder; made when missing.
        names: of the models.
        settings: their budget.
        on_step: called after each step with the model's name, the step and its loss.

    Raises:
        ValueError: the folder holds models of another budget, or see `train_small`.
        OSError: the folder cannot be written.
    """
    record_file = run / RECORD
    record = read_record(run) if record_file.exists() else {"settings": asdict(settings)}
    if record["settings"] != asdict(settings):
        raise ValueError(f"{run} holds models of another budget: choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    for name in names:
        if small_file(run, name).exists():
            continue
        losses: list[float] = []

        def note(step: int, loss: float, name: str = name, losses: list[float] = losses) -> None:
            losses.append(loss)
            if on_step is not None:
                on_step(name, step, loss)

        start = time.process_time()
        model = train_small(name, data, settings, note)
        seconds = time.process_time() - start
        save_small(model, small_file(run, name))
        last = losses[-max(1, len(losses) // 20) :]
        took = {
            "cpu_seconds": round(seconds),
            "last_loss": round(sum(last) / len(last), 4),
            "sha256": hashlib.sha256(small_file(run, name).read_bytes()).hexdigest(),
        }
        # Another process may train other models in the same folder.
        record = (read_record(run) if record_file.exists() else record) | {name: took}
        write_whole(record_file, json.dumps(record, indent=1) + "\n")
