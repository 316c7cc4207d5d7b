# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Association of masks and tracks: an assignment by place, overlap and class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.tracking import constants
from genpose_ros.tracking.visibility import image_pixels

__all__ = ["Expected", "assign", "associate", "association_costs", "is_duplicate"]


@dataclass(frozen=True)
class Expected:
    """Track as it is expected at the time of a frame.

    Attributes:
        category: its class.
        points_cam: (M, 3) where its surface is expected, metres, camera frame.
        gate_m: how far from there its points' mean may be.
        instance_id: of its last mask.
        lost: whether it is lost.
    """

    category: str
    points_cam: np.ndarray
    gate_m: float
    instance_id: int = -1
    lost: bool = False


def associate(
    clouds: Sequence[ObjectCloud],
    expected: Sequence[Expected],
    camera: PinholeCamera,
    *,
    use_mask_ids: bool = False,
) -> dict[int, int]:
    """Return the index of its cloud for each track that has one; arguments as the costs'.

    Tracks of the same class choose first, those that are not lost before those that are; masks
    that are still free may then be of live tracks whose class the segmenter got wrong.
    """
    if not clouds or not expected:
        return {}
    costs = association_costs(clouds, expected, camera, use_mask_ids=use_mask_ids)
    lost = np.array([track.lost for track in expected])
    other = np.array([[c.instance.category != t.category for t in expected] for c in clouds])
    pairs: dict[int, int] = {}
    for possible in (~other & ~lost, ~other & lost, other & ~lost):
        left = np.where(possible, costs, np.inf)
        left[list(pairs.values())] = np.inf
        left[:, list(pairs)] = np.inf
        pairs.update({j: i for i, j in assign(left)})
    return pairs


def association_costs(
    clouds: Sequence[ObjectCloud],
    expected: Sequence[Expected],
    camera: PinholeCamera,
    *,
    use_mask_ids: bool = False,
) -> np.ndarray:
    """Return the cost (clouds, tracks) of taking a cloud for a track; infinite: impossible.

    Distance of the means in units of the association gate, plus the share of the track's surface
    that the mask does not cover, plus a penalty for another class.

    Args:
        clouds: with the masks they come from.
        expected: the tracks.
        camera: of the masks.
        use_mask_ids: the segmenter's ids tell objects apart.
    """
    costs = np.full((len(clouds), len(expected)), np.inf)
    means = np.array([cloud.points_cam.mean(axis=0) for cloud in clouds]).reshape(-1, 3)
    for j, track in enumerate(expected):
        distance = np.linalg.norm(means - track.points_cam.mean(axis=0), axis=1) / track.gate_m
        row, column, _ = image_pixels(track.points_cam, camera)
        for i in np.flatnonzero(distance <= 1).tolist():
            instance = clouds[i].instance
            covered = np.count_nonzero(instance.mask[row, column]) / len(track.points_cam)
            cost = distance[i] + 1 - covered
            if instance.category != track.category:
                if covered < constants.OTHER_CLASS_OVERLAP:
                    continue
                cost += constants.OTHER_CLASS_COST
            if use_mask_ids and instance.id == track.instance_id:
                cost -= constants.SAME_ID_GAIN
            costs[i, j] = cost
    return costs


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost among those with the most pairs.

    The assignment problem that the Hungarian method solves.

    Args:
        costs: (N, M); infinite: not possible.
    """
    possible = np.isfinite(costs)
    if not possible.any():
        return []
    # More than any change of the other pairs can save, so that no pair is given up for them.
    span = float(np.ptp(costs[possible])) + 1
    impossible = float(costs[possible].max()) + span * min(costs.shape)
    rows, columns = linear_sum_assignment(np.where(possible, costs, impossible))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if possible[i, j]]


def is_duplicate(cloud: ObjectCloud, others: Sequence[ObjectCloud]) -> bool:
    """Return whether a mask shows once more what another one of the frame shows.

    More than half of its pixels, or of the other's, belong to both.
    """
    mask = cloud.instance.mask
    for other in others:
        both = np.count_nonzero(mask & other.instance.mask)
        areas = (np.count_nonzero(mask), np.count_nonzero(other.instance.mask))
        if both > constants.DUPLICATE_SHARE * min(areas):
            return True
    return False
