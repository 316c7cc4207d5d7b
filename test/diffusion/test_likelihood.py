# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genpose_ros.diffusion import VarianceExploding, log_likelihood

# Taking the prior's mean as zero costs |mean| |x_T| / sigma_max^2 or 3 / sigma_max; so a large one.
SDE = VarianceExploding(0.01, 5000.0)
SIGMA_0 = float(SDE.sigma(1e-5))


def _exact_bits(mixture: Any, x: Tensor) -> Tensor:
    return mixture.log_density(x, SIGMA_0) / math.log(2)


class TestLogLikelihood:
    def test_the_likelihood_of_a_gaussian_is_its_density(
        self, make_mixture: Any, generator: torch.Generator
    ) -> None:
        gaussian = make_mixture([1.0], [[0.2, -0.1, 0.4]], 0.5)
        x = torch.cat([gaussian.sample(20, generator), torch.tensor([[3.0, 3.0, 3.0]])])
        bits = log_likelihood(gaussian.score, x, SDE, generator=generator)
        assert bits.dtype == torch.float64
        torch.testing.assert_close(bits, _exact_bits(gaussian, x), rtol=0, atol=5e-3)

    def test_the_likelihood_in_one_dimension_is_exact_for_any_probe(
        self, make_mixture: Any
    ) -> None:
        mixture = make_mixture([0.3, 0.7], [[-1.0], [1.0]], 0.2)
        x = torch.tensor([[-1.0], [-0.5], [0.0], [0.8], [1.5]])
        bits = log_likelihood(mixture.score, x, SDE)
        torch.testing.assert_close(bits, _exact_bits(mixture, x), rtol=0, atol=1e-2)

    def test_the_likelihood_is_unbiased_over_probes(
        self, make_mixture: Any, generator: torch.Generator
    ) -> None:
        mixture = make_mixture([0.4, 0.6], [[-1.0, -0.5], [1.0, 0.8]], 0.4)
        x = torch.tensor([[0.1, 0.6]]).expand(2000, 2)
        bits = log_likelihood(mixture.score, x, SDE, generator=generator, rtol=1e-4, atol=1e-4)
        spread = float(bits.std()) / math.sqrt(len(bits))
        assert spread > 1e-4  # the Jacobian is not diagonal here, so the probes do matter
        error = float(bits.mean() - _exact_bits(mixture, x[:1])[0])
        assert abs(error) < 4 * spread + 5e-3

    def test_the_likelihood_keeps_the_leading_shape_and_follows_its_probes(
        self, make_mixture: Any
    ) -> None:
        mixture = make_mixture([0.5, 0.5], [[-1.0, -1.0], [1.0, 1.0]], 0.4)
        x = torch.zeros(2, 3, 2)
        plus, minus = torch.ones_like(x), torch.tensor([1.0, -1.0]).expand_as(x)
        along = log_likelihood(mixture.score, x, SDE, noise=plus)
        assert along.shape == (2, 3)
        # Between the modes the flow spreads along their line and contracts across it.
        assert (along < log_likelihood(mixture.score, x, SDE, noise=minus) - 1).all()

    def test_the_same_seed_gives_the_same_likelihood(self, make_mixture: Any) -> None:
        mixture = make_mixture([0.5, 0.5], [[-1.0, -1.0], [1.0, 1.0]], 0.4)
        x = torch.full((4, 2), 0.3)
        first, again, other = (
            log_likelihood(mixture.score, x, SDE, generator=torch.Generator().manual_seed(seed))
            for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_the_likelihood_can_be_computed_where_gradients_are_off(
        self, make_mixture: Any
    ) -> None:
        gaussian = make_mixture([1.0], [[0.0]], 0.5)
        with torch.no_grad():
            bits = log_likelihood(gaussian.score, torch.zeros(1, 1), SDE)
        torch.testing.assert_close(
            bits, _exact_bits(gaussian, torch.zeros(1, 1)), rtol=0, atol=5e-3
        )

    def test_probes_of_another_shape_are_refused(self, make_mixture: Any) -> None:
        gaussian = make_mixture([1.0], [[0.0, 0.0]], 0.5)
        with pytest.raises(ValueError, match=r"\(3, 2\), got \(2,\)"):
            log_likelihood(gaussian.score, torch.zeros(3, 2), SDE, noise=torch.ones(2))

    def test_a_solver_that_gives_up_raises(self) -> None:
        with pytest.raises(ArithmeticError, match="not finite"):
            log_likelihood(lambda x, sigma: x * math.nan, torch.zeros(1, 2), SDE)
