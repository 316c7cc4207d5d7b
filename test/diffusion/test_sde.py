# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch

from genpose_ros.diffusion import PAPER_SDE, VarianceExploding


class TestVarianceExploding:
    @pytest.mark.parametrize(
        ("t", "sigma"),
        [(0, 0.01), (0.1, 0.0234), (0.15, 0.0359), (0.25, 0.0841), (0.55, 1.083), (0.7, 3.88)],
    )
    def test_noise_levels_are_the_papers(self, t: float, sigma: float) -> None:
        assert float(PAPER_SDE.sigma(t)) == pytest.approx(sigma, rel=5e-3)

    def test_sigma_runs_from_sigma_min_to_sigma_max(self) -> None:
        sde = VarianceExploding(0.02, 80.0)
        assert float(sde.sigma(0.0)) == pytest.approx(0.02, rel=1e-14)
        assert float(sde.sigma(1.0)) == pytest.approx(80.0, rel=1e-14)

    def test_time_inverts_sigma_in_float64(self) -> None:
        t = torch.linspace(1e-5, 1, 101, dtype=torch.float64)
        torch.testing.assert_close(PAPER_SDE.time(PAPER_SDE.sigma(t)), t, rtol=0, atol=1e-14)

    def test_the_diffusion_coefficient_is_the_root_of_the_variances_growth(self) -> None:
        t = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
        (growth,) = torch.autograd.grad(PAPER_SDE.sigma(t) ** 2, t)
        assert float(PAPER_SDE.diffusion(t.detach()) ** 2) == pytest.approx(
            float(growth), rel=1e-12
        )
        ratio = PAPER_SDE.diffusion(0.4) / PAPER_SDE.sigma(0.4)
        assert float(ratio) == pytest.approx(math.sqrt(2 * math.log(5000)), rel=1e-12)

    def test_tensors_keep_their_type_and_floats_become_float64(self) -> None:
        assert PAPER_SDE.sigma(torch.rand(3, 1)).dtype == torch.float32
        assert PAPER_SDE.sigma(torch.rand(3, 1)).shape == (3, 1)
        assert PAPER_SDE.time(0.3).dtype == torch.float64

    @pytest.mark.parametrize("bounds", [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.1, math.inf)])
    def test_bounds_without_a_diffusion_are_refused(self, bounds: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="sigma_min < sigma_max"):
            VarianceExploding(*bounds)

    def test_bounds_of_nan_are_refused(self) -> None:
        with pytest.raises(ValueError, match="nan"):
            VarianceExploding(math.nan, 1.0)
