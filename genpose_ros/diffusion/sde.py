# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Variance-exploding diffusion of the paper (section 3.1) and its time."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["PAPER_SDE", "VarianceExploding"]


def _tensor(value: Tensor | float) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


@dataclass(frozen=True)
class VarianceExploding:
    """Diffusion dx = g(t) dw with sigma(t) = sigma_min (sigma_max / sigma_min)^t, t in [0, 1].

    Floats are taken as float64; tensors keep their dtype and shape.

    Attributes:
        sigma_min: noise level at t = 0, in the units of the data.
        sigma_max: noise level at t = 1.

    Raises:
        ValueError: not 0 < sigma_min < sigma_max, both finite.

    Example:
        >>> sde = VarianceExploding(sigma_min=0.01, sigma_max=100.0)
        >>> round(float(sde.sigma(0.5)), 6), round(float(sde.time(10.0)), 6)
        (1.0, 0.75)
    """

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(
                "expected 0 < sigma_min < sigma_max, "
                f"got sigma_min {self.sigma_min:g} and sigma_max {self.sigma_max:g}"
            )

    @property
    def log_ratio(self) -> float:
        """Growth rate of sigma in time, ln(sigma_max / sigma_min)."""
        return math.log(self.sigma_max / self.sigma_min)

    def sigma(self, t: Tensor | float) -> Tensor:
        """Return the noise level at time `t`."""
        return self.sigma_min * torch.exp(self.log_ratio * _tensor(t))

    def time(self, sigma: Tensor | float) -> Tensor:
        """Return the time at which the noise level is `sigma`; the inverse of `sigma`."""
        return torch.log(_tensor(sigma) / self.sigma_min) / self.log_ratio

    def diffusion(self, t: Tensor | float) -> Tensor:
        """Return the diffusion coefficient g(t) = sqrt(d sigma^2 / dt)."""
        return self.sigma(t) * math.sqrt(2 * self.log_ratio)


#: The diffusion of the paper.
PAPER_SDE = VarianceExploding()
