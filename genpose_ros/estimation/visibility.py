"""What a depth image says about an object expected in it: seen, hidden, or gone; and its points."""

from dataclasses import dataclass

import numpy as np
import torch

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points

__all__ = [
    "Visibility",
    "depth_around",
    "image_pixels",
    "inside_fraction",
    "outside_fraction",
    "shift_onto",
    "visibility",
]

#: Measured and expected depth closer than this are the same surface, metres.
_SAME_SURFACE_M = 0.025
#: Depth around a prediction belongs to the object this close to its last seen surface, metres.
_NEAR_SURFACE_M = 0.012
#: That surface is first moved onto the depth within this distance, metres, in so many steps, by so
#: many of its points.
_MOVED_M, _MOVE_STEPS, _MOVE_POINTS = 0.04, 4, 96
#: Points of the surface that depth is compared with.
_SURFACE_POINTS = 512
#: A step this short is the last one.
_LAST_STEP_M = 0.001
#: The box may be this much too small on each side, metres and share.
_BOX_MARGIN_M, _BOX_MARGIN = 0.01, 0.1


@dataclass(frozen=True)
class Visibility:
    """Shares of an object's expected surface, which add up to 1.

    Attributes:
        seen: the depth is as expected.
        hidden: something is in front.
        gone: the depth image looks through.
        unknown: outside the image or without depth.
        residual_m: median distance between expected and measured depth where nothing is in front,
            metres; NaN where there is none.
    """

    seen: float
    hidden: float
    gone: float
    unknown: float
    residual_m: float


