"""Several looks at one cloud: each at other points, and every second one in the mirror.

One encoding errs by which points it happens to see. The errors of several differ, so candidates
shared out among them agree more often with the truth than as many candidates of one. A mirrored
scene is the scene of the mirrored object, whose z axis points the other way; models that allow
more than one look were trained on mirrored clouds.
"""

import torch
from torch import Tensor

__all__ = ["augmented_clouds", "augmented_poses", "merge_augmentations", "share_out"]


def augmented_clouds(points_cam: Tensor, tta_views: int) -> Tensor:
    """Return the clouds (looks * B, N, 3) that the looks encode, look after look.

    Args:
        points_cam: (B, N, 3), metres, camera frame, in random order.
        looks: each begins at another of the points.
    """
    step = points_cam.shape[1] // tta_views
    turned = [points_cam.roll(-look * step, 1) for look in range(tta_views)]
    mirror = points_cam.new_tensor([-1.0, 1.0, 1.0])
    return torch.cat([cloud * mirror if look % 2 else cloud for look, cloud in enumerate(turned)])


def augmented_poses(rotation: Tensor, translation: Tensor, tta_views: int) -> tuple[Tensor, Tensor]:
    """Mirror the poses of every second look; doing it twice changes nothing.

    Args:
        rotation: (looks * B, ..., 3, 3) object to camera, look after look.
        translation: (looks * B, ..., 3).
        looks: how many.
    """
    count = len(rotation) // tta_views
    sign = torch.ones(tta_views).to(rotation)
    sign[1::2] = -1
    sign = sign.repeat_interleave(count)
    one = torch.ones_like(sign)
    across = torch.stack((sign, one, one), -1)  # the mirror's plane is x = 0 of the camera
    inside = torch.stack((one, one, sign), -1)  # and z = 0 of the object
    shape = (len(sign), *[1] * (translation.ndim - 2), 3)
    across, inside = across.view(shape), inside.view(shape)
    return rotation * across.unsqueeze(-1) * inside.unsqueeze(-2), translation * across


def share_out(candidates: Tensor, tta_views: int) -> Tensor:
    """Deal K of something (K, ...) out to the looks: (looks, ceil(K / looks), ...).

    The last looks get some twice where K is no multiple.
    """
    each = -(-len(candidates) // tta_views)
    dealt = torch.arange(each * tta_views) % len(candidates)
    return candidates[dealt.view(each, tta_views).T]


def merge_augmentations(values: Tensor, tta_views: int, candidates: int) -> Tensor:
    """Gather what the looks found, (looks * B, k, ...), per object: (B, candidates, ...).

    The looks take turns, so that any first part holds as many of each.
    """
    each = values.view(tta_views, -1, *values.shape[1:])
    return each.movedim(0, 2).flatten(1, 2)[:, :candidates]
