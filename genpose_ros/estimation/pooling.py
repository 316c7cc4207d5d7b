# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pooling of the kept candidates to one pose: their mean (paper eq. 8), or their largest mode's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from genpose_ros.estimation.ranking import Ranking
from genpose_ros.geometry.rotations import mean_rotation
from genpose_ros.geometry.symmetry import facing_camera, pin_yaw
from genpose_ros.geometry.symmetry_groups import SymmetryBatch

__all__ = [
    "MODE_DISTANCE",
    "MODE_MIN_SHARE",
    "Pooled",
    "find_modes",
    "mode_shares",
    "pool_mean",
    "pool_modes",
]

#: Rotations are neighbours below this squared sine of half the angle between them: 25.8 degrees.
MODE_DISTANCE = 0.05
#: A mode has a candidate with at least this share of the kept candidates around it.
MODE_MIN_SHARE = 1 / 6


@dataclass(frozen=True)
class Pooled:
    """Pooled pose of each of B objects.

    Attributes:
        rotation: (B, 3, 3).
        translation: (B, 3), metres.
        members: (B, K) bool, the candidates whose rotations were averaged.
        mode_counts: (B, M) kept candidates in each mode, largest first, zeros after the last.
        counted: (B,) kept candidates that count.
        other_rotation: (B, 3, 3) of the largest mode that was not pooled; of the pose where there
            is none.
        other_translation: (B, 3) of the same, metres.
        has_other: (B,) bool, whether there is such a mode.

    Example:
        >>> pooled = Pooled(
        ...     rotation=torch.eye(3)[None],
        ...     translation=torch.tensor([[0.0, 0.0, 0.8]]),
        ...     members=torch.tensor([[True, True, False]]),
        ...     mode_counts=torch.tensor([[2, 1, 0]]),
        ...     counted=torch.tensor([3]),
        ...     other_rotation=torch.eye(3)[None],
        ...     other_translation=torch.tensor([[0.0, 0.0, 0.8]]),
        ...     has_other=torch.tensor([False]),
        ... )
        >>> [round(share, 2) for share in pooled.mode_shares[0]]
        [0.67, 0.33]
    """

    rotation: Tensor
    translation: Tensor
    members: Tensor
    mode_counts: Tensor
    counted: Tensor
    other_rotation: Tensor
    other_translation: Tensor
    has_other: Tensor

    @property
    def mode_shares(self) -> tuple[tuple[float, ...], ...]:
        """Per object, share of the kept candidates in each mode, largest first."""
        return mode_shares(self.mode_counts.tolist(), self.counted.tolist())

    def rows(self, first: int) -> "Pooled":
        """Return the poses of the objects from `first` on."""
        return Pooled(**{item.name: getattr(self, item.name)[first:] for item in fields(self)})


def pool_mean(
    rotation: Tensor,
    translation: Tensor,
    ranking: Ranking,
    symmetry: SymmetryBatch,
    *,
    near: Tensor | None = None,
) -> Pooled:
    """Average all kept candidates (paper eq. 8): Markley's mean rotation, mean translation.

    They are first turned to the equivalents nearest to `near` or else to the best one.

    Args:
        rotation: (B, K, 3, 3), finite.
        translation: (B, K, 3), metres, finite.
        ranking: which are kept.
        symmetry: of the objects; where the y axis is free the yaw is pinned afterwards.
        near: (B, 3, 3) rotations; of equivalent poses the one nearest to them is returned, with
            their yaw where that is free; None: nearest to facing the camera, as of `pin_yaw`.

    Example:
        >>> from genpose_ros.estimation.ranking import rank_candidates
        >>> from genpose_ros.geometry import NOCS
        >>> rotation = torch.eye(3).double().expand(1, 3, 3, 3)
        >>> translation = torch.tensor([[[0.0, 0, 0.7], [0, 0, 0.9], [0, 0, 5.0]]]).double()
        >>> finite = torch.tensor([[True, True, True]])
        >>> key = torch.tensor([[[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]]])
        >>> ranking = rank_candidates(key, finite, keep_fraction=2 / 3)
        >>> mug = SymmetryBatch.of([NOCS["mug"].symmetry])
        >>> pooled = pool_mean(rotation, translation, ranking, mug)
        >>> pooled.translation.round(decimals=6).tolist(), pooled.mode_shares
        ([[0.0, 0.0, 0.8]], ((1.0,),))
    """
    kept = _gather(rotation, ranking.rotation)
    counts, counts_t = (
        _counting(ranking, index) for index in (ranking.rotation, ranking.translation)
    )
    turned = symmetry.nearest(kept, kept[:, :1] if near is None else near[:, None])
    mean = mean_rotation(turned, counts.to(kept.dtype))
    modes = find_modes(kept, symmetry, counts)
    pooled_rotation = _nearest_equivalent(mean, mean[..., 1], symmetry, near)
    pooled_translation = _mean(_gather(translation, ranking.translation), counts_t)
    return Pooled(
        rotation=pooled_rotation,
        translation=pooled_translation,
        members=_members(ranking.rotation, counts, rotation.shape[1]),
        mode_counts=_in_order(_counts(modes)),
        counted=counts.sum(dim=1),
        other_rotation=pooled_rotation,
        other_translation=pooled_translation,
        has_other=counts.new_zeros(len(counts)),  # all of them were pooled
    )


