"""Which candidates are kept: the best by energy (paper section 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Ranking", "rank_candidates"]


@dataclass(frozen=True)
class Ranking:
    """The kept candidates of B objects as indices into the K drawn ones, best first.

    Attributes:
        rotation: (B, M), by rotation energy.
        translation: (B, M), by translation energy.
        translation_rank: (B, K), place of every candidate by translation energy, 0 is best.
        finite: (B, K) bool; candidates that are not finite count for nothing, kept or not.
    """

    rotation: Tensor
    translation: Tensor
    translation_rank: Tensor
    finite: Tensor


def rank_candidates(energy: Tensor | None, finite: Tensor, keep_fraction: float) -> Ranking:
    """Rank rotations by E_rot and translations by E_trans, independently; keep the first ones.

    floor(keep_fraction K) are kept, at least one. Equal energies stay in the order drawn.

    Args:
        energy: (B, K, 2), rotation and translation energy, higher is better; None: the order drawn.
        finite: (B, K) bool; candidates that are not finite come last.
        keep_fraction: share of the candidates that is kept (delta).
    """
    if energy is None:
        energy = torch.zeros(*finite.shape, 2, device=finite.device)
    usable = finite[..., None] & ~energy.isnan()
    key = torch.where(usable, energy.double(), -torch.inf)
    order = key.argsort(dim=1, descending=True, stable=True)
    # The epsilon: floor(0.29 * 100) would be 28.
    kept = max(1, int(keep_fraction * finite.shape[1] + 1e-9))
    return Ranking(
        rotation=order[:, :kept, 0],
        translation=order[:, :kept, 1],
        translation_rank=order[..., 1].argsort(dim=1),
        finite=finite,
    )
