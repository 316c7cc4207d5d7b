# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Score-based diffusion: SDE, schedules, samplers, likelihood, losses.

Knows nothing of poses or clouds: a score function maps (x, sigma) to the gradient of the log
density of data with noise of standard deviation sigma on it.
"""

from genpose_ros.diffusion.likelihood import log_likelihood
from genpose_ros.diffusion.losses import (
    EnergyFunction,
    denoising_loss,
    draw_sigmas,
    score_of_energy,
)
from genpose_ros.diffusion.samplers import (
    FlowEnd,
    SamplerResult,
    ScoreFunction,
    sample_consistency,
    sample_dpmpp_2m,
    sample_euler,
    sample_rk45,
    tweedie,
)
from genpose_ros.diffusion.schedules import (
    karras_schedule,
    log_sigma_schedule,
    optimised_schedule,
    schedule_along,
)
from genpose_ros.diffusion.sde import PAPER_SDE, VarianceExploding

__all__ = [
    "PAPER_SDE",
    "EnergyFunction",
    "FlowEnd",
    "SamplerResult",
    "ScoreFunction",
    "VarianceExploding",
    "denoising_loss",
    "draw_sigmas",
    "karras_schedule",
    "log_likelihood",
    "log_sigma_schedule",
    "optimised_schedule",
    "sample_consistency",
    "sample_dpmpp_2m",
    "sample_euler",
    "sample_rk45",
    "schedule_along",
    "score_of_energy",
    "tweedie",
]
