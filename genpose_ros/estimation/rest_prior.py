# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Prior of resting objects: candidates and poses weighed by how their stance fits the direction up.

Models that do not take the direction up draw candidates as if every stance were as likely as in
their training. Where it is known, and the object touches its support, most of them stand; and how
far one that stands seems to tilt is mostly error.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from genpose_ros.geometry.categories import Category

__all__ = ["STANCE_SHARES", "resampled", "settling_turn", "stance_shares", "stance_weights"]

#: How objects that touch a support rest on it, by `Category.rests`; what is left leans. Less of a
#: difference than there is, or what the network knows of those that do not stand would be lost:
#: twice as large shares gain no more where objects stand, and cost a point more where they do not.
STANCE_SHARES: Mapping[str, float] = {"standing": 0.05, "upside_down": 0.03, "lying": 0.03}
#: Deviation of the tilt of a candidate that rests, radians: the candidates' spread.
_SPREAD_RAD = math.radians(6.0)
#: Deviation of a pose's tilt that its candidates share, as depth errs for all of them, radians: of
#: recorded frames, where it is more than in simulated ones.
_SHARED_RAD = math.radians(2.5)
#: Deviation of the y axis of an object that rests from the support's normal, or from its plane
#: where it lies: of feet, supports, and of the direction up itself, radians.
_REST_RAD = math.radians(2.5)


def stance_shares(categories: Sequence[Category]) -> Tensor:
    """Return the shares of B objects that stand, are upside down and lie, (B, 3).

    Args:
        categories: of the objects; in stances that are not of their `rests` none is.

    Example:
        >>> cup = Category(name="cup", rests=("standing",))
        >>> stance_shares([cup]).tolist()
        [[0.05, 0.0, 0.0]]
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
    variance = torch.full_like(tilt, _SPREAD_RAD**2)
    resting = _densities(_from_stances(tilt), variance, shares.unsqueeze(1)).sum(-1)
    return torch.where(touches.unsqueeze(-1), 1 - shares.sum(-1, keepdim=True) + resting, 1.0)


def settling_turn(
    y_axis: Tensor, up: Tensor, spread_rad: Tensor, touches: Tensor, shares: Tensor
) -> Tensor:
    """Return the turns that combine the tilts of poses with those of resting objects.

    The tilt of a pose is normally distributed about the true one, that of an object which stands,
    lies or is upside down about its stance's; one that leans has any. The turn is the mean of the
    posterior: that of each stance by the two variances, weighed by how likely the stance is. So a
    pose that nearly stands is turned by up to half of its tilt and more, and one that leans is not.

    Args:
        y_axis: (B, 3) of the poses, unit vectors, camera frame.
        up: (B, 3) unit vectors against gravity.
        spread_rad: (B,) deviation of the candidates' tilts, about each axis.
        touches: (B,) bool, which objects touch their support; the others are not turned.
        shares: (B, 3) of the objects that touch one, as of `stance_shares`.

    Returns:
        (B, 3) rotation vectors in the axes of the camera frame, zero where nothing turns.

    Example:
        >>> tilted = torch.tensor([[0.0, math.cos(0.1), math.sin(0.1)]])
        >>> up, shares = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.1, 0.05, 0.02]])
        >>> turn = settling_turn(tilted, up, torch.tensor([0.04]), torch.tensor([True]), shares)
        >>> [round(float(angle), 2) for angle in turn[0]]
        [-0.06, 0.0, 0.0]
    """
    tilt = (y_axis * up).sum(-1).clamp(-1, 1).acos()
    error = spread_rad.square() + _SHARED_RAD**2
    apart = error + _REST_RAD**2
    amounts = _from_stances(tilt)  # about the axis that takes y to up
    density = _densities(amounts, apart, shares)
    likely = density / (density.sum(-1, keepdim=True) + 1 - shares.sum(-1, keepdim=True))
    turn = torch.where(touches, error / apart * (likely * amounts).sum(-1), 0.0)
    across = torch.linalg.cross(y_axis, up, dim=-1)
    axis: Tensor = across / across.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return turn.unsqueeze(-1) * axis


def _from_stances(tilt_rad: Tensor) -> Tensor:
    """How far (..., 3) tilts (...) are from standing, upside down and lying, radians, signed."""
    return torch.stack((tilt_rad, tilt_rad - math.pi, tilt_rad - math.pi / 2), -1)


def _densities(apart_rad: Tensor, variance: Tensor, shares: Tensor) -> Tensor:
    """Densities (..., 3) of stances at tilts, times shares, relative to that of any orientation.

    Args:
        apart_rad: (..., 3) as of `_from_stances`.
        variance: (...) of the tilt about each axis, square radians.
        shares: (..., 3) of the stances.
    """
    pole, band = 2 / variance, 2 / (2 * math.pi * variance).sqrt()
    near = (-0.5 * apart_rad.square() / variance.unsqueeze(-1)).exp()
    return shares * near * torch.stack((pole, pole, band), -1)


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
