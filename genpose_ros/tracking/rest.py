# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects at rest: their poses are averaged until they move, which is told by the newest ones.

Half of the error of a pose stays from one frame to the next, so that the motion filter, whose
memory is short, takes little of it away; the mean over a second or two does. `Rest` goes on from
frame to frame, `steadied` is what of it is given to users: never farther than `REST_M` and
`REST_DEG` from what the frame itself says. What moves is steadied by its motion filter, by less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.geometry.transforms import displaced_poses, pose_differences
from genpose_ros.tracking import constants
from genpose_ros.tracking.symmetric_poses import are_far_apart, turns_deg

__all__ = ["Rest", "at_rest", "steadied", "unless_taken_away", "updated_rests"]


@dataclass(frozen=True)
class Rest:
    """Poses of one object since it last moved, in the fixed frame.

    Attributes:
        frames: how many there are, `REST_MEMORY` at most.
        T_fixed_obj: (4, 4) their mean.
        T_newest: (4, 4) mean of the newest, about the last `1 / REST_GAIN` of them.
    """

    frames: int
    T_fixed_obj: np.ndarray
    T_newest: np.ndarray


def at_rest(rest: Rest | None) -> bool:
    """Return whether an object has been at rest for long enough to be believed."""
    return rest is not None and rest.frames >= constants.REST_FRAMES


def updated_rests(
    rests: Sequence[Rest | None], T_fixed_obj: np.ndarray, symmetries: Sequence[Symmetry]
) -> list[Rest]:
    """Return what is known of objects that were seen once more.

    An object has moved, and begins anew, where the mean of its newest poses has left that of all.

    Args:
        rests: of B objects before; None: nothing is known.
        T_fixed_obj: (B, 4, 4) their poses.
        symmetries: of the objects: an angle about a free axis tells nothing, it drifts with noise.
    """
    if not len(rests):
        return []
    # Of an object that is new, nothing is weighed in: its pose is all there is.
    before = [rest or Rest(0, T, T) for rest, T in zip(rests, T_fixed_obj, strict=True)]
    frames = np.array([min(rest.frames + 1, constants.REST_MEMORY) for rest in before])
    means = np.stack([rest.T_fixed_obj for rest in before])
    newest = np.stack([rest.T_newest for rest in before])
    means = displaced_poses(means, pose_differences(means, T_fixed_obj) / frames[:, None])
    newest = displaced_poses(newest, pose_differences(newest, T_fixed_obj) * constants.REST_GAIN)
    moved_m = np.linalg.norm(newest[:, :3, 3] - means[:, :3, 3], axis=1)
    stays = moved_m <= constants.REST_M
    stays &= turns_deg(means, newest, symmetries) <= constants.REST_DEG
    return [
        Rest(int(n), mean, new) if stay else Rest(1, T, T)
        for n, mean, new, stay, T in zip(frames, means, newest, stays, T_fixed_obj, strict=True)
    ]


def unless_taken_away(
    rest: Rest | None, T_fixed_obj: np.ndarray, *, symmetry: Symmetry
) -> Rest | None:
    """Return what is known of an object's rest, unless it is clearly elsewhere; None: nothing.

    Args:
        rest: before; None: nothing is known.
        T_fixed_obj: (4, 4) where the motion filter has it.
        symmetry: of the object.
    """
    if rest is None or are_far_apart(rest.T_fixed_obj, T_fixed_obj, symmetry=symmetry):
        return None
    return rest


def steadied(T_own: np.ndarray, rests: Sequence[Rest | None], T_filter: np.ndarray) -> np.ndarray:
    """Return poses as near to steadier ones as they may be: `REST_M` and `REST_DEG` off.

    Args:
        T_own: (B, 4, 4) what the frame says, fixed frame.
        rests: of the same objects; where they are at rest, their mean is the steadier pose.
        T_filter: (B, 4, 4) poses of the motion filter, which are that of the others; of them,
            `MOVING_SHARE` of those two is the most.
    """
    if not len(rests):
        return T_own
    resting = np.array([at_rest(rest) for rest in rests])
    means = [T if rest is None else rest.T_fixed_obj for rest, T in zip(rests, T_own, strict=True)]
    T_steady = np.where(resting[:, None, None], np.stack(means), T_filter)
    most = np.array([constants.REST_M, np.deg2rad(constants.REST_DEG)])
    limits = np.where(resting[:, None], 1.0, constants.MOVING_SHARE) * most
    difference = pose_differences(T_own, T_steady)
    lengths = np.linalg.norm(difference.reshape(-1, 2, 3), axis=2)  # metres, radians
    share = np.minimum(1.0, limits / np.maximum(lengths, 1e-12))
    return displaced_poses(T_own, difference * np.repeat(share, 3, axis=1))
