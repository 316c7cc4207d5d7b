# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training clouds on disk, drawn alike by any number of processes, and exact augmentations."""

import math
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file
from torch import Tensor

from genpose_ros.synthesis.shards import set_categories, shard_paths, with_up
from genpose_ros.training.settings import TrainingSettings

__all__ = [
    "Batch",
    "CloudPool",
    "augment",
    "disturb_up",
    "reordered",
    "step_generator",
]

#: What a shard holds of each cloud.
_PARTS = (
    "points_centred",
    "centre",
    "rotation",
    "translation",
    "size_m",
    "category",
    "up",
    "level_m",
    "surface_obj",
)

#: Uniform random numbers that each cloud takes: which one it is (2), the order of its points (2)
#: and its augmentation (5); of a stream of their own what is told of the direction up (9).
_PICK, _ORDER, _CHANGE, _UP = 2, 2, 5, 9

#: How far below a cloud's centre a plane that is no support may lie, metres.
_WRONG_LEVEL_M = 0.5


@dataclass(frozen=True)
class Batch:
    """Batch of B clouds with their ground truth.

    Attributes:
        points_cam: (B, N, 3) metres, camera optical frame.
        rotation: (B, 3, 3) object to camera.
        translation: (B, 3) metres.
        size_m: (B, 3) box edge lengths.
        category: (B,) int, index into the set's categories.
        up: (B, 3) unit vectors against gravity, camera frame; zero where not told.
        level_m: (B,) coordinate along it of the support; NaN where not told.
        surface_obj: (B, S, 3) metres, object frame, points spread over the whole surface; S is 0
            where the set holds none.
    """

    points_cam: Tensor
    rotation: Tensor
    translation: Tensor
    size_m: Tensor
    category: Tensor
    up: Tensor
    level_m: Tensor
    surface_obj: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class _Shard:
    """Shard of a set: read when first drawn from, with its rows sorted by category."""

    def __init__(self, path: Path, categories: int) -> None:
        try:
            arrays = with_up(load_file(path))
            parts = {name: torch.from_numpy(values) for name, values in arrays.items()}
            parts.setdefault("surface_obj", torch.empty(len(parts["category"]), 0, 3))
            self._parts = {name: parts[name] for name in _PARTS}
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} is damaged: delete it and make it anew ({error})") from error
        if len(parts["category"]) and int(parts["category"].max()) >= categories:
            raise ValueError(
                f"{path} holds clouds of category number {int(parts['category'].max())}, but its "
                f"folder is of {categories} categories: it is another set's"
            )
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

    Attributes:
        categories: of the clouds.

    Raises:
        ValueError: the folder holds no shard, or a damaged one, or its recipe is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.categories = folder, set_categories(folder)
        self._mirror = torch.tensor([category.mirror for category in self.categories])
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

    def described(self) -> str:
        """What the clouds are, for a checkpoint's metadata: the set's recipe, or its name."""
        made = self._folder / "recipe.json"
        return made.read_text() if made.exists() else str(self._folder.name)

    def generator(self, seed: int, step: int, stream: int) -> torch.Generator:
        """The generator for one step of a run: see `step_generator`."""
        return step_generator(seed, step, stream)

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
        points = reordered(parts.pop("points_centred").float(), order)
        mirror = self._mirror[parts["category"]]
        parts["surface_obj"] = parts["surface_obj"].float()
        batch = Batch(points_cam=points + parts.pop("centre").unsqueeze(1), **parts)
        batch = augment(batch, change, settings, mirror)
        told = torch.rand(settings.batch, _UP, generator=step_generator(settings.seed, step, 2))
        return disturb_up(batch, told[mine], settings)

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
            self._read[path] = _Shard(path, len(self.categories))
        return self._read[path]


def reordered(points: Tensor, chance: Tensor) -> Tensor:
    """Return the points (B, N, 3) of each cloud in another order, chosen by uniform numbers (B, 2).

    They lie in a random order already: starting anywhere and taking every k-th, k without a common
    divisor with N, is as good as sorting random numbers, and costs next to nothing.
    """
    count = points.shape[1]
    strides = torch.tensor(_coprime(count), device=points.device)
    start = (chance[:, :1] * count).long()
    stride = strides[(chance[:, 1:] * len(strides)).long()]
    order = (start + stride * torch.arange(count, device=points.device)) % count
    return points.gather(1, order.unsqueeze(-1).expand_as(points))


