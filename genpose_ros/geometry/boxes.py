# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Boxes around objects: corners, and edges as line segments."""

from itertools import product

import numpy as np

from genpose_ros.geometry.clouds import transform_points

__all__ = ["BOX_CORNERS", "BOX_EDGES", "box_edges"]

#: Corners (8, 3) of a box about its middle, in its edge lengths.
BOX_CORNERS = np.array(list(product((-0.5, 0.5), repeat=3)))
#: Indices (12, 2) of the corners that its edges join: those that differ in one coordinate.
BOX_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if a ^ b in (1, 2, 4)])


def box_edges(T: np.ndarray, size_m: np.ndarray) -> np.ndarray:
    """Return both ends of the 12 edges of a box, (12, 2, 3), in the frame that `T` leads to.

    Args:
        T: (4, 4), from the box's frame, whose origin is its middle.
        size_m: (3,) edge lengths, in the unit of the translation.

    Example:
        >>> edges = box_edges(np.eye(4), np.array([1.0, 2.0, 3.0]))
        >>> float(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=-1).sum())
        24.0
    """
    return np.asarray(transform_points(T, BOX_CORNERS * size_m)[BOX_EDGES])
