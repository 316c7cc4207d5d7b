# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Noise schedules: decreasing sequences of noise levels for the fixed-step samplers."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

__all__ = ["karras_schedule", "log_sigma_schedule", "optimised_schedule", "schedule_along"]

#: Share of the way to the lowest level that a search begins with left over.
_LEFT = 0.1


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


def schedule_along(curve: Sequence[float], start: float, end: float, steps: int) -> Tensor:
    """Return noise levels at equal shares of the way along a curve of levels.

    Optimised schedules of different numbers of steps lie on one curve: the levels of four steps are
    every second one of those of eight. A curve so gives levels for any number of steps, and from
    any start.

    Args:
        curve: decreasing levels at equal shares of the way, without the lowest, which is `end`.
        start: largest noise level; where it lies below the curve's, the way begins there.
        end: smallest noise level, which no step reaches: a last step leads from it to the data.
        steps: how many.

    Returns:
        (steps,) float64, decreasing from `start`; those of `karras_schedule` where the curve goes
        below `end`, or `start` is no higher.

    Raises:
        ValueError: not 0 < end <= start, or no step.

    Example:
        >>> curve = (8.0, 4.0, 2.0, 1.0)
        >>> [schedule_along(curve, 8.0, 0.5, steps).tolist() for steps in (2, 4)]
        [[8.0, 2.0], [8.0, 4.0, 2.0, 1.0]]
        >>> schedule_along(curve, 2.0, 0.5, 2).tolist()
        [2.0, 1.0]
    """
    _check(start, end, steps)
    if start == end or min(curve, default=end) <= end:
        return karras_schedule(start, end, steps)
    logs = np.log(np.array([*curve, end]))
    shares = np.linspace(0.0, 1.0, len(logs))
    first = float(np.interp(-math.log(start), -logs, shares))
    taken = first + (1 - first) * np.arange(steps) / steps
    levels = np.exp(np.interp(taken, shares, logs))
    levels[0] = start
    return torch.from_numpy(levels)


def optimised_schedule(
    error: Callable[[Tensor], float], start: float, end: float, steps: int, *, trials: int = 200
) -> Tensor:
    """Return the noise levels below `start` for which a solver's error is least.

    Searched by the simplex of Nelder and Mead over the shares that the steps have in the way from
    `start` to `end`, on a logarithmic scale, from the schedule of Karras et al. on.

    Args:
        error: of the samples that a solver draws with such a schedule, (steps,) decreasing.
        start: the first level, which stays.
        end: no level is lower.
        steps: how many.
        trials: of schedules.

    Returns:
        (steps,) float64, decreasing, the best one that was tried.

    Raises:
        ValueError: not 0 < end < start, or no step.

    Example:
        >>> error = lambda sigmas: float((sigmas[1:] - torch.tensor([2.0, 0.5])).square().sum())
        >>> optimised_schedule(error, 5.0, 0.01, 3).round(decimals=1).tolist()
        [5.0, 2.0, 0.5]
    """
    first = karras_schedule(start, end, steps)
    if steps == 1:
        return first
    best = (error(first), first)
    span = math.log(start / end)

    def of_shares(logits: np.ndarray) -> float:
        nonlocal best
        # Shares of the way from start to end, on a logarithmic scale; what is left ends above it.
        shares = torch.softmax(torch.from_numpy(np.append(logits, 0.0)), 0)[:-1]
        sigmas = torch.cat((first[:1], start * torch.exp(-span * shares.cumsum(0))))
        value = error(sigmas)
        best = min(best, (value, sigmas), key=lambda known: known[0])
        return value

    shares = (1 - _LEFT) * (first[:-1] / first[1:]).log().numpy() / span
    logits = np.log(shares / _LEFT)
    simplex = np.vstack([logits, logits + 0.5 * np.eye(steps - 1)])
    options = {"maxfev": trials, "initial_simplex": simplex, "xatol": 1e-2, "fatol": 1e-9}
    minimize(of_shares, logits, method="Nelder-Mead", options=options)
    return best[1]
