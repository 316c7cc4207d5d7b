# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A target whose density and score are known at every noise level."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianMixture:
    """Isotropic Gaussians: weights (M,), means (M, D), one standard deviation; float64."""

    weights: Tensor
    means: Tensor
    std: float

    def _log_terms(self, x: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
        variance = self.std**2 + torch.as_tensor(sigma, dtype=torch.float64) ** 2
        offsets = self.means - x.double()[..., None, :]
        log_norm = 0.5 * x.shape[-1] * torch.log(2 * torch.pi * variance)
        return self.weights.log() - offsets.square().sum(-1) / (2 * variance) - log_norm, offsets

    def log_density(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """Natural log of the density of data with noise of `sigma` on it."""
        return self._log_terms(x, sigma)[0].logsumexp(-1)

    def score(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Gradient of `log_density`, in x's dtype."""
        terms, offsets = self._log_terms(x, sigma)
        variance = self.std**2 + torch.as_tensor(sigma, dtype=torch.float64) ** 2
        return ((terms.softmax(-1)[..., None] * offsets).sum(-2) / variance).to(x.dtype)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) draws."""
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[which] + self.std * noise

    def nearest_mean(self, x: Tensor) -> Tensor:
        """Index of the component whose mean is nearest."""
        return (x[:, None] - self.means).norm(dim=-1).argmin(dim=1)


@pytest.fixture
def make_mixture() -> Callable[[list[float], list[list[float]], float], GaussianMixture]:
    """Make a mixture of weights, means and standard deviation."""

    def make(weights: list[float], means: list[list[float]], std: float) -> GaussianMixture:
        as_tensor = torch.tensor(weights, dtype=torch.float64)
        return GaussianMixture(as_tensor, torch.tensor(means, dtype=torch.float64), std)

    return make


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
