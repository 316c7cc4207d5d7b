# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from genpose_ros.diffusion import (
    PAPER_SDE,
    SamplerResult,
    ScoreFunction,
    log_sigma_schedule,
    sample_consistency,
    sample_dpmpp_2m,
    sample_euler,
    sample_rk45,
    tweedie,
)

SIGMA_START, SIGMA_END = 5.0, 0.01
Sampler = Callable[[ScoreFunction, Tensor], SamplerResult]


def _euler(score: ScoreFunction, x: Tensor, steps: int = 64) -> SamplerResult:
    return sample_euler(score, x, log_sigma_schedule(SIGMA_START, SIGMA_END, steps))


def _dpmpp_2m(score: ScoreFunction, x: Tensor, steps: int = 64) -> SamplerResult:
    return sample_dpmpp_2m(score, x, log_sigma_schedule(SIGMA_START, SIGMA_END, steps))


def _rk45(score: ScoreFunction, x: Tensor) -> SamplerResult:
    return sample_rk45(score, x, SIGMA_START, SIGMA_END, denoise="tweedie")


every_sampler = pytest.mark.parametrize("sampler", [_euler, _dpmpp_2m, _rk45])
fixed_step = pytest.mark.parametrize("sampler", [_euler, _dpmpp_2m])


def _gaussian_score(std: float) -> ScoreFunction:
    return lambda x, sigma: -x / (std**2 + sigma**2)


def _gaussian_end(x: Tensor, std: float) -> Tensor:
    """The end of the exact ODE from x and of a Tweedie step, for data N(0, std^2)."""
    variance_end = std**2 + SIGMA_END**2
    flow = math.sqrt(variance_end / (std**2 + SIGMA_START**2))
    return x.double() * flow * std**2 / variance_end


class TestOnAMixture:
    """Weights, means and spread of the modes are those of the target."""

    WEIGHTS, STD, N = (0.2, 0.5, 0.3), 0.15, 4000

    @every_sampler
    def test_samples_have_the_shares_and_spreads_of_the_mixtures_modes(
        self, sampler: Sampler, make_mixture: Any, generator: torch.Generator
    ) -> None:
        means = [[1.0, 0.0], [-1.0, 0.5], [0.0, -1.0]]
        mixture = make_mixture(list(self.WEIGHTS), means, self.STD)
        noise = torch.randn(self.N, 2, generator=generator, dtype=torch.float64)
        start = mixture.sample(self.N, generator) + SIGMA_START * noise
        x = sampler(mixture.score, start).x
        which = mixture.nearest_mean(x)
        for k, weight in enumerate(self.WEIGHTS):
            mine = x[which == k]
            # Four standard errors of each estimate; 3 % of the spread for Euler's finite steps.
            n = weight * self.N
            assert len(mine) / self.N == pytest.approx(
                weight, abs=4 * math.sqrt(weight * (1 - weight) / self.N)
            )
            expected = mixture.means[k]
            assert (mine.mean(0) - expected).abs().max() < 4 * self.STD / math.sqrt(n)
            slack = 4 / math.sqrt(2 * n) + 0.03
            assert mine.std(0).tolist() == pytest.approx([self.STD] * 2, rel=slack)


class TestAccuracy:
    STD = 0.3

    def _error(self, sampler: Callable[..., SamplerResult], steps: int) -> float:
        x = torch.tensor([[SIGMA_START]])
        result = sampler(_gaussian_score(self.STD), x, steps)
        return float((result.x - _gaussian_end(x, self.STD)).abs().max())

    @pytest.mark.parametrize(("sampler", "order"), [(_euler, 1), (_dpmpp_2m, 2)])
    def test_fixed_step_solvers_converge_with_their_order(
        self, sampler: Callable[..., SamplerResult], order: int
    ) -> None:
        coarse, fine = self._error(sampler, 64), self._error(sampler, 128)
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25)

    def test_the_second_order_solver_beats_the_first_at_eight_steps(self) -> None:
        assert self._error(_dpmpp_2m, 8) < 0.5 * self._error(_euler, 8)

    @pytest.mark.parametrize("tolerance", [1e-3, 1e-5])
    def test_rk45_reaches_the_closed_form(
        self, tolerance: float, generator: torch.Generator
    ) -> None:
        x = SIGMA_START * torch.randn(20, 3, generator=generator)
        result = sample_rk45(
            _gaussian_score(self.STD), x, SIGMA_START, SIGMA_END, tolerance, tolerance, "tweedie"
        )
        # The local errors of some ten to twenty steps add up.
        error = (result.x - _gaussian_end(x, self.STD)).abs().max()
        assert error < 20 * tolerance

    @fixed_step
    @pytest.mark.parametrize("steps", [1, 2, 5])
    def test_data_of_one_point_is_found_in_any_number_of_steps(
        self, sampler: Callable[..., SamplerResult], steps: int, generator: torch.Generator
    ) -> None:
        point = torch.tensor([0.3, -1.0, 2.0])
        x = point + SIGMA_START * torch.randn(6, 3, generator=generator)
        result = sampler(lambda x, sigma: (point - x) / sigma**2, x, steps)
        # Straight lines: exact but for float32 in the score of the first, largest step.
        torch.testing.assert_close(result.x.float(), point.expand(6, 3), rtol=0, atol=1e-5)


