# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the prior of resting objects: weights of tilts, and resampling in proportion to them."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.rest_prior import (
    STANCE_SHARES,
    resampled,
    settling_turn,
    stance_shares,
    stance_weights,
)
from genpose_ros.geometry import Category
from genpose_ros.geometry.rotations import random_rotations, so3_exp

ANY_REST = torch.tensor([list(STANCE_SHARES.values())])


def random_cosines(count):
    axes = Rotation.random(count, random_state=0).as_matrix()[:, 1, 1]
    return torch.from_numpy(axes)[None]


@pytest.mark.parametrize("touches", [True, False])
def test_weights_are_a_density_that_averages_to_one_over_all_orientations(touches):
    weights = stance_weights(random_cosines(200_000), torch.tensor([touches]), ANY_REST)
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.03)


def test_a_share_of_the_weight_is_within_each_stance():
    cosine = random_cosines(200_000)
    weights = stance_weights(cosine, torch.tensor([True]), ANY_REST)[0]
    standing = cosine[0] > math.cos(math.radians(25))
    chance = float(standing.double().mean())
    leaning = chance * (1 - sum(STANCE_SHARES.values()))
    share = float(weights[standing].sum() / weights.sum())
    assert share == pytest.approx(STANCE_SHARES["standing"] + leaning, abs=0.02)


def test_objects_that_touch_nothing_are_not_weighted():
    cosine = random_cosines(50)
    assert torch.equal(stance_weights(cosine, torch.tensor([False]), ANY_REST), torch.ones(1, 50))


def test_resampling_takes_each_candidate_as_often_as_its_weight_says():
    weights = torch.from_numpy(np.random.default_rng(0).exponential(size=(7, 50)))
    counts = torch.nn.functional.one_hot(resampled(weights), 50).sum(1)
    expected = 50 * weights / weights.sum(1, keepdim=True)
    assert float((counts - expected).abs().max()) < 1


def test_equal_weights_take_every_candidate_once_and_zero_ones_never():
    assert resampled(torch.ones(2, 9)).tolist() == [list(range(9))] * 2
    assert set(resampled(torch.tensor([[0.0, 2.0, 0.0, 1.0]])).flatten().tolist()) == {1, 3}


def test_stances_that_a_category_does_not_rest_in_are_as_likely_as_any_orientation():
    laptop = Category(name="laptop", rests=("standing",))
    cosine = torch.tensor([[1.0, -1.0, 0.0]])
    weights = stance_weights(cosine, torch.tensor([True]), stance_shares([laptop]))[0]
    assert weights[0] > 9
    assert weights[1:].tolist() == pytest.approx([0.95, 0.95])


def tilted(degrees, up):
    """Unit vectors so far from up, each towards another side."""
    side = torch.linalg.cross(up, torch.tensor([0.3, -0.5, 0.8], dtype=up.dtype).expand_as(up))
    axis = side / side.norm(dim=-1, keepdim=True)
    return (so3_exp(math.radians(degrees) * axis) @ up[..., None])[..., 0]


@pytest.fixture
def up():
    generator = torch.Generator().manual_seed(0)
    return random_rotations(20, generator)[..., 1]


def settled_tilt_deg(degrees, up, shares, *, spread_deg=2.0, touches=True):
    y_axis = tilted(degrees, up)
    spread = torch.full((len(up),), math.radians(spread_deg)).double()
    shares = torch.tensor([shares]).double().expand(len(up), 3)
    turn = settling_turn(y_axis, up, spread, torch.full((len(up),), touches), shares)
    y_axis = (so3_exp(turn) @ y_axis[..., None])[..., 0]
    return (y_axis * up).sum(-1).clamp(-1, 1).acos().rad2deg()


@pytest.mark.parametrize("stance", [0, 90, 180])
def test_a_stance_that_is_sure_is_combined_by_variances(up, stance):
    shares = {0: (1.0, 0.0, 0.0), 180: (0.0, 1.0, 0.0), 90: (0.0, 0.0, 1.0)}[stance]
    found = settled_tilt_deg(abs(stance - 4.0), up, shares, spread_deg=2.0)
    left = 4.0 * 2.5**2 / (2.0**2 + 2.5**2 + 2.5**2)
    assert found.tolist() == pytest.approx([abs(stance - left)] * len(up), abs=1e-6)


def test_the_posterior_is_that_of_numerical_integration(up):
    """Of the true y axis over the sphere: a stance that spreads about up, or any orientation."""
    share, tilt, spread, shared, rest = 0.1, *np.radians([9.0, 2.0, 2.5, 2.5])
    error = spread**2 + shared**2
    # In the plane across up: x towards the pose; angles are small enough for it to be flat.
    x, z = np.meshgrid(*[np.linspace(-0.8, 0.8, 1601)] * 2)
    likelihood = np.exp(-((x - tilt) ** 2 + z**2) / (2 * error))
    stands = share * np.exp(-(x**2 + z**2) / (2 * rest**2)) / (2 * math.pi * rest**2)
    leans = np.full_like(x, (1 - share) / (4 * math.pi))
    posterior = likelihood * (stands + leans)
    mean_deg = np.degrees((posterior * x).sum() / posterior.sum())
    found = settled_tilt_deg(9.0, up, (share, 0.0, 0.0), spread_deg=2.0)
    assert found.tolist() == pytest.approx([mean_deg] * len(up), abs=0.05)


def test_what_leans_or_touches_nothing_is_not_turned(up):
    shares = tuple(STANCE_SHARES.values())
    assert settled_tilt_deg(30.0, up, shares).tolist() == pytest.approx([30.0] * 20, abs=0.01)
    held = settled_tilt_deg(4.0, up, shares, touches=False)
    assert held.tolist() == pytest.approx([4.0] * 20, abs=1e-6)


def test_what_stands_exactly_or_is_exactly_over_stays(up):
    shares = tuple(STANCE_SHARES.values())
    for degrees in (0.0, 180.0):
        found = settled_tilt_deg(degrees, up, shares)
        assert found.tolist() == pytest.approx([degrees] * len(up), abs=1e-3)
