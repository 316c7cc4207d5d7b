# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Kinematics of a serial arm of revolute joints: forward, Jacobian and joint limits, in batches.

Every function takes many joint positions at once: what costs is the number of NumPy calls, and one
of a hundred rows takes hardly longer than one of a single row.
"""

import math
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Arm", "Joint", "frame_error", "rotation_vectors", "transform", "turned_about"]


@dataclass(frozen=True)
class Joint:
    """Revolute joint that turns about the z axis of its own frame, as in a URDF.

    Attributes:
        name: of the joint.
        link: name of the link that it moves; its frame is the joint's.
        xyz_m: (3,) origin in the parent link's frame, metres.
        rpy_rad: (3,) fixed-axis roll, pitch and yaw of the origin in the parent link's frame.
        low_rad: smallest position.
        high_rad: largest position.
        speed_rad_s: largest speed.
    """

    name: str
    link: str
    xyz_m: tuple[float, float, float]
    rpy_rad: tuple[float, float, float]
    low_rad: float
    high_rad: float
    speed_rad_s: float


def transform(
    xyz_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
    rpy_rad: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Return the transform (4, 4) of a translation and a URDF's roll, pitch and yaw.

    Example:
        >>> T = transform((0.0, 0.0, 0.1), (0.0, 0.0, math.pi / 2))
        >>> np.round(T @ [1.0, 0.0, 0.0, 1.0], 6).tolist()
        [0.0, 1.0, 0.1, 1.0]
    """
    T = np.eye(4)
    for axis, angle in ((2, rpy_rad[2]), (1, rpy_rad[1]), (0, rpy_rad[0])):
        T[:3, :3] = T[:3, :3] @ turned_about(axis, angle)
    T[:3, 3] = xyz_m
    return T


def turned_about(axis: int, angle_rad: float) -> np.ndarray:
    """Return the rotation (3, 3) by an angle about axis 0, 1 or 2."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    R = np.eye(3)
    R[a, a] = R[b, b] = math.cos(angle_rad)
    R[b, a] = math.sin(angle_rad)
    R[a, b] = -R[b, a]
    return R


@dataclass(frozen=True)
class Arm:
    """Serial arm: its joints from the base on, and the tool at its flange.

    Attributes:
        joints: J joints, each link's parent being the link before it, the first one's the base.
        T_flange_tcp: (4, 4), tool centre point to the last link, metres.
        base: name of the base link.

    Example:
        >>> upper = Joint("shoulder", "upper", (0, 0, 0), (0, 0, 0), -3, 3, 1)
        >>> lower = Joint("elbow", "lower", (0.3, 0, 0), (0, 0, 0), -3, 3, 1)
        >>> planar = Arm((upper, lower), transform((0.2, 0, 0)))
        >>> np.round(planar.tcp(np.array([[0.0, math.pi / 2]]))[0, :3, 3], 6).tolist()
        [0.3, 0.2, 0.0]
    """

    joints: tuple[Joint, ...]
    T_flange_tcp: np.ndarray = field(default_factory=lambda: np.eye(4))
    base: str = "link_base"

    def __post_init__(self) -> None:
        origins = np.stack([transform(j.xyz_m, j.rpy_rad) for j in self.joints])
        object.__setattr__(self, "_origins", origins)

    @property
    def low_rad(self) -> np.ndarray:
        """Smallest joint positions, (J,) radians."""
        return np.array([joint.low_rad for joint in self.joints])

    @property
    def high_rad(self) -> np.ndarray:
        """Largest joint positions, (J,) radians."""
        return np.array([joint.high_rad for joint in self.joints])

    @property
    def speed_rad_s(self) -> np.ndarray:
        """Largest joint speeds, (J,) rad/s."""
        return np.array([joint.speed_rad_s for joint in self.joints])

    def within_limits(self, q_rad: np.ndarray) -> np.ndarray:
        """Return which joint positions (B, J) lie within the limits, (B,) bool."""
        inside = (q_rad >= self.low_rad - 1e-9) & (q_rad <= self.high_rad + 1e-9)
        return np.asarray(inside.all(-1))

    def links(self, q_rad: np.ndarray) -> np.ndarray:
        """Return T_base_link, (B, J, 4, 4), of joint positions (B, J), radians."""
        origins: np.ndarray = getattr(self, "_origins")  # noqa: B009
        cos, sin = np.cos(q_rad)[..., None], np.sin(q_rad)[..., None]
        steps = np.empty((*q_rad.shape, 4, 4))
        steps[..., 0] = cos * origins[:, :, 0] + sin * origins[:, :, 1]
        steps[..., 1] = cos * origins[:, :, 1] - sin * origins[:, :, 0]
        steps[..., 2:] = origins[:, :, 2:]
        for j in range(1, q_rad.shape[1]):
            steps[:, j] = steps[:, j - 1] @ steps[:, j]
        return steps

    def tcp(self, q_rad: np.ndarray) -> np.ndarray:
        """Return T_base_tcp, (B, 4, 4), of joint positions (B, J), radians."""
        poses: np.ndarray = self.links(q_rad)[:, -1] @ self.T_flange_tcp
        return poses

    def tcp_and_jacobian(self, q_rad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return T_base_tcp (B, 4, 4) and the geometric Jacobian (B, 6, J) of the tool.

        Its rows are linear, then angular velocity along the base's axes, per rad/s of each joint.

        Args:
            q_rad: (B, J).
        """
        links = self.links(q_rad)
        T_base_tcp = links[:, -1] @ self.T_flange_tcp
        axes, places = links[..., :3, 2], links[..., :3, 3]
        arms = T_base_tcp[:, None, :3, 3] - places
        jacobian = np.empty((len(q_rad), 6, len(self.joints)))
        jacobian[:, 3:] = axes.swapaxes(1, 2)
        (ax, ay, az), (bx, by, bz) = np.moveaxis(axes, -1, 0), np.moveaxis(arms, -1, 0)
        jacobian[:, 0] = ay * bz - az * by
        jacobian[:, 1] = az * bx - ax * bz
        jacobian[:, 2] = ax * by - ay * bx
        return T_base_tcp, jacobian


