# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Prior of resting objects: candidates weighted by how their stance fits the direction up.

Models that do not take the direction up draw candidates as if every stance were as likely as in
their training. Where it is known, and the object touches its support, most of them stand.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from genpose_ros.geometry.categories import Category

__all__ = ["STANCE_SHARES", "resampled", "stance_shares", "stance_weights"]

#: How objects that touch a support rest on it, by `Category.rests`; what is left leans. Less of a
#: difference than there is, or what the network knows of those that do not stand would be lost:
#: these shares cost no stance more than a point, and four times as large ones up to four.
STANCE_SHARES: Mapping[str, float] = {"standing": 0.1, "upside_down": 0.05, "lying": 0.02}
#: Deviation of the tilt of a candidate that rests, radians: the candidates' spread.
_SPREAD_RAD = math.radians(6.0)


def stance_shares(categories: Sequence[Category]) -> Tensor:
    """Return the shares of B objects that stand, are upside down and lie, (B, 3).

    Args:
        categories: of the objects; in stances that are not of their `rests` none is.

    Example:
        >>> cup = Category(name="cup", rests=("standing",))
        >>> stance_shares([cup]).tolist()
        [[0.1, 0.0, 0.0]]
    """
    shares = [
        [p if name in c.rests else 0.0 for name, p in STANCE_SHARES.items()] for c in categories
    ]
    return torch.tensor(shares, dtype=torch.float64)


def stance_weights(tilt_cosine: Tensor, touches: Tensor, shares: Tensor) -> Tensor:
    """Return the density of each tilt against the vertical, relative to that of any orientation.

    Args:
        tilt_cosine: (B, K) cosine of the angle between the objects' y axes and up.
        touches: (B,) bool, which objects touch their support.
        shares: (B, 3) of the objects that touch one, as of `stance_shares`.

    Returns:
        (B, K) positive weights; 1 on average over all orientations.

    Example:
        >>> standing_lying_leaning = torch.tensor([[1.0, 0.0, 0.7]])
        >>> shares = torch.tensor([[0.4, 0.08, 0.1]])
        >>> stance_weights(standing_lying_leaning, torch.tensor([True]), shares).round().tolist()
        [[73.0, 1.0, 0.0]]
    """
    tilt = tilt_cosine.clamp(-1, 1).acos()
    pole, band = 2 / _SPREAD_RAD**2, 2 / (math.sqrt(2 * math.pi) * _SPREAD_RAD)

    def near(angle_rad: float) -> Tensor:
        return (-0.5 * ((tilt - angle_rad) / _SPREAD_RAD).square()).exp()

    standing, upside_down, lying = shares.unsqueeze(1).unbind(-1)
    resting = (
        standing * pole * near(0.0)
        + upside_down * pole * near(math.pi)
        + lying * band * near(math.pi / 2)
    )
    return torch.where(touches.unsqueeze(-1), 1 - shares.sum(-1, keepdim=True) + resting, 1.0)


def resampled(weights: Tensor) -> Tensor:
    """Return which K of K candidates to take, some more than once, in proportion to weights.

    Systematic resampling: a candidate with p of the sum is taken floor(p K) or ceil(p K) times.

    Args:
        weights: (B, K), not negative, each row's sum positive.

    Returns:
        (B, K) indices in ascending order.

    Example:
        >>> resampled(torch.tensor([[1.0, 0.0, 3.0, 0.0]])).tolist()
        [[0, 2, 2, 2]]
    """
    count = weights.shape[1]
    until = weights.cumsum(1) / weights.sum(1, keepdim=True)
    places = (torch.arange(count, device=weights.device, dtype=until.dtype) + 0.5) / count
    chosen = torch.searchsorted(until, places.expand_as(until).contiguous())
    return chosen.clamp_max(count - 1)
