"""An object's size from its visible points, for models that do not estimate it."""

import numpy as np

from genpose_ros.geometry.clouds import inverse_transform_points

__all__ = ["visible_extent"]

#: Share of the points inside the box; the rest are taken for noise.
_INSIDE = 0.98


def visible_extent(points_cam: np.ndarray, T_cam_obj: np.ndarray, *, symmetric: bool) -> np.ndarray:
    """Return edge lengths (3,), metres, of the box about the object's origin that holds the points.

    The origin is the centre of the object's box, so the side seen gives the size of the side not
    seen. Round objects get the same length along x and z, twice the radius about y.

    Args:
        points_cam: (N, 3), metres, camera frame.
        T_cam_obj: (4, 4), object to camera.
        symmetric: round about y.
    """
    points_obj = inverse_transform_points(T_cam_obj, points_cam)
    reach = np.abs(points_obj)
    if symmetric:
        reach[:, 0] = reach[:, 2] = np.hypot(points_obj[:, 0], points_obj[:, 2])
    extent: np.ndarray = 2 * np.quantile(reach, _INSIDE, axis=0)
    return extent
