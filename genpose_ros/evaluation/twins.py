# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded depth beside its twins: ray-cast from the same mesh at the true pose, and simulated.

Where the estimator is right on the twin and wrong on the recording, neither the shape nor what
hides it is to blame, but what the camera and the segmenter did; and where simulated cameras make
residuals like the recorded ones, training sees what robots see.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.frame_folders import (
    RecordedFrame,
    RecordedInstance,
    Truth,
    find_frames,
    load_frame,
)
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.evaluation.recorded_frames import instance_handle_visible
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.domains import DOMAINS
from genpose_ros.synthesis.meshes import Mesh
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.twins import simulate_twins

__all__ = [
    "LAGS_PX",
    "SIDES",
    "Residual",
    "TwinReport",
    "TwinsReport",
    "evaluate_twins",
    "mesh_of",
    "percentiles",
    "residual_of",
    "spread_of",
]

#: Distances along a row, in pixels, at which residuals are compared with themselves.
LAGS_PX = (1, 2, 4, 8, 16)
#: The sides of a mask, in the order of the profiles.
SIDES = ("left", "right", "upper", "lower")

#: What deviates by more from the mesh is not its surface, millimetres.
_OFF_MM = 25.0
#: How far from a mask's border profiles reach, pixels.
_PROFILE_PX = 10
#: Residuals of fewer pixels say nothing.
_LEAST_PX = 150


@dataclass(frozen=True)
class Residual:
    """Depth less the mesh's within a mask, its median taken off.

    Attributes:
        image_mm: (H, W) millimetres; NaN beside the mask, where depth is lost or off by more than
            25 mm, and where the mesh is not met.
        spread_mm: standard deviation.
        autocorrelation: at `LAGS_PX` along the rows; NaN where the object is too narrow.
        profile: (4, 10) of each of `SIDES`, at 1 to 10 pixels from the mask's border, the share of
            the pixels that do not show the mesh.
    """

    image_mm: np.ndarray
    spread_mm: float
    autocorrelation: tuple[float, ...]
    profile: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return spread, autocorrelation and profiles as JSON values."""
        return {
            "spread_mm": _rounded(self.spread_mm),
            "autocorrelation": [_rounded(value) for value in self.autocorrelation],
            "profile": {
                side: [_rounded(value) for value in row]
                for side, row in zip(SIDES, self.profile, strict=True)
            },
        }


@dataclass(frozen=True)
class TwinReport:
    """One recorded object and its twins.

    Attributes:
        frame: name of the frame.
        instance_id: its id in the mask.
        category: category name.
        mesh: name of the mesh.
        recorded: residual of the recording.
        simulated: of each domain, residuals of its cameras.
        errors: of `recorded`, `clean` and each domain, rotation errors in degrees and translation
            errors in centimetres; None where the object was refused.
    """

    frame: str
    instance_id: int
    category: str
    mesh: str
    recorded: Residual
    simulated: Mapping[str, tuple[Residual, ...]]
    errors: Mapping[str, tuple[tuple[float, float] | None, ...]]

    def median_errors(self, source: str) -> tuple[float, float]:
        """Median rotation and translation error; refused objects are infinitely wrong."""
        pairs = [(np.inf, np.inf) if e is None else e for e in self.errors[source]]
        degrees, centimetres = np.median(np.array(pairs), axis=0).tolist()
        return degrees, centimetres

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: of the domains' cameras the 10th, 50th and 90th percentiles."""
        return {
            "frame": self.frame,
            "id": self.instance_id,
            "class": self.category,
            "mesh": self.mesh,
            "recorded": self.recorded.to_json(),
            "simulated": {name: spread_of(those) for name, those in self.simulated.items()},
            "median_errors_deg_cm": {
                name: [_rounded(value) for value in self.median_errors(name)]
                for name in self.errors
            },
        }


@dataclass(frozen=True)
class TwinsReport:
    """All recorded objects that have a mesh.

    Attributes:
        twins: of each object.
        without_mesh: how many objects with a true pose have none.
    """

    twins: tuple[TwinReport, ...]
    without_mesh: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"twins": [t.to_json() for t in self.twins], "without_mesh": self.without_mesh}


def _rounded(value: float) -> float | None:
    """A JSON number; None for what is not finite."""
    return round(float(value), 3) if np.isfinite(value) else None


