# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Look at a depth image on the networks' device, for all tracks at once.

What `visibility` and `depth_around` do in NumPy, in tensor operations of fixed shapes: the image
and a row per track go there, one tensor comes back, and nothing in between looks at a number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.batch import padded_size
from genpose_ros.estimation.device_clouds import back_projected
from genpose_ros.estimation.frame_graphs import GraphCache
from genpose_ros.estimation.packing import Layout, columns
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.tracking import constants
from genpose_ros.tracking.visibility import Visibility, inside_box

__all__ = [
    "DepthLook",
    "Expectations",
    "is_faster_on",
    "look",
    "look_on_device",
    "most_pixels",
]

#: What is told of a track before its points: numbers of its surface's points, and of its own.
_TOLD = ["seen", "hidden", "gone", "outside", "without depth", "residual in metres", "points"]


@dataclass(frozen=True)
class Expectations:
    """Where B tracks are expected, and what of them is known.

    Attributes:
        T_cam_obj: (B, 4, 4) expected poses.
        few_obj: (B, V, 3) surfaces that are looked for in the image, metres, object frames.
        surfaces_obj: (B, M, 3) last seen surfaces, in random order, as of `depth_around`.
        size_m: (B, 3) edge lengths of the boxes.
        axisymmetric: (B,) bool, which of them are so about y.
    """

    T_cam_obj: Tensor
    few_obj: Tensor
    surfaces_obj: Tensor
    size_m: Tensor
    axisymmetric: Tensor

    @classmethod
    def of(cls, rows: Tensor, layout: Layout) -> "Expectations":
        """Return the parts of rows (B, W), float64, on their device."""
        parts = columns(rows, layout)
        return cls(**{**parts, "axisymmetric": parts["axisymmetric"] > 0})


@dataclass(frozen=True)
class DepthLook:
    """What a depth image shows of B tracks.

    Attributes:
        views: as of `visibility`.
        points_cam: B of (N, 3) float32, metres, camera frame, as of `depth_around`.
    """

    views: list[Visibility]
    points_cam: list[np.ndarray]


def is_faster_on(device: torch.device) -> bool:
    """Return whether a look there is to be taken rather than NumPy's: on a GPU.

    Distances of all tracks together leave the caches of a CPU.
    """
    return device.type == "cuda"


@torch.inference_mode()
def look_on_device(
    depth_m: np.ndarray,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    few_obj: np.ndarray,
    surfaces_obj: Sequence[np.ndarray],
    size_m: np.ndarray,
    settings: EstimatorSettings,
    *,
    axisymmetric: Sequence[bool],
    pixels: int,
    device: torch.device,
) -> DepthLook:
    """Return how much of B tracks a depth image shows, and the points that lie on each.

    Args:
        depth_m: (H, W), metres along z.
        camera: of the image.
        T_cam_obj: (B, 4, 4) expected poses, B >= 1.
        few_obj: (B, V, 3) surfaces for the views, object frames.
        surfaces_obj: B of (M, 3), as of `depth_around`.
        size_m: (B, 3) edge lengths of the boxes.
        settings: depth limits.
        axisymmetric: which of them are so about y.
        pixels: as of `depth_around`.
        device: where it is computed; on a GPU as a graph (see `frame_graphs`).
    """
    count = len(T_cam_obj)
    shortest = min(constants.CROP_SURFACE_POINTS, *map(len, surfaces_obj))
    parts = {
        "T_cam_obj": T_cam_obj,
        "few_obj": few_obj,
        "surfaces_obj": np.stack([points[:shortest] for points in surfaces_obj]).astype(np.float32),
        "size_m": size_m,
        "axisymmetric": np.asarray(axisymmetric),
    }
    layout = tuple((name, part.shape[1:]) for name, part in parts.items())
    flat = [part.reshape(count, -1).astype(np.float64) for part in parts.values()]
    rows = np.concatenate(flat, axis=1)
    # The last one again, until there are one of few numbers of them.
    padded = padded_size(count, settings.batch_size, device)
    rows = rows[np.minimum(np.arange(padded), count - 1)]
    image = np.ascontiguousarray(depth_m, dtype=np.float32)
    limits_m = settings.depth_min_m, settings.depth_max_m

    def run(depth: Tensor, known: Tensor) -> Tensor:
        return look(depth, camera, Expectations.of(known, layout), limits_m, pixels)

    inputs, told = (torch.from_numpy(image), torch.from_numpy(rows)), None
    graphs = _graphs(device)
    if device.type == "cuda" and not graphs.given_up:
        key = camera, layout, padded, limits_m, pixels
        told = graphs.replayed(key, run, inputs, device)
    if told is None:
        told = run(*(values.to(device) for values in inputs)).cpu().numpy()
    points = told[:, len(_TOLD) :].reshape(padded, -1, 3)
    counts = told[:count, _TOLD.index("points")].astype(int)
    return DepthLook(
        [_view(row, few_obj.shape[1]) for row in told[:count]],
        [own[:n].copy() for own, n in zip(points, counts, strict=False)],
    )


