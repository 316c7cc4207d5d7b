# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evidence of poses: what an estimate shows of whether it holds, for its calibrated score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.uncertainty import Deviations
from genpose_ros.networks.score_calibration import SizeSpread

__all__ = ["EVIDENCE", "Drawn", "Seen", "SizeTable", "evidence"]

#: Names of the evidence, in its order.
EVIDENCE = (
    "agreement",
    "agreement_squared",
    "axis_agreement",
    "axis_agreement_squared",
    "second_mode",
    "log_angle_deg",
    "log_tilt_deg",
    "log_distance_cm",
    "log_away_m",
    "outside_box",
    "hollow_box",
    "odd_size",
    "up_known",
    "stands",
    "upside_down",
    "lies",
    "leans",
)

#: Points farther outside the box than this do not belong to it, metres.
_OUTSIDE_M = 0.006
#: Share of the points beyond each end of their extent.
_END = 0.02
#: Sizes are no odder than this many standard deviations.
_ODDEST = 6.0
#: Within this of a stance an object is in it, as a cosine: 20 degrees.
_STANCE = math.cos(math.radians(20.0))


@dataclass(frozen=True)
class Drawn:
    """Candidates of B objects and the pose that was made of them.

    Attributes:
        apart: how far the candidates are from the pose.
        finite: (B, K) bool; the others count for nothing.
        pose_rotation: (B, 3, 3).
        pose_translation: (B, 3), metres.
        agreement: (B, 2) share of the candidates that agree with the pose, and with its axis.
        second_mode: (B,) share of the second largest mode.
        size_m: (B, 3) edges of the boxes; None: not estimated.
    """

    apart: Deviations
    finite: Tensor
    pose_rotation: Tensor
    pose_translation: Tensor
    agreement: Tensor
    second_mode: Tensor
    size_m: Tensor | None


@dataclass(frozen=True)
class SizeTable:
    """Sizes that B objects have by their categories; zeros where nothing is known.

    Attributes:
        mean: (B, 3) of the logarithms of the box's edges in metres.
        precision: (B, 3, 3) inverse of their covariance.
    """

    mean: Tensor
    precision: Tensor

    @classmethod
    def of(cls, sizes: Sequence[SizeSpread | None]) -> "SizeTable":
        """Return the table of some objects; None: nothing is known of one's category."""
        mean = torch.tensor([[0.0] * 3 if s is None else s.mean for s in sizes])
        precision = torch.tensor([[0.0] * 9 if s is None else s.precision for s in sizes])
        return cls(mean.double(), precision.double().view(-1, 3, 3))


@dataclass(frozen=True)
class Seen:
    """What was seen of B objects.

    Attributes:
        points_cam: (B, N, 3), metres.
        up_cam: (B, 3) against gravity, zero where not known.
        touches: (B,) bool, which touch their support.
        sizes: of the objects.
    """

    points_cam: Tensor
    up_cam: Tensor
    touches: Tensor
    sizes: SizeTable


def evidence(drawn: Drawn, seen: Seen) -> Tensor:
    """Return the evidence (B, len(EVIDENCE)) float64, finite.

    Args:
        drawn: candidates and poses.
        seen: of the same objects.
    """
    agreement, axis_agreement = drawn.agreement.double().unbind(-1)
    usable = drawn.finite.double()
    usable = usable / usable.sum(1, keepdim=True).clamp_min(1)
    apart = drawn.apart

    def mean(values: Tensor) -> Tensor:
        return (values.double() * usable).sum(1)

    away = drawn.pose_translation.double().norm(dim=-1)
    outside, hollow = _box_fit(drawn, seen)
    stances = _stances(drawn.pose_rotation[..., 1].double(), seen)
    columns = [
        agreement,
        agreement.square(),
        axis_agreement,
        axis_agreement.square(),
        drawn.second_mode.double(),
        mean(apart.angle_rad).rad2deg().log1p(),
        mean(apart.tilt_rad).rad2deg().log1p(),
        (100 * mean(apart.distance_m)).log1p(),
        away.clamp(0.05, 20.0).log(),
        outside,
        hollow,
        torch.zeros_like(away) if drawn.size_m is None else _oddness(drawn.size_m, seen.sizes),
        *stances,
    ]
    return torch.stack(columns, -1).nan_to_num(0.0, 0.0, 0.0)


