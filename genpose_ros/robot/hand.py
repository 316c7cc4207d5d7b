# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hand that holds an object: the points near it that are neither its own nor lone ones."""

import numpy as np

from genpose_ros.robot.task_frames import SeenObject

__all__ = ["hand_points"]

#: How far from the object's middle a hand is looked for, metres.
_NEAR_M = 0.16
#: Points within the object's box, widened by so much, are its own: depth is blurred at its border.
_OWN_M = 0.012
#: Points in a cell of such edges, metres, that make it part of a hand; fewer are flying pixels.
_CELL_M, _FEWEST = 0.012, 4


def hand_points(points_out: np.ndarray, item: SeenObject) -> np.ndarray:
    """Return the points (M, 3) of what is at an object in the air, metres, object frame.

    Args:
        points_out: (N, 3) of the depth image outside the masks, in the frame of the object's pose.
        item: the object, not on a table: that would be taken for a hand.
    """
    T = item.T_out_obj
    local = (points_out - T[:3, 3]) @ T[:3, :3]
    local = local[np.linalg.norm(local, axis=1) < _NEAR_M + item.size_m.max() / 2]
    own = (np.abs(local) < item.size_m / 2 + _OWN_M).all(1)
    local = local[~own]
    if not len(local):
        return local
    cells = np.floor(local / _CELL_M).astype(np.int64)
    _, index, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(local[counts[index.reshape(-1)] >= _FEWEST])
