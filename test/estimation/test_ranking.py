# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ranking: which candidates are kept, in which order."""

import pytest
import torch

from genpose_ros.estimation import candidate_density, rank_candidates
from genpose_ros.geometry import random_rotations
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, Symmetry, SymmetryBatch

GENERAL = SymmetryBatch.of([ASYMMETRIC])
FINITE = torch.ones(1, 5, dtype=torch.bool)
ENERGY = torch.tensor([[[1.0, 5], [3, 4], [2, 3], [5, 2], [4, 1]]])


def test_rotations_and_translations_are_ranked_by_their_own_energy():
    ranking = rank_candidates(ENERGY, FINITE, 0.6)
    assert ranking.rotation.tolist() == [[3, 4, 1]]
    assert ranking.translation.tolist() == [[0, 1, 2]]
    assert ranking.translation_rank.tolist() == [[0, 1, 2, 3, 4]]


def test_without_keys_the_candidates_drawn_first_are_kept():
    ranking = rank_candidates(None, FINITE, 0.6)
    assert ranking.rotation.tolist() == ranking.translation.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("k", "fraction", "kept"),
    [(50, 0.6, 30), (10, 0.01, 1), (100, 0.29, 29), (7, 1.0, 7), (1, 0.6, 1)],
)
def test_a_share_of_the_candidates_rounded_down_is_kept(k, fraction, kept):
    ranking = rank_candidates(None, torch.ones(2, k, dtype=torch.bool), fraction)
    assert ranking.rotation.shape == (2, kept)


def test_candidates_that_are_not_finite_come_last():
    energy = ENERGY.clone()
    energy[0, 3, 0] = torch.nan
    finite = FINITE.clone()
    finite[0, 4] = False
    ranking = rank_candidates(energy, finite, 1.0)
    assert ranking.rotation.tolist() == [[1, 2, 0, 3, 4]]
    assert ranking.translation.tolist() == [[0, 1, 2, 3, 4]]
    assert rank_candidates(None, finite.flip(1), 0.4).rotation.tolist() == [[1, 2]]


class TestCandidateDensity:
    def test_the_density_counts_neighbours_by_a_gaussian_kernel(self):
        x_m = torch.tensor([[0.0, 0.01, 0.5]], dtype=torch.float64)
        translation = torch.nn.functional.pad(x_m[..., None], (0, 2))
        rotation = torch.eye(3, dtype=torch.float64).expand(1, 3, 3, 3)
        density = candidate_density(rotation, translation, FINITE[:, :3], GENERAL)
        between = (10 * (x_m[0, :, None] - x_m[0])) ** 2  # decimetres
        expected = (-0.5 * between / 0.1**2).exp().sum(1).log()
        torch.testing.assert_close(density[0, :, 1], expected)
        torch.testing.assert_close(density[0, :, 0], torch.tensor(3.0).log().expand(3).double())

    def test_the_density_of_axisymmetric_objects_ignores_their_yaw(self):
        half = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
        rotation = torch.stack((torch.eye(3), torch.eye(3), half))[None]
        density = candidate_density(
            rotation.expand(2, -1, -1, -1),
            torch.zeros(2, 3, 3),
            FINITE[:, :3].expand(2, -1),
            SymmetryBatch.of([Symmetry(free_axis=True), ASYMMETRIC]),
        )
        assert density[0, 2, 0] == density[0, 0, 0]
        assert density[1, 2, 0] < density[1, 0, 0]

    def test_a_candidate_that_is_not_finite_is_no_neighbour(self):
        finite = torch.tensor([[True, False, False]])
        rotation = torch.eye(3).expand(1, 3, 3, 3)
        density = candidate_density(rotation, torch.zeros(1, 3, 3), finite, GENERAL)
        assert density[0, 0].tolist() == pytest.approx([0.0, 0.0])

    def test_the_density_of_a_group_counts_candidates_at_its_nearest_member(self):
        box = SymmetryBatch.of([Symmetry.parse({"x": "half", "y": "half"})])
        rotation = random_rotations(12, torch.Generator().manual_seed(0))
        members = box.rotations[0]
        spread = rotation @ members[torch.arange(12) % 4]
        finite, zeros = torch.ones(1, 12, dtype=torch.bool), torch.zeros(1, 12, 3).double()
        forms = (spread[:, None] @ members)[..., :2].flatten(-2)
        distance = (forms[:, None, :1] - forms[None]).norm(dim=-1).amin(dim=-1)
        expected = (-0.5 * distance.square() / 0.1**2).exp().sum(dim=1).log()
        density = candidate_density(spread[None], zeros, finite, box)[0, :, 0]
        torch.testing.assert_close(density, expected, rtol=0, atol=1e-6)
        unspread = candidate_density(rotation[None], zeros, finite, box)[0, :, 0]
        torch.testing.assert_close(density, unspread, rtol=0, atol=1e-6)