def _box_fit(drawn: Drawn, seen: Seen) -> tuple[Tensor, Tensor]:
    """Share of the points outside the box, and of its visible half that no point reaches, (B,)."""
    if drawn.size_m is None:
        nothing = torch.zeros_like(drawn.second_mode, dtype=torch.float64)
        return nothing, nothing
    # In single precision, as the points came: theirs is a tenth of a micrometre.
    centred = seen.points_cam - drawn.pose_translation.to(seen.points_cam)[:, None]
    along = drawn.pose_rotation.to(centred).mT @ centred.mT  # (B, 3, N), object frame
    half = drawn.size_m.to(centred).unsqueeze(-1) / 2
    outside = (along.abs() > half + _OUTSIDE_M).any(1).double().mean(1)
    extent = _middle_extent(along).double()
    filled = (extent / drawn.size_m.double()).clamp(0, 2).prod(-1)
    return outside, (1 - filled).clamp_min(0)


def _middle_extent(along: Tensor) -> Tensor:
    """Extent (B, 3) of coordinates (B, 3, N) between their quantiles 0.02 and 0.98.

    Interpolated between neighbours in order, as `torch.quantile` does after sorting them all.
    """
    place = _END * (along.shape[-1] - 1)
    count = min(int(place) + 2, along.shape[-1])
    if along.is_cpu:  # NumPy sorts them all, by vector instructions, in a tenth of the time
        ordered = torch.from_numpy(np.sort(along.detach().contiguous().numpy(), axis=-1))
        low, high = ordered[..., :count], ordered.flip(-1)[..., :count]
    else:
        low, high = (along.topk(count, largest=top).values for top in (False, True))
    share = place - int(place)
    lowest, highest = (
        near[..., -2:][..., 0] * (1 - share) + near[..., -1] * share for near in (low, high)
    )
    return highest - lowest


def _oddness(size_m: Tensor, sizes: SizeTable) -> Tensor:
    """Standard deviations (B,) that sizes lie off their categories' means; 0 where not known."""
    off = size_m.double().clamp(1e-3, 1e2).log() - sizes.mean
    squared = (off[:, None] @ sizes.precision @ off[..., None]).flatten()
    return (squared.clamp_min(0) / 3).sqrt().clamp_max(_ODDEST)


def _stances(y_axis: Tensor, seen: Seen) -> list[Tensor]:
    """Whether up is known, and which of the objects that touch a support stand, ..., or lean."""
    up = seen.up_cam.double()
    known = (up != 0).any(-1)
    cosine = (y_axis * up).sum(-1)
    rests = known & seen.touches
    stands, over = cosine > _STANCE, cosine < -_STANCE
    lies = cosine.abs() < math.sqrt(1 - _STANCE**2)
    leans = ~(stands | over | lies)
    return [known.double(), *((rests & stance).double() for stance in (stands, over, lies, leans))]


def size_spreads(sizes: Mapping[str, Tensor], floor: float = 0.05) -> dict[str, SizeSpread]:
    """Return how the sizes of categories spread.

    Args:
        sizes: by category, (n, 3) edges of boxes, metres.
        floor: least standard deviation of a logarithm, the error of an estimated size.
    """
    spreads = {}
    for name, edges in sizes.items():
        logs = edges.double().log()
        covariance = torch.atleast_2d(logs.T.cov()) + floor**2 * torch.eye(3)
        mean = logs.mean(0).tolist()
        spreads[name] = SizeSpread(tuple(mean), tuple(covariance.inverse().flatten().tolist()))
    return spreads
