# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Symmetry of the categories: axisymmetric shapes, rotation errors, the unobservable yaw."""

import numpy as np
import torch
from torch import Tensor

from genpose_ros.geometry.categories import NOCS, Category
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.geometry.rotations import axis_angle_rad, geodesic_angle
from genpose_ros.geometry.symmetry_groups import SymmetryBatch

__all__ = [
    "FACING_CAMERA",
    "facing_camera",
    "handle_visible",
    "is_symmetric",
    "nearest_equivalent",
    "pin_yaw",
    "rotation_error_deg",
]

#: Columns x to the camera and y up, in the optical frame: what poses are made to resemble where
#: nothing else tells which of equivalent ones to take.
FACING_CAMERA = ((0.0, 0.0, -1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))


def facing_camera(like: Tensor) -> Tensor:
    """Return `FACING_CAMERA` as a (3, 3) tensor of the type and on the device of another.

    It is made there: a copy from the host would make it wait for the device.
    """
    return -torch.eye(3, dtype=like.dtype, device=like.device).flip(-1)


#: A handle is visible when this share of the object's points lies on it.
_HANDLE_SHARE = 10 / 1024
_HANDLE_MARGIN_M = 0.005


def is_symmetric(category: str, handle_visible: bool = True) -> bool:
    """Return whether a shape counts as axisymmetric: bottle, bowl, can, mug without visible handle.

    The yaw of such a shape, its rotation about the object's y axis, is unobservable.

    Args:
        category: category name.
        handle_visible: only matters for mugs.

    Example:
        >>> is_symmetric("bowl"), is_symmetric("mug"), is_symmetric("mug", handle_visible=False)
        (True, False, True)
    """
    return category in NOCS and NOCS[category].visible_symmetry(handle_visible).free_axis


def handle_visible(points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray) -> bool:
    """Return whether a mug's handle is seen: 10 of 1024 of its points lie on it.

    The body is as wide along x as along z and touches the box on the -x side. What lies more than
    5 mm beyond it along +x, inside the box, is handle.

    Args:
        points_cam: (M, 3), all points of the mug's mask, metres, camera frame.
        T_cam_obj: (4, 4), true pose, origin at the centre of the box.
        size_m: (3,) edge lengths of the box, metres.

    Example:
        >>> size_m = np.array([0.12, 0.10, 0.08])  # 8 cm wide, the handle stands out by 4 cm
        >>> body, handle = np.array([[-0.06, 0.0, 0.0]]), np.array([[0.05, 0.0, 0.0]])
        >>> handle_visible(body, np.eye(4), size_m), handle_visible(handle, np.eye(4), size_m)
        (False, True)
    """
    x, y, z = inverse_transform_points(T_cam_obj, points_cam).T
    body_end = -size_m[0] / 2 + size_m[2]
    # A handle is at most half as thick as the body; beyond that it is background.
    on_handle = (
        (x > body_end + _HANDLE_MARGIN_M)
        & (x < size_m[0] / 2 + _HANDLE_MARGIN_M)
        & (np.abs(y) < size_m[1] / 2)
        & (np.abs(z) < size_m[2] / 4)
    )
    return bool(on_handle.sum() >= max(_HANDLE_SHARE * len(points_cam), 1))


def rotation_error_deg(
    rotation_est: Tensor | np.ndarray,
    rotation_true: Tensor | np.ndarray,
    category: str | Category,
    handle_visible: bool = True,
) -> Tensor:
    """Return the rotation error by the NOCS rules, degrees, shape (...), float64.

    The angle between the y axes for bottle, bowl, can and a mug whose handle is not visible,
    otherwise the angle of the relative rotation; the smallest over the category's finite group. A
    uniform scale inside the matrices is divided out by the cube root of their determinant.

    Args:
        rotation_est: (..., 3, 3), object to camera.
        rotation_true: (..., 3, 3), broadcast against the others.
        category: decides the symmetry; one of NOCS by its name.
        handle_visible: only matters for mugs, and other categories with `symmetry_hidden`.

    Raises:
        ValueError: the last axes are not (3, 3), or no NOCS category has this name.

    Example:
        >>> about_y = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        >>> float(rotation_error_deg(about_y, np.eye(3), "can"))
        0.0
        >>> round(float(rotation_error_deg(about_y, np.eye(3), "laptop")), 6)
        90.0
    """
    est, true = (_without_scale(torch.as_tensor(r)) for r in (rotation_est, rotation_true))
    known = category if isinstance(category, Category) else NOCS[category]
    symmetry = known.visible_symmetry(handle_visible)
    if symmetry.order > 1:
        est, true = torch.broadcast_tensors(est, true)
        est = SymmetryBatch.of([symmetry]).nearest(est[None], true)[0]
    if symmetry.free_axis:
        return torch.rad2deg(axis_angle_rad(*torch.broadcast_tensors(est[..., 1], true[..., 1])))
    return torch.rad2deg(geodesic_angle(est, true))


