# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rotations as matrices, column pairs, quaternions (w, x, y, z) and rotation vectors; batched."""

import torch
from torch import Tensor

__all__ = [
    "axis_angle_rad",
    "columns_from_rotation",
    "geodesic_angle",
    "mean_rotation",
    "quat_wxyz_from_rotation",
    "random_rotations",
    "rotation_from_columns",
    "rotation_from_quat_wxyz",
    "so3_exp",
    "so3_log",
]

#: Of the mean's matrix, where it is not solved for: the 2^16th power.
_SQUARINGS = 16


def rotation_from_columns(first: Tensor, second: Tensor) -> Tensor:
    """Return the rotation whose first two columns are nearest in direction (paper eq. 10-12).

    x = unit(first), z = unit(first x second), y = z x x.

    Args:
        first: (..., 3), direction of the first column; any length above zero.
        second: (..., 3), the second column, not parallel to `first`.

    Returns:
        (..., 3, 3). Not finite where `first` is zero or parallel to `second`.

    Example:
        >>> first, second = torch.tensor([[2.0, 0, 0], [1.0, 1, 0]])
        >>> rotation_from_columns(first, second).diagonal().tolist()
        [1.0, 1.0, 1.0]
    """
    x = first / first.norm(dim=-1, keepdim=True)
    z = torch.linalg.cross(x, second, dim=-1)
    length = z.norm(dim=-1, keepdim=True)
    # Parallel columns leave a cross product of rounding errors, which points anywhere.
    parallel = length <= 4 * torch.finfo(z.dtype).eps * second.norm(dim=-1, keepdim=True)
    z = z / torch.where(parallel, torch.nan, length)
    y = torch.linalg.cross(z, x, dim=-1)
    return torch.stack((x, y, z), dim=-1)


def columns_from_rotation(rotation: Tensor) -> Tensor:
    """Return the first two columns of rotations, one after the other, as pose vectors hold them.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 6), x axis and then y axis.

    Raises:
        ValueError: the last axes are not (3, 3).

    Example:
        >>> columns_from_rotation(torch.eye(3)).tolist()
        [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """
    _check_matrices(rotation)
    return torch.cat((rotation[..., :, 0], rotation[..., :, 1]), dim=-1)


def quat_wxyz_from_rotation(rotation: Tensor) -> Tensor:
    """Return unit quaternions (w, x, y, z) of rotations, w >= 0.

    Every row of the symmetric matrix 4 q q^T is the quaternion times one of its own components; the
    row of the largest component is taken, so that no angle is singular.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 4).

    Raises:
        ValueError: the last axes are not (3, 3).

    Example:
        >>> about_z = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).double()
        >>> quat_wxyz_from_rotation(about_z).round(decimals=4).tolist()
        [0.7071, 0.0, 0.0, 0.7071]
    """
    _check_matrices(rotation)
    rows = _quaternion_products(rotation, torch.ones_like(rotation[..., 0, 0]))
    largest = rows.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    index = largest[..., None, None].expand(*largest.shape, 1, 4)
    quat = rows.gather(-2, index).squeeze(-2)
    quat = quat / quat.norm(dim=-1, keepdim=True)
    return torch.where(quat[..., :1] < 0, -quat, quat)


def rotation_from_quat_wxyz(quat_wxyz: Tensor) -> Tensor:
    """Return rotations of quaternions (w, x, y, z).

    Args:
        quat_wxyz: (..., 4), of any length above zero.

    Returns:
        (..., 3, 3).

    Raises:
        ValueError: the last axis is not of length 4.

    Example:
        >>> rotation_from_quat_wxyz(torch.tensor([0.0, 0.0, 2.0, 0.0])).diagonal().tolist()
        [-1.0, 1.0, -1.0]
    """
    if quat_wxyz.shape[-1:] != (4,):
        raise ValueError(f"expected quaternions (..., 4), got shape {tuple(quat_wxyz.shape)}")
    quat = quat_wxyz / quat_wxyz.norm(dim=-1, keepdim=True)
    w, vector = quat[..., :1, None], quat[..., 1:]
    # R = (2 w^2 - 1) I + 2 v v^T + 2 w [v]x.
    turned = vector[..., :, None] * vector[..., None, :] + w * _cross_matrix(vector)
    identity = torch.eye(3, dtype=quat.dtype, device=quat.device)
    rotation: Tensor = (2 * w * w - 1) * identity + 2 * turned
    return rotation


