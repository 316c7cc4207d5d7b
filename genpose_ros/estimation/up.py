# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Up, the direction against gravity in the camera frame, and the support plane below objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera

__all__ = [
    "CONTACT_M",
    "KEPT_SHARE",
    "UP_SOURCES",
    "UpDirection",
    "find_support_plane",
    "given_up",
    "is_level",
    "needs_support",
    "on_support",
    "support_share",
    "supports",
    "up_direction",
]

#: Where the direction up may come from.
UP_SOURCES = ("auto", "tf", "imu", "plane", "none")

#: Pixels of the grid that planes are looked for on, along the image's longer side.
_GRID = 128
#: Points that planes are judged by, and triples of them that suggest one.
_POINTS, _TRIPLES = 800, 128
#: Planes looked at, the one with the most points first; walls often have more than the table.
_PLANES = 3
#: Distance from a plane at which points belong to it, metres: at the camera, and what a metre's
#: square adds, as the error of depth grows.
_TOLERANCE_M, _TOLERANCE_PER_M = 0.006, 0.005
#: Points around the masks that planes are fitted to at least, and share of them on a support.
_LEAST_AROUND, _MIN_SHARE = 50, 0.12
#: Depth from here on is no measurement.
_FARTHEST_M = 20.0
#: Distance between an object's lowest points and its support, metres, and height above it.
CONTACT_M, _MIN_HEIGHT_M = 0.025, 0.015
#: The least deviation of a fitted normal, and what neighbouring pixels' errors have in common.
_SIGMA_RAD, _CORRELATED = np.radians(0.5), 25.0
#: A plane that leans more than this against a known direction up is no support, radians.
_LEVEL_RAD = np.radians(12.0)
#: Pixels along the image's longer side that a support is looked for on again.
_FEW = 24
#: A support is still there while so large a share of the pixels as when it was found lies on it.
KEPT_SHARE = 0.7


@dataclass(frozen=True)
class UpDirection:
    """Direction against gravity and, where it is known, the support that objects stand on.

    Attributes:
        direction_cam: (3,) unit vector against gravity, camera frame.
        sigma_rad: standard deviation of the direction about each axis across it.
        level_m: coordinate along it of the support's points, metres; None where not known.
        source: where it comes from, such as plane or tf.

    Raises:
        ValueError: the direction is no unit vector, or a number is not finite.

    Example:
        >>> upright = UpDirection(np.array([0.0, -1.0, 0.0]), sigma_rad=0.01, source="imu")
        >>> upright.level_m is None
        True
    """

    direction_cam: np.ndarray
    sigma_rad: float = 0.0
    level_m: float | None = None
    source: str = "given"

    def __post_init__(self) -> None:
        direction = np.asarray(self.direction_cam, dtype=np.float64)
        if direction.shape != (3,) or not abs(float(np.linalg.norm(direction)) - 1) < 1e-3:
            raise ValueError(f"up is a unit vector of three numbers, got {self.direction_cam!r}")
        numbers = [self.sigma_rad, 0.0 if self.level_m is None else self.level_m]
        if not np.isfinite(numbers).all() or self.sigma_rad < 0:
            raise ValueError(f"expected finite numbers with the direction up, got {numbers}")


def up_direction(
    source: str,
    given: UpDirection | None,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    masks: Sequence[np.ndarray],
) -> UpDirection | None:
    """Return which way is up in an image: as given, with the support below the objects, or fitted.

    Args:
        source: of `UP_SOURCES`. With tf and imu what is given counts alone, with plane the depth
            alone, with auto what is given, else the depth; with none nothing does.
        given: known of the image already; None: nothing.
        depth_m: (H, W), metres along z.
        camera: of the depth image.
        masks: (H, W) bool, of the objects.

    Example:
        >>> camera = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
        >>> up_direction("none", None, np.ones((48, 64)), camera, []) is None
        True
    """
    known = given_up(source, given)
    if not needs_support(source, known):
        return known
    scene = _Scene.of(depth_m, camera, masks)
    plane = None if scene is None else scene.support(known)
    if scene is None or plane is None:
        return known
    return plane if known is None else on_support(known, plane, scene.centre)


