# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch
from torch import Tensor, nn

from genpose_ros.diffusion import PAPER_SDE, denoising_loss, draw_sigmas, score_of_energy


class TestDrawSigmas:
    def test_the_times_of_drawn_sigmas_are_uniform(self, generator: torch.Generator) -> None:
        n = 20_000
        times = PAPER_SDE.time(draw_sigmas((n, 1), generator=generator).double())
        assert times.shape == (n, 1)
        assert times.min() >= 1e-5 - 1e-7
        assert times.max() <= 1 + 1e-6
        counts = torch.histc(times, bins=10, min=0, max=1)
        assert (counts - n / 10).abs().max() < 5 * math.sqrt(n * 0.09)

    def test_the_same_seed_draws_the_same_sigmas(self) -> None:
        draws = [
            draw_sigmas((5, 3, 1), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
        ]
        assert torch.equal(draws[0], draws[1])
        assert not torch.equal(draws[0], draws[2])


class TestDenoisingLoss:
    def test_a_score_of_zero_costs_the_dimension(self, generator: torch.Generator) -> None:
        noise = torch.randn(5000, 9, generator=generator)
        sigma = draw_sigmas((5000, 1), generator=generator)
        loss = denoising_loss(lambda x, s: torch.zeros_like(x), torch.zeros(5000, 9), sigma, noise)
        # |noise|^2 is chi-squared with 9 degrees of freedom: variance 18.
        assert float(loss) == pytest.approx(9, abs=4 * math.sqrt(18 / 5000))

    def test_the_true_score_of_one_point_costs_nothing(self, generator: torch.Generator) -> None:
        point = torch.tensor([0.2, -1.0, 3.0])
        noise = torch.randn(50, 3, generator=generator)
        sigma = torch.logspace(-1, 1, 50)[:, None]
        loss = denoising_loss(lambda x, s: (point - x) / s**2, point.expand(50, 3), sigma, noise)
        # Rounding x (about 3) to float32 weighs 1 / sigma, at most 10.
        assert float(loss) < 3 * (10 * 3 * 1.2e-7) ** 2 * 4

    def test_the_loss_is_weighted_by_sigma_squared(self) -> None:
        # One sample, worked by hand: residual = 2 * 0.5 + 1 in each of two dimensions.
        loss = denoising_loss(
            lambda x, s: torch.full_like(x, 0.5),
            torch.zeros(1, 2),
            torch.tensor(2.0),
            torch.ones(1, 2),
        )
        assert float(loss) == pytest.approx(8.0)

    def test_the_loss_is_smallest_for_the_variance_of_the_data(
        self, generator: torch.Generator
    ) -> None:
        x = 0.5 * torch.randn(4000, 2, generator=generator)
        noise = torch.randn(4000, 2, generator=generator)
        sigma = torch.full((4000, 1), 0.5)

        def loss(variance: float) -> float:
            return float(denoising_loss(lambda x, s: -x / (variance + s**2), x, sigma, noise))

        # The gap at +-50 % is known: (v - v0)^2 sigma^2 D / ((v + s^2)^2 (v0 + s^2)).
        for variance in (0.125, 0.375):
            gap = (variance - 0.25) ** 2 * 0.25 * 2 / ((variance + 0.25) ** 2 * 0.5)
            assert loss(variance) - loss(0.25) == pytest.approx(gap, rel=0.5)


class QuadraticEnergy(nn.Module):
    """-a |x|^2 / (2 sigma^2), in two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        terms = -self.a * x.square() / (2 * sigma**2)
        return torch.stack([terms[..., :1].sum(-1), terms[..., 1:].sum(-1)], dim=-1)


class TestScoreOfEnergy:
    def test_the_score_of_an_energy_is_the_gradient_of_its_sum(self) -> None:
        x, sigma = torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor(2.0)
        score = score_of_energy(QuadraticEnergy())(x, sigma)
        torch.testing.assert_close(score, -0.5 * x / 4)

    def test_the_score_of_an_energy_can_be_computed_where_gradients_are_off(self) -> None:
        x = torch.tensor([[1.0, -2.0]])
        with torch.no_grad():
            score = score_of_energy(QuadraticEnergy())(x, torch.tensor(1.0))
        assert not score.requires_grad
        torch.testing.assert_close(score, -0.5 * x)

    def test_the_loss_of_its_score_trains_an_energy(self, generator: torch.Generator) -> None:
        energy = QuadraticEnergy()
        noise = torch.randn(200, 2, generator=generator)
        loss = denoising_loss(
            score_of_energy(energy), torch.zeros(200, 2), torch.full((200, 1), 3.0), noise
        )
        loss.backward()
        # loss = (1 - a)^2 mean |noise|^2, so its slope is -2 (1 - a) of the same mean.
        mean = float(noise.square().sum(-1).mean())
        assert float(loss) == pytest.approx(0.25 * mean, rel=1e-5)
        assert float(energy.a.grad) == pytest.approx(-mean, rel=1e-5)
