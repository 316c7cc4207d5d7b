# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Test-time augmentation: views of one cloud, each of other points, every second one mirrored.

One encoding errs by which points it happens to see. The errors of several differ, so candidates
shared out among them agree more often with the truth than as many candidates of one. A mirrored
scene is the scene of the mirrored object, whose z axis points the other way; models that allow
more than one view were trained on mirrored clouds. Objects that the plane z = 0 does not map onto
themselves have no mirrored view.
"""

import torch
from torch import Tensor

from genpose_ros.networks.interface import Up

__all__ = [
    "augmented_clouds",
    "augmented_poses",
    "augmented_up",
    "merge_augmentations",
    "share_out",
]


def augmented_clouds(points_cam: Tensor, tta_views: int, mirrored: Tensor | None = None) -> Tensor:
    """Return the augmented views of B clouds, (tta_views * B, N, 3), view after view.

    Args:
        points_cam: (B, N, 3), metres, camera frame, in random order.
        tta_views: number of views; each begins at another of the points.
        mirrored: (B,) bool, whose every second view is mirrored; None: all.

    Example:
        >>> points_cam = torch.tensor([[[1.0, 2, 3], [4, 5, 6]]])
        >>> augmented_clouds(points_cam, 2)[1].tolist()
        [[-4.0, 5.0, 6.0], [-1.0, 2.0, 3.0]]
    """
    step = points_cam.shape[1] // tta_views
    turned = [points_cam.roll(-view * step, 1) for view in range(tta_views)]
    mirror = torch.ones_like(points_cam[:, :1])
    mirror[..., 0] = -1.0 if mirrored is None else torch.where(mirrored[:, None], -1.0, 1.0)
    return torch.cat([cloud * mirror if view % 2 else cloud for view, cloud in enumerate(turned)])


def augmented_up(up: Up, tta_views: int, mirrored: Tensor | None = None) -> Up:
    """Return what is known of the direction up, in the augmented views of B clouds.

    Args:
        up: of B clouds.
        tta_views: number of views.
        mirrored: (B,) bool, as of `augmented_clouds`.

    Example:
        >>> up = Up(torch.tensor([[0.6, -0.8, 0.0]]), torch.tensor([-0.7]))
        >>> augmented_up(up, 2).direction[1].tolist()
        [-0.6000000238418579, -0.800000011920929, 0.0]
    """
    views = augmented_clouds(up.direction.unsqueeze(1), tta_views, mirrored)
    return Up(views.squeeze(1), up.level_m.repeat(tta_views))


def augmented_poses(
    rotation: Tensor, translation: Tensor, tta_views: int, mirrored: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mirror the poses of every second view; doing it twice changes nothing.

    Args:
        rotation: (tta_views * B, ..., 3, 3) object to camera, view after view.
        translation: (tta_views * B, ..., 3).
        tta_views: number of views.
        mirrored: (B,) bool, as of `augmented_clouds`.

    Returns:
        Rotations and translations of the same shapes: poses in the clouds as they were measured,
        from poses in the views, and the other way.

    Example:
        >>> rotation, translation = torch.eye(3).repeat(2, 1, 1), torch.ones(2, 3)
        >>> augmented_poses(rotation, translation, 2)[1].tolist()
        [[1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]]
    """
    count = len(rotation) // tta_views
    sign = rotation.new_ones(tta_views, count)
    sign[1::2] = -1 if mirrored is None else torch.where(mirrored, -1.0, 1.0).to(rotation)
    sign = sign.flatten()
    one = torch.ones_like(sign)
    across = torch.stack((sign, one, one), -1)  # the mirror's plane is x = 0 of the camera
    inside = torch.stack((one, one, sign), -1)  # and z = 0 of the object
    shape = (len(sign), *[1] * (translation.ndim - 2), 3)
    across, inside = across.view(shape), inside.view(shape)
    return rotation * across.unsqueeze(-1) * inside.unsqueeze(-2), translation * across


def share_out(candidates: Tensor, tta_views: int) -> Tensor:
    """Share K candidates out among the views.

    Args:
        candidates: (K, ...).
        tta_views: number of views.

    Returns:
        (tta_views, ceil(K / tta_views), ...); the last views get some twice where K is no multiple.

    Example:
        >>> share_out(torch.arange(5), 2).tolist()
        [[0, 2, 4], [1, 3, 0]]
    """
    each = -(-len(candidates) // tta_views)
    dealt = torch.arange(each * tta_views) % len(candidates)
    return candidates[dealt.view(each, tta_views).T]


def merge_augmentations(values: Tensor, tta_views: int, candidates: int) -> Tensor:
    """Merge the candidates of all views of an object, the inverse of `share_out`.

    The views take turns, so that any first part holds as many of each.

    Args:
        values: (tta_views * B, k, ...), view after view.
        tta_views: number of views.
        candidates: how many to keep of each object.

    Returns:
        (B, candidates, ...).

    Example:
        >>> merge_augmentations(torch.tensor([[0, 2, 4], [1, 3, 0]]), 2, 5).tolist()
        [[0, 1, 2, 3, 4]]
    """
    each = values.view(tta_views, -1, *values.shape[1:])
    return each.movedim(0, 2).flatten(1, 2)[:, :candidates]