def so3_exp(rotation_vector: Tensor) -> Tensor:
    """Return rotations of rotation vectors, the exponential map of SO(3).

    Rodrigues' formula; below 0.01 rad by the series of sin(a)/a and (1 - cos a)/a^2.

    Args:
        rotation_vector: (..., 3), axis times angle, radians.

    Returns:
        (..., 3, 3).

    Raises:
        ValueError: the last axis is not of length 3.

    Example:
        >>> by_60_deg_about_z = torch.tensor([0.0, 0.0, torch.pi / 3]).double()
        >>> so3_exp(by_60_deg_about_z)[:2, 0].round(decimals=4).tolist()
        [0.5, 0.866]
    """
    squared = (rotation_vector * rotation_vector).sum(dim=-1)[..., None, None]
    small = squared < 1e-4
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    a = torch.where(small, 1 - squared / 6 + squared**2 / 120, angle.sin() / angle)
    half = (angle / 2).sin()
    b = torch.where(small, 0.5 - squared / 24 + squared**2 / 720, 2 * half * half / safe)
    cross = _cross_matrix(rotation_vector)
    identity = torch.eye(3, dtype=cross.dtype, device=cross.device)
    return identity + a * cross + b * (cross @ cross)


def so3_log(rotation: Tensor) -> Tensor:
    """Return rotation vectors of rotations, the logarithm of SO(3).

    By way of the quaternion, which is regular at pi.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 3), axis times angle in [0, pi], radians.

    Raises:
        ValueError: the last axes are not (3, 3).

    Example:
        >>> vector = torch.tensor([0.1, -0.2, 0.3]).double()
        >>> so3_log(so3_exp(vector)).round(decimals=6).tolist()
        [0.1, -0.2, 0.3]
    """
    quat = quat_wxyz_from_rotation(rotation)
    w, vector = quat[..., :1], quat[..., 1:]
    # The quotient is 1 for all angles below its floor, to the last digit.
    length = (vector * vector).sum(dim=-1, keepdim=True).clamp_min(1e-24).sqrt()
    return vector * (2 * torch.atan2(length, w) / length)


def geodesic_angle(rotation_a: Tensor, rotation_b: Tensor) -> Tensor:
    """Return the angle of the relative rotation between rotations, radians in [0, pi].

    From sine and cosine together: accurate near 0 and near pi, unlike the arc cosine of the trace.

    Args:
        rotation_a: (..., 3, 3).
        rotation_b: (..., 3, 3), broadcast against the others.

    Returns:
        (...).

    Raises:
        ValueError: the last axes are not (3, 3).

    Example:
        >>> turned = so3_exp(torch.tensor([0.0, 0.5, 0.0]).double())
        >>> round(float(geodesic_angle(torch.eye(3).double(), turned)), 6)
        0.5
    """
    _check_matrices(rotation_a)
    _check_matrices(rotation_b)
    relative = rotation_a.transpose(-1, -2) @ rotation_b
    twice_sine = _twice_axial(relative)
    twice_cosine = relative.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1
    return torch.atan2(twice_sine.norm(dim=-1), twice_cosine)