def given_up(source: str, given: UpDirection | None) -> UpDirection | None:
    """Return what of a given direction counts; None: nothing.

    Args:
        source: of `UP_SOURCES`.
        given: known beside the depth image.

    Example:
        >>> given = UpDirection(np.array([0.0, -1.0, 0.0]))
        >>> given_up("auto", given) is given, given_up("plane", given)
        (True, None)
    """
    return None if source in ("plane", "none") else given


def needs_support(source: str, known: UpDirection | None) -> bool:
    """Return whether a support plane is to be looked for.

    Args:
        source: of `UP_SOURCES`.
        known: as of `given_up`.

    Example:
        >>> needs_support("auto", None), needs_support("tf", None)
        (True, False)
    """
    if known is None:
        return source in ("auto", "plane")
    return known.level_m is None


def is_level(plane: UpDirection, known: UpDirection | None) -> bool:
    """Return whether a plane may be a support, its normal being near the known direction up.

    Args:
        plane: found in the depth.
        known: which way is up; None: every plane may be one.

    Example:
        >>> wall = UpDirection(np.array([0.0, 0.0, -1.0]), level_m=-1.0, source="plane")
        >>> is_level(wall, UpDirection(np.array([0.0, -1.0, 0.0])))
        False
    """
    return known is None or bool(plane.direction_cam @ known.direction_cam >= np.cos(_LEVEL_RAD))


def on_support(known: UpDirection, plane: UpDirection, below_cam: np.ndarray) -> UpDirection:
    """Return a known direction with the level of a support; as it is where that leans too much.

    Args:
        known: the direction.
        plane: the support, its normal and level.
        below_cam: (3,) point below which the level is that of the support, such as the objects'
            centre, metres.

    Example:
        >>> known = UpDirection(np.array([0.0, -1.0, 0.0]), source="tf")
        >>> leaning = UpDirection(np.array([0.0, -0.995, -0.0999]), level_m=-0.3, source="plane")
        >>> told = on_support(known, leaning, np.array([0.0, 0.1, 0.8]))
        >>> told.source, round(told.level_m, 3)
        ('tf', -0.22)
    """
    if plane.level_m is None or not is_level(plane, known):
        return known
    foot = below_cam - (plane.direction_cam @ below_cam - plane.level_m) * plane.direction_cam
    return replace(known, level_m=float(known.direction_cam @ foot))


def find_support_plane(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    masks: Sequence[np.ndarray],
    known: UpDirection | None = None,
) -> UpDirection | None:
    """Return the plane that the objects stand on, where the depth around them shows one.

    Planes are fitted to what lies around the masks (RANSAC, then least squares). The support is the
    first one, by its points, that is seen from above and that at least half of the objects touch
    and rise from; a wall behind them is not.

    Args:
        depth_m: (H, W), metres along z; what is not positive and finite is no measurement.
        camera: of the depth image.
        masks: (H, W) bool, of the objects.
        known: the direction up, which the plane's normal has to agree with; None: not known.

    Example:
        >>> camera = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
        >>> rays = np.stack([*np.meshgrid(np.arange(64.0), np.arange(48.0)), np.ones((48, 64))], -1)
        >>> rays[..., :2] = (rays[..., :2] - [32, 24]) / 60
        >>> up = np.array([0.0, -0.8, -0.6])  # a camera that looks down onto a table
        >>> depth_m = -0.6 / (rays @ up)
        >>> mask = np.zeros((48, 64), dtype=bool)
        >>> mask[18:26, 28:36] = True  # a box whose front is nearer than the table behind it
        >>> depth_m[mask] = depth_m[25, 32]
        >>> plane = find_support_plane(depth_m, camera, [mask])
        >>> plane.direction_cam.round(3).tolist(), round(plane.level_m, 3)
        ([0.0, -0.8, -0.6], -0.6)
    """
    scene = _Scene.of(depth_m, camera, masks)
    return None if scene is None else scene.support(known)


