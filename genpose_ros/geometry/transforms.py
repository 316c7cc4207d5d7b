"""Rigid transforms (4, 4) and the covariances of poses, in NumPy."""

import numpy as np

from genpose_ros.geometry.single_rotations import vector_from_rotation

__all__ = ["is_transform", "pose_difference", "rotate_covariance"]

#: Rotations may be this far from orthonormal, as those from single precision are.
_ORTHONORMAL = 1e-3


def is_transform(T: np.ndarray) -> bool:
    """Return whether a matrix is a finite rigid transform (4, 4)."""
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
    """Return (6,) translation and rotation vector that lead from pose a to pose b, fixed axes."""
    turn = vector_from_rotation(T_b[:3, :3] @ T_a[:3, :3].T)
    return np.concatenate((T_b[:3, 3] - T_a[:3, 3], turn))


def rotate_covariance(covariance: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return a covariance (6, 6) of position and rotation vector in other axes."""
    blocks = covariance.reshape(2, 3, 2, 3).swapaxes(1, 2)
    turned: np.ndarray = (rotation @ blocks @ rotation.T).swapaxes(1, 2).reshape(6, 6)
    return turned
