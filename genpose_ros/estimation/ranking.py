# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Ranking of candidates by kernel density or by energy, and which are kept (paper section 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from genpose_ros.geometry.symmetry_groups import SymmetryBatch

__all__ = ["Ranking", "candidate_density", "rank_candidates"]

#: Of the density's kernel, in units of the rotation's entries and in decimetres.
_KERNEL_WIDTH = 0.1
_LENGTH_UNIT_M = 0.1


@dataclass(frozen=True)
class Ranking:
    """Ranked candidates of B objects: indices of the M kept ones among the K drawn, best first.

    Attributes:
        rotation: (B, M), by what ranks rotations.
        translation: (B, M), by what ranks translations.
        translation_rank: (B, K), place of every candidate by the latter, 0 is best.
        finite: (B, K) bool; candidates that are not finite count for nothing, kept or not.

    Example:
        >>> finite = torch.ones(1, 4, dtype=torch.bool)
        >>> ranking = rank_candidates(None, finite, keep_fraction=0.5)
        >>> ranking.rotation.tolist(), ranking.translation_rank.tolist()
        ([[0, 1]], [[0, 1, 2, 3]])
    """

    rotation: Tensor
    translation: Tensor
    translation_rank: Tensor
    finite: Tensor


def candidate_density(
    rotation: Tensor, translation: Tensor, finite: Tensor, symmetry: SymmetryBatch
) -> Tensor:
    """Return the log kernel density of each rotation and translation among all candidates.

    A Gaussian kernel over the first two columns of the rotations (where the y axis is free the
    second one alone), at the smallest distance over the group, and over translations in decimetres:
    it ranks without a network.

    Args:
        rotation: (B, K, 3, 3).
        translation: (B, K, 3), metres.
        finite: (B, K) bool; what is not finite counts for nothing.
        symmetry: of the objects.

    Returns:
        (B, K, 2), of rotations and of translations, up to constants.

    Example:
        >>> rotation = torch.eye(3).double().expand(1, 3, 3, 3)
        >>> translation = torch.tensor([[[0.0, 0, 0.8], [0, 0, 0.8], [0, 0, 1.5]]]).double()
        >>> finite = torch.ones(1, 3, dtype=torch.bool)
        >>> from genpose_ros.geometry import NOCS
        >>> mug = SymmetryBatch.of([NOCS["mug"].symmetry])
        >>> density = candidate_density(rotation, translation, finite, mug)
        >>> density[0, :, 1].exp().round(decimals=3).tolist()  # how many lie near, oneself included
        [2.0, 2.0, 1.0]
    """
    forms = _columns(symmetry.equivalents(rotation), symmetry.free)
    between_rotations = torch.cdist(forms[:, :1], forms).amin(dim=1)
    translation = translation / _LENGTH_UNIT_M
    logs = [
        (-0.5 * distance.square() / _KERNEL_WIDTH**2)
        .masked_fill(~finite[:, None], -torch.inf)
        .logsumexp(-1)
        for distance in (between_rotations, torch.cdist(translation, translation))
    ]
    return torch.stack(logs, -1)


def _columns(rotation: Tensor, free: Tensor) -> Tensor:
    """The first two columns, (B, G, K, 6); where y is free (B,), zeros and the second one."""
    x_axis = torch.where(free[:, None, None, None], 0.0, rotation[..., 0])
    return torch.cat((x_axis, rotation[..., 1]), -1)


def rank_candidates(key: Tensor | None, finite: Tensor, keep_fraction: float) -> Ranking:
    """Rank rotations and translations by their keys, independently; keep the first ones.

    floor(keep_fraction K) are kept, at least one (paper section 3.2). Equal keys stay in the order
    drawn.

    Args:
        key: (B, K, 2), of rotations and translations, such as their energies or their density;
            higher is better; None: the order drawn.
        finite: (B, K) bool; candidates that are not finite come last.
        keep_fraction: share of the candidates that is kept (the paper's delta).

    Example:
        >>> key = torch.tensor([[[0.1, 9.0], [0.3, 7.0], [0.2, 8.0]]])
        >>> finite = torch.tensor([[True, True, True]])
        >>> ranking = rank_candidates(key, finite, keep_fraction=0.67)
        >>> ranking.rotation.tolist(), ranking.translation.tolist()
        ([[1, 2]], [[0, 2]])
    """
    if key is None:
        key = torch.zeros(*finite.shape, 2, device=finite.device)
    usable = finite[..., None] & ~key.isnan()
    order = torch.where(usable, key.double(), -torch.inf).argsort(
        dim=1, descending=True, stable=True
    )
    # The epsilon: floor(0.29 * 100) would be 28.
    kept = max(1, int(keep_fraction * finite.shape[1] + 1e-9))
    return Ranking(
        rotation=order[:, :kept, 0],
        translation=order[:, :kept, 1],
        translation_rank=order[..., 1].argsort(dim=1),
        finite=finite,
    )