def support_share(plane: UpDirection, depth_m: np.ndarray, camera: PinholeCamera) -> float:
    """Return the share of an image's pixels with depth that lie on a plane, of a few hundred.

    It tells cheaply whether a plane found in another image is still where it was.

    Args:
        plane: its normal and level, camera frame.
        depth_m: (H, W), metres along z.
        camera: of the depth image.

    Example:
        >>> camera = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
        >>> wall = UpDirection(np.array([0.0, 0.0, -1.0]), level_m=-0.8)
        >>> depth_m = np.full((48, 64), 0.8)
        >>> depth_m[:, :16] = 0.7
        >>> round(support_share(wall, depth_m, camera), 1)
        0.7
    """
    step, depth = _coarse(depth_m, _FEW)
    points = _grid_points(depth, camera, step)[depth > 0]
    if plane.level_m is None or not len(points):
        return 0.0
    return float((np.abs(points @ plane.direction_cam - plane.level_m) < _tolerance(points)).mean())


def supports(plane: UpDirection, clouds: Sequence[np.ndarray]) -> bool:
    """Return whether at least half of the objects touch a plane from above and rise from it.

    Args:
        plane: its normal and level.
        clouds: (N, 3) points of each object, metres, camera frame; those of few points do not
            count.

    Example:
        >>> floor = UpDirection(np.array([0.0, -1.0, 0.0]), level_m=-0.3)
        >>> column = np.stack([np.zeros(50), np.linspace(0.2, 0.3, 50), np.ones(50)], -1)
        >>> supports(floor, [column]), supports(floor, [column - [0, 0.1, 0]])
        (True, False)
    """
    standing = counted = 0
    for cloud in clouds:
        if len(cloud) < 5 or plane.level_m is None:
            continue
        counted += 1
        heights = np.sort(cloud @ plane.direction_cam.astype(np.float32)) - plane.level_m
        low, high = heights[int(0.03 * len(cloud))], heights[int(0.97 * len(cloud))]
        standing += bool(abs(low) < CONTACT_M and high > _MIN_HEIGHT_M)
    return counted > 0 and standing >= 0.5 * counted


@dataclass(frozen=True)
class _Scene:
    """Coarse points of an image, metres, camera frame.

    Attributes:
        objects: (n, 3) of each mask.
        around: (n, 3) of what is around them.
    """

    objects: Sequence[np.ndarray]
    around: np.ndarray

    @classmethod
    def of(
        cls, depth_m: np.ndarray, camera: PinholeCamera, masks: Sequence[np.ndarray]
    ) -> "_Scene | None":
        """The points of an image; None where there are no objects, or too little around them."""
        masks = [mask for mask in masks if mask.shape == depth_m.shape]
        if not masks:
            return None
        step, depth = _coarse(depth_m, _GRID)
        shown = [np.ascontiguousarray(mask[::step, ::step], dtype=bool) for mask in masks]
        points, valid = _grid_points(depth, camera, step), depth > 0
        objects = [points[valid & mask] for mask in shown]
        around = points[valid & _surroundings(shown)]
        if len(around) < _LEAST_AROUND or not any(len(cloud) for cloud in objects):
            return None
        return cls(objects, around)

    @property
    def centre(self) -> np.ndarray:
        """Mean of the objects' points."""
        mean: np.ndarray = np.concatenate(self.objects).mean(0).astype(np.float64)
        return mean

    def support(self, known: UpDirection | None) -> UpDirection | None:
        """The plane that the objects stand on, its normal near the known direction up."""
        rng = np.random.default_rng(0)
        around, least = self.around, max(_LEAST_AROUND, _MIN_SHARE * len(self.around))
        up = None if known is None else known.direction_cam
        for _ in range(_PLANES):
            if len(around) < least:
                return None
            normal, level, inside = _largest_plane(around, rng, up)
            if inside.sum() < _MIN_SHARE * len(self.around):
                return None
            plane = UpDirection(normal, _normal_sigma(around[inside], normal), level, "plane")
            if is_level(plane, known) and supports(plane, self.objects):
                return plane
            around = around[~inside]
        return None


