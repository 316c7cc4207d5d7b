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
    stance_shares,
    stance_weights,
)
from genpose_ros.geometry import Category

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
    assert weights[0] > 15
    assert weights[1:].tolist() == pytest.approx([0.9, 0.9])
