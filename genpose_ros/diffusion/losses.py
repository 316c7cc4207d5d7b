# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Denoising score matching: losses for score and for energy networks (paper section 3.1)."""

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
    """Draw noise levels sigma(t) with t uniform in [t_min, 1], as the paper trains with.

    Args:
        shape: of the result.
        sde: the diffusion, which gives sigma(t).
        generator: source of the draw; None: torch's global one.
        t_min: smallest time.

    Returns:
        float32 tensor of `shape`, on the generator's device.

    Example:
        >>> sigma = draw_sigmas((1000, 1), generator=torch.Generator().manual_seed(0))
        >>> sigma.shape, bool((sigma >= 0.01).all()), bool((sigma <= 50).all())
        (torch.Size([1000, 1]), True, True)
    """
    device = None if generator is None else generator.device
    t = torch.rand(*shape, generator=generator, device=device)
    return sde.sigma(t_min + (1 - t_min) * t)


def denoising_loss(score: ScoreFunction, x: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Return the sigma^2-weighted loss of denoising score matching, the paper's.

    Args:
        score: the score function; called with x + sigma noise.
        x: (..., D) clean data.
        sigma: noise levels that broadcast against x, for instance (..., 1).
        noise: (..., D) standard normal.

    Returns:
        () mean over the samples of |sigma score + noise|^2; a score of zero gives D on average.

    Example:
        >>> score = lambda x, sigma: (2.0 - x) / sigma**2  # all data is the number 2
        >>> x, sigma, noise = torch.full((8, 1), 2.0), torch.full((8, 1), 0.5), torch.ones(8, 1)
        >>> float(denoising_loss(score, x, sigma, noise))
        0.0
    """
    residual = sigma * score(x + sigma * noise, sigma) + noise
    return residual.square().sum(-1).mean()


def score_of_energy(energy: EnergyFunction) -> ScoreFunction:
    """Return the score function d energy / dx of an energy, by autograd (paper section 3.2).

    It can be differentiated again (to train the energy) where gradients are enabled, and works
    inside `torch.no_grad` too (to sample with it).

    Args:
        energy: the energy; its entries are summed before they are differentiated.

    Example:
        >>> score = score_of_energy(lambda x, sigma: -(x**2).sum(-1) / 2)
        >>> score(torch.tensor([[1.0, -3.0]]), torch.tensor(0.1)).tolist()
        [[-1.0, 3.0]]
    """

    def score(x: Tensor, sigma: Tensor) -> Tensor:
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            total = energy(x, sigma).sum()
            (gradient,) = torch.autograd.grad(total, x, create_graph=training)
        return gradient

    return score
