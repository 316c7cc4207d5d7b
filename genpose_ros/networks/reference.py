# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reference networks: GenPose's score and energy networks, with its layers and parameter names."""

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.diffusion import PAPER_SDE, VarianceExploding, score_of_energy
from genpose_ros.geometry.rotations import columns_from_rotation, rotation_from_columns
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.networks.pointnet2 import MultiScaleEncoder

__all__ = ["ReferenceEnergyNetwork", "ReferencePoseModel", "ReferenceScoreNetwork"]

_POINTS, _TIME, _POSE, _HIDDEN = 1024, 128, 256, 256

#: Time at which candidates are ranked and sampling ends.
_T_MIN = 1e-5


class GaussianFourierFeatures(nn.Module):
    """Fourier features of the time at random frequencies: (...,) to (..., 2 n), sines first."""

    def __init__(self, n_frequencies: int, scale: float = 30.0) -> None:
        super().__init__()
        self.W = nn.Parameter(scale * torch.randn(n_frequencies), requires_grad=False)

    def forward(self, t: Tensor) -> Tensor:
        angle = t[..., None] * self.W * (2 * math.pi)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


def _fusion_tail() -> nn.Sequential:
    last = nn.Linear(_HIDDEN, 3)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(_POINTS + _TIME + _POSE, _HIDDEN), nn.ReLU(), last)


class FusionHeads(nn.Module):
    """Heads for first column, second column and translation over [points | time | pose].

    The first layer of the heads is most of their cost. It is split by its columns: those of the
    points are computed once per object (`project`), those of the time once per noise level.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pose_encoder = nn.Sequential(
            nn.Linear(9, _POSE), nn.ReLU(), nn.Linear(_POSE, _POSE), nn.ReLU()
        )
        self.t_encoder = nn.Sequential(
            GaussianFourierFeatures(_TIME // 2), nn.Linear(_TIME, _TIME), nn.ReLU()
        )
        self.fusion_tail_rot_x = _fusion_tail()
        self.fusion_tail_rot_y = _fusion_tail()
        self.fusion_tail_trans = _fusion_tail()

    def _tails(self) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
        return self.fusion_tail_rot_x, self.fusion_tail_rot_y, self.fusion_tail_trans

    def project(self, features: Tensor) -> Tensor:
        """Return the points' share of the three first layers: (B, 1024) to (B, 768)."""
        firsts = [cast(nn.Linear, tail[0]) for tail in self._tails()]
        parts = [F.linear(features, first.weight[:, :_POINTS], first.bias) for first in firsts]
        return torch.cat(parts, dim=-1)

    def forward(self, pose: Tensor, t: Tensor, projected: Tensor) -> Tensor:
        """Return the outputs (B, K, 9) of the heads, not yet divided by sigma.

        Args:
            pose: (B, K, 9).
            t: times that broadcast against (B, K).
            projected: (B, 768) from `project`.
        """
        pose_features, time_features = self.pose_encoder(pose), self.t_encoder(t)
        points_parts = projected[:, None].chunk(3, dim=-1)
        outputs = []
        for tail, points_part in zip(self._tails(), points_parts, strict=True):
            weight = cast(nn.Linear, tail[0]).weight
            time_part = F.linear(time_features, weight[:, _POINTS : _POINTS + _TIME])
            pose_part = F.linear(pose_features, weight[:, _POINTS + _TIME :])
            outputs.append(tail[2](F.relu(pose_part + (points_part + time_part))))
        return torch.cat(outputs, dim=-1)


class _ReferenceNetwork(nn.Module):
    """Point encoder and the heads on top: the layers that both networks have."""

    def __init__(self, sde: VarianceExploding = PAPER_SDE) -> None:
        super().__init__()
        self.sde = sde
        self.pts_encoder = MultiScaleEncoder()
        self.pose_score_net = FusionHeads()

    def features(self, points_cam: Tensor) -> Tensor:
        """Return the features (B, 1024) of clouds (B, N, 3), metres, camera frame."""
        return self.pts_encoder(points_cam)

    def encode(self, points_cam: Tensor) -> Tensor:
        """Return the part of the heads' inputs that clouds (B, N, 3) give: (B, 768)."""
        return self.pose_score_net.project(self.features(points_cam))

    def heads(self, pose: Tensor, sigma: Tensor, encoded: Tensor) -> Tensor:
        """Return the heads' outputs (B, K, 9) for poses (B, K, 9) and sigmas (B, K, 1) or fewer."""
        t = self.sde.time(sigma.expand(1) if sigma.ndim == 0 else sigma)
        return self.pose_score_net(pose, t[..., 0].to(pose.dtype), encoded)


