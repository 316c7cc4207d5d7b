# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Candidates of a Gaussian, whose probability flow has a closed form."""

import math
from dataclasses import replace

import pytest
import torch

from genpose_ros.diffusion import karras_schedule
from genpose_ros.estimation import (
    EstimatorSettings,
    PoseEstimator,
    draw_candidates,
    draw_noise,
)
from genpose_ros.estimation.candidates import noise_levels, steps_are_coarse

FAST = EstimatorSettings(candidates=7)


@pytest.fixture
def encoding(toy):
    points_cam = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0)) * 0.03
    return toy.model().encode(points_cam + torch.tensor([0.1, 0.0, 0.9]))


def flow(x, model, sigma_start):
    """The end of the exact flow from x and of a full Tweedie step at sigma_min, for one mode."""
    mean, s = model.modes[0], model.deviation
    lower, upper = s**2 + model.sigma_min**2, s**2 + sigma_start**2
    return mean + (x - mean) * math.sqrt(lower / upper) * s**2 / lower


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_fixed_step_solvers_follow_the_exact_flow(toy, encoding, sampler):
    model = toy.model(deviation=0.1)
    settings = replace(FAST, sampler=sampler, steps=200, start_sigma=2.0)
    x = draw_candidates(model, encoding, settings)
    expected = flow(2.0 * draw_noise(settings), model, 2.0)
    assert x.shape == (2, 7, 9)
    assert x.dtype == torch.float64
    # Euler's error falls as 1 / steps, DPM-Solver's as its square.
    assert (x - expected).abs().max() < (5e-3 if sampler == "euler" else 5e-4)


def test_rk45_keeps_the_noise_of_sigma_min(toy, encoding):
    model = toy.model(deviation=0.1)
    settings = EstimatorSettings.preset("paper", candidates=7)
    x = draw_candidates(model, encoding, settings)
    mean, s, sigma = model.modes[0], 0.1, settings.start_sigma
    shrink = math.sqrt((s**2 + 0.01**2) / (s**2 + sigma**2))
    expected = mean + (sigma * draw_noise(settings) - mean) * shrink
    # The reference's last step removes 1.7 % of a noise that is 0.5 % of the variance here.
    assert (x - expected).abs().max() < 1e-3


def test_eight_steps_reach_the_mode(toy, encoding):
    model = toy.model(deviation=0.005)
    x = draw_candidates(model, encoding, replace(FAST, steps=8))
    assert (x - model.modes[0]).abs().max() < 5 * 0.005


def test_a_start_level_outside_the_trained_range_is_clamped(toy, encoding):
    model = toy.model(deviation=0.1)
    model.sigma_max = 1.0
    a, b = (draw_candidates(model, encoding, replace(FAST, start_sigma=s)) for s in (1.0, 80.0))
    assert torch.equal(a, b)
    model.sigma_min = 0.5
    assert draw_candidates(model, encoding, replace(FAST, start_sigma=0.02)).isfinite().all()


def test_objects_share_their_noise_and_the_seed_decides(toy, encoding):
    x = draw_candidates(toy.model(), encoding, FAST)
    assert torch.allclose(x[0], x[1], atol=1e-6)
    assert torch.equal(x, draw_candidates(toy.model(), encoding, FAST))
    assert not torch.allclose(x, draw_candidates(toy.model(), encoding, replace(FAST, seed=1)))


def test_a_start_decides_between_modes(toy, encoding):
    model = toy.Model(
        rotation=torch.stack((toy.pose, toy.pose)),
        offset=torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]]),
    )
    settings = replace(FAST, start_sigma=0.1, steps=4, candidates=40)
    for mode in model.modes:
        x = draw_candidates(model, encoding, settings, start=mode)
        assert (x - mode).abs().max() < 0.1


@pytest.mark.parametrize("sampler", ["euler", "rk45"])
def test_an_object_without_scores_comes_out_as_nan_and_leaves_the_others(toy, sampler):
    points_cam = torch.zeros(3, 16, 3)
    points_cam[:, :, 2] = torch.tensor([0.5, 3.0, 0.7])[:, None]
    model = toy.model(broken_beyond_m=1.0)
    settings = replace(FAST, sampler=sampler, tolerance=1e-3)
    x = draw_candidates(model, model.encode(points_cam), settings)
    assert x[1].isnan().all()
    assert x[[0, 2]].isfinite().all()


