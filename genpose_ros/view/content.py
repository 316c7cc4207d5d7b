# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Content of the view: one frame with its objects, in plain numbers and one coordinate frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from genpose_ros.drawing import depth_picture
from genpose_ros.estimation.ranking import candidate_density
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import Category, CategorySet
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.geometry.transforms import rotate_covariance

__all__ = [
    "MOST_POINTS",
    "CameraImage",
    "Cloud",
    "ViewedFrame",
    "ViewedObject",
    "cloud_of",
    "density_of",
    "picture_of",
    "viewed_object",
]

#: Points of a scene's cloud.
MOST_POINTS = 18_000
#: Share of its category's colour that a point on an object takes.
_TINT = 0.35
#: Of depth images without colour: the nearest and the farthest points' grey.
_NEAR_GREY, _FAR_GREY = 225, 60


@dataclass(frozen=True)
class Cloud:
    """Points of a scene.

    Attributes:
        points: (N, 3) float32, metres, the view's frame.
        colors: (N, 3) uint8, RGB.
        spacing_m: about the distance between neighbours.
    """

    points: np.ndarray
    colors: np.ndarray
    spacing_m: float = 0.004

    @classmethod
    def empty(cls) -> "Cloud":
        """Return a cloud without points."""
        return cls(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))

    def moved(self, T_new_old: np.ndarray) -> "Cloud":
        """Return the cloud in another frame, (4, 4) from its own."""
        return replace(self, points=transform_points(T_new_old, self.points).astype(np.float32))


@dataclass(frozen=True)
class CameraImage:
    """Picture of a camera, and where the camera is.

    Attributes:
        pixels: (H, W, 3) uint8, RGB.
        camera: of the picture, or of one of the same field of view.
        T_view_cam: (4, 4), optical frame to the view's frame, metres.
    """

    pixels: np.ndarray
    camera: PinholeCamera
    T_view_cam: np.ndarray


@dataclass(frozen=True)
class ViewedObject:
    """Object with all that is shown of it, in the view's frame.

    Attributes:
        name: unique in a frame; of a tracked object its track's.
        category: its name.
        rgb: colour of the category, 0 to 255.
        T_view_obj: (4, 4), metres.
        size_m: (3,) edge lengths of the box along the object's axes.
        covariance: (6, 6) of x, y, z and rotation vector, metres and radians.
        score: 0 to 1, of the pose; `score_axis` of its y axis and place.
        T_view_candidates: (K, 4, 4).
        density: (K,) log density of each candidate among them, see `density_of`.
        energies: (K, 2) of rotation and translation; None: they are not known.
        T_view_other: (4, 4) of the second mode; None: there is none.
        mode_shares: of the candidates, largest first.
        state: of a track: new, confirmed, coasting or lost; empty: it is not tracked.
        velocity: (6,) m/s and rad/s along the view's axes; None: not tracked.
        age_s: since a track was first seen, seconds; `unseen_s` since it was last seen.
        energy: of the pose, rotation and translation; None: not known.
        n_points: depth pixels it was estimated from.
        detection_score: the segmenter's confidence.
        rests: whether it touches the support.
        remarks: on mask and size, as sentences.
        without_frames: which task frames it lacks and why, as sentences.
    """

    name: str
    category: str
    rgb: tuple[int, int, int]
    T_view_obj: np.ndarray
    size_m: np.ndarray
    covariance: np.ndarray
    score: float
    score_axis: float
    T_view_candidates: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 4)))
    density: np.ndarray = field(default_factory=lambda: np.zeros(0))
    energies: np.ndarray | None = None
    T_view_other: np.ndarray | None = None
    mode_shares: tuple[float, ...] = ()
    state: str = ""
    velocity: np.ndarray | None = None
    age_s: float = 0.0
    unseen_s: float = 0.0
    energy: tuple[float, float] | None = None
    n_points: int = 0
    detection_score: float = 1.0
    rests: bool = False
    remarks: tuple[str, ...] = ()
    without_frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class ViewedFrame:
    """One moment of the view.

    Attributes:
        name: a line about it, such as the file's.
        frame_id: of the view's frame, in which all is given.
        stamp_ns: acquisition time, nanoseconds.
        objects: in it.
        cloud: what the depth camera saw.
        image: of the colour camera or, without one, of depth as grey; None: nothing.
        up: direction and level of the support, in the view's frame; None: not known.
        refused: what was refused and why, as sentences.
        timings_ms: wall time per stage.
        task_frames: (4, 4) of further frames by name, such as those to grasp at.
        trails: (M, 3) of each track by its name: where it was, the latest last.
    """

    name: str
    frame_id: str = ""
    stamp_ns: int = 0
    objects: tuple[ViewedObject, ...] = ()
    cloud: Cloud = field(default_factory=Cloud.empty)
    image: CameraImage | None = None
    up: UpDirection | None = None
    refused: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    task_frames: Mapping[str, np.ndarray] = field(default_factory=dict)
    trails: Mapping[str, np.ndarray] = field(default_factory=dict)


