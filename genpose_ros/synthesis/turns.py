# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rotations of a batch: SciPy's on the host, and as much of them as views need on a device."""

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.synthesis.device_arrays import DeviceArray, DeviceRandom

__all__ = ["about", "from_matrix", "from_rotvec", "random_turns"]


class _DeviceTurns:
    """Rotations (n, 3, 3) on a device, with the methods of SciPy's that are in use."""

    def __init__(self, matrix: DeviceArray) -> None:
        self._matrix = matrix

    def __mul__(self, other: "_DeviceTurns") -> "_DeviceTurns":
        return _DeviceTurns(self._matrix @ other._matrix)

    def apply(self, vectors: Any) -> Any:
        """The vectors (n, 3), rotated."""
        return np.einsum("nij,nj->ni", self._matrix, vectors)

    def as_matrix(self) -> Any:
        """(n, 3, 3)."""
        return self._matrix


def about(axis: str, degrees: Any) -> Any:
    """Return rotations about a coordinate axis, by (n,) degrees."""
    if not isinstance(degrees, DeviceArray):
        return Rotation.from_euler(axis, degrees[:, None], degrees=True)
    angle = np.radians(degrees)
    unit = np.zeros(3)
    unit["xyz".index(axis)] = 1
    return from_rotvec(angle[:, None] * unit)


def from_rotvec(vectors: Any) -> Any:
    """Return rotations about vectors (n, 3), by their lengths in radians."""
    if not isinstance(vectors, DeviceArray):
        return Rotation.from_rotvec(vectors)
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    half = vectors / np.maximum(angle, 1e-12) * np.sin(angle / 2)
    return _of_quaternions(np.concatenate([np.cos(angle / 2), half], 1))


def from_matrix(matrix: Any) -> Any:
    """Return the rotations of matrices (n, 3, 3)."""
    return _DeviceTurns(matrix) if isinstance(matrix, DeviceArray) else Rotation.from_matrix(matrix)


def random_turns(n: int, rng: "np.random.Generator | DeviceRandom") -> Any:
    """Return n rotations, all orientations equally likely."""
    if not isinstance(rng, DeviceRandom):
        return Rotation.random(n, random_state=rng)
    drawn = rng.normal(size=(n, 4))
    return _of_quaternions(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _of_quaternions(unit: Any) -> _DeviceTurns:
    """Rotations of unit quaternions (n, 4), real part first."""
    w, x, y, z = unit.T
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    stacked: Any = np.stack(rows, -1)
    return _DeviceTurns(stacked.reshape(-1, 3, 3))
