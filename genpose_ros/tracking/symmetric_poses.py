# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Poses of one object compared modulo its symmetry."""

from collections.abc import Sequence

import numpy as np
import torch

from genpose_ros.geometry.rotation_arrays import vectors_from_rotations
from genpose_ros.geometry.symmetry_groups import Symmetry, SymmetryBatch
from genpose_ros.tracking import constants

__all__ = ["are_far_apart", "nearest_member", "turn_deg", "turns_deg"]


def nearest_member(T: np.ndarray, T_reference: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Return a pose (4, 4), turned by the member of its finite group that suits another best."""
    if symmetry.order == 1:
        return T
    rotation, reference = (torch.from_numpy(a[:3, :3].copy()) for a in (T, T_reference))
    turned = T.copy()
    turned[:3, :3] = SymmetryBatch.of([symmetry]).nearest(rotation[None], reference)[0].numpy()
    return turned


def turns_deg(T_a: np.ndarray, T_b: np.ndarray, symmetries: Sequence[Symmetry]) -> np.ndarray:
    """Return the angles (B,) between poses modulo their symmetries, degrees.

    Where y is free that between the y axes.

    Args:
        T_a: (B, 4, 4).
        T_b: (B, 4, 4).
        symmetries: of the B objects that both are poses of.
    """
    if any(symmetry.order > 1 for symmetry in symmetries):
        each = zip(T_a, T_b, symmetries, strict=True)
        T_a = np.stack([nearest_member(a, b, symmetry) for a, b, symmetry in each])
    free = np.array([symmetry.free_axis for symmetry in symmetries])
    y_a, y_b = T_a[:, :3, 1], T_b[:, :3, 1]
    sine = np.linalg.norm(np.cross(y_a, y_b), axis=1)
    tilt = np.arctan2(sine, (y_a * y_b).sum(axis=1))
    turn = vectors_from_rotations(T_b[:, :3, :3] @ T_a[:, :3, :3].swapaxes(1, 2))
    angles: np.ndarray = np.degrees(np.where(free, tilt, np.linalg.norm(turn, axis=1)))
    return angles


def turn_deg(T_a: np.ndarray, T_b: np.ndarray, *, symmetry: Symmetry) -> float:
    """Return the angle between two poses (4, 4) modulo the symmetry, see `turns_deg`."""
    return float(turns_deg(T_a[None], T_b[None], [symmetry])[0])


def are_far_apart(T_a: np.ndarray, T_b: np.ndarray, *, symmetry: Symmetry) -> bool:
    """Return whether two poses are so different that they are not the same one seen twice."""
    if float(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3])) > constants.OTHER_POSE_M:
        return True
    return turn_deg(T_a, T_b, symmetry=symmetry) > constants.OTHER_POSE_DEG
