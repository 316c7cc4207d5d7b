# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The adaptive solver against closed forms."""

import math

import pytest
import torch

from genpose_ros.diffusion.ode import integrate_rk45


@pytest.mark.parametrize(("t_start", "t_end"), [(0.0, 1.5), (1.5, 0.0)])
def test_exponential_growth_is_integrated_forwards_and_backwards(t_start, t_end):
    rate, start = torch.tensor([1.0, -2.0]).double(), torch.tensor([1.0, 3.0])
    end, nfe = integrate_rk45(lambda t, x: rate * x, start, t_start, t_end, 1e-9, 1e-9)
    assert end.dtype == torch.float64
    expected = start.double() * (rate * (t_end - t_start)).exp()
    torch.testing.assert_close(end, expected, rtol=1e-6, atol=0)
    assert nfe > 6


def test_the_velocity_depends_on_the_time_it_is_given():
    end, _ = integrate_rk45(lambda t, x: torch.cos(x * 0 + t), torch.zeros(1), 0, 1, 1e-9, 1e-9)
    assert end.item() == pytest.approx(math.sin(1), abs=1e-8)


def test_tighter_tolerances_cost_more_evaluations():
    counts = [
        integrate_rk45(lambda t, x: -x, torch.ones(3), 0.0, 5.0, tolerance, tolerance)[1]
        for tolerance in (1e-3, 1e-6, 1e-9)
    ]
    assert counts == sorted(set(counts))


def test_a_pole_makes_the_solver_give_up():
    # x' = x^2 from 1 is 1 / (1 - t): no step is small enough to pass t = 1.
    with pytest.raises(ArithmeticError, match=r"gave up|not finite"):
        integrate_rk45(lambda t, x: x * x, torch.ones(1), 0.0, 2.0, 1e-6, 1e-6)


def test_a_velocity_that_is_not_finite_is_refused():
    with pytest.raises(ArithmeticError, match=r"not finite at t = 0"):
        integrate_rk45(lambda t, x: x / 0, torch.ones(1), 0.0, 1.0, 1e-6, 1e-6)
