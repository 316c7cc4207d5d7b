"""What the light model is trained for: its score, its size and its energy."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from genpose_ros.networks.interface import Encoding
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.training.data import Batch

__all__ = ["draw_noise_levels", "energy_loss", "score_loss"]


#: Largest noise level the energy learns: candidates that it ranks are far below it.
_ENERGY_SIGMA_MAX = 2.0


def draw_noise_levels(
    count: int, draws: int, sigma_max: float, generator: torch.Generator
) -> Tensor:
    """Noise levels (count, draws, 1): three quarters log-normal around 0.2, the rest log-uniform.

    The middle is where the pose is decided; the ends keep the whole range covered. In units of the
    pose vector, between 0.008 and `sigma_max`, on the CPU.
    """
    middle = math.log(0.2) + 1.2 * torch.randn(count, draws, 1, generator=generator)
    low, high = math.log(0.008), math.log(sigma_max)
    wide = low + (high - low) * torch.rand(count, draws, 1, generator=generator)
    pick = torch.rand(count, draws, 1, generator=generator) < 0.75
    return torch.where(pick, middle, wide).clamp(low, high).exp()


def _draw_noise(
    clean: Tensor, draws: int, sigma_max: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Noise levels (B, draws, 1) and standard normal noise (B, draws, 9), on clean's device."""
    sigma = draw_noise_levels(len(clean), draws, sigma_max, generator)
    noise = torch.randn(len(clean), draws, 9, generator=generator)
    return sigma.to(clean.device), noise.to(clean.device)


def score_loss(
    model: LightPoseModel, batch: Batch, draws: int, generator: torch.Generator, *, bf16: bool
) -> tuple[Tensor, Tensor]:
    """Denoising loss of the score head, EDM-weighted, and the loss of the log box edges.

    The weight (sigma^2 + d^2) / (sigma d)^2 on the squared error of the denoised pose makes every
    noise level count alike: 9 is what a head that knows nothing gets.
    """
    centre, alignment, features = model.features(batch.points_cam, bf16=bf16)
    encoding = Encoding(centre, alignment, model.score_head.condition(features))
    clean = _pose_vectors(model, batch, encoding)
    sigma, noise = _draw_noise(clean, draws, model.sigma_max, generator)
    denoised = model.denoise(clean + sigma * noise, sigma, encoding)
    data = model.settings.sigma_data
    weight = (sigma**2 + data**2) / (sigma * data) ** 2
    pose = (weight * (denoised - clean).square()).sum(-1).mean()
    truth = (batch.size_m / model.settings.length_unit_m).log()
    return pose, F.smooth_l1_loss(model.size_head(features), truth, beta=0.1)


def energy_loss(
    model: LightPoseModel, batch: Batch, draws: int, generator: torch.Generator, *, bf16: bool
) -> Tensor:
    """Denoising loss of the energy's gradient, sigma^2-weighted; the encoder is left as it is."""
    with torch.no_grad():
        centre, alignment, features = model.features(batch.points_cam, bf16=bf16)
    condition = model.energy_head.condition(features)
    encoding = Encoding(centre, alignment, condition, energy=condition)
    clean = _pose_vectors(model, batch, encoding)
    sigma, noise = _draw_noise(clean, draws, _ENERGY_SIGMA_MAX, generator)
    noisy = (clean + sigma * noise).requires_grad_()
    energy = model.energy_at(noisy, sigma, encoding).sum()
    (score,) = torch.autograd.grad(energy, noisy, create_graph=True)
    return (sigma * score + noise).square().sum(-1).mean()


def _pose_vectors(model: LightPoseModel, batch: Batch, encoding: Encoding) -> Tensor:
    """The truth as pose vectors (B, 1, 9)."""
    return model.encode_pose(batch.rotation.unsqueeze(1), batch.translation.unsqueeze(1), encoding)