@lru_cache
def _coprime(count: int) -> tuple[int, ...]:
    """The numbers up to `count` that have no common divisor with it."""
    return tuple(stride for stride in range(1, count + 1) if math.gcd(stride, count) == 1)


def step_generator(seed: int, step: int, stream: int) -> torch.Generator:
    """A generator for one step of a run: its draws follow from the step, not from what went before.

    Args:
        seed: of the run.
        step: of the run.
        stream: 0, 1 or 2, for independent sequences.
    """
    # PyTorch takes the seed's lower 32 bits alone.
    number = seed * 0x9E3779B1 + 2 * step + stream % 2 + (stream // 2) * 0x7F4A7C15
    return torch.Generator().manual_seed(number % 2**32)


def _count_clouds(path: Path) -> int:
    try:
        with safe_open(path, framework="pt") as archive:
            return int(archive.get_slice("centre").get_shape()[0])
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged: delete it and make it anew with genpose synthesize"
        ) from error


def augment(
    batch: Batch, chance: Tensor, settings: TrainingSettings, mirror: Tensor | None = None
) -> Batch:
    """Mirror clouds, roll the camera and scale, as the settings say.

    All three are exact: a mirrored scene is the scene of the mirrored object (its z axis turned
    round), which is of the same category where that says so, a rolled camera sees the same scene
    rolled, and a scaled scene projects alike.

    Args:
        batch: B clouds.
        chance: (B, 5) uniform random numbers that decide.
        settings: `mirror_share`, `roll_deg`, `any_roll_share`, `scale_range`.
        mirror: (B,) bool, clouds that may be mirrored; None: all.
    """
    side, little, whether, any_angle, size = chance.unbind(1)
    one, zero = torch.ones_like(side), torch.zeros_like(side)
    mirrored = side < settings.mirror_share
    if mirror is not None:
        mirrored &= mirror
    flip = torch.where(mirrored, -one, one)
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
    flip_z = torch.stack((one, one, flip), -1).unsqueeze(1)
    rotation = rotation * flip_z
    move = turn_mirror * scale.view(-1, 1, 1)
    return Batch(
        points_cam=batch.points_cam @ move.mT,
        rotation=rotation,
        translation=(move @ batch.translation.unsqueeze(-1)).squeeze(-1),
        size_m=batch.size_m * scale.unsqueeze(-1),
        category=batch.category,
        up=(turn_mirror @ batch.up.unsqueeze(-1)).squeeze(-1),
        level_m=batch.level_m * scale,
        surface_obj=batch.surface_obj * flip_z * scale.view(-1, 1, 1),
    )


def disturb_up(batch: Batch, chance: Tensor, settings: TrainingSettings) -> Batch:
    """Tell of the direction up what a robot may know: it leans, is of another plane, or missing.

    Args:
        batch: B clouds with the true direction and level.
        chance: (B, 9) uniform random numbers that decide.
        settings: `up_share`, `up_noise_deg`, `up_wrong_share`, `level_share`, `level_noise_m`.
    """
    told, wrong, with_level, depth = chance[:, :4].unbind(1)
    normal = torch.special.ndtri(chance[:, 4:].clamp(1e-6, 1 - 1e-6))
    centre = batch.points_cam.mean(1)
    lean = math.radians(settings.up_noise_deg) * normal[:, :3]
    elsewhere = torch.stack((normal[:, 4], normal[:, 0], normal[:, 1]), -1)
    mistaken = wrong < settings.up_wrong_share
    up = batch.up + torch.linalg.cross(lean, batch.up)
    up = torch.where(mistaken.unsqueeze(-1), elsewhere, up)
    up = up / up.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    # Below the cloud's centre the support stays where it is; another plane is anywhere below.
    height = ((batch.up * centre).sum(-1) - batch.level_m) + settings.level_noise_m * normal[:, 3]
    level = (up * centre).sum(-1) - torch.where(mistaken, _WRONG_LEVEL_M * depth, height)
    known = (told < settings.up_share) & (batch.up != 0).any(1)
    return replace(
        batch,
        up=torch.where(known.unsqueeze(-1), up, 0.0),
        level_m=torch.where(known & (with_level < settings.level_share), level, torch.nan),
    )
