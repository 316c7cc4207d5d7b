# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from genpose_ros.diffusion import (
    karras_schedule,
    log_sigma_schedule,
    optimised_schedule,
    sample_euler,
    schedule_along,
)

both = pytest.mark.parametrize("schedule", [log_sigma_schedule, karras_schedule])
Schedule = Callable[[float, float, int], Tensor]


@both
class TestBothSchedules:
    @pytest.mark.parametrize("steps", [2, 3, 8, 1000])
    def test_schedules_fall_strictly_from_start_to_end(
        self, schedule: Schedule, steps: int
    ) -> None:
        sigmas = schedule(5.0, 0.01, steps)
        assert sigmas.shape == (steps,)
        assert sigmas.dtype == torch.float64
        assert float(sigmas[0]) == pytest.approx(5.0, rel=1e-12)
        assert float(sigmas[-1]) == pytest.approx(0.01, rel=1e-12)
        assert (sigmas.diff() < 0).all()

    def test_a_schedule_of_one_step_is_the_start(self, schedule: Schedule) -> None:
        assert schedule(5.0, 0.01, 1).tolist() == pytest.approx([5.0])

    @pytest.mark.parametrize(
        ("start", "end", "steps"),
        [(0.01, 5.0, 8), (5.0, 0.0, 8), (5.0, -1.0, 8), (float("inf"), 1.0, 8), (5.0, 0.01, 0)],
    )
    def test_schedules_that_cannot_fall_are_refused(
        self, schedule: Schedule, start: float, end: float, steps: int
    ) -> None:
        with pytest.raises(ValueError, match=r"expected 0 < end|steps must"):
            schedule(start, end, steps)


def test_the_log_schedule_has_a_constant_ratio() -> None:
    sigmas = log_sigma_schedule(50.0, 0.01, 9)
    ratios = sigmas[1:] / sigmas[:-1]
    torch.testing.assert_close(ratios, torch.full_like(ratios, 5000 ** (-1 / 8)))


def test_the_karras_schedule_is_even_in_the_root_of_sigma() -> None:
    steps = karras_schedule(80.0, 0.002, 18).pow(1 / 7).diff()
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_the_karras_schedule_needs_a_positive_rho() -> None:
    with pytest.raises(ValueError, match="rho"):
        karras_schedule(5.0, 0.01, 8, rho=0.0)


class TestOptimised:
    def test_it_is_better_than_that_of_karras_where_the_flow_is_known(self) -> None:
        std, start, end = 0.1, 5.0, 0.01

        def error(sigmas: Tensor) -> float:
            x = torch.full((1,), start, dtype=torch.float64)
            found = sample_euler(lambda x, s: -x / (std**2 + s**2), x, sigmas).x
            exact = start * std / (std**2 + start**2) ** 0.5
            return float((found - exact).abs())

        sigmas = optimised_schedule(error, start, end, 4)
        assert float(sigmas[0]) == pytest.approx(start)
        assert (sigmas.diff() < 0).all()
        assert float(sigmas[-1]) >= end * 0.999
        assert error(sigmas) < 0.7 * error(karras_schedule(start, end, 4))

    def test_one_step_leaves_nothing_to_choose(self) -> None:
        assert optimised_schedule(lambda sigmas: 0.0, 5.0, 0.01, 1)[0] == pytest.approx(5.0)


class TestAlongACurve:
    CURVE = (5.0, 1.4, 0.74, 0.44, 0.26, 0.135, 0.06, 0.02)

    def test_as_many_steps_as_the_curve_has_levels_are_the_curve(self) -> None:
        assert schedule_along(self.CURVE, 5.0, 0.01, 8).tolist() == pytest.approx(self.CURVE)

    def test_half_as_many_steps_are_every_second_level(self) -> None:
        assert schedule_along(self.CURVE, 5.0, 0.01, 4).tolist() == pytest.approx(self.CURVE[::2])

    @pytest.mark.parametrize("start", [80.0, 5.0, 0.2, 0.015, 0.0101])
    @pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 40])
    def test_levels_fall_strictly_from_any_start_and_stay_above_the_end(
        self, start: float, steps: int
    ) -> None:
        sigmas = schedule_along(self.CURVE, start, 0.01, steps)
        assert sigmas.shape == (steps,)
        assert float(sigmas[0]) == start
        assert (sigmas.diff() < 0).all()
        assert float(sigmas[-1]) > 0.01

    def test_from_a_start_on_the_curve_the_rest_of_it_is_shared_evenly(self) -> None:
        assert schedule_along(self.CURVE, 0.26, 0.01, 4).tolist() == pytest.approx(self.CURVE[4:])

    @pytest.mark.parametrize(("start", "end"), [(0.5, 0.5), (5.0, 0.05)])
    def test_where_the_curve_does_not_reach_levels_are_those_of_karras(
        self, start: float, end: float
    ) -> None:
        found = schedule_along(self.CURVE, start, end, 4)
        assert torch.equal(found, karras_schedule(start, end, 4))

    def test_a_schedule_that_cannot_fall_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected 0 < end"):
            schedule_along(self.CURVE, 0.001, 0.01, 4)
