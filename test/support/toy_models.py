# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A pose model whose densities are known in closed form, and a frame of boxes."""

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation import Frame, Instance
from genpose_ros.geometry import (
    PinholeCamera,
    columns_from_rotation,
    rotation_from_columns,
    so3_exp,
)
from genpose_ros.networks.interface import Encoding, PoseModel, Up


class MixtureModel(PoseModel):
    """Poses are a mixture of Gaussians about given ones, wherever the cloud is.

    Args:
        rotation: (M, 3, 3), camera frame.
        offset: (M, 3), translation minus mean of the cloud, metres.
        weights: (M,), summing to 1; None: equal.
        deviation: standard deviation of each entry of the pose vector.
        broken_beyond_m: clouds farther than this get scores of NaN.
    """

    architecture = "mixture"
    sigma_min, sigma_max = 0.01, 50.0

    def __init__(
        self,
        rotation: Tensor,
        offset: Tensor,
        weights: Tensor | None = None,
        deviation: float = 0.02,
        *,
        with_energy: bool = True,
        size_m: Tensor | None = None,
        broken_beyond_m: float = torch.inf,
    ) -> None:
        super().__init__()
        modes = torch.cat((columns_from_rotation(rotation), offset), dim=-1).double()
        self.modes = torch.nn.Parameter(modes, requires_grad=False)
        self.log_weights = (
            (torch.full((len(modes),), 1 / len(modes)) if weights is None else weights)
            .double()
            .log()
        )
        self.deviation, self.size_m = deviation, size_m
        self.with_energy, self.broken_beyond_m = with_energy, broken_beyond_m
        self.batch_sizes: list[int] = []

    @classmethod
    def from_config(cls, config):
        raise NotImplementedError

    def config(self):
        raise NotImplementedError

    @property
    def has_energy(self) -> bool:
        return self.with_energy

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        self.batch_sizes.append(len(points_cam))
        centre = points_cam.mean(dim=1)
        return Encoding(
            centre=centre,
            alignment=torch.eye(3).expand(len(centre), 3, 3),
            score=torch.where(centre[:, 2] > self.broken_beyond_m, torch.nan, 1.0),
            size_m=None if self.size_m is None else self.size_m.expand(len(centre), 3),
        )

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        variance = self.deviation**2 + sigma.double() ** 2
        away = self.modes - pose.double()[..., None, :]
        share = (self.log_weights - away.square().sum(-1) / (2 * variance)).softmax(dim=-1)
        score = (share[..., None] * away).sum(dim=-2) / variance
        return (score * encoding.score[:, None, None]).float()

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        away = (self.modes - pose.double()[..., None, :]).square() / (2 * self.deviation**2)
        parts = torch.stack((away[..., :6].sum(-1), away[..., 6:].sum(-1)), dim=-1)
        return (self.log_weights[:, None] - parts).logsumexp(dim=-2).float()

    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        offset = translation - encoding.centre[:, None]
        return torch.cat((columns_from_rotation(rotation), offset), dim=-1)

    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        rotation = rotation_from_columns(pose[..., :3], pose[..., 3:6])
        return rotation, pose[..., 6:] + encoding.centre[:, None]


CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)
#: Upright and turned a little, in the optical frame.
UPRIGHT = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]).double()
POSE = so3_exp(torch.tensor([0.3, 0.2, -0.1]).double()) @ UPRIGHT


def make_frame(*boxes: tuple[str, int, int, float], size: int = 30) -> Frame:
    """A wall at 2 m and boxes (category, row, column, depth in metres) in front of it."""
    depth_m = np.full((240, 320), 2.0, dtype=np.float32)
    instances = []
    for i, (category, row, column, z) in enumerate(boxes):
        mask = np.zeros((240, 320), dtype=bool)
        mask[row : row + size, column : column + size] = True
        depth_m[mask] = z
        instances.append(Instance(i + 1, category, mask, detection_score=0.5))
    return Frame(depth_m, CAMERA, tuple(instances))


def make_model(**changes) -> MixtureModel:
    """One mode: `POSE`, 5 cm behind the cloud's mean."""
    values = {"rotation": POSE[None], "offset": torch.tensor([[0.0, 0.0, 0.05]])}
    return MixtureModel(**{**values, **changes})
