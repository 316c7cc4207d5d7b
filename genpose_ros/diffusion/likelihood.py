# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Likelihood of samples under the probability-flow ODE (paper eq. 5)."""

import math

import torch
from torch import Tensor

from genpose_ros.diffusion.ode import integrate_rk45
from genpose_ros.diffusion.samplers import ScoreFunction
from genpose_ros.diffusion.sde import PAPER_SDE, VarianceExploding

__all__ = ["log_likelihood"]


def _rademacher(x: Tensor, generator: torch.Generator | None) -> Tensor:
    device = x.device if generator is None else generator.device
    signs = torch.randint(0, 2, x.shape, generator=generator, device=device)
    return (2 * signs - 1).to(x.device, torch.float32)


def _score_and_trace(
    score: ScoreFunction, x: Tensor, sigma: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """The score, (..., D), and Hutchinson's noise^T (d score / dx) noise, (...,), float64."""
    with torch.enable_grad():
        x = x.float().requires_grad_()
        value = score(x, sigma.to(x.device, torch.float32))
        (product,) = torch.autograd.grad((value * noise).sum(), x)
    return value.detach().double(), (product * noise).sum(-1).double()


def log_likelihood(
    score: ScoreFunction,
    x: Tensor,
    sde: VarianceExploding = PAPER_SDE,
    *,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
    t_min: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> Tensor:
    """Return the log density in bits of data x at the noise level sigma(t_min) (paper eq. 5).

    Follows the ODE from t_min to 1, where the density is taken as N(0, sigma_max^2), and adds up
    the divergence on the way, estimated without bias from one noise vector per sample
    (Hutchinson); the estimate is exact where the Jacobian of the score is diagonal.

    Args:
        score: the score function; differentiated with respect to x.
        x: (..., D) samples; each of the leading indices is one sample.
        sde: the diffusion the score belongs to.
        noise: (..., D) probe vectors of zero mean and unit covariance; drawn as random signs
            from `generator` when not given.
        generator: source of the random signs; None: torch's global one.
        t_min: time at which the density is evaluated.
        rtol: relative tolerance of the solver (RK45).
        atol: absolute tolerance of the solver.

    Returns:
        (...,) log2 of the density, float64; higher is more likely.

    Raises:
        ValueError: `noise` has another shape than x.
        ArithmeticError: a score is not finite, or the solver gave up.

    Example:
        >>> score = lambda x, sigma: -x / (1 + sigma**2)  # all data is standard normal
        >>> x = torch.zeros(1, 1)
        >>> round(float(log_likelihood(score, x)), 2)  # log2 of 1 / sqrt(2 pi)
        -1.33
    """
    if noise is None:
        noise = _rademacher(x, generator)
    if noise.shape != x.shape:
        raise ValueError(f"noise must have x's shape {tuple(x.shape)}, got {tuple(noise.shape)}")
    noise, shape, count = noise.to(x.device, torch.float32), x.shape, x.numel()

    def flow(t: float, flat: Tensor) -> Tensor:
        value, trace = _score_and_trace(score, flat[:count].view(shape), sde.sigma(t), noise)
        both = torch.cat([value.flatten(), trace.flatten()])
        return -0.5 * float(sde.diffusion(t)) ** 2 * both

    start = torch.cat([x.detach().double().flatten(), noise.new_zeros(count // shape[-1])])
    end, _ = integrate_rk45(flow, start, t_min, 1.0, rtol, atol)
    latent, divergence = end[:count].view(shape), end[count:].view(shape[:-1])
    log_norm = 0.5 * shape[-1] * math.log(2 * math.pi * sde.sigma_max**2)
    log_prior = -0.5 * (latent / sde.sigma_max).square().sum(-1) - log_norm
    return (log_prior + divergence) / math.log(2)
