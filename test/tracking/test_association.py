# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Association: the assignment against brute force, gates, classes and mask ids."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genpose_ros.estimation import Instance, ObjectCloud
from genpose_ros.geometry import PinholeCamera
from genpose_ros.tracking.association import (
    Expected,
    assign,
    associate,
    association_costs,
    is_duplicate,
)

CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)


def square(x, category="mug", number=1, z=0.8):
    """The cloud and mask of a square of 8 cm at (x, 0, z)."""
    mask = np.zeros((240, 320), dtype=bool)
    low, high = (round(300 * (x + side) / z + 159.5) for side in (-0.04, 0.04))
    mask[105:135, max(low, 0) : max(high, 0)] = True
    points = surface(x, z)
    return ObjectCloud(Instance(number, category, mask), points, len(points))


def surface(x, z=0.8):
    grid = np.linspace(-0.035, 0.035, 8)
    u, v = np.meshgrid(grid, grid)
    return np.stack((u.ravel() + x, v.ravel(), np.full(64, z)), -1).astype(np.float32)


def expected(x, category="mug", **values):
    return Expected(category, surface(x), **{"gate_m": 0.2, **values})


def brute_force(costs):
    """Most pairs, then least cost, over all ways to give rows to columns."""
    n, m = costs.shape
    best = (0, 0.0)
    for columns in permutations([*range(m), *[None] * n], n):
        chosen = [costs[i, j] for i, j in enumerate(columns) if j is not None]
        chosen = [cost for cost in chosen if np.isfinite(cost)]
        best = min(best, (-len(chosen), sum(chosen)))
    return best


class TestAssign:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
    def test_the_assignment_agrees_with_brute_force(self, n, m, seed):
        rng = np.random.default_rng(seed)
        costs = rng.uniform(-3, 3, (n, m))
        costs[rng.random((n, m)) < 0.3] = np.inf
        pairs = assign(costs)
        assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
        total = (-len(pairs), sum(costs[i, j] for i, j in pairs))
        assert total == pytest.approx(brute_force(costs))

    def test_nothing_is_assigned_where_nothing_is_possible(self):
        assert assign(np.full((2, 3), np.inf)) == []
        assert assign(np.zeros((0, 3))) == []


class TestCosts:
    def test_costs_are_distance_over_the_gate_and_what_the_mask_leaves_uncovered(self):
        costs = association_costs([square(0.0)], [expected(0.0), expected(0.04)], CAMERA)
        assert costs[0, 0] == pytest.approx(0.0, abs=1e-6)
        # 4 of the 8 columns of points lie beyond the mask.
        assert costs[0, 1] == pytest.approx(0.04 / 0.2 + 0.5, abs=0.13)

    def test_a_cloud_beyond_the_gate_is_impossible(self):
        costs = association_costs([square(0.0)], [expected(0.21), expected(0.19)], CAMERA)
        assert np.isfinite(costs).tolist() == [[False, True]]

    def test_another_class_is_possible_only_in_the_same_place(self):
        cans = [expected(0.0, "can"), expected(0.06, "can")]
        costs = association_costs([square(0.0)], cans, CAMERA)
        assert np.isfinite(costs).tolist() == [[True, False]]
        assert costs[0, 0] == pytest.approx(1.0, abs=1e-6)

    def test_kept_ids_count_only_when_trusted(self):
        tracks = [expected(0.1, instance_id=7), expected(0.0, instance_id=8)]
        cloud = square(0.0, number=7)
        plain = association_costs([cloud], tracks, CAMERA)
        trusted = association_costs([cloud], tracks, CAMERA, use_mask_ids=True)
        assert plain[0].argmin() == 1
        assert trusted[0].argmin() == 0


class TestAssociate:
    def test_nothing_is_associated_without_objects_or_tracks(self):
        assert associate([], [expected(0.0)], CAMERA) == {}
        assert associate([square(0.0)], [], CAMERA) == {}

    def test_the_total_cost_decides_and_not_the_nearest(self):
        # The first cloud is nearest to the second track, which the second cloud needs.
        clouds = [square(0.0), square(0.15)]
        tracks = [expected(-0.19), expected(0.02)]
        assert associate(clouds, tracks, CAMERA) == {0: 0, 1: 1}

    def test_a_lost_track_chooses_after_a_live_one(self):
        tracks = [expected(0.0, lost=True), expected(0.05)]
        assert associate([square(0.0)], tracks, CAMERA) == {1: 0}
        assert associate([square(0.0), square(0.05)], tracks, CAMERA) == {0: 0, 1: 1}

    def test_a_lost_track_of_the_class_comes_before_a_live_one_of_another(self):
        tracks = [expected(0.0, "can"), expected(0.05, lost=True)]
        assert associate([square(0.0)], tracks, CAMERA) == {1: 0}
        assert associate([square(0.0)], tracks[:1], CAMERA) == {0: 0}


def test_duplicates_share_most_of_a_mask():
    whole, other = square(0.0), square(0.1)
    assert is_duplicate(square(0.01), [other, whole])
    assert not is_duplicate(square(0.05), [other])
    assert not is_duplicate(whole, [])