class ReferenceScoreNetwork(_ReferenceNetwork):
    """Score network of the reference: 2,196,905 parameters."""

    def forward(self, pose: Tensor, sigma: Tensor, encoded: Tensor) -> Tensor:
        """Return the scores (B, K, 9) (paper eq. 4).

        Args:
            pose: (B, K, 9), metres; translation relative to the mean of the cloud.
            sigma: noise level, broadcasts against (B, K, 1).
            encoded: (B, 768) from `encode`.
        """
        return self.heads(pose, sigma, encoded) / (sigma.to(pose.dtype) + 1e-7)


class ReferenceEnergyNetwork(_ReferenceNetwork):
    """Energy network of the reference: the same layers, energy = <pose, heads / sigma>."""

    def forward(self, pose: Tensor, sigma: Tensor, encoded: Tensor) -> Tensor:
        """Return rotation and translation energies (B, K, 2), higher is better.

        Args:
            pose: (B, K, 9), metres; translation relative to the mean of the cloud.
            sigma: noise level, broadcasts against (B, K, 1).
            encoded: (B, 768) from `encode`.
        """
        terms = pose * self.heads(pose, sigma, encoded) / sigma.to(pose.dtype)
        return torch.stack([terms[..., :6].sum(-1), terms[..., 6:].sum(-1)], dim=-1)

    def score(self, pose: Tensor, sigma: Tensor, encoded: Tensor) -> Tensor:
        """Return the gradient (B, K, 9) of the summed energy, for training it."""
        return score_of_energy(lambda x, s: self(x, s, encoded))(pose, sigma)


class ReferencePoseModel(PoseModel):
    """Reference architecture behind the common interface.

    Pose vectors are [first column, second column, translation minus mean of the cloud], metres.

    Args:
        score_network: None: one with fresh weights.
        energy_network: None: the model ranks by no energy.
    """

    architecture = "genpose-reference"

    def __init__(
        self,
        score_network: ReferenceScoreNetwork | None = None,
        energy_network: ReferenceEnergyNetwork | None = None,
    ) -> None:
        super().__init__()
        self.score_network = score_network or ReferenceScoreNetwork()
        self.energy_network = energy_network
        sde = self.score_network.sde
        # Numbers, even where the networks are made on the meta device.
        with torch.device("cpu"):
            self.sigma_min, self.sigma_max = float(sde.sigma(_T_MIN)), float(sde.sigma(1.0))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ReferencePoseModel":
        """Build a model with fresh weights; config {"energy": bool} says whether it ranks."""
        return cls(energy_network=ReferenceEnergyNetwork() if config["energy"] else None)

    def config(self) -> dict[str, Any]:
        """Return what `from_config` needs to build this architecture again."""
        return {"energy": self.has_energy}

    @property
    def has_energy(self) -> bool:
        return self.energy_network is not None

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        return Encoding(
            centre=points_cam.mean(dim=1),
            alignment=torch.eye(3).to(points_cam).expand(len(points_cam), 3, 3),
            score=self.score_network.encode(points_cam),
            energy=None if self.energy_network is None else self.energy_network.encode(points_cam),
        )

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return self.score_network(pose, sigma, encoding.score)

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        if self.energy_network is None or encoding.energy is None:
            raise ValueError(
                "this model has no energy network: load one beside the score network, "
                "or set ranking to none"
            )
        sigma = torch.tensor(self.sigma_min, dtype=pose.dtype, device=pose.device)
        return self.energy_network(pose, sigma, encoding.energy)

    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        offset = translation - encoding.centre[:, None]
        return torch.cat([columns_from_rotation(rotation), offset], dim=-1)

    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        rotation = rotation_from_columns(pose[..., :3], pose[..., 3:6])
        return rotation, pose[..., 6:] + encoding.centre[:, None]
