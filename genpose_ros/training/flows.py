# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Flows to distil: features of clouds, and the ways from noise to poses that the score finds.

The encoder is not trained any more, so both are computed once, in parts that are kept: a run that
is broken off goes on with those that it has.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from genpose_ros.diffusion import karras_schedule, sample_dpmpp_2m, sample_euler
from genpose_ros.files import write_whole
from genpose_ros.networks.interface import Encoding, Up
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.training.data import CloudPool, step_generator
from genpose_ros.training.generated import GeneratedPool
from genpose_ros.training.parallel import Workers
from genpose_ros.training.settings import TrainingSettings

__all__ = ["FlowBatch", "FlowPool", "make_flows"]

#: Clouds of one part.
_PART = 512
#: Flows of every second part start anywhere between this level and the usual one.
_LOWEST_START = 0.1

_SOLVERS = {"euler": sample_euler, "dpmpp_2m": sample_dpmpp_2m}


@dataclass(frozen=True)
class FlowBatch:
    """Batch of places along flows, S of each of B clouds.

    Attributes:
        features: (B, F) of the clouds.
        state: (B, S, 9) pose vectors along flows.
        sigma: (B, S, 1) their noise levels.
        end: (B, S, 9) where the flows end.
    """

    features: Tensor
    state: Tensor
    sigma: Tensor
    end: Tensor

    def to(self, device: torch.device) -> "FlowBatch":
        """Return the batch on another device."""
        return FlowBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class FlowPool:
    """Pool of flows, drawn from as a `CloudPool` is; made where they are missing.

    Args:
        pool: the clouds.
        model: the finished one, whose score's flows they are.
        settings: `flow_*`, `seed`, `bf16` and the augmentation are used.
        folder: keeps the parts; they are of this model and these settings.
        workers: the processes that share the work.
        on_part: called with how many clouds are done, and of how many, before the first part and
            after each.

    Raises:
        ValueError: a part is damaged.
        OSError: a part cannot be written.
    """

    def __init__(
        self,
        pool: CloudPool | GeneratedPool,
        model: LightPoseModel,
        settings: TrainingSettings,
        folder: Path,
        *,
        workers: Workers,
        on_part: Callable[[int, int], None] | None = None,
    ) -> None:
        self.categories, self._folder = pool.categories, folder
        folder.mkdir(parents=True, exist_ok=True)
        files = [
            folder / f"part-{number:05d}.safetensors"
            for number in range(-(-settings.flow_clouds // _PART))
        ]
        report = on_part or (lambda done, total: None)
        model = model.eval().to(workers.device)
        for number, file in enumerate(files):
            report(number * _PART, len(files) * _PART)
            if number % workers.count == workers.rank and not file.exists():
                made = make_flows(pool, model, settings, number, workers.device)
                write_whole(file, save({name: v.contiguous() for name, v in made.items()}))
        workers.total([0])  # each waits for the parts of the others
        parts = [_read(file) for file in files]
        report(len(files) * _PART, len(files) * _PART)
        self._parts = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def __len__(self) -> int:
        return len(self._parts["features"])

    @property
    def shards(self) -> int:
        """Flows lie in memory: there is one shard."""
        return 1

    def refresh(self, limit: int | None = None) -> int:
        """Nothing joins."""
        return 1

    def remove(self) -> None:
        """Delete the parts that were kept."""
        shutil.rmtree(self._folder)

    def generator(self, seed: int, step: int, stream: int) -> torch.Generator:
        """The generator for one step of a run: see `step_generator`."""
        return step_generator(seed, step, stream)

    def draw(
        self, step: int, settings: TrainingSettings, *, rank: int = 0, ranks: int = 1
    ) -> FlowBatch:
        """The places of a step that fall to one of `ranks` processes.

        The same ones, whatever the number of processes.
        """
        parts, generator = self._parts, step_generator(settings.seed, step, 0)
        shape = (settings.batch, settings.draws)
        clouds = torch.randint(len(self), shape[:1], generator=generator)[rank::ranks]
        starts, levels = parts["state"].shape[1:3]
        start = torch.randint(starts, shape, generator=generator)[rank::ranks]
        level = torch.randint(levels, shape, generator=generator)[rank::ranks]
        first = torch.rand(shape, generator=generator)[rank::ranks] < settings.flow_first_share
        level = level.masked_fill(first, 0)
        row = clouds.unsqueeze(1)
        return FlowBatch(
            features=parts["features"][clouds].float(),
            state=parts["state"][row, start, level].float(),
            sigma=parts["sigma"][row, level].unsqueeze(-1),
            end=parts["end"][row, start].float(),
        )


@torch.no_grad()
def make_flows(
    pool: CloudPool | GeneratedPool,
    model: LightPoseModel,
    settings: TrainingSettings,
    number: int,
    device: torch.device,
) -> dict[str, Tensor]:
    """Make one part: the features of its clouds, and flows from noise to the ends.

    Flows of even parts start as the estimator's do; those of odd ones at another level, around the
    true poses, as those of tracked objects.

    Args:
        pool: the clouds, augmented as in training.
        model: on `device`.
        settings: see `FlowPool`.
        number: of the part; decides all draws, with the seed.
        device: where to compute.

    Returns:
        `features` (n, F), `state` (n, flow_starts, flow_steps, 9), `end` (n, flow_starts, 9), in
        half precision, and `sigma` (n, flow_steps).
    """
    s = settings
    batch = pool.draw(number, replace(s, batch=_PART)).to(device)
    up = Up(batch.up, batch.level_m)
    centre, alignment, features = model.features(batch.points_cam, bf16=s.bf16, up=up)
    encoding = Encoding(centre, alignment, model.score_head.condition(features))
    generator = step_generator(s.seed, number, 1)
    sigma, around = s.flow_sigma, torch.zeros(len(features), 1, 9, device=device)
    if number % 2:
        share = float(torch.rand(1, generator=generator))
        sigma = _LOWEST_START * (s.flow_sigma / _LOWEST_START) ** share
        around = model.encode_pose(batch.rotation[:, None], batch.translation[:, None], encoding)
    sigmas = karras_schedule(sigma, min(model.sigma_min, sigma / 2), s.flow_steps)
    noise = torch.randn(len(features), s.flow_starts, 9, generator=generator).to(device)
    seen: list[Tensor] = []

    def score(pose: Tensor, level: Tensor) -> Tensor:
        seen.append(pose)
        return model.score(pose, level, encoding)

    end = _SOLVERS[s.flow_solver](score, around + sigma * noise, sigmas).x
    return {
        "features": features.half().cpu(),
        "state": torch.stack(seen, 2).half().cpu(),
        "end": end.half().cpu(),
        "sigma": sigmas.float().expand(len(features), -1),
    }


def _read(file: Path) -> dict[str, Tensor]:
    try:
        parts = load_file(file)
        return {name: parts[name] for name in ("features", "state", "end", "sigma")}
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{file} is damaged: delete it ({error})") from error