def spread_of(residuals: Sequence[Residual]) -> dict[str, Any]:
    """The 10th, 50th and 90th percentile of spread and autocorrelation, as JSON values."""
    values = np.array([(r.spread_mm, *r.autocorrelation) for r in residuals])
    rows = [[_rounded(value) for value in percentiles(column)] for column in values.T]
    return {"cameras": len(residuals), "spread_mm": rows[0], "autocorrelation": rows[1:]}


def percentiles(values: np.ndarray) -> np.ndarray:
    """The 10th, 50th and 90th percentile of what is finite; NaN of nothing."""
    known = values[np.isfinite(values)]
    quantiles: np.ndarray = np.percentile(known, (10, 50, 90)) if len(known) else np.full(3, np.nan)
    return quantiles


def residual_of(depth_m: np.ndarray, mesh_m: np.ndarray, mask: np.ndarray) -> Residual | None:
    """Compare depth with a mesh's within a mask; None where too little is left to compare.

    Args:
        depth_m: (H, W) metres, 0 for holes.
        mesh_m: (H, W) the mesh's depth, 0 beside it.
        mask: (H, W) bool.

    Example:
        >>> mesh_m = np.full((40, 40), 0.7)
        >>> tilted = mesh_m + np.linspace(-0.004, 0.004, 40)
        >>> found = residual_of(tilted, mesh_m, np.ones((40, 40), dtype=bool))
        >>> round(found.spread_mm, 2), round(found.autocorrelation[0], 2)
        (2.37, 0.95)
    """
    both = mask & (depth_m > 0) & (mesh_m > 0)
    if both.sum() < _LEAST_PX:
        return None
    image = np.where(both, 1000.0 * (depth_m - mesh_m), np.nan)
    image -= np.nanmedian(image)
    image[np.abs(image) > _OFF_MM] = np.nan
    if np.isfinite(image).sum() < _LEAST_PX:
        return None
    image -= np.nanmean(image)
    return Residual(
        image_mm=image,
        spread_mm=float(np.nanstd(image)),
        autocorrelation=tuple(_autocorrelation(image, lag) for lag in LAGS_PX),
        profile=_profile(np.isfinite(image), mask),
    )


def _autocorrelation(image: np.ndarray, lag: int) -> float:
    """Correlation of a zero-mean image (H, W) with itself, `lag` columns further."""
    product = image[:, lag:] * image[:, :-lag]
    variance = float(np.nanvar(image))
    if np.isfinite(product).sum() < _LEAST_PX // 2 or variance == 0:
        return float("nan")
    return float(np.nanmean(product)) / variance


