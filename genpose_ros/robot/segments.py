# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distances between line segments, and between segments and points, in batches."""

import numpy as np

__all__ = ["segment_distances", "segment_point_distances"]

#: Squared lengths below it are points.
_POINT = 1e-12


def segment_distances(a0: np.ndarray, a1: np.ndarray, b0: np.ndarray, b1: np.ndarray) -> np.ndarray:
    """Return the distances (...) between segments a and b, each given by its ends (..., 3).

    The nearest points of the two lines are cut off at the ends of one segment, then of the other
    (Ericson, Real-Time Collision Detection, 5.1.9). Parallel segments begin at the start of a.

    Example:
        >>> ends = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 1, 2], [0.5, -1, 2]])
        >>> float(segment_distances(*ends))
        2.0
    """
    along_a, along_b, between = a1 - a0, b1 - b0, a0 - b0
    aa, bb = _dot(along_a, along_a), _dot(along_b, along_b)
    ab, ad, bd = _dot(along_a, along_b), _dot(along_a, between), _dot(along_b, between)
    slope = aa * bb - ab * ab
    skew = slope > _POINT * np.maximum(aa * bb, _POINT)
    s = np.where(skew, _share(ab * bd - ad * bb, slope), 0.0)
    t = _share(ab * s + bd, bb)
    s = _share(ab * t - ad, aa)
    gap = between + s[..., None] * along_a - t[..., None] * along_b
    distances: np.ndarray = np.sqrt(_dot(gap, gap))
    return distances


def segment_point_distances(a0: np.ndarray, a1: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the distances (...) between segments, given by their ends (..., 3), and points.

    Args:
        a0: (..., 3).
        a1: (..., 3).
        points: (..., 3), broadcast against the ends.
    """
    along, to_point = a1 - a0, points - a0
    share = _share(_dot(along, to_point), _dot(along, along))
    gap = to_point - share[..., None] * along
    distances: np.ndarray = np.sqrt(_dot(gap, gap))
    return distances


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """A share between 0 and 1; 0 of what has no length."""
    part, whole = np.broadcast_arrays(part, whole)
    long = whole > _POINT
    share: np.ndarray = np.clip(np.divide(part, whole, out=np.zeros(part.shape), where=long), 0, 1)
    return share


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("...i,...i->...", a, b))
