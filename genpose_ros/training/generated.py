# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training clouds made while training, on the device that trains: no set on disk.

A pool of clouds lies in the device's memory. Every so many steps a chunk of new ones takes the
place of the oldest. Which chunks there are at a step follows from the step, and each chunk from the
seed, the process and its number, so that a run in parts takes the way of a run in one piece.
"""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from genpose_ros.synthesis.clouds import TRAINING_SURROUNDINGS, make_device_clouds
from genpose_ros.synthesis.device_arrays import DeviceRandom
from genpose_ros.synthesis.domains import DOMAINS
from genpose_ros.synthesis.shards import SetRecipe, decisive_entries
from genpose_ros.training.data import Batch, augment, disturb_up, reordered, step_generator
from genpose_ros.training.settings import TrainingSettings

__all__ = ["GeneratedPool"]

#: What the pool holds of each cloud beside its points.
_TRUTH = ("rotation", "translation", "size_m", "category", "up", "level_m")
#: Uniform random numbers per cloud: which one, the order of its points, augmentation, direction up.
_PICK, _ORDER, _CHANGE, _UP = 1, 2, 5, 9


class GeneratedPool:
    """Pool of clouds on a device, drawn from as a `CloudPool` is.

    Of several processes each has its own, with `pool_clouds` divided among them.

    Args:
        recipe: seed, library, shares and domain of the clouds; their number has no end.
        settings: `pool_clouds`, `pool_chunk`, `pool_draws` and `batch` are used.
        device: where they are made and kept.
        rank, ranks: which of how many processes this is.

    Attributes:
        categories: of the clouds.
        made: how many clouds this process has made so far.
    """

    def __init__(
        self,
        recipe: SetRecipe,
        settings: TrainingSettings,
        device: torch.device,
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.recipe, self.categories, self.made = recipe, recipe.library.categories, 0
        self._device, self._rank = device, rank
        self._mirror = torch.tensor([c.mirror for c in self.categories], device=device)
        self._chunk = settings.pool_chunk
        self._slots = max(1, settings.pool_clouds // ranks // self._chunk)
        drawn_per_step = settings.batch / ranks
        self._every = max(1, round(self._chunk * settings.pool_draws / drawn_per_step))
        self._next_chunk: int | None = None
        self._ahead = ThreadPoolExecutor(1) if device.type == "cuda" else None
        self._upcoming: tuple[int, Future[dict[str, Tensor]]] | None = None
        self._parts: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return self._slots * self._chunk

    @property
    def shards(self) -> int:
        """All clouds are drawn from alike: there is one shard."""
        return 1

    def refresh(self, limit: int | None = None) -> int:
        """Clouds join by the step, not on request."""
        return 1

    def described(self) -> str:
        """What the clouds are, for a checkpoint's metadata."""
        return json.dumps({"made_while_training": True, **decisive_entries(self.recipe)})

    def generator(self, seed: int, step: int, stream: int) -> torch.Generator:
        """A generator on the device for one step of a run; of each process another one."""
        number = step_generator(seed + 0x51ED27 * self._rank, step, stream).initial_seed()
        return torch.Generator(self._device).manual_seed(number)

    def draw(
        self, step: int, settings: TrainingSettings, *, rank: int = 0, ranks: int = 1
    ) -> Batch:
        """This process's clouds of a step, augmented, on the device.

        Args:
            step: of the run; chunks are as of this step.
            settings: of the run.
            rank, ranks: which of how many processes this is, as of the pool.
        """
        self._advance(step)
        count = len(range(rank, settings.batch, ranks))
        generator = self.generator(settings.seed, step, 0)
        shape = (count, _PICK + _ORDER + _CHANGE + _UP)
        chance = torch.rand(shape, generator=generator, device=self._device)
        pick, order, change, told = chance.split((_PICK, _ORDER, _CHANGE, _UP), 1)
        rows = (pick[:, 0] * len(self)).long().clamp_max(len(self) - 1)
        parts = {name: values[rows] for name, values in self._parts.items()}
        points = reordered(parts.pop("points_centred").float(), order)
        mirror = self._mirror[parts["category"]]
        no_surface = points.new_empty(count, 0, 3)
        points_cam = points + parts.pop("centre").unsqueeze(1)
        batch = Batch(points_cam=points_cam, surface_obj=no_surface, **parts)
        return disturb_up(augment(batch, change, settings, mirror), told, settings)

    def _advance(self, step: int) -> None:
        """Let the chunks be there that belong to a step."""
        end = self._slots + step // self._every
        if self._next_chunk is None or self._next_chunk > end:
            self._next_chunk = end - self._slots  # a run that goes on, or begins anew
        for number in range(max(self._next_chunk, end - self._slots), end):
            self._put(number, self._finished(number))
            self._next_chunk = number + 1
        if self._ahead is not None and (self._upcoming is None or self._upcoming[0] != end):
            self._upcoming = (end, self._ahead.submit(self._make, end))

    def _finished(self, number: int) -> dict[str, Tensor]:
        """A chunk, perhaps made ahead; a GPU begins with the next one."""
        known, self._upcoming = self._upcoming, None
        ahead = known is not None and known[0] == number
        chunk = known[1].result() if known is not None and ahead else self._make(number)
        if self._ahead is not None:
            self._upcoming = (number + 1, self._ahead.submit(self._make, number + 1))
        return chunk

    def _put(self, number: int, chunk: dict[str, Tensor]) -> None:
        first = number % self._slots * self._chunk
        for name, values in chunk.items():
            if name not in self._parts:
                shape = (len(self), *values.shape[1:])
                self._parts[name] = torch.zeros(shape, dtype=values.dtype, device=values.device)
            if values.is_cuda:
                values.record_stream(torch.cuda.current_stream(values.device))
            self._parts[name][first : first + self._chunk] = values
        self.made += self._chunk

    def _make(self, number: int) -> dict[str, Tensor]:
        """One chunk; on a GPU in a stream of its own, finished when this returns."""
        if self._device.type != "cuda":
            return self._chunk_of(number)
        stream: Any = torch.cuda.Stream(self._device)
        with torch.cuda.stream(stream):
            chunk = self._chunk_of(number)
        stream.synchronize()
        return chunk

    @torch.no_grad()
    def _chunk_of(self, number: int) -> dict[str, Tensor]:
        recipe = self.recipe
        clouds = make_device_clouds(
            self._chunk,
            DeviceRandom([recipe.seed, self._rank, number], self._device),
            library=recipe.library,
            shares=recipe.shares,
            surroundings=TRAINING_SURROUNDINGS,
            domain=DOMAINS[recipe.domain],
        )
        # A few have too few points: others stand for them.
        rows = torch.arange(self._chunk, device=self._device) % len(clouds)
        centre = clouds.points_cam.mean(1)
        # Half precision keeps 0.1 mm only near zero: the cloud is kept around its mean.
        points = (clouds.points_cam - centre.unsqueeze(1)).half()
        parts = {"points_centred": points, "centre": centre}
        parts |= {name: getattr(clouds, name) for name in _TRUTH}
        return {name: values[rows] for name, values in parts.items()}