def image_pixels(
    points_cam: np.ndarray, camera: PinholeCamera
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows (K,) and columns (K,) of the points in the image, and which (N,) bool they are.

    Args:
        points_cam: (N, 3), metres, camera frame.
        camera: of the image.
    """
    uv = np.rint(camera.project(points_cam))
    with np.errstate(invalid="ignore"):
        inside = (uv >= 0).all(axis=1) & (uv < (camera.width, camera.height)).all(axis=1)
    column, row = uv[inside].astype(np.int64).T
    return row, column, inside


def visibility(
    T_cam_obj: np.ndarray,
    points_obj: np.ndarray,
    size_m: np.ndarray,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    *,
    symmetric: bool,
) -> Visibility:
    """Compare an object's expected surface with a depth image.

    Surface that has turned away is behind the object itself, not behind something else: it counts
    as seen.

    Args:
        T_cam_obj: (4, 4) expected pose.
        points_obj: (M, 3) surface, metres, object frame.
        size_m: (3,) edge lengths of the box.
        depth_m: (H, W), metres along z; zero, negative and not finite are no measurement.
        camera: of the depth image.
        symmetric: round about y.
    """
    points_cam = transform_points(T_cam_obj, points_obj)
    count = max(len(points_cam), 1)
    row, column, inside = image_pixels(points_cam, camera)
    measured = depth_m[row, column]
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(measured) & (measured > 0)
    expected = points_cam[inside][valid]
    ratio = measured[valid] / expected[:, 2]
    behind = measured[valid] - expected[:, 2]
    hidden, gone = behind < -_SAME_SURFACE_M, behind > _SAME_SURFACE_M
    front_obj = (expected[hidden] * ratio[hidden, None] - T_cam_obj[:3, 3]) @ T_cam_obj[:3, :3]
    hidden[hidden] = ~_inside_box(front_obj, size_m, symmetric)
    rest = np.abs(behind[~hidden])
    return Visibility(
        seen=float((~hidden & ~gone).sum()) / count,
        hidden=float(hidden.sum()) / count,
        gone=float(gone.sum()) / count,
        unknown=1 - len(behind) / count,
        residual_m=float(np.median(rest)) if len(rest) else float("nan"),
    )


def outside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, symmetric: bool
) -> float:
    """Return the share of an object's points (N, 3) outside its box, which is widened a little."""
    points_obj = (points_cam - T_cam_obj[:3, 3]) @ T_cam_obj[:3, :3]
    return float(1 - _inside_box(points_obj, size_m, symmetric).mean())


def inside_fraction(
    points_cam: np.ndarray, T_cam_obj: np.ndarray, size_m: np.ndarray, *, symmetric: bool
) -> float:
    """Return the share of points (N, 3) inside an object's box, which is widened a little."""
    return 1 - outside_fraction(points_cam, T_cam_obj, size_m, symmetric=symmetric)


def depth_around(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    points_obj: np.ndarray,
    size_m: np.ndarray,
    settings: EstimatorSettings,
    *,
    symmetric: bool,
    pixels: int = 2000,
) -> np.ndarray:
    """Return the points of the depth image that lie on an object expected there.

    They lie in its box and near its last seen surface, both moved along from where they are
    expected to where the depth has them: what goes faster than expected would else be cut off on
    one side, and its pose fall back more in each image.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        T_cam_obj: (4, 4) expected pose.
        points_obj: (M, 3) last seen surface, object frame.
        size_m: (3,) edge lengths of the box.
        settings: depth limits.
        symmetric: round about y.
        pixels: about how many pixels around the object are looked at.

    Returns:
        (N, 3) float32, metres, camera frame.
    """
    nothing = np.zeros((0, 3), dtype=np.float32)
    surface = points_obj[:_SURFACE_POINTS].astype(np.float32)
    uv = camera.project(transform_points(T_cam_obj, surface))
    uv = uv[np.isfinite(uv[:, 0])]
    if len(uv) == 0:
        return nothing
    margin = _MOVED_M * camera.fx / max(float(T_cam_obj[2, 3]), 0.05)
    size = (camera.width, camera.height)
    low = np.clip(np.floor(uv.min(axis=0) - margin), 0, size).astype(int)
    high = np.clip(np.ceil(uv.max(axis=0) + margin) + 1, 0, size).astype(int)
    if (high <= low).any():
        return nothing
    stride = max(round(float(np.sqrt((high - low).prod() / pixels))), 1)
    box = slice(low[1], high[1], stride), slice(low[0], high[0], stride)
    z = depth_m[box]
    reach = float(np.linalg.norm(surface, axis=1).max()) + _MOVED_M
    nearest = max(float(T_cam_obj[2, 3]) - reach, settings.depth_min_m)
    farthest = min(float(T_cam_obj[2, 3]) + reach, settings.depth_max_m)
    with np.errstate(invalid="ignore"):
        near = (z >= nearest) & (z <= farthest)
    points_cam = camera.cropped(*box).back_project(z, near)
    if len(points_cam) == 0:
        return nothing
    T = T_cam_obj.astype(np.float32)
    in_obj = (points_cam - T[:3, 3]) @ T[:3, :3]
    in_obj -= shift_onto(in_obj, surface)
    inside = _inside_box(in_obj, size_m, symmetric)
    points_cam, in_obj = points_cam[inside], in_obj[inside]
    near = _squared_distances(surface, in_obj).min(axis=0) < _NEAR_SURFACE_M**2
    on_object: np.ndarray = points_cam[near]
    return on_object


def shift_onto(scene: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Return the translation (3,) that brings a surface (M, 3) onto a scene (N, 3), metres.

    Iterated closest points, without rotation; surface that is far from all of the scene, being
    hidden, has no say. Some points of the surface, the first ones, are enough.
    """
    surface, scene = surface[:_MOVE_POINTS].astype(np.float32), scene.astype(np.float32)
    still, rows = _squared_distances(surface, scene), np.arange(len(surface))
    move = np.zeros(3, dtype=np.float32)
    for _ in range(_MOVE_STEPS):
        # |s + m - p|^2 = |s - p|^2 - 2 m p + (what the nearest p does not depend on).
        partial = still - 2 * (scene @ move)
        nearest = partial.argmin(axis=1)
        distance2 = partial[rows, nearest] + 2 * (surface @ move) + move @ move
        found = distance2 < _MOVED_M**2
        if not found.any():
            break
        step = (scene[nearest[found]] - surface[found]).mean(axis=0) - move
        move += step
        if step @ step < _LAST_STEP_M**2:
            break
    return move


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (N, M) between float32 points (N, 3) and (M, 3).

    For so few points that is faster than a tree. PyTorch multiplies with the threads it is allowed,
    NumPy with all there are.
    """
    rows, columns = torch.from_numpy(a), torch.from_numpy(b)
    squares = rows.square().sum(dim=1, keepdim=True) + columns.square().sum(dim=1)
    return torch.addmm(squares, rows, columns.T, alpha=-2).numpy()


def _inside_box(points_obj: np.ndarray, size_m: np.ndarray, symmetric: bool) -> np.ndarray:
    """Which points (N, 3) lie in the box, or in the upright cylinder of a round object."""
    reach = np.abs(points_obj)
    if symmetric:
        reach[:, 0] = np.hypot(points_obj[:, 0], points_obj[:, 2])
        reach[:, 2] = 0
    half = size_m / 2 * (1 + _BOX_MARGIN) + _BOX_MARGIN_M
    inside: np.ndarray = (reach <= half).all(axis=1)
    return inside
