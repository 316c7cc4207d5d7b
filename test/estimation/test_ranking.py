"""Ranking: which candidates are kept, in which order."""

import pytest
import torch

from genpose_ros.estimation import rank_candidates

FINITE = torch.ones(1, 5, dtype=torch.bool)
ENERGY = torch.tensor([[[1.0, 5], [3, 4], [2, 3], [5, 2], [4, 1]]])


def test_rotations_and_translations_are_ranked_by_their_own_energy():
    ranking = rank_candidates(ENERGY, FINITE, 0.6)
    assert ranking.rotation.tolist() == [[3, 4, 1]]
    assert ranking.translation.tolist() == [[0, 1, 2]]
    assert ranking.translation_rank.tolist() == [[0, 1, 2, 3, 4]]


def test_without_energies_the_first_drawn_are_kept():
    ranking = rank_candidates(None, FINITE, 0.6)
    assert ranking.rotation.tolist() == ranking.translation.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("k", "fraction", "kept"),
    [(50, 0.6, 30), (10, 0.01, 1), (100, 0.29, 29), (7, 1.0, 7), (1, 0.6, 1)],
)
def test_how_many_are_kept(k, fraction, kept):
    ranking = rank_candidates(None, torch.ones(2, k, dtype=torch.bool), fraction)
    assert ranking.rotation.shape == (2, kept)


def test_what_is_not_finite_comes_last():
    energy = ENERGY.clone()
    energy[0, 3, 0] = torch.nan
    finite = FINITE.clone()
    finite[0, 4] = False
    ranking = rank_candidates(energy, finite, 1.0)
    assert ranking.rotation.tolist() == [[1, 2, 0, 3, 4]]
    assert ranking.translation.tolist() == [[0, 1, 2, 3, 4]]
    assert rank_candidates(None, finite.flip(1), 0.4).rotation.tolist() == [[1, 2]]
