# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Direct regression of one pose per cloud, a baseline for the light model."""

from typing import Any

import torch
from torch import Tensor, nn

from genpose_ros.geometry.symmetry import pin_yaw
from genpose_ros.networks.interface import Encoding
from genpose_ros.networks.light import LightConfig, LightPoseModel

__all__ = ["PoseRegression"]


class PoseRegression(nn.Module):
    """Regression baseline: the light model's encoder and pose vectors, and a head for one pose.

    There are no candidates: where several poses fit a cloud, it can only learn one between them.

    Args:
        config: sizes and constants of the encoder; None: those of the released weights.
    """

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__()
        self.trunk = LightPoseModel(config)
        self.head = nn.Sequential(
            nn.Linear(self.trunk.encoder.out_features, 512),
            nn.GELU(),
            nn.Linear(512, 256),
            nn.GELU(),
            nn.Linear(256, 9),
        )

    def config(self) -> dict[str, Any]:
        """Return the sizes of the encoder."""
        return self.trunk.config()

    def forward(self, points_cam: Tensor, *, bf16: bool = False) -> tuple[Tensor, Encoding]:
        """Return pose vectors (B, 1, 9) and the encoding that they are relative to.

        Args:
            points_cam: (B, N, 3), metres, camera frame.
            bf16: run the encoder in bfloat16.
        """
        centre, alignment, features = self.trunk.features(points_cam, bf16=bf16)
        return self.head(features)[:, None], Encoding(centre, alignment, features)

    @torch.inference_mode()
    def estimate(self, points_cam: Tensor, symmetric: Tensor) -> tuple[Tensor, Tensor]:
        """Return rotations (B, 3, 3) and translations (B, 3) in metres.

        Args:
            points_cam: (B, N, 3), metres, camera frame.
            symmetric: (B,) bool, axisymmetric objects: their y axis is taken as regressed, not
                made perpendicular to an x axis that is unobservable.
        """
        pose, encoding = self(points_cam)
        rotation, translation = (part[:, 0] for part in self.trunk.decode_pose(pose, encoding))
        y_axis = (encoding.alignment.mT @ pose[:, 0, 3:6, None]).expand(-1, 3, 3)
        return torch.where(symmetric[:, None, None], pin_yaw(y_axis), rotation), translation
