# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Single rotations as NumPy arrays, computed in plain numbers.

`rotations` has the same for tensors of many. For the filters of a few tracks, tensors of one
rotation would cost ten times what there is to compute.
"""

import math

import numpy as np

__all__ = [
    "quat_wxyz_of",
    "rotation_from_quat_wxyz",
    "rotation_from_vector",
    "vector_from_rotation",
]


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) of a rotation vector (3,), axis times angle in radians.

    Rodrigues' formula; the factors of small angles are those of `so3_exp`.

    Example:
        >>> np.round(rotation_from_vector(np.array([0.0, math.pi, 0.0])).diagonal(), 6).tolist()
        [-1.0, 1.0, -1.0]
    """
    x, y, z = vector.tolist()
    squared = x * x + y * y + z * z
    if squared < 1e-4:
        a = 1 - squared / 6 + squared * squared / 120
        b = 0.5 - squared / 24 + squared * squared / 720
    else:
        angle = math.sqrt(squared)
        half = math.sin(angle / 2)
        a, b = math.sin(angle) / angle, 2 * half * half / squared
    return np.array(
        (
            (1 - b * (y * y + z * z), b * x * y - a * z, b * x * z + a * y),
            (b * x * y + a * z, 1 - b * (x * x + z * z), b * y * z - a * x),
            (b * x * z - a * y, b * y * z + a * x, 1 - b * (x * x + y * y)),
        )
    )


def rotation_from_quat_wxyz(w: float, x: float, y: float, z: float) -> np.ndarray:
    """Return the rotation (3, 3) of a quaternion of any length above zero; NaN of one without.

    Example:
        >>> rotation_from_quat_wxyz(0.0, 0.0, 2.0, 0.0).diagonal().tolist()
        [-1.0, 1.0, -1.0]
    """
    length = math.hypot(w, x, y, z)
    w, x, y, z = (n / length if length > 0 else math.nan for n in (w, x, y, z))
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )


def quat_wxyz_of(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Return the unit quaternion (w, x, y, z), w >= 0, of a rotation (3, 3).

    A matrix that is not quite orthonormal counts as one near by.

    Example:
        >>> about_z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
        >>> [round(number, 4) for number in quat_wxyz_of(about_z)]
        [0.7071, 0.0, 0.0, 0.7071]
    """
    (r00, r01, r02), (r10, r11, r12), (r20, r21, r22) = rotation.tolist()
    # Each row is the quaternion times four times one of its numbers; the longest is the safest.
    rows = (
        (1 + r00 + r11 + r22, r21 - r12, r02 - r20, r10 - r01),
        (r21 - r12, 1 + r00 - r11 - r22, r01 + r10, r02 + r20),
        (r02 - r20, r01 + r10, 1 - r00 + r11 - r22, r12 + r21),
        (r10 - r01, r02 + r20, r12 + r21, 1 - r00 - r11 + r22),
    )
    w, x, y, z = max(rows, key=lambda row: math.hypot(*row))
    scale = math.copysign(1 / math.hypot(w, x, y, z), w)
    return w * scale, x * scale, y * scale, z * scale


def vector_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,), radians, no longer than pi, of a rotation (3, 3).

    By way of the quaternion, which is regular at pi; a matrix that is not quite orthonormal counts
    as one near by.

    Example:
        >>> turned = rotation_from_vector(np.array([0.1, -0.2, 0.3]))
        >>> np.round(vector_from_rotation(turned), 6).tolist()
        [0.1, -0.2, 0.3]
    """
    w, *vector = quat_wxyz_of(rotation)
    sine = math.hypot(*vector)
    # Of the smallest angles, the quaternion's vector is half the rotation's.
    factor = 2 * math.atan2(sine, w) / sine if sine > 0 else 0.0
    return factor * np.array(vector)
