# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training clouds on disk, drawn alike by any number of processes, and exact augmentations."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from genpose_ros.synthesis.shards import shard_paths
from genpose_ros.training.settings import TrainingSettings

__all__ = ["Batch", "CloudPool", "augment", "step_generator"]

#: What a shard holds of each cloud.
_PARTS = ("points_centred", "centre", "rotation", "translation", "size_m")

#: Uniform random numbers that each cloud takes: which one it is (2), the order of its points (2)
#: and its augmentation (5).
_PICK, _ORDER, _CHANGE = 2, 2, 5


@dataclass(frozen=True)
class Batch:
    """Batch of B clouds with their ground truth.

    Attributes:
        points_cam: (B, N, 3) metres, camera optical frame.
        rotation: (B, 3, 3) object to camera.
        translation: (B, 3) metres.
        size_m: (B, 3) box edge lengths.
    """

    points_cam: Tensor
    rotation: Tensor
    translation: Tensor
    size_m: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class _Shard:
    """Shard of a set: read when first drawn from, with its rows sorted by category."""

    def __init__(self, path: Path) -> None:
        try:
            parts = load_file(path)
            self._parts = {name: parts[name] for name in _PARTS}
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} is damaged: delete it and make it anew ({error})") from error
        counts = parts["category"].bincount()
        self._by_category = parts["category"].argsort(stable=True)
        self._counts = counts[counts > 0]
        self._starts = self._counts.cumsum(0) - self._counts

    def rows(self, chance: Tensor, *, balanced: bool) -> dict[str, Tensor]:
        """The clouds that uniform numbers (n, 2) choose: a category each, and a place within it."""
        if balanced:
            kind = (chance[:, 0] * len(self._counts)).long()
            place = self._starts[kind] + (chance[:, 1] * self._counts[kind]).long()
        else:
            place = (chance[:, 1] * len(self._by_category)).long()
        rows = self._by_category[place]
        return {name: values[rows] for name, values in self._parts.items()}


