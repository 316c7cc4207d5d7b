# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Uncertainty of a pose: its covariance and the agreement of its candidates."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genpose_ros.geometry.rotations import so3_log
from genpose_ros.geometry.symmetry_groups import SymmetryBatch

__all__ = [
    "AGREEMENT_DEG",
    "AGREEMENT_M",
    "Deviations",
    "agreement",
    "deviations",
    "pose_covariance",
    "share_within",
]

#: A candidate agrees with a pose within this angle and this distance.
AGREEMENT_DEG, AGREEMENT_M = 10.0, 0.02

#: Standard deviations that no estimate claims to beat: 0.1 mm and 0.06 degrees.
_FLOOR_M, _FLOOR_RAD = 1e-4, 1e-3


@dataclass(frozen=True)
class Deviations:
    """Deviations of K candidates of each of B objects from the pose that was made of them.

    Attributes:
        angle_rad: (B, K) smallest over the symmetry's group; where y is free that of the y axes.
        tilt_rad: (B, K) of the y axes, whatever the yaw.
        distance_m: (B, K).
    """

    angle_rad: Tensor
    tilt_rad: Tensor
    distance_m: Tensor


def deviations(
    rotation: Tensor,
    translation: Tensor,
    pooled_rotation: Tensor,
    pooled_translation: Tensor,
    symmetry: SymmetryBatch,
) -> Deviations:
    """Return how far candidates are from the pooled pose; arguments as of `agreement`."""
    angle, tilt = symmetry.angle_and_tilt_rad(rotation, pooled_rotation[:, None])
    distance = (translation - pooled_translation[:, None]).norm(dim=-1)
    return Deviations(angle, tilt, distance)


def share_within(angle_rad: Tensor, distance_m: Tensor, finite: Tensor) -> Tensor:
    """Return the share (...) float64 of candidates (..., K) within 10 degrees and 2 cm.

    Args:
        angle_rad: (..., K) from the pose.
        distance_m: (B, K) from the pose.
        finite: (B, K) bool; the others are not within.
    """
    near = (distance_m <= AGREEMENT_M) & finite
    within = (angle_rad <= math.radians(AGREEMENT_DEG)) & near
    return within.double().mean(dim=-1)


def pose_covariance(
    rotation: Tensor,
    translation: Tensor,
    members: Tensor,
    pooled_rotation: Tensor,
    pooled_translation: Tensor,
    symmetry: SymmetryBatch,
) -> Tensor:
    """Return the covariance of the members about the pooled pose, order x, y, z, r.

    r is the rotation vector in the axes of the camera frame: R = exp(r) R_pooled. Metres and
    radians. Members are first turned to the equivalent nearest to the pose, of the group and of all
    turns about a free y axis. The yaw about a free axis is unobservable, uniform over the circle,
    so the variance about it is set to pi^2 / 3. Symmetric, positive definite by a small floor.

    Args:
        rotation: candidates, (B, K, 3, 3).
        translation: (B, K, 3), metres.
        members: (B, K) bool, which count; at least one.
        pooled_rotation: (B, 3, 3).
        pooled_translation: (B, 3), metres.
        symmetry: of the objects.

    Returns:
        (B, 6, 6) float64.

    Example:
        >>> rotation = torch.eye(3).double().expand(1, 2, 3, 3)
        >>> translation = torch.tensor([[[0.01, 0, 0.8], [-0.01, 0, 0.8]]]).double()
        >>> pooled = torch.eye(3).double()[None], torch.tensor([[0.0, 0, 0.8]]).double()
        >>> from genpose_ros.geometry import NOCS
        >>> members, can = torch.tensor([[True, True]]), SymmetryBatch.of([NOCS["can"].symmetry])
        >>> covariance = pose_covariance(rotation, translation, members, *pooled, can)
        >>> covariance[0].diagonal().sqrt().round(decimals=3).tolist()
        [0.01, 0.0, 0.0, 0.001, 1.814, 0.001]
    """
    y_axis = pooled_rotation[..., 1]
    rotation = symmetry.nearest(rotation, pooled_rotation[:, None])
    tilt = _shortest_turn(y_axis[:, None], rotation[..., 1])
    turn = so3_log(rotation @ pooled_rotation[:, None].mT)
    turn = torch.where(symmetry.free[:, None, None], tilt, turn)
    delta = torch.cat((translation - pooled_translation[:, None], turn), dim=-1).double()
    weights = members.double() / members.sum(dim=1, keepdim=True)
    covariance = (delta * weights[..., None]).mT @ delta
    added = torch.full_like(covariance[:, 0], _FLOOR_M**2)
    added[:, 3:] = _FLOOR_RAD**2
    added = added.diag_embed()
    uniform = math.pi**2 / 3 * symmetry.free.to(covariance)[:, None] * y_axis
    added[:, 3:, 3:] += uniform[:, :, None] * y_axis[:, None, :]
    return (covariance + covariance.mT) / 2 + added


def agreement(
    rotation: Tensor,
    translation: Tensor,
    finite: Tensor,
    pooled_rotation: Tensor,
    pooled_translation: Tensor,
    symmetry: SymmetryBatch,
) -> Tensor:
    """Return the share of all K candidates within 10 degrees and 2 cm of the pooled pose.

    The angle is the smallest over the symmetry's group, where y is free the tilt of that axis.
    Candidates that are not finite do not agree.

    Args:
        rotation: candidates, (B, K, 3, 3).
        translation: (B, K, 3), metres.
        finite: (B, K) bool.
        pooled_rotation: (B, 3, 3).
        pooled_translation: (B, 3), metres.
        symmetry: of the objects.

    Returns:
        (B,) float64 in [0, 1].

    Example:
        >>> rotation = torch.eye(3).double().expand(1, 4, 3, 3)
        >>> translation = torch.tensor([[0.0, 0, 0.80], [0, 0, 0.81], [0, 0, 0.79], [0, 0, 0.9]])
        >>> finite = torch.ones(1, 4, dtype=torch.bool)
        >>> pooled = torch.eye(3).double()[None], torch.tensor([[0.0, 0, 0.8]]).double()
        >>> from genpose_ros.geometry import NOCS
        >>> mug = SymmetryBatch.of([NOCS["mug"].symmetry])
        >>> agreement(rotation, translation[None], finite, *pooled, mug).tolist()
        [0.75]
    """
    apart = deviations(rotation, translation, pooled_rotation, pooled_translation, symmetry)
    return share_within(apart.angle_rad, apart.distance_m, finite)


def _shortest_turn(a: Tensor, b: Tensor) -> Tensor:
    """Rotation vectors (..., 3) of the shortest turns of unit vectors a onto b."""
    a, b = torch.broadcast_tensors(a, b)
    cross = torch.linalg.cross(a, b, dim=-1)
    sine = cross.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, (a * b).sum(dim=-1, keepdim=True))
    # Opposite vectors: every axis perpendicular to them will do.
    least = a.abs().argmin(dim=-1, keepdim=True)
    smallest = (least == torch.arange(3, device=a.device)).to(a)
    other = torch.linalg.cross(a, smallest, dim=-1)
    other = other / other.norm(dim=-1, keepdim=True)
    axis = torch.where(sine > 1e-9, cross / sine.clamp_min(1e-12), other)
    return angle * axis