class Distilled:
    """Mixture of one mode whose flow's end is known, and what it was asked for."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    distilled_sigma = 0.5

    def flow_ends(self, encoding, levels):
        mean, s = self.model.modes[0], self.model.deviation

        def end(pose, step):
            self.asked.append(sigma := levels.values[step])
            return (mean + (pose - mean) * s / math.sqrt(s**2 + sigma**2)).float()

        return end


@pytest.mark.parametrize(
    ("sampler", "steps", "start", "levels"),
    [
        ("distilled", 8, 5.0, [5.0]),
        ("auto", 8, 5.0, [5.0]),
        ("distilled", 1, 5.0, [5.0]),
        ("distilled", 2, 0.2, [0.2]),
        ("euler", 2, 5.0, []),
    ],
)
def test_the_distilled_head_is_asked_once_or_twice(toy, encoding, sampler, steps, start, levels):
    model = Distilled(toy.model(deviation=0.1))
    settings = replace(FAST, sampler=sampler, steps=steps, start_sigma=start, candidates=400)
    x = draw_candidates(model, encoding, settings)
    assert model.asked == pytest.approx(levels)
    if start == 5.0 and levels:
        away = x - model.model.modes[0]
        # After one step the data's spread, after the score's from level 0.5 that of its answers:
        # four standard errors; the start is centred on zero instead of the mode.
        spread = 0.1 if steps == 1 else 0.1**2 / math.sqrt(0.1**2 + 0.5**2)
        assert float(away.std()) == pytest.approx(spread, rel=4 / math.sqrt(2 * 400 * 9) + 0.05)


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({"steps": 4}, [4.0, 2.0, 1.0, 0.5]),
        ({"steps": 2}, [4.0, 1.0]),
        ({"steps": 2, "sampler": "dpmpp_2m"}, [4.0, 1.0]),
        ({"steps": 2, "schedule": "karras"}, [4.0, 0.25]),
        ({"sampler": "rk45"}, [4.0, 0.25]),
    ],
)
def test_levels_are_along_the_models_curve_unless_settings_say_otherwise(toy, settings, levels):
    model = toy.model()
    model.sigma_min, model.noise_curve = 0.25, (4.0, 2.0, 1.0, 0.5)
    found = noise_levels(model, replace(FAST, **settings), 4.0)
    assert found == pytest.approx(levels)


def test_architectures_without_a_curve_take_the_steps_of_karras(toy):
    model = toy.model()
    expected = karras_schedule(5.0, model.sigma_min, 4).tolist()
    assert noise_levels(model, replace(FAST, steps=4), 5.0) == expected


@pytest.mark.parametrize(
    ("curve", "settings", "coarse"),
    [
        ((), {}, True),
        ((), {"sampler": "distilled"}, True),  # it has no such head: Euler takes the steps
        ((), {"steps": 8}, False),
        ((), {"sampler": "rk45"}, False),
        ((), {"schedule": "karras"}, False),  # asked for
        ((4.0, 1.0), {}, False),
    ],
)
def test_few_steps_are_coarse_where_no_levels_were_searched(toy, caplog, curve, settings, coarse):
    model = toy.model()
    model.noise_curve = curve
    chosen = EstimatorSettings(**settings)
    assert steps_are_coarse(model, chosen) is coarse
    PoseEstimator(model, chosen)
    assert ("4 steps are few for mixture" in caplog.text) is coarse


@pytest.mark.parametrize("sampler", ["auto", "distilled"])
def test_without_a_distilled_head_candidates_are_eulers(toy, encoding, sampler):
    model = toy.model(deviation=0.1)
    found = draw_candidates(model, encoding, replace(FAST, sampler=sampler))
    assert torch.equal(found, draw_candidates(model, encoding, replace(FAST, sampler="euler")))
