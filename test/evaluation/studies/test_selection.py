# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables 1 to 4 on candidates of known errors."""

from itertools import combinations

import numpy as np
import pytest
import torch

from genpose_ros.evaluation.studies import (
    TABLES,
    best_of_k,
    candidate_numbers,
    categories,
    draw_view_candidates,
    ranking,
)
from genpose_ros.evaluation.studies.selection import expected_best_of
from genpose_ros.geometry.rotations import so3_exp


@pytest.mark.parametrize("hits", range(7))
def test_expected_best_of_counts_all_ways_to_choose(hits):
    right = [i < hits for i in range(6)]
    for count in range(1, 7):
        ways = [any(way) for way in combinations(right, count)]
        expected = sum(ways) / len(ways)
        assert expected_best_of(np.array(hits), 6, count) == pytest.approx(expected, abs=1e-12)


def test_best_of_k_reports_pooled_and_best_shares(known):
    degrees = np.full((2, 50), 30.0)
    degrees[0, 7] = 4.0  # one hit of 50 in the standing view
    energy = -np.stack([degrees, degrees], -1)
    content = best_of_k(known("camera", degrees, np.ones((2, 50)), energy)).content
    assert content["pooled"]["standing"]["5d2cm"] == 0
    assert content["best_of"]["50"]["standing"]["5d2cm"] == 100
    assert content["best_of"]["10"]["standing"]["5d2cm"] == pytest.approx(20)
    assert content["best_of"]["50"]["tipped"]["5d2cm"] == 0
    assert content["best_of"]["50"]["all"]["10d5cm"] == 50
    table = TABLES["best-of-k"](content)
    assert "| best of 50 | 100.0 (82.0) |" in table


def test_every_number_of_candidates_and_share_kept_is_reported(known):
    # The energy knows: the first tenth is right, and the rest is 30 degrees off.
    degrees = np.full((2, 100), 30.0)
    degrees[:, ::10] = 0.0
    energy = -np.stack([degrees, degrees], -1)
    content = candidate_numbers(known("camera", degrees, np.zeros((2, 100)), energy)).content
    # Of 10 with 2 kept, one is right: the mean is 15 degrees off.
    assert content["mean"]["all"]["10"] == [0.0] * 5
    # Of 100 with 20 kept, ten are right and ten wrong.
    assert content["mean"]["all"]["100"][0] == 0.0
    # By density the many that agree on 30 degrees win, whatever the energy says.
    assert content["modes"]["all"]["100"] == [0.0] * 5
    assert "70.2" in TABLES["candidates"](content)


def test_density_is_highest_where_candidates_are_densest(known):
    degrees = [[0.0, 0.5, 1.0, 40.0, 41.0]]
    density = known("camera", degrees, [[0.0, 0.1, 5.0, 5.1, 5.2]]).density
    assert density[0, :, 0].argmax() == 1
    assert density[0, :, 1].argmax() in (2, 3, 4)
    # By hand: kernel sums over squared distances in decimetres.
    x = np.array([0.0, 0.01, 0.5, 0.51, 0.52])
    expected = np.log(np.exp(-0.5 * (x[:, None] - x) ** 2 / 0.1**2).sum(1))
    np.testing.assert_allclose(density[0, :, 1], expected, atol=1e-6)


def test_density_of_axisymmetric_shapes_ignores_their_yaw(known):
    for name, same in (("can", True), ("camera", False)):
        candidates = known(name, np.zeros((1, 4)), np.zeros((1, 4)))
        turn = torch.zeros(1, 4, 3, dtype=torch.float64)
        turn[0, 3, 1] = 2.0
        candidates.rotation[:] = so3_exp(turn)
        density = candidates.density[0, :, 0]
        assert torch.allclose(density[3], density[0]) is same


def test_a_candidate_that_is_not_finite_adds_no_density(known):
    candidates = known("camera", np.zeros((1, 4)), np.zeros((1, 4)))
    candidates.finite[0, 1:] = False
    assert candidates.density[0, 0].tolist() == pytest.approx([0.0, 0.0])


def test_every_ranking_is_reported_with_its_cost(estimator, views):
    drawn = draw_view_candidates(estimator, views[:12], 50)
    content = ranking(drawn, estimator, likelihood_views=2).content
    assert set(content["rows"]) == {"random", "density", "energy", "truth"}
    best = content["rows"]["truth"]["single"]["all"]
    for row in content["rows"].values():
        for pooling in ("single",):
            assert all(row[pooling]["all"][name] <= best[name] for name in best)
    cost = {name: row["cpu_ms_per_object"] for name, row in content["likelihood"]["rows"].items()}
    assert cost["likelihood"] > cost["energy"] > cost["random"] == 0
    assert "13.5" in TABLES["ranking"](content)


def test_the_table_of_categories_stands_beside_the_paper_s_shares(known):
    errors = np.full((4, 50), 3.0), np.full((4, 50), 1.0)
    candidates = known("bowl", *errors, np.zeros((4, 50, 2)), symmetric=[True] * 4)
    content = categories(candidates).content
    assert content["rows"]["bowl"]["standing"]["5d2cm"] == 100
    assert content["rows"]["mug"]["all"]["5d2cm"] is None
    assert content["rows"]["all"]["all"]["10d5cm"] == 100
    table = TABLES["categories"](content)
    assert "| bowl | 100.0 (85.4) |" in table
    assert "| mug | - (35.7) |" in table