class TestRk45Denoising:
    """On data that is one point at the origin the end is the start times known factors."""

    def _end(self, denoise: Any) -> float:
        x = torch.ones(1)
        score = lambda x, sigma: -x / sigma**2  # noqa: E731
        sigma_end = float(PAPER_SDE.sigma(1e-5))
        return float(sample_rk45(score, x, 1.0, sigma_end, denoise=denoise).x) / sigma_end

    def test_rk45_without_denoising_leaves_the_noise_of_the_end(self) -> None:
        assert self._end("none") == pytest.approx(1.0, abs=1e-2)

    def test_reference_denoising_removes_one_step_of_a_thousand(self) -> None:
        step = 2 * math.log(5000) * (1 - 1e-5) / 1000
        assert step == pytest.approx(0.017, abs=1e-4)
        assert self._end("reference") / self._end("none") == pytest.approx(1 - step, rel=1e-6)

    def test_tweedie_denoising_removes_all_noise(self) -> None:
        assert self._end("tweedie") == pytest.approx(0.0, abs=1e-6)

    def test_unknown_denoising_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'full'"):
            self._end("full")


class TestContract:
    @every_sampler
    def test_the_network_gets_float32_and_every_call_is_counted(self, sampler: Sampler) -> None:
        seen = []

        def score(x: Tensor, sigma: Tensor) -> Tensor:
            seen.append((x.dtype, x.shape, sigma.dtype, sigma.shape, torch.is_grad_enabled()))
            return -x / (1 + sigma**2)

        result = sampler(score, torch.ones(2, 3, 9, dtype=torch.float64))
        assert set(seen) == {(torch.float32, (2, 3, 9), torch.float32, (), False)}
        assert result.nfe == len(seen)
        assert result.x.dtype == torch.float64
        assert result.x.shape == (2, 3, 9)

    @fixed_step
    def test_fixed_step_solvers_evaluate_once_per_sigma(self, sampler: Any) -> None:
        assert [sampler(_gaussian_score(1.0), torch.ones(1), n).nfe for n in (1, 2, 8)] == [1, 2, 8]

    @every_sampler
    def test_the_same_input_gives_the_same_samples(
        self, sampler: Sampler, generator: torch.Generator
    ) -> None:
        x = SIGMA_START * torch.randn(5, 4, generator=generator)
        before = x.clone()
        first, second = sampler(_gaussian_score(0.3), x), sampler(_gaussian_score(0.3), x)
        assert torch.equal(first.x, second.x)
        assert torch.equal(x, before)

    @fixed_step
    def test_samples_do_not_influence_each_other(
        self, sampler: Sampler, generator: torch.Generator
    ) -> None:
        x = SIGMA_START * torch.randn(6, 4, generator=generator)
        together = sampler(_gaussian_score(0.3), x).x
        assert torch.equal(sampler(_gaussian_score(0.3), x[2:3]).x, together[2:3])

    @fixed_step
    def test_a_score_that_is_not_finite_spoils_only_its_sample(self, sampler: Sampler) -> None:
        spoilt = torch.tensor([[0.0], [math.nan]])
        x = sampler(lambda x, sigma: -x / (1 + sigma**2) + spoilt, torch.ones(2, 1)).x
        assert x.isfinite().flatten().tolist() == [True, False]

    def test_rk45_raises_for_a_score_that_is_not_finite(self) -> None:
        with pytest.raises(ArithmeticError, match="not finite"):
            _rk45(lambda x, sigma: torch.full_like(x, math.nan), torch.ones(3))

    @pytest.mark.parametrize("sigmas", [[], [1.0, 0.0], [1.0, -1.0], [math.nan], [[1.0, 0.5]]])
    @pytest.mark.parametrize("sample", [sample_euler, sample_dpmpp_2m])
    def test_sigmas_that_are_no_noise_levels_are_refused(self, sample: Any, sigmas: list) -> None:
        with pytest.raises(ValueError, match="sigmas"):
            sample(_gaussian_score(1.0), torch.ones(1), torch.tensor(sigmas))

    def test_sigmas_that_do_not_fall_are_refused_by_dpmpp_2m(self) -> None:
        with pytest.raises(ValueError, match="strictly"):
            sample_dpmpp_2m(_gaussian_score(1.0), torch.ones(1), torch.tensor([1.0, 1.0, 0.5]))


def test_tweedie_is_the_posterior_mean() -> None:
    std, sigma, x = 0.3, 0.4, torch.tensor([[0.5, -2.0]])
    expected = x.double() * std**2 / (std**2 + sigma**2)
    torch.testing.assert_close(tweedie(_gaussian_score(std), x, sigma), expected, rtol=1e-6, atol=0)


class TestConsistency:
    """On normal data the flow's end is known: x std / sqrt(std^2 + sigma^2)."""

    STD = 0.3

    def end(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x * self.STD / (self.STD**2 + sigma**2).sqrt()

    def test_one_evaluation_is_the_flows_end(self) -> None:
        x = torch.tensor([5.0, -2.0])
        result = sample_consistency(self.end, x, torch.tensor([5.0]))
        expected = x.double() * self.STD / math.sqrt(self.STD**2 + 25)
        assert torch.allclose(result.x, expected, rtol=1e-6)
        assert result.nfe == 1

    def test_samples_keep_the_spread_of_the_data_with_new_noise_in_between(self) -> None:
        generator = torch.Generator().manual_seed(0)
        first, *more = torch.randn(3, 20_000, generator=generator, dtype=torch.float64)
        start = (self.STD**2 + 25) ** 0.5 * first
        result = sample_consistency(self.end, start, torch.tensor([5.0, 0.5, 0.2]), more)
        # Four standard errors of a standard deviation.
        assert float(result.x.std()) == pytest.approx(self.STD, rel=4 / math.sqrt(2 * 20_000))
        assert result.nfe == 3

    def test_as_much_noise_as_levels_is_asked_for(self) -> None:
        with pytest.raises(ValueError, match="2 levels take noise 1 times"):
            sample_consistency(self.end, torch.zeros(3), torch.tensor([5.0, 1.0]))
