# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Solvers of the probability-flow ODE dx/dsigma = -sigma score(x, sigma), from noise to data.

All of them keep their state in float64 and show the score function float32. The fixed-step
solvers are deterministic and treat every sample by itself; `sample_rk45` chooses its steps for the
whole tensor at once, as the reference does, so its samples are weakly coupled.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genpose_ros.diffusion.ode import integrate_rk45
from genpose_ros.diffusion.sde import PAPER_SDE, VarianceExploding

__all__ = [
    "Denoiser",
    "FlowEnd",
    "SamplerResult",
    "ScoreFunction",
    "consistency_steps",
    "dpmpp_2m_steps",
    "euler_steps",
    "sample_consistency",
    "sample_dpmpp_2m",
    "sample_euler",
    "sample_rk45",
    "tweedie",
]

#: (x, sigma) -> gradient of the log density at noise level sigma, of x's shape. The samplers call
#: it with a float32 x and a float32 sigma of no dimensions, both on x's device.
ScoreFunction = Callable[[Tensor, Tensor], Tensor]

#: (x, sigma) -> where the ODE through x at noise level sigma ends, of x's shape: a consistency
#: function, called as a score function is.
FlowEnd = Callable[[Tensor, Tensor], Tensor]

#: (x, step) -> expected clean data of x's shape and type, at the noise level of that step.
Denoiser = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class SamplerResult:
    """Samples of a solver and how many network evaluations they took.

    Attributes:
        x: the samples, float64, of the start's shape.
        nfe: number of score function evaluations.

    Example:
        >>> score = lambda x, sigma: (2.0 - x) / sigma**2  # all data is the number 2
        >>> result = sample_euler(score, torch.tensor([7.0]), torch.tensor([5.0, 0.5]))
        >>> result.x.round(decimals=4).tolist(), result.nfe
        ([2.0], 2)
    """

    x: Tensor
    nfe: int


def _evaluate(score: ScoreFunction, x: Tensor, sigma: Tensor) -> Tensor:
    """Call `score` in float32 and return its answer in float64."""
    return score(x.float(), sigma.to(x.device, torch.float32)).double()


@torch.no_grad()
def tweedie(score: ScoreFunction, x: Tensor, sigma: Tensor | float) -> Tensor:
    """Return the expected clean data given noisy x, E[x0 | x] = x + sigma^2 score(x, sigma).

    Args:
        score: the score function.
        x: samples at noise level `sigma`, any shape.
        sigma: noise level, in the units of x.

    Returns:
        float64, of x's shape.

    Example:
        >>> score = lambda x, sigma: -x / (1 + sigma**2)  # all data is standard normal
        >>> tweedie(score, torch.tensor([4.0]), 1.0).tolist()
        [2.0]
    """
    sigma = torch.as_tensor(sigma, dtype=torch.float64, device=x.device)
    return x.double() + sigma**2 * _evaluate(score, x, sigma)


def _check_sigmas(sigmas: Tensor) -> Tensor:
    sigmas = sigmas.detach().double()
    if sigmas.ndim != 1 or len(sigmas) == 0 or not bool((sigmas > 0).all()):
        raise ValueError(f"sigmas must be a row of positive numbers, got {sigmas.tolist()}")
    return sigmas


@torch.no_grad()
def sample_euler(score: ScoreFunction, x: Tensor, sigmas: Tensor) -> SamplerResult:
    """Sample by Euler steps in sigma (DDIM), then a full Tweedie step at the last noise level.

    Args:
        score: the score function.
        x: samples at noise level sigmas[0], any shape.
        sigmas: (steps,) decreasing noise levels; each costs one evaluation.

    Raises:
        ValueError: `sigmas` is not a row of positive numbers.

    Example:
        >>> score = lambda x, sigma: (2.0 - x) / sigma**2  # all data is the number 2
        >>> result = sample_euler(score, torch.tensor([7.0]), torch.tensor([5.0, 0.5]))
        >>> round(float(result.x[0]), 4), result.nfe
        (2.0, 2)
    """
    sigmas = _check_sigmas(sigmas)

    def denoise(x: Tensor, step: int) -> Tensor:
        return tweedie(score, x, sigmas[step])

    return SamplerResult(euler_steps(denoise, x.double(), sigmas.tolist()), len(sigmas))