def pool_modes(
    rotation: Tensor,
    translation: Tensor,
    ranking: Ranking,
    symmetry: SymmetryBatch,
    keep_fraction: float,
    *,
    near: Tensor | None = None,
) -> Pooled:
    """Average one mode of the kept candidates: the largest, or the one nearest to a known pose.

    Of equally large ones that of the best candidate is taken.

    The rotation is Markley's mean of the mode, its members turned to the equivalents nearest to the
    best of them; where y is free, the mean y axis with the yaw pinned. The translation is the mean
    over the members' best, the share `keep_fraction` of them by translation energy. Candidates
    without any mode are all averaged.

    Args:
        rotation: (B, K, 3, 3), finite.
        translation: (B, K, 3), metres, finite.
        ranking: which are kept, best first.
        symmetry: of the objects.
        keep_fraction: share of the translations that is kept.
        near: (B, 3, 3) rotations, such as predictions: the mode nearest to them is averaged, and of
            equivalent poses the one nearest to them is returned, with their yaw where that is free;
            None: the largest mode, nearest to facing the camera.

    Example:
        >>> from genpose_ros.estimation.ranking import rank_candidates
        >>> from genpose_ros.geometry import NOCS
        >>> about_y = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]).double()
        >>> rotation = torch.stack((about_y, torch.eye(3), torch.eye(3)))[None].double()
        >>> translation = torch.zeros(1, 3, 3).double()
        >>> ranking = rank_candidates(None, torch.ones(1, 3, dtype=torch.bool), keep_fraction=1.0)
        >>> mug = SymmetryBatch.of([NOCS["mug"].symmetry])
        >>> pooled = pool_modes(rotation, translation, ranking, mug, 1.0)
        >>> pooled.members.tolist(), [round(share, 2) for share in pooled.mode_shares[0]]
        ([[False, True, True]], [0.67, 0.33])
    """
    kept = _gather(rotation, ranking.rotation)
    counts = _counting(ranking, ranking.rotation)
    modes = find_modes(kept, symmetry, counts)
    sizes = _counts(modes)
    in_mode = _largest(modes, sizes) if near is None else _nearest(modes, kept, near, symmetry)
    in_other = _largest_of_the_rest(modes, sizes, in_mode)
    has_other = in_other.any(dim=1)
    in_other = torch.where(has_other[:, None], in_other, in_mode)
    # Both modes of all objects in one batch: half of the steps, which cost more than their work.
    in_modes, both = torch.cat((in_mode & counts, in_other & counts)), symmetry.repeated(2)
    rotations = _mode_rotations(
        kept.repeat(2, 1, 1, 1), in_modes, both, None if near is None else near.repeat(2, 1, 1)
    )
    members = _members(ranking.rotation.repeat(2, 1), in_modes, rotation.shape[1])
    best = _best_members(members, ranking.translation_rank.repeat(2, 1), keep_fraction)
    translations = _mean(translation.repeat(2, 1, 1), best)
    n = len(rotation)
    return Pooled(
        rotation=rotations[:n],
        translation=translations[:n],
        members=members[:n],
        mode_counts=_in_order(sizes),
        counted=counts.sum(dim=1),
        other_rotation=rotations[n:],
        other_translation=translations[n:],
        has_other=has_other,
    )


