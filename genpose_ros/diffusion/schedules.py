# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Noise schedules: decreasing sequences of noise levels for the fixed-step samplers."""

import math

import torch
from torch import Tensor

__all__ = ["karras_schedule", "log_sigma_schedule"]


def _check(start: float, end: float, steps: int) -> None:
    if not 0 < end <= start < math.inf:
        raise ValueError(f"expected 0 < end <= start, got start {start:g} and end {end:g}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")


def log_sigma_schedule(start: float, end: float, steps: int) -> Tensor:
    """Return noise levels equally spaced in log sigma, which is in the paper's time.

    Args:
        start: largest noise level.
        end: smallest noise level.
        steps: how many.

    Returns:
        (steps,) float64, from `start` down to `end`; only `start` for one step.

    Raises:
        ValueError: not 0 < end <= start, or no step.

    Example:
        >>> log_sigma_schedule(1.0, 0.01, 3).round(decimals=6).tolist()
        [1.0, 0.1, 0.01]
    """
    _check(start, end, steps)
    return start * (end / start) ** torch.linspace(0, 1, steps, dtype=torch.float64)


def karras_schedule(start: float, end: float, steps: int, rho: float = 7.0) -> Tensor:
    """Return noise levels equally spaced in sigma^(1/rho) (Karras et al. 2022, eq. 5).

    Args:
        start: largest noise level.
        end: smallest noise level.
        steps: how many.
        rho: the larger, the more of them are small.

    Returns:
        (steps,) float64, from `start` down to `end`; only `start` for one step.

    Raises:
        ValueError: not 0 < end <= start, no step, or rho not positive.

    Example:
        >>> karras_schedule(5.0, 0.01, 4).round(decimals=4).tolist()
        [5.0, 1.0844, 0.153, 0.01]
    """
    _check(start, end, steps)
    if not rho > 0:
        raise ValueError(f"rho must be positive, got {rho:g}")
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas: Tensor = (start ** (1 / rho) * (1 - ramp) + end ** (1 / rho) * ramp) ** rho
    return sigmas