@lru_cache(maxsize=16)
def _graphs(device: torch.device) -> GraphCache:
    """The graphs of a device, which all trackers share."""
    return GraphCache()


def look(
    depth_m: Tensor,
    camera: PinholeCamera,
    expected: Expectations,
    limits_m: tuple[float, float],
    pixels: int,
) -> Tensor:
    """Return what `look_on_device` tells, (B, 7 + 3 P) float32, of the device's tensors.

    Args:
        depth_m: (H, W) float32.
        camera: of the image.
        expected: the tracks.
        limits_m: that depth lies between.
        pixels: about how many around each track are looked at, P of them at most.
    """
    seen = _seen(depth_m, camera, expected)
    points_cam, counts = _around(depth_m, camera, expected, limits_m, pixels)
    return torch.cat((seen.float(), counts.float().unsqueeze(1), points_cam.flatten(1)), 1)


def most_pixels(camera: PinholeCamera, pixels: int) -> int:
    """Return the most pixels of an image that a stride for about `pixels` of them leaves.

    The stride s is the root of their share, rounded: with s = 1 it leaves 2.25 times as many, with
    s = 2, rows and columns rounded up, 1.5625 times as many and a quarter of both.
    """
    border = (camera.width + camera.height) // 4 + 2
    most = max(math.ceil(2.25 * pixels), math.ceil(1.5625 * pixels) + border)
    return min(most, camera.width * camera.height)


def _view(row: np.ndarray, count: int) -> Visibility:
    """The view of a track, of the first numbers of its row."""
    seen, hidden, gone, outside, unknown = (row[:5] / count).tolist()
    return Visibility(seen, hidden, gone, outside, unknown, float(row[5]))


def _seen(depth_m: Tensor, camera: PinholeCamera, expected: Expectations) -> Tensor:
    """Points seen, hidden, gone, outside and without depth, and the residual: (B, 6)."""
    rotation, translation = expected.T_cam_obj[:, :3, :3], expected.T_cam_obj[:, None, :3, 3]
    points_cam = expected.few_obj @ rotation.mT + translation
    uv = _projected(points_cam, camera).round()
    inside = ((uv >= 0) & (uv < _size(camera, uv))).all(-1)
    u, v = torch.where(inside.unsqueeze(-1), uv, 0.0).long().unbind(-1)
    z_m, measured = points_cam[..., 2], depth_m.flatten()[v * camera.width + u].double()
    known = inside & measured.isfinite() & (measured > 0)
    behind = torch.where(known, measured - z_m, torch.nan)
    # What is in front of a surface may be the object itself.
    front_cam = points_cam * (measured / z_m).unsqueeze(-1)
    front_obj = (front_cam - translation) @ rotation
    own = inside_box(front_obj, expected.size_m[:, None], expected.axisymmetric[:, None])
    hidden = (behind < -constants.SAME_SURFACE_M) & ~own
    gone = behind > constants.SAME_SURFACE_M
    shown = known & ~hidden
    counts = [part.sum(1) for part in (shown & ~gone, hidden, gone, ~inside, inside & ~known)]
    residual_m = _medians(torch.where(shown, behind.abs(), torch.inf), shown.sum(1))
    return torch.stack((*counts, residual_m), 1)