def mode_shares(
    counts: Sequence[Sequence[float]], counted: Sequence[float]
) -> tuple[tuple[float, ...], ...]:
    """Return per object the share of the kept candidates in each mode, largest first.

    Args:
        counts: as `Pooled.mode_counts`.
        counted: as `Pooled.counted`.
    """
    pairs = zip(counts, counted, strict=True)
    return tuple(tuple(n / total for n in row if n > 0) for row, total in pairs)


def _mode_rotations(
    kept: Tensor, in_mode: Tensor, symmetry: SymmetryBatch, near: Tensor | None
) -> Tensor:
    """Mean rotations (B, 3, 3) of the members (B, M) bool of one mode each."""
    weights = in_mode.to(kept.dtype)
    turned = symmetry.nearest(kept, _gather(kept, weights.argmax(dim=1, keepdim=True)))
    y_axis = (turned[..., 1] * weights[..., None]).sum(dim=1)
    return _nearest_equivalent(mean_rotation(turned, weights), y_axis, symmetry, near)


def find_modes(rotation: Tensor, symmetry: SymmetryBatch, counting: Tensor | None = None) -> Tensor:
    """Return the mode that each of M rotations belongs to, (B, M) int64, -1 for none.

    DBSCAN: a rotation is a core when a share of `MODE_MIN_SHARE` (itself included) lies within
    `MODE_DISTANCE` of it; cores that reach each other are one mode; other rotations join the mode
    of a core within reach. The distance is 1 - <q1, q2>^2 = sin^2(angle / 2), the smallest over the
    symmetry's group; where y is free with the angle between the y axes. A mode is named by the
    smallest index of its cores.

    Args:
        rotation: (B, M, 3, 3).
        symmetry: of the objects.
        counting: (B, M) bool, the others belong to no mode and count in no share; None: all count.

    Example:
        >>> about_y = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        >>> rotation = torch.stack((torch.eye(3), about_y, torch.eye(3), about_y))[None]
        >>> from genpose_ros.geometry import NOCS
        >>> mug, can = (SymmetryBatch.of([NOCS[name].symmetry]) for name in ("mug", "can"))
        >>> find_modes(rotation, mug).tolist()
        [[0, 1, 0, 1]]
        >>> find_modes(rotation, can).tolist()
        [[0, 0, 0, 0]]
    """
    distance = _sine_squared(rotation, symmetry)
    m = rotation.shape[1]
    if counting is None:
        counting = distance.new_ones(distance.shape[:-1], dtype=torch.bool)
    near = (distance < MODE_DISTANCE) & counting[:, None, :] & counting[:, :, None]
    core = counting & (near.sum(dim=-1) >= MODE_MIN_SHARE * counting.sum(dim=1, keepdim=True))
    # What is reached in two steps of one's reach, again and again: paths have M - 1 links at most.
    reach = (near & core[:, None, :] & core[:, :, None]).to(torch.float32)
    for _ in range(math.ceil(math.log2(max(m - 1, 1)))):
        reach = (reach @ reach).clamp_max(1.0)
    number = torch.arange(m, device=rotation.device)
    label = torch.where(reach > 0, number, m).amin(dim=-1)
    joined = torch.where(near & core[:, None, :], label[:, None, :], m).amin(dim=-1)
    return torch.where(joined < m, joined, -1)


def _sine_squared(rotation: Tensor, symmetry: SymmetryBatch) -> Tensor:
    """sin^2(angle / 2) between M rotations, (B, M, M), the smallest over the symmetry's group.

    Where y is free with the angle between the y axes.
    """
    entries = symmetry.entries.to(rotation)
    forms = symmetry.equivalents(rotation).flatten(-2).mT
    products = (rotation * entries[:, None]).flatten(-2)[:, None] @ forms
    closest = products.amax(dim=1)  # the trace 1 + 2 cos(angle), or the cosine of the tilt
    return torch.where(symmetry.free[:, None, None], (1 - closest) / 2, (3 - closest) / 4)