def euler_steps(denoise: Denoiser, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return the samples of `sample_euler`, of x's type, given what denoises at each level.

    Args:
        denoise: gives the expected clean data.
        x: samples at noise level sigmas[0], any shape.
        sigmas: decreasing noise levels.

    Example:
        >>> euler_steps(lambda x, step: 2.0 + 0 * x, torch.tensor([7.0]), [5.0, 0.5]).tolist()
        [2.0]
    """
    for step, sigma_next in enumerate((*sigmas[1:], 0.0)):
        denoised = denoise(x, step)
        # The noise that is left keeps its direction and shrinks to sigma_next.
        x = denoised.lerp(x, sigma_next / sigmas[step]) if sigma_next else denoised
    return x


@torch.no_grad()
def sample_dpmpp_2m(score: ScoreFunction, x: Tensor, sigmas: Tensor) -> SamplerResult:
    """Sample by DPM-Solver++(2M) in log sigma (Lu et al. 2022, algorithm 2) and a Tweedie step.

    Args:
        score: the score function.
        x: samples at noise level sigmas[0], any shape.
        sigmas: (steps,) strictly decreasing noise levels; each costs one evaluation.

    Raises:
        ValueError: `sigmas` is not a row of positive, strictly decreasing numbers.

    Example:
        >>> score = lambda x, sigma: -x / (1 + sigma**2)  # all data is standard normal
        >>> sigmas = torch.tensor([5.0, 2.0, 1.0, 0.5, 0.1])
        >>> result = sample_dpmpp_2m(score, torch.tensor([5.0]), sigmas)
        >>> round(float(result.x[0]), 1), result.nfe  # exactly: 5 / sqrt(1 + 5**2) = 0.98
        (1.0, 5)
    """
    sigmas = _check_sigmas(sigmas)
    if not bool((sigmas.diff() < 0).all()):
        raise ValueError(f"sigmas must decrease strictly, got {sigmas.tolist()}")

    def denoise(x: Tensor, step: int) -> Tensor:
        return tweedie(score, x, sigmas[step])

    return SamplerResult(dpmpp_2m_steps(denoise, x.double(), sigmas.tolist()), len(sigmas))


def dpmpp_2m_steps(denoise: Denoiser, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return the samples of `sample_dpmpp_2m`, of x's type, given what denoises at each level.

    Args:
        denoise: gives the expected clean data.
        x: samples at noise level sigmas[0], any shape.
        sigmas: strictly decreasing noise levels.

    Example:
        >>> dpmpp_2m_steps(lambda x, step: 2.0 + 0 * x, torch.tensor([7.0]), [5.0, 0.5]).tolist()
        [2.0]
    """
    lambdas = [-math.log(sigma) for sigma in sigmas]
    denoised = denoise(x, 0)
    before = denoised
    for i in range(1, len(sigmas)):
        h = lambdas[i] - lambdas[i - 1]
        # Multistep: the denoised point, extrapolated linearly to the middle of the step.
        r = (lambdas[i - 1] - lambdas[i - 2]) / h if i > 1 else 1.0
        middle = denoised + (denoised - before) / (2 * r)
        x = sigmas[i] / sigmas[i - 1] * x - math.expm1(-h) * middle
        before, denoised = denoised, denoise(x, i)
    return denoised


@torch.no_grad()
def sample_consistency(
    flow_end: FlowEnd, x: Tensor, sigmas: Tensor, noise: Sequence[Tensor] = ()
) -> SamplerResult:
    """Sample by a consistency function (Song et al. 2023, algorithm 1), with new noise in between.

    Args:
        flow_end: gives the ends of the ODE.
        x: samples at noise level sigmas[0], any shape.
        sigmas: (steps,) decreasing noise levels; each costs one evaluation.
        noise: standard normal, of x's shape, for each level but the first.

    Raises:
        ValueError: `sigmas` is not a row of positive numbers, or not as much noise as levels.

    Example:
        >>> flow_end = lambda x, sigma: x / (1 + sigma**2).sqrt()  # all data is standard normal
        >>> result = sample_consistency(flow_end, torch.tensor([5.0]), torch.tensor([5.0]))
        >>> round(float(result.x[0]), 3), result.nfe
        (0.981, 1)
    """
    sigmas = _check_sigmas(sigmas).to(x.device)
    if len(noise) != len(sigmas) - 1:
        raise ValueError(f"{len(sigmas)} levels take noise {len(sigmas) - 1} times: {len(noise)}")

    def end(pose: Tensor, step: int) -> Tensor:
        return _evaluate(flow_end, pose, sigmas[step])

    return SamplerResult(consistency_steps(end, x, sigmas.tolist(), noise), len(sigmas))


def consistency_steps(
    end: Denoiser, x: Tensor, sigmas: Sequence[float], noise: Sequence[Tensor]
) -> Tensor:
    """Return the samples of `sample_consistency`, in the type that `end` answers.

    Args:
        end: gives the ends of the ODE from the level of a step.
        x: samples at noise level sigmas[0].
        sigmas: noise levels.
        noise: standard normal, for each level but the first.
    """
    x = end(x, 0)
    for step, fresh in enumerate(noise, 1):
        x = end(x + sigmas[step] * fresh, step)
    return x


@torch.no_grad()
def sample_rk45(
    score: ScoreFunction,
    x: Tensor,
    sigma_start: float,
    sigma_end: float,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    denoise: Literal["reference", "tweedie", "none"] = "reference",
    sde: VarianceExploding = PAPER_SDE,
) -> SamplerResult:
    """Sample by adaptive Runge-Kutta 4(5) in the time of `sde` (paper eq. 4), all as one vector.

    Args:
        score: the score function.
        x: samples at noise level `sigma_start`, any shape.
        sigma_start: noise level to start from.
        sigma_end: noise level to end at.
        rtol: relative tolerance.
        atol: absolute tolerance, in the units of x.
        denoise: what follows at `sigma_end`, for one more evaluation: "reference" removes the
            1.7 % of the noise that one of 1000 steps would, "tweedie" all of it, "none" nothing.
        sde: gives the time in which the step size is chosen.

    Raises:
        ValueError: unknown `denoise`.
        ArithmeticError: a score is not finite, or the solver gave up.

    Example:
        >>> score = lambda x, sigma: -x / (1 + sigma**2)  # all data is standard normal
        >>> result = sample_rk45(score, torch.tensor([5.0]), 5.0, 0.01)
        >>> round(float(result.x[0]), 3)  # exactly: 5 / sqrt(1 + 5**2)
        0.981
    """
    if denoise not in ("reference", "tweedie", "none"):
        raise ValueError(f"denoise must be reference, tweedie or none, got {denoise!r}")
    shape = x.shape

    def velocity(t: float, flat: Tensor) -> Tensor:
        value = _evaluate(score, flat.view(shape), sde.sigma(t))
        return -0.5 * float(sde.diffusion(t)) ** 2 * value.flatten()

    t_start, t_end = float(sde.time(sigma_start)), float(sde.time(sigma_end))
    flat, nfe = integrate_rk45(velocity, x.flatten(), t_start, t_end, rtol, atol)
    x = flat.view(shape)
    if denoise == "none":
        return SamplerResult(x, nfe)
    denoised = tweedie(score, x, sde.sigma(t_end))
    if denoise == "reference":
        # sigma^2 is all of the noise, g^2 dt what one of 1000 equal steps in time removes.
        share = 2 * sde.log_ratio * (1 - t_end) / 1000
        denoised = x + share * (denoised - x)
    return SamplerResult(denoised, nfe + 1)