def _profile(on: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of the mask's pixels (4, _PROFILE_PX) that are not `on`, by distance from its sides."""
    rows = []
    for turned_on, turned_mask in zip(_from_sides(on), _from_sides(mask), strict=True):
        first = np.argmax(turned_mask, axis=1)[:, None]
        distance = np.where(turned_mask, np.arange(turned_mask.shape[1]) - first, -1)
        rings = [turned_on[distance == step] for step in range(_PROFILE_PX)]
        rows.append([1 - ring.mean() if len(ring) else np.nan for ring in rings])
    return np.array(rows)


def _from_sides(image: np.ndarray) -> tuple[np.ndarray, ...]:
    """The image turned so that each of `SIDES` is on the left."""
    return image, image[:, ::-1], image.T, image.T[:, ::-1]


def mesh_of(instance: RecordedInstance, meshes: Sequence[Mesh]) -> Mesh | None:
    """The mesh of an object: named as it, or with a data set's name before it.

    NOCS's ending `_norm` is left out.
    """
    name = instance.name.removesuffix("_norm")
    if not name:
        return None
    for mesh in meshes:
        same = mesh.name == name or mesh.name.endswith(f"_{name}")
        if same and mesh.category == instance.category:
            return mesh
    return None


def evaluate_twins(
    root: Path,
    meshes: Sequence[Mesh],
    estimator: PoseEstimator,
    *,
    cameras: int = 8,
    seed: int = 0,
    on_object: Callable[[], None] | None = None,
) -> TwinsReport:
    """Compare every recorded object of a folder that has a true pose and a mesh with its twins.

    Args:
        root: folder with recorded frames, at any depth.
        meshes: named as the objects are, see `mesh_of`.
        estimator: model and settings.
        cameras: simulated cameras per object and domain.
        seed: of their draws.
        on_object: called after each object; for progress displays.

    Raises:
        FileNotFoundError: no frame in `root`, or one of its files is missing.
        ValueError: a frame is damaged, or no object has a mesh.
    """
    reports: list[TwinReport] = []
    without = 0
    for folder in find_frames(root):
        frame = load_frame(folder)
        for instance in frame.instances:
            if instance.truth is Truth.NONE:
                continue
            mesh = mesh_of(instance, meshes)
            pair = None if mesh is None else _Pair.of(frame, instance, mesh)
            if pair is None:
                without += 1
                continue
            reports.append(pair.report(estimator, cameras, np.random.default_rng(seed)))
            if on_object is not None:
                on_object()
    if not reports:
        raise ValueError(
            f"none of the {without} objects with a true pose in {root} has a mesh: name them alike "
            "in label.json and the meshes' manifest.json"
        )
    return TwinsReport(tuple(reports), without)


@dataclass(frozen=True)
class _Pair:
    """A recorded object and its mesh at the true pose.

    Attributes:
        vertices: (V, 3) metres, object frame, as large as the object.
        mesh_m: (H, W) the mesh's depth, 0 beside it.
        recorded: residual of the recording.
    """

    frame: RecordedFrame
    instance: RecordedInstance
    mesh: Mesh
    vertices: np.ndarray
    mesh_m: np.ndarray
    recorded: Residual
    T_cam_obj: np.ndarray
    handle_visible: bool

    @classmethod
    def of(cls, frame: RecordedFrame, instance: RecordedInstance, mesh: Mesh) -> "_Pair | None":
        """Ray-cast the mesh; None where the recording shows too little of it."""
        T_cam_obj = instance.T_cam_obj
        if T_cam_obj is None:
            return None
        vertices = mesh.vertices
        if instance.size_m is not None:
            scale = np.linalg.norm(instance.size_m) / np.linalg.norm(np.ptp(vertices, axis=0))
            vertices = vertices * scale
        placed = transform_points(T_cam_obj, vertices)
        hits = cast([(placed, mesh.faces)], pixel_rays(frame.camera), np.zeros(3), threads=1)
        mesh_m = hits.depth_m.astype(np.float32)
        recorded = residual_of(frame.depth_m, mesh_m, instance.mask)
        if recorded is None:
            return None
        handle = instance_handle_visible(frame, instance) is not False
        return cls(frame, instance, mesh, vertices, mesh_m, recorded, T_cam_obj, handle)

    def report(
        self, estimator: PoseEstimator, cameras: int, rng: np.random.Generator
    ) -> TwinReport:
        """Estimate on the recording, on the clean twin and on simulated ones."""
        seen = self.instance.mask & (self.mesh_m > 0)
        camera = self.frame.camera
        errors: dict[str, tuple[tuple[float, float] | None, ...]] = {
            "recorded": (self._error(estimator, self.frame.depth_m, self.instance.mask, camera),),
            "clean": (self._error(estimator, self.mesh_m, seen, camera),),
        }
        simulated = {}
        for name, domain in DOMAINS.items():
            twins = simulate_twins(
                self.vertices, self.mesh.faces, self.T_cam_obj, camera, domain, cameras, rng
            )
            views = list(zip(twins.depth_m, twins.mask, strict=True))
            found = (residual_of(depth, twins.mesh_m, mask) for depth, mask in views)
            simulated[name] = tuple(residual for residual in found if residual is not None)
            errors[name] = tuple(
                self._error(estimator, depth, mask, twins.camera) for depth, mask in views
            )
        return TwinReport(
            frame=self.frame.name,
            instance_id=self.instance.id,
            category=self.instance.category,
            mesh=self.mesh.name,
            recorded=self.recorded,
            simulated=simulated,
            errors=errors,
        )

    def _error(
        self,
        estimator: PoseEstimator,
        depth_m: np.ndarray,
        mask: np.ndarray,
        camera: PinholeCamera,
    ) -> tuple[float, float] | None:
        category = self.instance.category
        result = estimator.estimate(Frame(depth_m, camera, (Instance(1, category, mask),)))
        if not result.estimates:
            return None
        found = result.estimates[0].T_cam_obj
        return pose_errors(found, self.T_cam_obj, category, self.handle_visible)
