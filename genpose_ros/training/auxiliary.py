# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Auxiliary heads: what else the encoder is taught while the score is trained, then dropped."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.geometry.rotations import columns_from_rotation
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.networks.patch_transformer import PatchTransformer
from genpose_ros.training.settings import TrainingSettings

__all__ = [
    "AuxiliaryHeads",
    "Learnt",
    "Patches",
    "place_loss",
    "regression_loss",
    "surface_loss",
    "watched_patches",
]

#: Errors below this (decimetres, or entries of a rotation) count by their square.
_BETA = 0.1


@dataclass
class Patches:
    """Patches that an encoder saw in its latest call.

    Attributes:
        tokens: (B, P, width) after the last layer.
        centres: (B, P, 3) in the frame and unit of the pose vectors, from the cloud's centre.
    """

    tokens: Tensor = field(default_factory=lambda: torch.empty(0))
    centres: Tensor = field(default_factory=lambda: torch.empty(0))


@contextmanager
def watched_patches(encoder: PatchTransformer) -> Iterator[Patches]:
    """Let through what the encoder makes of its patches, which it keeps to itself otherwise."""
    seen = Patches()

    def keep_centres(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.centres = inputs[0]

    def keep_tokens(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.tokens = output[:, 1:]

    with ExitStack() as hooks:
        hooks.callback(encoder.place.register_forward_pre_hook(keep_centres).remove)
        hooks.callback(encoder.norm.register_forward_hook(keep_tokens).remove)
        yield seen


@dataclass(frozen=True)
class Learnt:
    """What auxiliary heads learn from: poses and surfaces in the frame of the pose vectors.

    Attributes:
        rotation: (B, 3, 3) object to that frame.
        offset: (B, 3) of the object's centre from the cloud's, in its unit.
        symmetry: of the objects.
        surface_obj: (B, S, 3) points of the whole surface, object frame, in its unit.
    """

    rotation: Tensor
    offset: Tensor
    symmetry: SymmetryBatch
    surface_obj: Tensor


class AuxiliaryHeads(nn.Module):
    """Heads that are trained beside the score: none of them is part of the model.

    Args:
        model: whose encoder they read.
        settings: of a run that trains the score, each head is there where its weight is above 0:
            `place_weight`, `surface_weight`, `regression_weight`.
    """

    def __init__(self, model: LightPoseModel, settings: TrainingSettings) -> None:
        super().__init__()
        s, width, features = settings, model.settings.width, model.encoder.out_features
        self.settings, score = settings, settings.target == "score"
        self.place = _perceptron(width, 128, 4) if score and s.place_weight else None
        self.pose = _perceptron(features, 256, 9) if score and s.regression_weight else None
        points = 3 * s.surface_points
        self.surface = _perceptron(features, 256, points) if score and s.surface_weight else None

    @property
    def present(self) -> bool:
        """Whether there is any."""
        return any(head is not None for head in (self.place, self.surface, self.pose))

    def forward(self, patches: Patches, features: Tensor, truth: Learnt) -> Tensor:
        """The heads' weighted losses together, ().

        Args:
            patches: of the encoder.
            features: (B, F) of the clouds.
            truth: what they are to say.

        Raises:
            ValueError: the surface is to be learnt, and the clouds come without.
        """
        s, losses = self.settings, [features.new_zeros(())]
        if self.place is not None:
            places = self.place(patches.tokens.float())
            losses.append(s.place_weight * place_loss(places, patches.centres, truth))
        if self.surface is not None:
            if not truth.surface_obj.shape[1]:
                raise ValueError(
                    "surface_weight needs clouds with surfaces: genpose synthesize "
                    "--surface-points 256"
                )
            points = self.surface(features).view(len(features), -1, 3)
            losses.append(s.surface_weight * surface_loss(points, truth))
        if self.pose is not None:
            losses.append(s.regression_weight * regression_loss(self.pose(features), truth))
        return torch.stack(losses).sum()


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))


def place_loss(places: Tensor, centres: Tensor, truth: Learnt) -> Tensor:
    """How wrongly patches are placed on the object: height, distance from its y axis, x and z.

    Where the y axis is free, x and z mean nothing and are left out; of the members of a finite
    group the one counts that suits a cloud's patches best.

    Args:
        places: (B, P, 4) what the head says.
        centres: (B, P, 3) of the patches.
        truth: the poses.
    """
    rotations = truth.symmetry.equivalents(truth.rotation)
    from_centre = centres - truth.offset.unsqueeze(1)
    x, y, z = (from_centre.unsqueeze(1) @ rotations).unbind(-1)
    wanted = torch.stack((y, (x.square() + z.square() + 1e-12).sqrt(), x, z), -1)
    said = places.unsqueeze(1).expand_as(wanted)
    errors = F.smooth_l1_loss(said, wanted, beta=_BETA, reduction="none").mean(2)
    counted = torch.ones_like(errors)
    counted[..., 2:] = (~truth.symmetry.free).to(errors)[:, None, None]
    return (errors * counted).sum(-1).amin(1).mean()


def surface_loss(points: Tensor, truth: Learnt) -> Tensor:
    """Chamfer distance of predicted points to the whole surface, there and back, ().

    Symmetric objects need no care: surfaces that look alike are the same.

    Args:
        points: (B, M, 3) predicted, in the frame of the pose vectors, from the cloud's centre.
        truth: poses and surfaces.
    """
    whole = truth.surface_obj @ truth.rotation.mT + truth.offset.unsqueeze(1)
    distances = torch.cdist(points, whole)
    return distances.amin(2).mean() + distances.amin(1).mean()


def regression_loss(pose: Tensor, truth: Learnt) -> Tensor:
    """Smooth L1 distance of regressed pose vectors (B, 9) from the true ones, summed, ().

    Where the y axis is free, the x axis is left out; of the members of a finite group the nearest
    one counts.
    """
    columns = columns_from_rotation(truth.symmetry.equivalents(truth.rotation))
    offset = truth.offset.unsqueeze(1).expand(-1, columns.shape[1], -1)
    wanted = torch.cat((columns, offset), -1)
    said = pose.unsqueeze(1).expand_as(wanted)
    errors = F.smooth_l1_loss(said, wanted, beta=_BETA, reduction="none")
    counted = torch.ones_like(errors)
    counted[..., :3] = (~truth.symmetry.free).to(errors)[:, None, None]
    return (errors * counted).sum(-1).amin(1).mean()
