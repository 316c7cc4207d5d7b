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

from genpose_ros.geometry.transforms import displaced_poses, pose_differences
from genpose_ros.tracking import constants

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
    rests: Sequence[Rest | None], T_fixed_obj: np.ndarray, free_axis: Sequence[bool]
) -> list[Rest]:
    """Return what is known of objects that were seen once more.

    An object has moved, and begins anew, where the mean of its newest poses has left that of all.

    Args:
        rests: of B objects before; None: nothing is known.
        T_fixed_obj: (B, 4, 4) their poses.
        free_axis: of each, whether its angle about y tells nothing: it drifts with the noise.
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
    stays = _sizes(_observed(pose_differences(means, newest), means, free_axis)) <= _limits()
    return [
        Rest(int(n), mean, new) if near.all() else Rest(1, T, T)
        for n, mean, new, near, T in zip(frames, means, newest, stays, T_fixed_obj, strict=True)
    ]


def unless_taken_away(
    rest: Rest | None, T_fixed_obj: np.ndarray, *, free_axis: bool
) -> Rest | None:
    """Return what is known of an object's rest, unless it is clearly elsewhere; None: nothing.

    Args:
        rest: before; None: nothing is known.
        T_fixed_obj: (4, 4) where the motion filter has it.
        free_axis: as of `updated_rests`.
    """
    if rest is None:
        return None
    mean = rest.T_fixed_obj[None]
    apart = _sizes(_observed(pose_differences(mean, T_fixed_obj[None]), mean, [free_axis]))
    limits = np.array([constants.OTHER_POSE_M, np.deg2rad(constants.OTHER_POSE_DEG)])
    return rest if (apart <= limits).all() else None


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
    limits = np.where(resting[:, None], 1.0, constants.MOVING_SHARE) * _limits()
    difference = pose_differences(T_own, T_steady)
    share = np.minimum(1.0, limits / np.maximum(_sizes(difference), 1e-12))
    return displaced_poses(T_own, difference * np.repeat(share, 3, axis=1))


def _limits() -> np.ndarray:
    """Metres and radians (2,): farther off, an object has moved."""
    return np.array([constants.REST_M, np.deg2rad(constants.REST_DEG)])


def _observed(difference: np.ndarray, T: np.ndarray, free_axis: Sequence[bool]) -> np.ndarray:
    """Differences (B, 6) from poses (B, 4, 4), without turns about the y axes that are free."""
    observed = difference.copy()
    y_axis = T[:, :3, 1]
    about = (difference[:, 3:] * y_axis).sum(1) * np.array(free_axis, dtype=bool)
    observed[:, 3:] -= about[:, None] * y_axis
    return observed


def _sizes(difference: np.ndarray) -> np.ndarray:
    """(B, 2) lengths of differences (B, 6), metres and radians."""
    lengths: np.ndarray = np.linalg.norm(difference.reshape(-1, 2, 3), axis=2)
    return lengths