def random_rotations(
    n: int,
    generator: torch.Generator | None = None,
    *,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return n rotations, uniform over all orientations.

    Args:
        n: how many.
        generator: source of the draw, on whose device they are; None: torch's global one.
        dtype: of the result; the draw is in double precision.

    Returns:
        (n, 3, 3).

    Example:
        >>> drawn = random_rotations(5, torch.Generator().manual_seed(0))
        >>> drawn.shape, torch.linalg.det(drawn).round(decimals=6).tolist()
        (torch.Size([5, 3, 3]), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    device = generator.device if generator is not None else torch.device("cpu")
    quat = torch.randn(n, 4, generator=generator, device=device, dtype=torch.float64)
    return rotation_from_quat_wxyz(quat).to(dtype)


def axis_angle_rad(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between vectors, radians in [0, pi], accurate at both ends.

    Args:
        a: (..., 3), of any length above zero.
        b: (..., 3), of a's shape.

    Returns:
        (...).

    Example:
        >>> x, y = torch.tensor([[2.0, 0, 0], [0, 1.0, 0]]).double()
        >>> round(float(torch.rad2deg(axis_angle_rad(x, x + y / 1000))), 6)
        0.028648
    """
    cross = torch.linalg.cross(a, b, dim=-1).norm(dim=-1)
    return torch.atan2(cross, (a * b).sum(dim=-1))


def mean_rotation(rotation: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean of K rotations: top eigenvector of sum w q q^T (paper eq. 8, Markley 2007).

    Args:
        rotation: (..., K, 3, 3).
        weights: (..., K), not negative, not all zero; None: all equal.

    Returns:
        (..., 3, 3), in the input's dtype, computed in double precision.

    Example:
        >>> about_z = torch.tensor([[0.0, 0.0, 0.2], [0.0, 0.0, 0.6]]).double()
        >>> round(float(so3_log(mean_rotation(so3_exp(about_z)))[2]), 6)
        0.4
    """
    each = rotation.double()
    if weights is None:
        weights = torch.ones_like(each[..., 0, 0])
    weights = weights.double()
    # 4 q q^T is linear in the rotation: the sum over the quaternions is that of the sum.
    total = (weights[..., None, :] @ each.flatten(-2)).unflatten(-1, (3, 3)).squeeze(-3)
    outer = _quaternion_products(total, weights.sum(-1))
    top = _top_eigenvector if outer.is_cpu else _top_eigenvector_by_squaring
    return rotation_from_quat_wxyz(top(outer)).to(rotation.dtype)


def _top_eigenvector(matrix: Tensor) -> Tensor:
    """Eigenvectors (..., n) of the largest eigenvalues of symmetric matrices (..., n, n)."""
    vectors: Tensor = torch.linalg.eigh(matrix).eigenvectors
    return vectors[..., -1]


def _top_eigenvector_by_squaring(matrix: Tensor) -> Tensor:
    """The same of matrices without negative eigenvalues, in a fixed number of steps.

    Squared often enough, only the largest eigenvalue is left, and every column is its vector: a
    second one of 99.9 % of it sinks to exp(-65). The solver of a GPU would wait for the host.
    """
    for _ in range(_SQUARINGS):
        matrix = matrix / matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
        matrix = matrix @ matrix
    largest = matrix.diagonal(dim1=-2, dim2=-1).argmax(-1)
    index = largest[..., None, None].expand(*matrix.shape[:-1], 1)
    column = matrix.gather(-1, index).squeeze(-1)
    vector: Tensor = column / column.norm(dim=-1, keepdim=True)
    return vector


def _quaternion_products(rotation: Tensor, ones: Tensor) -> Tensor:
    """4 q q^T (..., 4, 4) of unit quaternions q, (w, x, y, z); of sums of rotations the sum of it.

    Args:
        rotation: (..., 3, 3), or the weighted sum of several.
        ones: (...), 1, or the sum of the weights.
    """
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    vector = _twice_axial(rotation)
    identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    lower = rotation + rotation.mT + (ones - trace)[..., None, None] * identity
    first = torch.cat(((ones + trace).unsqueeze(-1), vector), dim=-1)
    others = torch.cat((vector.unsqueeze(-1), lower), dim=-1)
    return torch.cat((first.unsqueeze(-2), others), dim=-2)


def _twice_axial(matrix: Tensor) -> Tensor:
    """Vectors (..., 3) of the skew parts of matrices; of rotations, 2 sin(angle) times the axis."""
    entries = (matrix - matrix.mT).flatten(-2).unbind(-1)
    return torch.stack((entries[7], entries[2], entries[3]), dim=-1)


def _cross_matrix(vector: Tensor) -> Tensor:
    """Skew matrices (..., 3, 3) with `_cross_matrix(v) @ u = v x u`."""
    if vector.shape[-1:] != (3,):
        raise ValueError(f"expected vectors (..., 3), got shape {tuple(vector.shape)}")
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    entries = (zero, -z, y, z, zero, -x, -y, x, zero)
    skew: Tensor = torch.stack(entries, dim=-1).unflatten(-1, (3, 3))
    return skew


def _check_matrices(rotation: Tensor) -> None:
    if rotation.shape[-2:] != (3, 3):
        raise ValueError(f"expected matrices (..., 3, 3), got shape {tuple(rotation.shape)}")
