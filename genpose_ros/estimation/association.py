"""Which object of a frame belongs to which track: an assignment by place, overlap and class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["Expected", "assign", "association_costs"]

#: A mask of another class is only taken for the same object where it covers this much of it.
_OTHER_CLASS_OVERLAP = 0.4
_OTHER_CLASS_COST = 1.0
#: An id that the segmenter kept outweighs everything but the gate.
_SAME_ID_GAIN = 3.0


@dataclass(frozen=True)
class Expected:
    """What a track looks like at the time of a frame.

    Attributes:
        category: its class.
        points_cam: (M, 3) where its surface is expected, metres, camera frame.
        gate_m: how far from there its points' mean may be.
        instance_id: of its last mask.
    """

    category: str
    points_cam: np.ndarray
    gate_m: float
    instance_id: int = -1


def association_costs(
    clouds: Sequence[ObjectCloud],
    expected: Sequence[Expected],
    camera: PinholeCamera,
    *,
    trust_ids: bool = False,
) -> np.ndarray:
    """Return the cost (clouds, tracks) of taking a cloud for a track; infinite: impossible.

    Distance of the means in units of the gate, plus the share of the track's surface that the mask
    does not cover, plus a penalty for another class.

    Args:
        clouds: with the masks they come from.
        expected: the tracks.
        camera: of the masks.
        trust_ids: the segmenter's ids tell objects apart.
    """
    costs = np.full((len(clouds), len(expected)), np.inf)
    means = np.array([cloud.points_cam.mean(axis=0) for cloud in clouds]).reshape(-1, 3)
    for j, track in enumerate(expected):
        distance = np.linalg.norm(means - track.points_cam.mean(axis=0), axis=1) / track.gate_m
        pixels = _pixels(track.points_cam, camera)
        for i in np.flatnonzero(distance <= 1).tolist():
            instance = clouds[i].instance
            overlap = _covered(pixels, instance.mask)
            cost = distance[i] + 1 - overlap
            if instance.category != track.category:
                if overlap < _OTHER_CLASS_OVERLAP:
                    continue
                cost += _OTHER_CLASS_COST
            if trust_ids and instance.id == track.instance_id:
                cost -= _SAME_ID_GAIN
            costs[i, j] = cost
    return costs


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost among those with the most pairs.

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


def _pixels(points_cam: np.ndarray, camera: PinholeCamera) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and columns of the points inside the image, and how many there are in all."""
    uv = camera.project(points_cam)
    with np.errstate(invalid="ignore"):
        inside = (
            (uv[:, 0] > -0.5)
            & (uv[:, 0] < camera.width - 0.5)
            & (uv[:, 1] > -0.5)
            & (uv[:, 1] < camera.height - 0.5)
        )
    column, row = np.rint(uv[inside]).astype(np.int64).T
    return row, column, len(uv)


def _covered(pixels: tuple[np.ndarray, np.ndarray, int], mask: np.ndarray) -> float:
    row, column, count = pixels
    return float(np.count_nonzero(mask[row, column])) / max(count, 1)