def cloud_of(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    color: np.ndarray | None = None,
    tints: Sequence[tuple[np.ndarray, tuple[int, int, int]]] = (),
    most: int = MOST_POINTS,
) -> Cloud:
    """Return the points of a depth image, evenly thinned, in the camera's frame.

    Args:
        depth_m: (H, W), metres along z; zero, negative and not finite are no measurement.
        camera: of the depth image.
        color: (H, W, 3) uint8, RGB, of the same pixels; None: grey by depth.
        tints: masks (H, W) bool with the colour that is mixed into their points.
        most: points that there may be.

    Example:
        >>> camera = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
        >>> len(cloud_of(np.ones((48, 64)), camera, most=1000).points)  # every 4th pixel
        768
    """
    valid = np.isfinite(depth_m) & (depth_m > 0)
    # Every n-th row and column, which keeps the surfaces' look.
    every = max(1.0, np.count_nonzero(valid) / max(most, 1))
    steps = (int(np.sqrt(every)), int(np.ceil(every / int(np.sqrt(every)))))
    part = (slice(steps[0] // 2, None, steps[0]), slice(steps[1] // 2, None, steps[1]))
    shown = valid[part]
    if not shown.any():
        return Cloud.empty()
    points = camera.cropped(*part).back_project(depth_m[part])
    if color is None or color.shape[:2] != depth_m.shape:
        colors = _grey(points[:, 2])
    else:
        colors = color[part][shown].astype(np.float32)
    for mask, rgb in tints:
        on = mask[part][shown]
        colors[on] += _TINT * (np.asarray(rgb, dtype=np.float32) - colors[on])
    spacing_m = max(steps) * float(np.median(points[:, 2])) / camera.fx
    return Cloud(points[:most], colors.astype(np.uint8)[:most], spacing_m)


def picture_of(
    depth_m: np.ndarray, camera: PinholeCamera, color: np.ndarray | None, T_view_cam: np.ndarray
) -> CameraImage:
    """Return the colour image or, without one, depth as grey, and where its camera is.

    Args:
        depth_m: (H, W), metres.
        camera: of the depth image.
        color: (H, W, 3) uint8, RGB, of the same view; None: there is none.
        T_view_cam: (4, 4), camera to the view's frame.
    """
    return CameraImage(depth_picture(depth_m) if color is None else color, camera, T_view_cam)


def _grey(z_m: np.ndarray) -> np.ndarray:
    near, far = np.percentile(z_m, (2, 98))
    place = np.clip((z_m - near) / max(far - near, 1e-6), 0, 1)
    grey = _NEAR_GREY + (_FAR_GREY - _NEAR_GREY) * place
    return np.repeat(grey[:, None], 3, axis=1).astype(np.float32)


def density_of(T_candidates: np.ndarray, category: Category) -> np.ndarray:
    """Return the log kernel density of each candidate among all, of rotation and translation.

    Args:
        T_candidates: (K, 4, 4), in any frame.
        category: whose symmetry they have.

    Returns:
        (K,), up to a constant.
    """
    if not len(T_candidates):
        return np.zeros(0)
    poses = torch.from_numpy(np.ascontiguousarray(T_candidates, dtype=np.float64))[None]
    finite = torch.ones(poses.shape[:2], dtype=torch.bool)
    symmetry = SymmetryBatch.of([category.symmetry])
    logs = candidate_density(poses[..., :3, :3], poses[..., :3, 3], finite, symmetry)
    density: np.ndarray = logs[0].sum(-1).numpy()
    return density


def viewed_object(
    estimate: ObjectEstimate,
    name: str,
    categories: CategorySet,
    T_view_cam: np.ndarray,
    *,
    state: str = "",
    velocity_cam: np.ndarray | None = None,
    age_s: float = 0.0,
    unseen_s: float = 0.0,
) -> ViewedObject:
    """Return an estimate as it is shown.

    Args:
        estimate: in the camera's frame.
        name: of the object.
        categories: that the estimator knows.
        T_view_cam: (4, 4), camera to the view's frame.
        state: of a track.
        velocity_cam: (6,), along the axes of the camera's frame.
        age_s: of a track, seconds.
        unseen_s: since it was seen, seconds.
    """
    e, R = estimate, T_view_cam[:3, :3]
    category = categories.find(e.category) or Category(name=e.category)
    known = e.energy_rotation is not None and e.energy_translation is not None
    return ViewedObject(
        name=name,
        category=e.category,
        rgb=category.rgb,
        T_view_obj=T_view_cam @ e.T_cam_obj,
        size_m=np.asarray(e.size_m),
        covariance=rotate_covariance(e.covariance, R),
        score=e.score,
        score_axis=e.score_axis,
        T_view_candidates=T_view_cam @ e.T_cam_candidates,
        density=density_of(e.T_cam_candidates, category),
        energies=e.candidate_energies,
        T_view_other=None if e.T_cam_other is None else T_view_cam @ e.T_cam_other,
        mode_shares=e.mode_shares,
        state=state,
        velocity=None if velocity_cam is None else np.kron(np.eye(2), R) @ velocity_cam,
        age_s=age_s,
        unseen_s=unseen_s,
        energy=(float(e.energy_rotation or 0), float(e.energy_translation or 0)) if known else None,
        n_points=e.n_points,
        detection_score=e.detection_score,
        rests=e.rests,
        remarks=tuple(remark.text for remark in e.remarks),
    )