class CloudPool:
    """Pool of a synthetic set's clouds, drawn from without end.

    Cloud n comes from shard n modulo their number, so that processes which take every W-th cloud
    each read their own shards, where W divides the number. New shards join on request.

    Args:
        folder: the set's folder.

    Raises:
        ValueError: the folder holds no shard, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[Path, int] = {}
        self._read: dict[Path, _Shard] = {}
        self.refresh()

    def __len__(self) -> int:
        return sum(self._sizes.values())

    @property
    def shards(self) -> int:
        """How many shards are drawn from."""
        return len(self._sizes)

    def refresh(self, limit: int | None = None) -> int:
        """Let shards join that have appeared since; return how many there are.

        Args:
            limit: take no more than the first so many.
        """
        for path in shard_paths(self._folder)[:limit]:
            if path not in self._sizes:
                self._sizes[path] = _count_clouds(path)
        # A lower number may have come last: the order is the names'.
        self._sizes = dict(sorted(self._sizes.items()))
        return len(self._sizes)

    def draw(
        self, step: int, settings: TrainingSettings, *, rank: int = 0, ranks: int = 1
    ) -> Batch:
        """The clouds of a step that fall to one of `ranks` processes, augmented.

        The same ones, whatever the number of processes: of the step's `settings.batch` clouds, rank
        r takes r, r + ranks and so on. Their points come in a new order each time.
        """
        generator = step_generator(settings.seed, step, 0)
        mine = torch.arange(rank, settings.batch, ranks)
        chance = torch.rand(settings.batch, _PICK + _ORDER + _CHANGE, generator=generator)[mine]
        pick, order, change = chance.split((_PICK, _ORDER, _CHANGE), 1)
        parts = self._gather((step * settings.batch + mine) % self.shards, pick, settings.balanced)
        points = _reordered(parts.pop("points_centred").float(), order)
        batch = Batch(points_cam=points + parts.pop("centre").unsqueeze(1), **parts)
        return augment(batch, change, settings)

    def _gather(self, numbers: Tensor, pick: Tensor, balanced: bool) -> dict[str, Tensor]:
        """A cloud from each of the shards `numbers` (n,)."""
        paths = list(self._sizes)
        places = [(numbers == number).nonzero()[:, 0] for number in numbers.unique()]
        pieces = [
            self._shard(paths[int(numbers[place[0]])]).rows(pick[place], balanced=balanced)
            for place in places
        ]
        back = torch.cat(places).argsort()
        return {name: torch.cat([piece[name] for piece in pieces])[back] for name in _PARTS}

    def _shard(self, path: Path) -> _Shard:
        if path not in self._read:
            self._read[path] = _Shard(path)
        return self._read[path]


def _reordered(points: Tensor, chance: Tensor) -> Tensor:
    """The points (B, N, 3) of each cloud in another order, which uniform numbers (B, 2) choose.

    They lie in a random order already: starting anywhere and taking every k-th, k without a common
    divisor with N, is as good as sorting random numbers, and costs next to nothing.
    """
    count = points.shape[1]
    strides = torch.arange(1, count + 1)
    strides = strides[torch.gcd(strides, torch.tensor(count)) == 1]
    start = (chance[:, :1] * count).long()
    stride = strides[(chance[:, 1:] * len(strides)).long()]
    order = (start + stride * torch.arange(count)) % count
    return points.gather(1, order.unsqueeze(-1).expand_as(points))


def step_generator(seed: int, step: int, stream: int) -> torch.Generator:
    """A generator for one step of a run: its draws follow from the step, not from what went before.

    Args:
        seed: of the run.
        step: of the run.
        stream: 0 or 1, for two independent sequences.
    """
    # PyTorch takes the seed's lower 32 bits alone.
    return torch.Generator().manual_seed((seed * 0x9E3779B1 + 2 * step + stream) % 2**32)


def _count_clouds(path: Path) -> int:
    try:
        with safe_open(path, framework="pt") as archive:
            return int(archive.get_slice("centre").get_shape()[0])
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged: delete it and make it anew with genpose synthesize"
        ) from error


def augment(batch: Batch, chance: Tensor, settings: TrainingSettings) -> Batch:
    """Mirror clouds, roll the camera and scale, as the settings say.

    All three are exact: a mirrored scene is the scene of the mirrored object (its z axis turned
    round), a rolled camera sees the same scene rolled, and a scaled scene projects alike.

    Args:
        batch: B clouds.
        chance: (B, 5) uniform random numbers that decide.
        settings: `mirror_share`, `roll_deg`, `any_roll_share`, `scale_range`.
    """
    mirror, little, whether, any_angle, size = chance.unbind(1)
    one, zero = torch.ones_like(mirror), torch.zeros_like(mirror)
    flip = torch.where(mirror < settings.mirror_share, -one, one)
    normal = torch.special.ndtri(little.clamp(1e-6, 1 - 1e-6))
    roll = torch.where(
        whether < settings.any_roll_share,
        2 * math.pi * any_angle,
        math.radians(settings.roll_deg) * normal,
    )
    cos, sin = roll.cos(), roll.sin()
    turn = torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), -1).view(-1, 3, 3)
    scale = 1 + settings.scale_range * (2 * size - 1)

    turn_mirror = turn * torch.stack((flip, one, one), -1).unsqueeze(1)
    rotation = turn_mirror @ batch.rotation
    rotation = rotation * torch.stack((one, one, flip), -1).unsqueeze(1)
    move = turn_mirror * scale.view(-1, 1, 1)
    return Batch(
        points_cam=batch.points_cam @ move.mT,
        rotation=rotation,
        translation=(move @ batch.translation.unsqueeze(-1)).squeeze(-1),
        size_m=batch.size_m * scale.unsqueeze(-1),
    )
