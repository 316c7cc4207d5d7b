# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Size of an object from its visible points, for models that do not estimate it."""

import numpy as np

from genpose_ros.geometry.clouds import inverse_transform_points

__all__ = ["visible_extent"]

#: Share of the points inside the box; the rest are taken for noise.
_INSIDE = 0.98


def visible_extent(points_cam: np.ndarray, T_cam_obj: np.ndarray, *, symmetric: bool) -> np.ndarray:
    """Return the edge lengths of the box about the object's origin that holds the points.

    The origin is the centre of the object's box, so the visible side gives the size of the hidden
    side. Axisymmetric objects get the same length along x and z, twice the radius about y.

    Args:
        points_cam: (N, 3), metres, camera frame.
        T_cam_obj: (4, 4), object to camera.
        symmetric: axisymmetric about the object's y axis.

    Returns:
        (3,), metres; 2 % of the points may lie outside.

    Example:
        >>> points_cam = np.array([[0.03, 0.05, 0.04]] * 50)
        >>> np.round(visible_extent(points_cam, np.eye(4), symmetric=True), 6).tolist()
        [0.1, 0.1, 0.1]
        >>> np.round(visible_extent(points_cam, np.eye(4), symmetric=False), 6).tolist()
        [0.06, 0.1, 0.08]
    """
    points_obj = inverse_transform_points(T_cam_obj, points_cam)
    reach = np.abs(points_obj)
    if symmetric:
        reach[:, 0] = reach[:, 2] = np.hypot(points_obj[:, 0], points_obj[:, 2])
    extent: np.ndarray = 2 * np.quantile(reach, _INSIDE, axis=0)
    return extent
