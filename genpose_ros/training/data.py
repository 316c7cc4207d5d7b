"""Training clouds in memory, and the augmentations that are exact."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genpose_ros.synthesis.shards import shard_paths

__all__ = ["Batch", "CloudPool", "augment"]


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
        parts = (self.points_cam, self.rotation, self.translation, self.size_m)
        return Batch(*(part.to(device) for part in parts))


class CloudPool:
    """All shards of a synthetic set, held in memory in half precision; new shards join on request.

    Args:
        folder: the set's folder.

    Raises:
        ValueError: the folder holds no shard, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[Path, dict[str, Tensor]] = {}
        self.refresh()

    def __len__(self) -> int:
        return sum(len(shard["centre"]) for shard in self._shards.values())

    def refresh(self) -> None:
        """Read the shards that have appeared since the last time."""
        for path in shard_paths(self._folder):
            if path not in self._shards:
                try:
                    self._shards[path] = load_file(path)
                except SafetensorError as error:
                    raise ValueError(
                        f"{path} is damaged: delete it and make it anew with genpose synthesize"
                    ) from error

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` clouds at random, with their points in a new order."""
        shards = list(self._shards.values())
        which = torch.randint(len(shards), (count,), generator=generator).tolist()
        rows = torch.rand(count, generator=generator).tolist()
        picked = [
            {name: values[int(row * len(values))] for name, values in shards[shard].items()}
            for shard, row in zip(which, rows, strict=True)
        ]

        def stack(name: str) -> Tensor:
            return torch.stack([entry[name] for entry in picked])

        points = stack("points_centred").float()
        order = torch.rand(points.shape[:2], generator=generator).argsort(1)
        points = points.gather(1, order.unsqueeze(-1).expand_as(points))
        return Batch(
            points_cam=points + stack("centre").unsqueeze(1),
            rotation=stack("rotation"),
            translation=stack("translation"),
            size_m=stack("size_m"),
        )


def augment(batch: Batch, generator: torch.Generator) -> Batch:
    """Mirror half of the clouds, roll the camera by about 6 degrees, scale by up to 10 %.

    All three are exact: a mirrored scene is the scene of the mirrored object (its z axis turned
    round), a rolled camera sees the same scene rolled, and a scaled scene projects alike.
    """
    count = len(batch.rotation)
    sign = torch.ones(count, 3)
    sign[:, 0] = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    roll = 0.1 * torch.randn(count, generator=generator)
    cos, sin, zero, one = roll.cos(), roll.sin(), torch.zeros(count), torch.ones(count)
    turn = torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), -1).view(-1, 3, 3)
    scale = 0.9 + 0.2 * torch.rand(count, generator=generator)

    turn_mirror = turn * sign.unsqueeze(1)
    rotation = turn_mirror @ batch.rotation
    rotation = rotation * torch.stack((one, one, sign[:, 0]), -1).unsqueeze(1)
    move = turn_mirror * scale.view(-1, 1, 1)
    return Batch(
        points_cam=batch.points_cam @ move.mT,
        rotation=rotation,
        translation=(move @ batch.translation.unsqueeze(-1)).squeeze(-1),
        size_m=batch.size_m * scale.unsqueeze(-1),
    )