def nearest_equivalent(T_est: np.ndarray, T_true: np.ndarray, category: Category) -> np.ndarray:
    """Return the pose, of those that the category's finite group makes of one, nearest to another.

    Args:
        T_est: (4, 4), object to camera.
        T_true: (4, 4), the pose that it is to be near.
        category: decides the group.

    Returns:
        (4, 4); `T_est` itself where the group has one rotation.

    Example:
        >>> from genpose_ros.geometry.symmetry_groups import Symmetry
        >>> parcel = Category(name="parcel", symmetry=Symmetry.parse({"y": "half"}))
        >>> half_turned = np.diag([-1.0, 1.0, -1.0, 1.0])
        >>> np.array_equal(nearest_equivalent(half_turned, np.eye(4), parcel), np.eye(4))
        True
    """
    if category.symmetry.order == 1:
        return T_est
    batch = SymmetryBatch.of([category.symmetry])
    turned = batch.nearest(torch.from_numpy(T_est[None, :3, :3]), torch.from_numpy(T_true[:3, :3]))
    nearest = T_est.copy()
    nearest[:3, :3] = turned[0].numpy()
    return nearest


def pin_yaw(rotation: Tensor, reference: Tensor | None = None) -> Tensor:
    """Return rotations with the same y axis and the yaw about it that follows from a reference.

    The yaw of axisymmetric objects is unobservable: this gives one that does not jump. The
    reference is turned the shortest way until its y axis is the given one. Continuous in y
    everywhere but for a y axis opposite to the reference's.

    Args:
        rotation: (..., 3, 3); only the y axis (second column) is used.
        reference: (..., 3, 3), such as the pose in the frame before, whose yaw is kept; None:
            upright and facing the camera (x towards it): columns x = (0, 0, -1),
            y = (0, -1, 0), z = (-1, 0, 0) in the optical frame.

    Returns:
        (..., 3, 3).

    Example:
        >>> upright = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]])
        >>> about_y = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        >>> torch.equal(pin_yaw(upright @ about_y), upright)
        True
    """
    y = rotation[..., 1] / rotation[..., 1].norm(dim=-1, keepdim=True)
    if reference is None:
        reference = facing_camera(y)
    x_ref, y_ref = reference[..., 0].to(y), reference[..., 1].to(y)
    along = (y * y_ref).sum(dim=-1, keepdim=True)
    # Shortest rotation of x_ref by y_ref -> y, x_ref being perpendicular to y_ref.
    scale = (y * x_ref).sum(dim=-1, keepdim=True) / (1 + along).clamp_min(1e-9)
    x = x_ref - scale * (y_ref + y)
    # Upside down every way is the shortest; and rounding must not leave x oblique to y.
    x = torch.where(along < -1 + 1e-6, x_ref.expand_as(x), x)
    x = x - (x * y).sum(dim=-1, keepdim=True) * y
    x = x / x.norm(dim=-1, keepdim=True)
    return torch.stack((x, y, torch.linalg.cross(x, y, dim=-1)), dim=-1)


def _without_scale(matrix: Tensor) -> Tensor:
    if matrix.shape[-2:] != (3, 3):
        raise ValueError(f"expected matrices (..., 3, 3), got shape {tuple(matrix.shape)}")
    matrix = matrix.double()
    determinant = torch.linalg.det(matrix)
    scale = determinant.sign() * determinant.abs().pow(1 / 3)
    rotation: Tensor = matrix / scale[..., None, None]
    return rotation
