# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pose candidates: samples of the reverse diffusion, given the points (paper section 3.1)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genpose_ros.diffusion import karras_schedule, sample_rk45, schedule_along
from genpose_ros.diffusion.samplers import consistency_steps, dpmpp_2m_steps, euler_steps
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.tta import share_out
from genpose_ros.networks.interface import Encoding, NoiseLevels, PoseModel

__all__ = [
    "Sampling",
    "draw_candidates",
    "draw_noise",
    "noise_levels",
    "sampled",
    "steps_are_coarse",
]

_log = logging.getLogger(__name__)

#: Steps that a fixed-step solver needs from noise where no noise levels were searched.
_KARRAS_STEPS = 8
#: Between the seeds of an estimate's first and second noise.
_SECOND = 2**30


def draw_noise(settings: EstimatorSettings, *, balanced: bool = False) -> Tensor:
    """Return the standard normal noise that every object starts from, (K, 9) float64.

    It follows from the seed alone, so an object's estimate does not depend on the others in the
    frame.

    Args:
        settings: K and the seed.
        balanced: the second half is the first half's opposite, so that the mean is zero.

    Example:
        >>> noise = draw_noise(EstimatorSettings(candidates=6, seed=1), balanced=True)
        >>> noise.shape, torch.equal(noise[:3], -noise[3:])
        (torch.Size([6, 9]), True)
    """
    generator = torch.Generator().manual_seed(settings.seed)
    k = settings.candidates
    drawn = torch.randn(-(-k // 2) if balanced else k, 9, generator=generator, dtype=torch.float64)
    return torch.cat((drawn, -drawn))[:k] if balanced else drawn


@dataclass(frozen=True)
class Sampling:
    """Sampling of candidates: what of it is the same in every frame.

    Attributes:
        settings: tolerance.
        sampler: the solver; of weights without a distilled head never that one.
        noise: (tta_views, K', 9) float32 that the views' candidates start from, of `levels`' first.
        levels: of the steps; rk45 has the first and the last.
        renewed: (tta_views, K', 9) standard normal, for the step after the distilled head's.
    """

    settings: EstimatorSettings
    sampler: str
    noise: Tensor
    levels: NoiseLevels
    renewed: Tensor

    @property
    def distilled(self) -> bool:
        """Whether the distilled head takes the first step."""
        return self.sampler == "distilled"

    @classmethod
    def of(
        cls, model: PoseModel, settings: EstimatorSettings, tta_views: int, *, around_start: bool
    ) -> "Sampling":
        """Return the sampling of a model, on its device.

        Args:
            model: knows the noise levels it was trained for, which the start is clamped to.
            settings: K, solver, steps, start level, seed.
            tta_views: that share the candidates.
            around_start: the noise is put on known poses.
        """
        sigma_start = min(max(settings.start_sigma, model.sigma_min), model.sigma_max)
        # Around a known pose, the same lopsided noise in every frame would pull the same way.
        drawn = draw_noise(settings, balanced=around_start)
        sampler, values = _solver(model, settings), noise_levels(model, settings, sigma_start)
        noise = (sigma_start * share_out(drawn, tta_views)).float().to(model.device)
        again = draw_noise(replace(settings, seed=(settings.seed + _SECOND) % 2**31))
        renewed = share_out(again, tta_views).float().to(model.device)
        return cls(settings, sampler, noise, NoiseLevels.of(values, model.device), renewed)


def noise_levels(model: PoseModel, settings: EstimatorSettings, sigma_start: float) -> list[float]:
    """Return the noise levels of a solver's steps, decreasing; of rk45 the first and the last.

    Args:
        model: knows its lowest level, and the curve that few steps are best taken along.
        settings: solver, steps, schedule.
        sigma_start: the first one.
    """
    end, second, solver = model.sigma_min, model.distilled_sigma, _solver(model, settings)
    if solver == "rk45":
        return [sigma_start, end]
    if solver == "distilled":
        lower = [] if second is None or settings.steps == 1 or second >= sigma_start else [second]
        return [sigma_start, *lower]
    if settings.schedule == "auto" and model.noise_curve:
        return schedule_along(model.noise_curve, sigma_start, end, settings.steps).tolist()
    return karras_schedule(sigma_start, end, settings.steps).tolist()


def _solver(model: PoseModel, settings: EstimatorSettings) -> str:
    """The solver that runs: without a distilled head, Euler stands in for it."""
    if settings.sampler not in ("auto", "distilled"):
        return settings.sampler
    return "euler" if model.distilled_sigma is None else "distilled"


def steps_are_coarse(model: PoseModel, settings: EstimatorSettings) -> bool:
    """Return whether a fixed-step solver takes fewer steps than a model without a curve needs.

    Whoever asks for other noise levels than `auto` has chosen; few steps are then meant.
    """
    return (
        _solver(model, settings) in ("euler", "dpmpp_2m")
        and settings.schedule == "auto"
        and not model.noise_curve
        and settings.steps < _KARRAS_STEPS
    )


def draw_candidates(
    model: PoseModel,
    encoding: Encoding,
    settings: EstimatorSettings,
    *,
    start: Tensor | None = None,
    tta_views: int = 1,
    between_steps: Callable[[], None] = lambda: None,
) -> Tensor:
    """Return K pose vectors for each of B clouds, sampled from the score network (paper eq. 4).

    They start at `start` plus noise of `settings.start_sigma`, which is clamped to the levels the
    model was trained for. The fixed-step solvers go down as `settings.schedule` says and take a
    full Tweedie step from their last level; rk45 ends with the reference's small one. The
    distilled head takes one evaluation; where the start lies above its `distilled_sigma` and
    `settings.steps` allows it, the score takes a Tweedie step from its answer with new noise of
    that level.

    Args:
        model: the score network.
        encoding: of B clouds.
        settings: K, solver, steps, start level, seed.
        start: pose vectors the noise is put on, broadcast against (B, K, 9), such as those of a
            previous frame; None: zero, the centre of the prior.
        tta_views: the B clouds are so many views of B / tta_views objects, view after view, which
            share the K candidates (rounded up); see `tta`.
        between_steps: called before each evaluation of the network; what it raises ends the
            sampling.

    Returns:
        (B, K, 9) float64, in the model's units; NaN where the solver gave up.

    Example:
        >>> from genpose_ros.networks import load_model
        >>> model = load_model()  # the released weights
        >>> points_obj = 0.03 * torch.randn(2, 1024, 3, generator=torch.Generator().manual_seed(0))
        >>> encoding = model.encode(points_obj + torch.tensor([0.0, 0.0, 0.8]))
        >>> pose = draw_candidates(model, encoding, EstimatorSettings(candidates=5, steps=2))
        >>> rotation, translation = model.decode_pose(pose, encoding)
        >>> rotation.shape, translation.shape
        (torch.Size([2, 5, 3, 3]), torch.Size([2, 5, 3]))
    """
    sampling = Sampling.of(model, settings, tta_views, around_start=start is not None)
    return sampled(model, encoding, sampling, start, between_steps)


@torch.no_grad()
def sampled(
    model: PoseModel,
    encoding: Encoding,
    sampling: Sampling,
    start: Tensor | None = None,
    between_steps: Callable[[], None] = lambda: None,
) -> Tensor:
    """Return the candidates (B, K, 9) float64 of `draw_candidates`, its other arguments prepared.

    But for rk45, nothing here waits for the device or copies from the host.
    """
    views = len(sampling.noise)
    x = sampling.noise.repeat_interleave(len(encoding.centre) // views, 0)
    if start is not None:
        x = x + start.to(x)
    values, settings = sampling.levels.values, sampling.settings
    if sampling.sampler == "rk45":
        x = x.double()
        return _sample_rk45(model, encoding, x, values[0], settings.tolerance, between_steps)
    denoise = model.denoiser(encoding, sampling.levels)
    first = model.flow_ends(encoding, sampling.levels) if sampling.distilled else denoise

    def watched(pose: Tensor, step: int) -> Tensor:
        between_steps()
        return denoise(pose, step) if step else first(pose, step)

    if sampling.distilled:
        renewed = sampling.renewed.repeat_interleave(len(x) // views, 0)
        return consistency_steps(watched, x, values, [renewed][: len(values) - 1]).double()
    solve = {"euler": euler_steps, "dpmpp_2m": dpmpp_2m_steps}[sampling.sampler]
    return solve(watched, x, values).double()


def _sample_rk45(
    model: PoseModel,
    encoding: Encoding,
    x: Tensor,
    sigma_start: float,
    tolerance: float,
    between_steps: Callable[[], None],
) -> Tensor:
    def score(pose: Tensor, sigma: Tensor) -> Tensor:
        between_steps()
        return model.score(pose, sigma, encoding)

    try:
        return sample_rk45(score, x, sigma_start, model.sigma_min, rtol=tolerance, atol=tolerance).x
    except ArithmeticError as error:
        if len(x) == 1:
            _log.debug("rk45 gave up: %s", error)
            return torch.full_like(x, torch.nan)
    # The adaptive steps couple the objects: one that fails must not take the others along.
    parts = [slice(i, i + 1) for i in range(len(x))]
    return torch.cat(
        [
            _sample_rk45(model, encoding[part], x[part], sigma_start, tolerance, between_steps)
            for part in parts
        ]
    )