def _coarse(depth_m: np.ndarray, pixels: int) -> tuple[int, np.ndarray]:
    """The grid's step in pixels, and its depth; 0 where there is no measurement."""
    step = max(1, round(max(depth_m.shape) / pixels))
    depth = depth_m[::step, ::step].astype(np.float32)
    depth[~((depth > 0) & (depth < _FARTHEST_M))] = 0
    return step, depth


def _grid_points(depth: np.ndarray, camera: PinholeCamera, step: int) -> np.ndarray:
    """Points (h, w, 3) of every `step`-th pixel."""
    rows, columns = depth.shape
    x = (np.arange(columns, dtype=np.float32) * step - camera.cx) / camera.fx
    y = (np.arange(rows, dtype=np.float32) * step - camera.cy) / camera.fy
    return np.stack([depth * x, depth * y[:, None], depth], -1)


def _surroundings(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels off all masks within boxes twice as large again as those around each mask."""
    near = np.zeros(masks[0].shape, dtype=bool)
    covered = np.zeros(masks[0].shape, dtype=bool)
    for mask in masks:
        covered |= mask
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            margin = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0]), 6) + 1
            top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
            near[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1] = True
    grown = covered.copy()  # pixels at the masks' borders mix object and ground
    grown[1:] |= covered[:-1]
    grown[:-1] |= covered[1:]
    grown[:, 1:] |= covered[:, :-1]
    grown[:, :-1] |= covered[:, 1:]
    return near & ~grown


def _largest_plane(
    points: np.ndarray, rng: np.random.Generator, up: np.ndarray | None
) -> tuple[np.ndarray, float, np.ndarray]:
    """Normal towards the camera, level and points (N,) bool of the plane with the most points.

    Where it is known which way is up, of those across it.
    """
    some = points[rng.choice(len(points), min(_POINTS, len(points)), replace=False)]
    corners = some[rng.integers(len(some), size=(_TRIPLES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(lengths > 0, lengths, 1.0)
    levels = (normals * corners[:, 0]).sum(1)
    tolerance = _tolerance(some)
    distance = normals @ some.T
    distance -= levels[:, None]
    close = np.abs(distance, out=distance) < tolerance
    usable = lengths[:, 0] > 0
    if up is not None:
        usable &= np.abs(normals @ up) >= np.cos(_LEVEL_RAD)
    best = int(np.where(usable, np.count_nonzero(close, 1), -1).argmax())
    normal, level, inside = normals[best], float(levels[best]), close[best]
    for _ in range(2):
        normal, level = _fit(some[inside], normal, level)
        inside = np.abs(some @ normal - level) < tolerance
    if level > 0:  # towards the camera, which is at the origin
        normal, level = -normal, -level
    return normal.astype(np.float64), level, np.abs(points @ normal - level) < _tolerance(points)


def _tolerance(points: np.ndarray) -> np.ndarray:
    limit: np.ndarray = _TOLERANCE_M + _TOLERANCE_PER_M * points[:, 2] ** 2
    return limit


def _fit(points: np.ndarray, normal: np.ndarray, level: float) -> tuple[np.ndarray, float]:
    """The plane of least squares; the one before where the points do not span one."""
    if len(points) < 10:
        return normal, level
    centre = points.mean(0)
    spread = (points - centre).astype(np.float64)
    _, axes = np.linalg.eigh(spread.T @ spread)
    return axes[:, 0], float(axes[:, 0] @ centre)


def _normal_sigma(points: np.ndarray, normal: np.ndarray) -> float:
    """Deviation of a fitted normal, radians: of the points' errors, over their extent."""
    spread = points - points.mean(0)
    error = float(np.square(spread @ normal).mean())
    extent = np.linalg.eigvalsh(spread.T @ spread / len(points))[1]
    independent = max(len(points) / _CORRELATED, 1.0)
    return float(np.sqrt(_SIGMA_RAD**2 + error / (independent * max(float(extent), 1e-9))))
