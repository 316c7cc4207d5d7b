"""Training clouds on disk, drawn alike by any number of processes, and exact augmentations."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis.shards import shard_paths
from genpose_ros.training.settings import TrainingSettings

__all__ = ["Batch", "CloudPool", "augment", "step_generator"]

#: Uniform random numbers that each cloud takes: which one it is (2), and its augmentation (5).
_PICK, _CHANGE = 2, 5


@dataclass(frozen=True)
class Batch:
    """B clouds with their truth.

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
    """One file: read when first drawn from, with its rows sorted by category."""

    def __init__(self, path: Path) -> None:
        parts = load_file(path)
        self.parts = {f.name: parts[f.name] for f in fields(Batch) if f.name in parts}
        self.parts |= {name: parts[name] for name in ("points_centred", "centre")}
        category = parts["category"]
        self.all_rows = torch.arange(len(category))
        rows = [(category == i).nonzero()[:, 0] for i in range(len(CATEGORIES))]
        self.rows_by_category = [found for found in rows if len(found)]

    def row(self, kind: float, place: float, *, balanced: bool) -> int:
        """The row that two uniform numbers choose: its category, and its place within it."""
        kinds = self.rows_by_category if balanced else [self.all_rows]
        rows = kinds[int(kind * len(kinds))]
        return int(rows[int(place * len(rows))])


class CloudPool:
    """All shards of a synthetic set as one endless sequence of clouds.

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
        chance = torch.rand(settings.batch, _PICK + _CHANGE, generator=generator)[mine]
        paths = list(self._sizes)
        picked = []
        numbers = (step * settings.batch + mine).tolist()
        for n, (kind, place) in zip(numbers, chance[:, :_PICK].tolist(), strict=True):
            shard = self._shard(paths[n % len(paths)])
            row = shard.row(kind, place, balanced=settings.balanced)
            picked.append({name: values[row] for name, values in shard.parts.items()})
        parts = {name: torch.stack([entry[name] for entry in picked]) for name in picked[0]}
        points = parts.pop("points_centred").float()
        order = torch.rand(settings.batch, points.shape[1], generator=generator)[mine].argsort(1)
        points = points.gather(1, order.unsqueeze(-1).expand_as(points))
        batch = Batch(points_cam=points + parts.pop("centre").unsqueeze(1), **parts)
        return augment(batch, chance[:, _PICK:], settings)

    def _shard(self, path: Path) -> _Shard:
        if path not in self._read:
            self._read[path] = _Shard(path)
        return self._read[path]


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