def _medians(values: Tensor, count: Tensor) -> Tensor:
    """Medians (B,) of the smallest `count` (B,) of values (B, M); NaN where there are none."""
    ordered = values.sort(1).values
    places = torch.stack(((count - 1).clamp_min(0) // 2, count // 2), 1)
    middle = ordered.gather(1, places).mean(1)
    return torch.where(count > 0, middle, torch.nan)


def _around(
    depth_m: Tensor,
    camera: PinholeCamera,
    expected: Expectations,
    limits_m: tuple[float, float],
    pixels: int,
) -> tuple[Tensor, Tensor]:
    """The points (B, P, 3) float32 on the tracks, the others behind them, and their number (B,)."""
    index, near = _pixels_around(depth_m, camera, expected, limits_m, pixels)
    points_cam = back_projected(index, depth_m.flatten()[index], camera)
    T, surfaces = expected.T_cam_obj.float(), expected.surfaces_obj.float()
    cloud = (points_cam - T[:, None, :3, 3]) @ T[:, :3, :3]
    in_obj = cloud - _shift(*_some(cloud, near), surfaces).unsqueeze(1)
    free = expected.axisymmetric[:, None]
    kept = near & inside_box(in_obj, expected.size_m[:, None], free) & _is_near(in_obj, surfaces)
    counts = kept.sum(1)
    return _first(points_cam, kept, torch.ones_like(counts), kept.shape[1]), counts


def _pixels_around(
    depth_m: Tensor,
    camera: PinholeCamera,
    expected: Expectations,
    limits_m: tuple[float, float],
    pixels: int,
) -> tuple[Tensor, Tensor]:
    """Numbers (B, P) of pixels around each surface, row by row, and which are within its reach."""
    T, surfaces = expected.T_cam_obj, expected.surfaces_obj
    uv = _projected(surfaces @ T[:, :3, :3].mT + T[:, None, :3, 3], camera)
    distances_m = T[:, 2, 3]
    margins = constants.SHIFT_RADIUS_M * camera.fx / distances_m.clamp_min(0.05)
    known = ~uv.isnan()
    low = torch.where(known, uv, torch.inf).amin(1) - margins[:, None]
    high = torch.where(known, uv, -torch.inf).amax(1) + margins[:, None]
    last = _size(camera, uv) - 1
    begin = torch.minimum(low.floor().clamp_min(0), last + 1).long()
    end = torch.minimum(high.ceil(), last).clamp_min(-1).long()
    extent = (end + 1 - begin).clamp_min(0)
    stride = (extent.prod(1) / pixels).sqrt().round().clamp_min(1).long().unsqueeze(1)
    across, down = ((extent + stride - 1) // stride).unbind(1)
    place = torch.arange(most_pixels(camera, pixels), device=uv.device)
    v, u = place // across.clamp_min(1)[:, None], place % across.clamp_min(1)[:, None]
    there = (v < down[:, None]) & (across > 0)[:, None]
    index = (begin[:, 1:] + stride * v) * camera.width + begin[:, :1] + stride * u
    index = torch.where(there, index, 0)
    reach = surfaces.norm(dim=2).amax(1) + constants.SHIFT_RADIUS_M
    nearest, farthest = distances_m - reach, distances_m + reach
    z_m = depth_m.flatten()[index]
    within = (z_m >= nearest.clamp_min(limits_m[0])[:, None]) & (z_m > 0)
    return index, there & within & (z_m <= farthest.clamp_max(limits_m[1])[:, None])


def _some(cloud: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """Evenly some of the usable points of clouds (B, P, 3), (B, S, 3), and how many of them."""
    counts, most = usable.sum(1), math.ceil(1.5 * constants.SHIFT_SCENE_POINTS)
    stride = (counts / constants.SHIFT_SCENE_POINTS).round().clamp_min(1).long()
    return _first(cloud, usable, stride, most), (counts + stride - 1) // stride


def _first(points: Tensor, usable: Tensor, stride: Tensor, most: int) -> Tensor:
    """Every stride-th (B,) of the usable (B, P) points (B, P, 3) in turn, `most` at most."""
    place = usable.cumsum(1) - 1
    taken = usable & (place % stride[:, None] == 0)
    # What is not taken goes to one place after the last, and is cut off.
    place = torch.where(taken, place // stride[:, None], most).clamp_max(most)
    found = points.new_zeros(len(points), most + 1, 3)
    return found.scatter_(1, place.unsqueeze(-1).expand_as(points), points)[:, :most]


def _shift(scene: Tensor, count: Tensor, surfaces: Tensor) -> Tensor:
    """Translations (B, 3) that bring surfaces (B, M, 3) onto scenes, as of `shift_onto`.

    Args:
        scene: (B, S, 3), of which the first `count` (B,) are meant.
        count: of the points.
        surfaces: in random order.
    """
    some = surfaces[:, : constants.SHIFT_POINTS]
    meant = torch.arange(scene.shape[1], device=scene.device) < count[:, None]
    lengths = torch.where(meant, scene.square().sum(-1), torch.inf).unsqueeze(1)
    move, goes_on, twice = torch.zeros_like(scene[:, 0]), count > 0, -2 * scene.mT
    for _ in range(constants.SHIFT_STEPS):
        moved = some + move[:, None]
        # |q|^2 - 2 p q: without |p|^2, which is the same for all points of the scene.
        apart, nearest = torch.baddbmm(lengths, moved, twice).min(2)
        found = apart + moved.square().sum(-1) < constants.SHIFT_RADIUS_M**2
        off = scene.gather(1, nearest.unsqueeze(-1).expand_as(some)) - some
        weights = found.to(off)
        total = weights.sum(1, keepdim=True)
        step = (weights.unsqueeze(1) @ off).squeeze(1) / total.clamp_min(1) - move
        goes_on = goes_on & found.any(1)
        move = move + step * goes_on.unsqueeze(1)
        goes_on = goes_on & (step.norm(dim=1) >= constants.SHIFT_LAST_STEP_M)
    return move


def _is_near(points: Tensor, surfaces: Tensor) -> Tensor:
    """Which points (B, P, 3) are near surfaces (B, M, 3), of which some are held at a time."""
    lengths, twice = surfaces.square().sum(-1).unsqueeze(1), -2 * surfaces.mT
    parts = zip(*(t.split(constants.CROP_FIRST_POINTS, 2) for t in (lengths, twice)), strict=True)
    least = torch.stack([torch.baddbmm(own, points, part).amin(2) for own, part in parts]).amin(0)
    return least + points.square().sum(-1) < constants.NEAR_SURFACE_M**2


def _projected(points_cam: Tensor, camera: PinholeCamera) -> Tensor:
    """Pixel coordinates (..., 2), as of `PinholeCamera.project`."""
    z = torch.where(points_cam[..., 2] > 0, points_cam[..., 2], torch.nan)
    across, down = (points_cam[..., :2] / z.unsqueeze(-1)).unbind(-1)
    return torch.stack((across * camera.fx + camera.cx, down * camera.fy + camera.cy), -1)


def _size(camera: PinholeCamera, like: Tensor) -> Tensor:
    """Width and height (2,), made on the device of another tensor, not copied there."""
    width, height = (like.new_full((), size) for size in (camera.width, camera.height))
    return torch.stack((width, height))