def _largest(modes: Tensor, sizes: Tensor) -> Tensor:
    """Members (B, M) bool of the largest mode, by sizes as of `_counts`; all where none is."""
    m = modes.shape[1]
    # Of equal modes the one named by the better candidate; argmax alone would take any.
    largest = (sizes * m - torch.arange(m, device=modes.device)).argmax(dim=1, keepdim=True)
    return (modes == largest) | ~sizes.any(dim=1, keepdim=True)


def _largest_of_the_rest(modes: Tensor, sizes: Tensor, taken: Tensor) -> Tensor:
    """Members (B, M) bool of the largest mode without a member that is taken; none: there is none.

    Args:
        modes: (B, M) as of `find_modes`.
        sizes: (B, M) as of `_counts`.
        taken: (B, M) bool, the members of one mode, or all where there is none.
    """
    rest = torch.where(taken, -1, modes)
    # A mode is named by one of its members: where that is taken, all are.
    return _largest(rest, torch.where(taken, 0, sizes)) & (rest >= 0)


def _nearest(modes: Tensor, kept: Tensor, near: Tensor, symmetry: SymmetryBatch) -> Tensor:
    """Members (B, M) bool of the mode with the nearest member; all where there is no mode."""
    angle = symmetry.angle_rad(kept, near[:, None])
    angle = torch.where(modes >= 0, angle, torch.inf)
    nearest = modes.gather(1, angle.argmin(dim=1, keepdim=True))
    return (modes == nearest) | (modes < 0).all(dim=1, keepdim=True)


def _counts(modes: Tensor) -> Tensor:
    """Number of rotations that each mode has, (B, M)."""
    return torch.zeros_like(modes).scatter_add_(1, modes.clamp_min(0), (modes >= 0).long())


def _in_order(sizes: Tensor) -> Tensor:
    """Sizes (B, M) of modes, the largest first."""
    return sizes.sort(dim=1, descending=True).values


def _best_members(members: Tensor, rank: Tensor, keep_fraction: float) -> Tensor:
    """The first floor(keep_fraction * count), at least one, of the members by rank, (B, K) bool."""
    place = torch.where(members, rank, rank.shape[1]).argsort(dim=1).argsort(dim=1)
    count = (members.sum(dim=1) * keep_fraction + 1e-9).floor().clamp_min(1)
    return members & (place < count[:, None])


def _nearest_equivalent(
    mean: Tensor, y_axis: Tensor, symmetry: SymmetryBatch, near: Tensor | None
) -> Tensor:
    """The equivalents (B, 3, 3) of rotations nearest to others, with their yaw where y is free.

    Where it is, they have the y axes (B, 3), of any length, and `mean` is not looked at.
    """
    reference = facing_camera(mean) if near is None else near
    axes = symmetry.nearest(y_axis[..., None].expand(-1, 3, 3), reference)
    turned = symmetry.nearest(mean, reference)
    return torch.where(symmetry.free[:, None, None], pin_yaw(axes, near), turned)


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """`values[b, index[b]]`: (B, K, ...) and (B, M) to (B, M, ...)."""
    return values[torch.arange(len(index), device=index.device)[:, None], index]


def _counting(ranking: Ranking, index: Tensor) -> Tensor:
    """Kept candidates (B, M) that count: the finite ones; all where there is none."""
    finite = ranking.finite.gather(1, index)
    return finite | ~finite.any(dim=1, keepdim=True)


def _mean(values: Tensor, which: Tensor) -> Tensor:
    """Mean (B, ...) over some (B, M) bool, at least one, of values (B, M, ...)."""
    weights = which.to(values.dtype)
    return (values * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True)


def _members(index: Tensor, which: Tensor, k: int) -> Tensor:
    """(B, K) bool, true at those of the indices (B, M) that `which` (B, M) marks."""
    members = torch.zeros(len(index), k, dtype=torch.bool, device=index.device)
    return members.scatter_(1, index, which)
