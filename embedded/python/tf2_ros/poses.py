# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid motions as plain numbers: for one at a time, arrays take many times longer."""

import math
from typing import NamedTuple

__all__ = ["IDENTITY", "Pose", "Quaternion", "Vector"]

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]  # x, y, z, w, of unit length

#: Quaternions whose angle has less than this sine are interpolated along the chord.
_STRAIGHT = 1e-6


class Pose(NamedTuple):
    """The pose of one frame in another."""

    translation: Vector
    quat_xyzw: Quaternion

    def __matmul__(self, other: "Pose") -> "Pose":
        """Return the pose of a frame that `other` is the pose of in this one."""
        moved = _rotated(self.quat_xyzw, other.translation)
        x, y, z = (a + b for a, b in zip(self.translation, moved, strict=True))
        return Pose((x, y, z), _product(self.quat_xyzw, other.quat_xyzw))

    def inverse(self) -> "Pose":
        """Return the pose of the other frame in this one."""
        x, y, z, w = self.quat_xyzw
        back = -x, -y, -z, w
        a, b, c = _rotated(back, self.translation)
        return Pose((-a, -b, -c), back)

    def towards(self, other: "Pose", share: float) -> "Pose":
        """Return the pose a share of the way to another, the shorter way about one axis."""
        ours, theirs = self.translation, other.translation
        x, y, z = ((1 - share) * a + share * b for a, b in zip(ours, theirs, strict=True))
        return Pose((x, y, z), _between(self.quat_xyzw, other.quat_xyzw, share))


#: No motion.
IDENTITY = Pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def _rotated(quat_xyzw: Quaternion, vector: Vector) -> Vector:
    """The vector v turned: v + 2 w (u x v) + 2 u x (u x v), u being the quaternion's vector."""
    x, y, z, w = quat_xyzw
    a, b, c = vector
    p, q, r = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return a + w * p + y * r - z * q, b + w * q + z * p - x * r, c + w * r + x * q - y * p


def _product(first: Quaternion, second: Quaternion) -> Quaternion:
    """The turn of the second and then the first, of unit length whatever the rounding."""
    x1, y1, z1, w1 = first
    x2, y2, z2, w2 = second
    return _unit(
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
    )


def _between(first: Quaternion, second: Quaternion, share: float) -> Quaternion:
    """Spherical interpolation."""
    cosine = sum(a * b for a, b in zip(first, second, strict=True))
    sign = -1.0 if cosine < 0 else 1.0  # both signs are the same turn
    angle = math.acos(min(abs(cosine), 1.0))
    sine = math.sin(angle)
    if sine < _STRAIGHT:
        own, other = 1 - share, sign * share
    else:
        own = math.sin((1 - share) * angle) / sine
        other = sign * math.sin(share * angle) / sine
    x, y, z, w = (own * a + other * b for a, b in zip(first, second, strict=True))
    return _unit(x, y, z, w)


def _unit(x: float, y: float, z: float, w: float) -> Quaternion:
    """The quaternion at unit length."""
    length = math.sqrt(x * x + y * y + z * z + w * w)
    return x / length, y / length, z / length, w / length
