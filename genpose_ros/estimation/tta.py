"""Several looks at one cloud: each at other points, and every second one in the mirror.

One encoding errs by which points it happens to see. The errors of several differ, so candidates
shared out among them agree more often with the truth than as many candidates of one. A mirrored
scene is the scene of the mirrored object, whose z axis points the other way; models that allow
more than one look were trained on mirrored clouds.
"""

import torch
from torch import Tensor

__all__ = ["clouds_of_looks", "looks_to_objects", "poses_of_looks", "share_out"]


def clouds_of_looks(points_cam: Tensor, looks: int) -> Tensor:
    """Return the clouds (looks * B, N, 3) that the looks encode, look after look.

    Args:
        points_cam: (B, N, 3), metres, camera frame, in random order.
        looks: each begins at another of the points.
    """
    step = points_cam.shape[1] // looks
    turned = [points_cam.roll(-look * step, 1) for look in range(looks)]
    mirror = points_cam.new_tensor([-1.0, 1.0, 1.0])
    return torch.cat([cloud * mirror if look % 2 else cloud for look, cloud in enumerate(turned)])


def poses_of_looks(rotation: Tensor, translation: Tensor, looks: int) -> tuple[Tensor, Tensor]:
    """Mirror the poses of every second look; doing it twice changes nothing.

    Args:
        rotation: (looks * B, ..., 3, 3) object to camera, look after look.
        translation: (looks * B, ..., 3).
        looks: how many.
    """
    count = len(rotation) // looks
    sign = torch.ones(looks).to(rotation)
    sign[1::2] = -1
    sign = sign.repeat_interleave(count)
    one = torch.ones_like(sign)
    across = torch.stack((sign, one, one), -1)  # the mirror's plane is x = 0 of the camera
    inside = torch.stack((one, one, sign), -1)  # and z = 0 of the object
    shape = (len(sign), *[1] * (translation.ndim - 2), 3)
    across, inside = across.view(shape), inside.view(shape)
    return rotation * across.unsqueeze(-1) * inside.unsqueeze(-2), translation * across


def share_out(candidates: Tensor, looks: int) -> Tensor:
    """Deal K of something (K, ...) out to the looks: (looks, ceil(K / looks), ...).

    The last looks get some twice where K is no multiple.
    """
    each = -(-len(candidates) // looks)
    dealt = torch.arange(each * looks) % len(candidates)
    return candidates[dealt.view(each, looks).T]


def looks_to_objects(values: Tensor, looks: int, candidates: int) -> Tensor:
    """Gather what the looks found, (looks * B, k, ...), per object: (B, candidates, ...).

    The looks take turns, so that any first part holds as many of each.
    """
    each = values.view(looks, -1, *values.shape[1:])
    return each.movedim(0, 2).flatten(1, 2)[:, :candidates]