def rotation_vectors(R: np.ndarray) -> np.ndarray:
    """Return the rotation vectors (B, 3), radians, of rotations (B, 3, 3); of half turns, any.

    Example:
        >>> rotation_vectors(turned_about(2, 0.5)[None]).round(6).tolist()
        [[0.0, 0.0, 0.5]]
    """
    twice = np.empty((len(R), 3))
    twice[:, 0] = R[:, 2, 1] - R[:, 1, 2]
    twice[:, 1] = R[:, 0, 2] - R[:, 2, 0]
    twice[:, 2] = R[:, 1, 0] - R[:, 0, 1]
    sine = np.sqrt((twice**2).sum(-1)) / 2
    cosine = (R[:, 0, 0] + R[:, 1, 1] + R[:, 2, 2] - 1) / 2
    angle = np.arctan2(sine, cosine)
    small = sine < 1e-9
    factor = np.where(small, 0.5, angle / np.where(small, 1.0, 2 * sine))
    vectors: np.ndarray = factor[:, None] * twice
    half_turn = small & (cosine < 0)
    if half_turn.any():  # the sine tells no axis: the longest column of R + I does
        columns = R[half_turn] + np.eye(3)
        longest = np.linalg.norm(columns, axis=1).argmax(-1)
        axis = columns[np.arange(len(columns)), :, longest]
        vectors[half_turn] = math.pi * axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    return vectors


def frame_error(T_from: np.ndarray, T_to: np.ndarray) -> np.ndarray:
    """Return the translations and rotation vectors (B, 6) that lead from frames to others.

    Args:
        T_from: (B, 4, 4), in a common frame, metres.
        T_to: (B, 4, 4).
    """
    error = np.empty((len(T_from), 6))
    error[:, :3] = T_to[:, :3, 3] - T_from[:, :3, 3]
    error[:, 3:] = rotation_vectors(T_to[:, :3, :3] @ T_from[:, :3, :3].swapaxes(1, 2))
    return error
