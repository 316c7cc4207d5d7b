# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid transforms (4, 4) and the covariances of poses, in NumPy."""

import numpy as np

from genpose_ros.geometry.rotation_arrays import rotations_from_vectors, vectors_from_rotations
from genpose_ros.geometry.single_rotations import vector_from_rotation

__all__ = [
    "displaced_poses",
    "is_transform",
    "pose_difference",
    "pose_differences",
    "rotate_covariance",
    "with_uniform_angle",
]

#: Rotations may be this far from orthonormal, as those from single precision are.
_ORTHONORMAL = 1e-3


def is_transform(T: np.ndarray) -> bool:
    """Return whether a matrix is a finite rigid transform.

    Args:
        T: should be (4, 4), with a right-handed rotation that is orthonormal to 1e-3.

    Example:
        >>> is_transform(np.eye(4)), is_transform(np.diag([2.0, 1, 1, 1])), is_transform(np.eye(3))
        (True, False, False)
    """
    T = np.asarray(T)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return False
    square = T[:3, :3].T @ T[:3, :3]
    right_handed = np.linalg.det(T[:3, :3]) > 0
    last_row = np.abs(T[3] - [0, 0, 0, 1]).max()
    return bool(
        np.abs(square - np.eye(3)).max() < _ORTHONORMAL and right_handed and last_row < 1e-9
    )


def pose_difference(T_a: np.ndarray, T_b: np.ndarray) -> np.ndarray:
    """Return the translation and the rotation vector that lead from one pose to another.

    Args:
        T_a: (4, 4), object to a fixed frame, metres.
        T_b: (4, 4), the same object later.

    Returns:
        (6,), x, y, z and the rotation vector r with R_b = exp(r) R_a, metres and radians, both in
        the axes of the fixed frame.

    Example:
        >>> T_b = np.eye(4)
        >>> T_b[:3, 3] = 0.1, 0.0, 0.0
        >>> pose_difference(np.eye(4), T_b).tolist()
        [0.1, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    turn = vector_from_rotation(T_b[:3, :3] @ T_a[:3, :3].T)
    return np.concatenate((T_b[:3, 3] - T_a[:3, 3], turn))


def pose_differences(T_a: np.ndarray, T_b: np.ndarray) -> np.ndarray:
    """Return (B, 6), `pose_difference` from each of the poses (B, 4, 4) to its other one."""
    turn = vectors_from_rotations(T_b[:, :3, :3] @ T_a[:, :3, :3].swapaxes(1, 2))
    return np.concatenate((T_b[:, :3, 3] - T_a[:, :3, 3], turn), axis=1)


def displaced_poses(T: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Return the poses that differences lead to, the inverse of `pose_differences`.

    Args:
        T: (B, 4, 4), object to a fixed frame, metres.
        difference: (B, 6), translation and rotation vector, metres and radians.

    Returns:
        (B, 4, 4).

    Example:
        >>> T = np.eye(4)[None]
        >>> lifted = displaced_poses(T, np.array([[0.0, 0.0, 0.1, 0.0, 0.0, np.pi]]))
        >>> lifted[0].round(6).diagonal().tolist(), lifted[0, 2, 3].tolist()
        ([-1.0, -1.0, 1.0, 1.0], 0.1)
    """
    moved = T.copy()
    moved[:, :3, 3] += difference[:, :3]
    moved[:, :3, :3] = rotations_from_vectors(difference[:, 3:]) @ T[:, :3, :3]
    return moved


def rotate_covariance(covariance: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the covariance of a position and a rotation vector in the axes of another frame.

    Args:
        covariance: (..., 6, 6), order x, y, z and rotation vector, both in the axes of one frame.
        rotation: (..., 3, 3), from that frame to the other.

    Returns:
        (..., 6, 6).

    Example:
        >>> about_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
        >>> rotate_covariance(np.diag([1.0, 2, 3, 4, 5, 6]), about_z).diagonal().tolist()
        [2.0, 1.0, 3.0, 5.0, 4.0, 6.0]
    """
    blocks = covariance.reshape(*covariance.shape[:-2], 2, 3, 2, 3).swapaxes(-3, -2)
    turn = rotation[..., None, None, :, :]
    turned: np.ndarray = turn @ blocks @ turn.swapaxes(-1, -2)
    return turned.swapaxes(-3, -2).reshape(covariance.shape)


def with_uniform_angle(covariance: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return a pose's covariance with the angle about an axis uniform over the circle.

    Its variance is pi^2 / 3, whatever was claimed, and it goes with nothing else.

    Args:
        covariance: (..., 6, 6), order x, y, z and rotation vector.
        axis: (..., 3) unit vector, in the axes of the rotation vector.

    Returns:
        (..., 6, 6).

    Example:
        >>> free = with_uniform_angle(np.eye(6), np.array([0.0, 1, 0]))
        >>> free.diagonal().round(2).tolist()
        [1.0, 1.0, 1.0, 1.0, 3.29, 1.0]
    """
    along = axis[..., :, None] * axis[..., None, :]
    keep = np.broadcast_to(np.eye(6), covariance.shape).copy()
    keep[..., 3:, 3:] -= along
    result: np.ndarray = keep @ covariance @ keep
    result[..., 3:, 3:] += np.pi**2 / 3 * along
    return result
