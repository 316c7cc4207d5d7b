# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training objectives: the losses of score, size and energy."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.diffusion import denoising_loss, score_of_energy
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.networks.reference import (
    ReferenceEnergyNetwork,
    ReferencePoseModel,
    ReferenceScoreNetwork,
)
from genpose_ros.training.auxiliary import AuxiliaryHeads, Learnt, watched_patches
from genpose_ros.training.data import Batch
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.symmetric_targets import CategorySymmetries, paired_with_noise

__all__ = ["DistilObjective", "Objective", "Teacher", "draw_noise_levels", "objective_of"]


def draw_noise_levels(
    count: int, settings: TrainingSettings, largest: float, generator: torch.Generator
) -> Tensor:
    """Noise levels (count, draws, 1), in units of the pose vector, on the generator's device.

    A share is log-normal around the middle, where the pose is decided; the others are log-uniform,
    so that the whole range stays covered.

    Args:
        count: clouds.
        settings: `draws`, `sigma_low`, `sigma_high`, `middle_share`, `_sigma` and `_spread`.
        largest: the model's largest noise level, which `sigma_high` = 0 stands for.
        generator: source of the draws.
    """
    shape, device = (count, settings.draws, 1), generator.device
    low, high = math.log(settings.sigma_low), math.log(settings.sigma_high or largest)
    around = settings.middle_spread * torch.randn(shape, generator=generator, device=device)
    wide = low + (high - low) * torch.rand(shape, generator=generator, device=device)
    pick = torch.rand(shape, generator=generator, device=device) < settings.middle_share
    return torch.where(pick, math.log(settings.middle_sigma) + around, wide).clamp(low, high).exp()


class Teacher(nn.Module):
    """Finished model that says what another one is to answer for some categories.

    Its denoised poses take the place of the true ones: they do not differ from the start's own
    answers, so that what it knows is not lost while other categories are learnt.

    Args:
        model: the finished one, of the same architecture.
        categories: indices of the categories it answers for.
    """

    categories: Tensor

    def __init__(self, model: LightPoseModel, categories: Sequence[int]) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.register_buffer("categories", torch.tensor(list(categories), dtype=torch.int64))

    def train(self, mode: bool = True) -> "Teacher":
        """Stay as it is: a teacher does not learn."""
        return self

    @torch.no_grad()
    def targets(
        self,
        clean: Tensor,
        sigma: Tensor,
        noise: Tensor,
        points_cam: Tensor,
        category: Tensor,
        up: Up,
    ) -> Tensor:
        """What noisy poses (B, draws, 9) are to be denoised to.

        Args:
            clean: (B, 1, 9) true pose vectors; the target of the other categories.
            sigma: (B, draws, 1) noise levels.
            noise: (B, draws, 9) standard normal.
            points_cam: (B, N, 3) metres.
            category: (B,) indices.
            up: of the B clouds, where the model takes it.
        """
        targets = clean.expand_as(noise).clone()
        taught = torch.isin(category, self.categories)
        if taught.any():
            known = Up(up.direction[taught], up.level_m[taught])
            encoding = self.model.encode(points_cam[taught], up=known)
            noisy = clean[taught] + sigma[taught] * noise[taught]
            targets[taught] = self.model.denoise(noisy, sigma[taught], encoding)
        return targets


