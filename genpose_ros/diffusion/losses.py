"""Denoising score matching, for networks that are a score and for networks that are an energy."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genpose_ros.diffusion.samplers import ScoreFunction
from genpose_ros.diffusion.sde import PAPER_SDE, VarianceExploding

__all__ = ["EnergyFunction", "denoising_loss", "draw_sigmas", "score_of_energy"]

#: (x, sigma) -> log density up to a constant, higher is more likely; any shape whose entries
#: belong to one sample each: their sum is what is differentiated.
EnergyFunction = Callable[[Tensor, Tensor], Tensor]


def draw_sigmas(
    shape: Sequence[int],
    sde: VarianceExploding = PAPER_SDE,
    *,
    generator: torch.Generator | None = None,
    t_min: float = 1e-5,
) -> Tensor:
    """Noise levels sigma(t) with t uniform in [t_min, 1], as the paper trains with.

    Returns:
        float32 tensor of `shape`, on the generator's device.
    """
    device = None if generator is None else generator.device
    t = torch.rand(*shape, generator=generator, device=device)
    return sde.sigma(t_min + (1 - t_min) * t)


def denoising_loss(score: ScoreFunction, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """sigma^2-weighted denoising score matching, the loss of the paper.

    Args:
        score: the score function; called with x + sigma noise.
        x: (..., D) clean data.
        sigma: noise levels that broadcast against x, for instance (..., 1).
        noise: (..., D) standard normal.

    Returns:
        () mean over the samples of |sigma score + noise|^2; a score of zero gives D on average.
    """
    residual = sigma * score(x + sigma * noise, sigma) + noise
    return residual.square().sum(-1).mean()


def score_of_energy(energy: EnergyFunction) -> ScoreFunction:
    """The score function d energy / dx, by autograd.

    It can be differentiated again (to train the energy) where gradients are enabled, and works
    inside `torch.no_grad` too (to sample with it).
    """

    def score(x: Tensor, sigma: Tensor) -> Tensor:
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            total = energy(x, sigma).sum()
            (gradient,) = torch.autograd.grad(total, x, create_graph=training)
        return gradient

    return score