class Objective(nn.Module, ABC):
    """Losses of a batch: a module, so that several processes can share its gradients.

    Args:
        model: what is trained.
        settings: `target`, `weighting`, `pairing`, `bf16` and the weights are used.
        teacher: answers for some categories; None: the truth is the target of all.

    Attributes:
        auxiliary: what is trained beside the model and is no part of it.
    """

    auxiliary: nn.Module

    def __init__(
        self, model: PoseModel, settings: TrainingSettings, teacher: Teacher | None = None
    ) -> None:
        super().__init__()
        self.model, self.settings, self.teacher = model, settings, teacher
        self.symmetries, self.auxiliary = CategorySymmetries(model.categories), nn.Module()
        model.requires_grad_(False)
        for part in self._trained_parts():
            for name, parameter in part.named_parameters():
                # The time's random frequencies stay as they were drawn.
                parameter.requires_grad_(not name.endswith("t_encoder.0.W"))

    def forward(
        self,
        points_cam: Tensor,
        rotation: Tensor,
        translation: Tensor,
        size_m: Tensor,
        category: Tensor,
        up: Tensor,
        level_m: Tensor,
        surface_obj: Tensor,
        sigma: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """The denoising loss, and those of the other heads (0 where none is trained), (2,).

        A head that knows nothing has a denoising loss of 9, by either weighting.

        Args:
            points_cam, rotation, translation, size_m, category, up, level_m, surface_obj: see
                `Batch`.
            sigma: (B, draws, 1) noise levels.
            noise: (B, draws, 9) standard normal.
        """
        against_gravity = Up(up, level_m)
        batch = Batch(points_cam, rotation, translation, size_m, category, up, level_m, surface_obj)
        encoding, others = self._encode(batch, against_gravity)
        clean = self._clean(batch, noise, encoding)
        if self.settings.target == "energy":
            score = score_of_energy(lambda x, s: self._energy(x, s, encoding))
            pose = denoising_loss(score, clean, sigma, noise)
        else:
            target = clean
            if self.teacher is not None:
                target = self.teacher.targets(
                    clean, sigma, noise, points_cam, category, against_gravity
                )
            pose = self._score_loss(clean, target, sigma, noise, encoding)
        return torch.stack((pose, others))

    def _clean(self, batch: Batch, noise: Tensor, encoding: Encoding) -> Tensor:
        """The true pose vectors (B, 1 or draws, 9) that noise is added to."""
        translation = batch.translation.unsqueeze(1)
        if self.settings.pairing == "independent" or self.settings.target == "energy":
            return self.model.encode_pose(batch.rotation.unsqueeze(1), translation, encoding)
        symmetry = self.symmetries(batch.category)
        rotations = symmetry.equivalents(batch.rotation)
        translation = translation.expand(-1, rotations.shape[1], -1)
        forms = self.model.encode_pose(rotations, translation, encoding)
        return paired_with_noise(forms, symmetry.free, noise)

    def _score_loss(
        self, clean: Tensor, target: Tensor, sigma: Tensor, noise: Tensor, encoding: Encoding
    ) -> Tensor:
        """The paper's loss, which knows no other target than the truth; architectures may."""
        return denoising_loss(lambda x, s: self.model.score(x, s, encoding), clean, sigma, noise)

    @abstractmethod
    def _trained_parts(self) -> list[nn.Module]:
        """The parts of the model that this run trains; the others stay as they are."""

    @abstractmethod
    def _encode(self, batch: Batch, up: Up) -> tuple[Encoding, Tensor]:
        """What the target needs of the clouds, and the losses of the other heads."""

    @abstractmethod
    def _energy(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Rotation and translation energies (B, draws, 2) at noise levels."""


class LightObjective(Objective):
    """Losses of the light model.

    Encoder, score head and size head are trained together; or the energy head on the encoder as it
    is.
    """

    model: LightPoseModel
    auxiliary: AuxiliaryHeads

    def __init__(
        self, model: LightPoseModel, settings: TrainingSettings, teacher: Teacher | None = None
    ) -> None:
        super().__init__(model, settings, teacher)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.auxiliary = AuxiliaryHeads(model, settings)

    def _trained_parts(self) -> list[nn.Module]:
        model = self.model
        if self.settings.target == "energy":
            return [model.energy_head]
        return [model.encoder, model.score_head, model.size_head]

    def _encode(self, batch: Batch, up: Up) -> tuple[Encoding, Tensor]:
        model, bf16 = self.model, self.settings.bf16
        energy = self.settings.target == "energy"
        with torch.set_grad_enabled(not energy), watched_patches(model.encoder) as patches:
            centre, alignment, features = model.features(batch.points_cam, bf16=bf16, up=up)
        if energy:
            condition = model.energy_head.condition(features)
            return Encoding(centre, alignment, condition, energy=condition), features.new_zeros(())
        truth = (batch.size_m / model.settings.length_unit_m).log()
        size = F.smooth_l1_loss(model.size_head(features), truth, beta=0.1)
        encoding = Encoding(centre, alignment, model.score_head.condition(features))
        others = self.settings.size_weight * size
        if self.auxiliary.present:
            others = others + self.auxiliary(patches, features, self._learnt(batch, encoding))
        return encoding, others

    def _learnt(self, batch: Batch, encoding: Encoding) -> Learnt:
        """What auxiliary heads learn from, in the frame and unit of the pose vectors."""
        unit = self.model.settings.length_unit_m
        offset = (batch.translation - encoding.centre).unsqueeze(-1)
        return Learnt(
            rotation=encoding.alignment @ batch.rotation,
            offset=(encoding.alignment @ offset).squeeze(-1) / unit,
            symmetry=self.symmetries(batch.category),
            surface_obj=batch.surface_obj / unit,
        )

    def _score_loss(
        self, clean: Tensor, target: Tensor, sigma: Tensor, noise: Tensor, encoding: Encoding
    ) -> Tensor:
        """EDM's weight (sigma^2 + d^2) / (sigma d)^2 makes every noise level count alike."""
        if self.settings.weighting == "paper":
            return super()._score_loss(clean, target, sigma, noise, encoding)
        denoised = self.model.denoise(clean + sigma * noise, sigma, encoding)
        data = self.model.settings.sigma_data
        weight = (sigma**2 + data**2) / (sigma * data) ** 2
        return (weight * (denoised - target).square()).sum(-1).mean()

    def _energy(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return self.model.energy_at(pose, sigma, encoding)


class ReferenceObjective(Objective):
    """Losses of the reference: its score network, or its energy network with its own encoder."""

    model: ReferencePoseModel

    def __init__(self, model: ReferencePoseModel, settings: TrainingSettings) -> None:
        if settings.target == "energy" and model.energy_network is None:
            raise ValueError("the model has no energy network to train")
        if settings.target == "score" and settings.weighting != "paper":
            raise ValueError(f"{model.architecture} is trained with weighting paper alone")
        if settings.place_weight or settings.surface_weight or settings.regression_weight:
            raise ValueError(f"{model.architecture} takes no auxiliary losses: it has no patches")
        super().__init__(model, settings)

    @property
    def _network(self) -> ReferenceScoreNetwork | ReferenceEnergyNetwork:
        energy = self.model.energy_network
        if self.settings.target == "score" or energy is None:
            return self.model.score_network
        return energy

    def _trained_parts(self) -> list[nn.Module]:
        return [self._network]

    def _encode(self, batch: Batch, up: Up) -> tuple[Encoding, Tensor]:
        points_cam = batch.points_cam
        with torch.autocast(points_cam.device.type, torch.bfloat16, enabled=self.settings.bf16):
            encoded = self._network.encode(points_cam)
        centre = points_cam.mean(1)
        alignment = torch.eye(3).to(points_cam).expand(len(points_cam), 3, 3)
        return Encoding(centre, alignment, encoded.float()), centre.new_zeros(())

    def _energy(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return self._network(pose, sigma, encoding.score)


class DistilObjective(nn.Module):
    """Loss of the distilled head: how far it is from where the score's flows end.

    Args:
        model: with a distilled head, which alone is trained.
        settings: `huber` is used.

    Raises:
        ValueError: the model has no distilled head.
    """

    def __init__(self, model: PoseModel, settings: TrainingSettings) -> None:
        super().__init__()
        if not isinstance(model, LightPoseModel) or model.distilled_head is None:
            raise ValueError(f"this {model.architecture} has no distilled head to train")
        self.model, self.settings, self._head = model, settings, model.distilled_head
        self.auxiliary = nn.Module()
        model.requires_grad_(False)
        model.distilled_head.requires_grad_(True)

    def forward(self, features: Tensor, state: Tensor, sigma: Tensor, end: Tensor) -> Tensor:
        """The loss, in units of what the head answers, and 0, (2,).

        Args:
            features: (B, F) of the clouds.
            state: (B, S, 9) pose vectors along flows.
            sigma: (B, S, 1) their noise levels.
            end: (B, S, 9) where the flows end.
        """
        condition = self._head.condition(features)
        found = self.model.flow_end_of(state, sigma, condition)
        data = self.model.settings.sigma_data
        # As the preconditioning scales answers, so that every noise level counts alike.
        scale = (sigma**2 + data**2).sqrt() / (sigma * data)
        apart = ((found - end) * scale).square().sum(-1)
        c = self.settings.huber
        loss = ((apart + c * c).sqrt() - c).mean()
        return torch.stack((loss, torch.zeros_like(loss)))


def objective_of(
    model: PoseModel, settings: TrainingSettings, teacher: Teacher | None = None
) -> "Objective | DistilObjective":
    """The objective of a model's architecture and of what is trained of it.

    Raises:
        ValueError: the architecture cannot be trained, or not with these settings or a teacher.
    """
    if teacher is not None and (
        not isinstance(model, LightPoseModel)
        or (settings.target, settings.weighting) != ("score", "edm")
    ):
        raise ValueError("a teacher is for the score of the light model, with weighting edm")
    if settings.target == "distil":
        return DistilObjective(model, settings)
    if isinstance(model, LightPoseModel):
        return LightObjective(model, settings, teacher)
    if isinstance(model, ReferencePoseModel):
        return ReferenceObjective(model, settings)
    raise ValueError(f"{model.architecture} cannot be trained")
