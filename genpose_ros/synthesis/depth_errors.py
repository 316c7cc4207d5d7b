# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Systematic errors of depth cameras: slow, alike from frame to frame, and larger than their noise.

What recorded depth shows against scanned meshes at their true poses (docs/data.md): windows that
average over neighbours, waves of several lengths, bands of columns, faces that read too near or too
deep (lids, dark and translucent sides), a scale that is off, and masks that lie a few pixels
beside the depth. Lengths in pixels are pixels of the camera, whatever the array's spacing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genpose_ros.synthesis.device_arrays import tensor_of
from genpose_ros.synthesis.rasterise import Crops

__all__ = ["DepthErrors", "add_depth_errors", "draw_depth_errors", "shifted"]

#: The depth for which errors are given, metres, and the power they grow with.
_AT_M, _GROWTH = 0.7, 1.5
#: Depth differences beyond this are edges, which windows do not average over, metres.
_EDGE_M = 0.02
#: Most nodes of a wave or bands along a side of a crop; shorter ones than fit are stretched.
_NODES = 18
#: A wave's nodes are blurred by so many nodes.
_NODE_BLUR = 0.6


@dataclass(frozen=True)
class DepthErrors:
    """Systematic errors of n cameras, each with an object before it; 0 leaves an error out.

    Attributes:
        window_px: (n,) standard deviation of the window that depth is averaged over.
        wave_m: (n, 2) standard deviations of a long and a short wave.
        wave_px: (n, 2, 2) distance of their nodes along columns and rows.
        band_m: (n,) standard deviation from one band of columns to the next.
        band_px: (n,) width of the bands.
        end_m: (n,) error of the faces across the object's y axis, its lid and bottom.
        face_m: (n,) error of the faces that look along `face_axis`.
        face_axis: (n, 3) unit vectors, camera frame.
        level_m: (n,) error of the object's surface below a level, as of a dark content.
        level: (n,) that level along the object's y axis, from its centre in half heights.
        scale: (n,) factor on all depths.
        shift_px: (n, 2) columns and rows by which masks lie beside the depth.
    """

    window_px: np.ndarray
    wave_m: np.ndarray
    wave_px: np.ndarray
    band_m: np.ndarray
    band_px: np.ndarray
    end_m: np.ndarray
    face_m: np.ndarray
    face_axis: np.ndarray
    level_m: np.ndarray
    level: np.ndarray
    scale: np.ndarray
    shift_px: np.ndarray


def draw_depth_errors(structured: np.ndarray, rng: np.random.Generator) -> DepthErrors:
    """Draw the errors of n cameras, fitted to recorded ones (docs/data.md).

    Args:
        structured: (n,) which cameras project a pattern and have one eye; the others have two.
        rng: source of the draws.
    """
    n = len(structured)
    bad = rng.random(n) < 0.85

    def chance(stereo: float, pattern: float) -> np.ndarray:
        return bad & (rng.random(n) < np.where(structured, pattern, stereo))

    def logarithmic(low: float, high: float, *more: int) -> np.ndarray:
        return np.exp(rng.uniform(np.log(low), np.log(high), (n, *more)))

    waves = np.stack([chance(0.9, 0.8), chance(0.75, 0.7)], 1)
    wave_px = np.stack([logarithmic(25, 120), logarithmic(5, 30)], 1)
    axis = rng.normal(size=(n, 3))
    shift = rng.normal(0, np.where(structured, 3.0, 1.8)[:, None], (n, 2))
    return DepthErrors(
        window_px=logarithmic(0.6, 3.0) * chance(0.6, 0.75),
        wave_m=logarithmic(0.0007, 0.007, 2) * waves,
        wave_px=wave_px[:, :, None] * logarithmic(0.6, 1.7, 1, 2),
        band_m=logarithmic(0.0005, 0.005) * chance(0.1, 0.5),
        band_px=logarithmic(8, 60),
        end_m=rng.normal(0.001, 0.0045, n) * chance(0.35, 0.35),
        face_m=rng.normal(0, 0.005, n) * chance(0.3, 0.3),
        face_axis=axis / np.linalg.norm(axis, axis=1, keepdims=True),
        level_m=rng.normal(0.001, 0.004, n) * chance(0.2, 0.2),
        level=rng.uniform(-0.8, 0.9, n),
        scale=1 + rng.normal(0, 0.004, n) * chance(0.5, 0.5),
        shift_px=np.clip(shift, -8, 8) * chance(0.5, 0.85)[:, None],
    )


def add_depth_errors(
    depth_m: Tensor,
    is_object: Tensor,
    crops: Crops,
    axis: np.ndarray,
    middle_m: np.ndarray,
    half_height_m: np.ndarray,
    draw: DepthErrors,
    rng: np.random.Generator,
    *,
    pixel: float,
) -> Tensor:
    """The depth (n, H, W) that the cameras' matching settles on, before its noise; 0 stays 0.

    Args:
        depth_m: (n, H, W) true depth, 0 where there is nothing.
        is_object: (n, H, W) bool, the object's pixels.
        crops: the rays.
        axis: (n, 3) the objects' y axes, camera frame.
        middle_m: (n,) where the middle of the objects' boxes lies along these.
        half_height_m: (n,) half of their boxes along y.
        draw: the errors.
        rng: source of the patterns.
        pixel: tangent per pixel of the camera.
    """
    device = depth_m.device
    per_px = crops.spacing / pixel
    empty = depth_m <= 0
    depth = _windowed(depth_m, draw.window_px, per_px)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    error = torch.zeros_like(depth)
    for number in range(draw.wave_m.shape[1]):
        _add_waves(error, draw.wave_m[:, number], draw.wave_px[:, number], per_px, generator)
    _add_bands(error, draw.band_m, draw.band_px, per_px, generator)
    error *= (depth * (1 / _AT_M)).pow(_GROWTH)
    _add_faces(error, depth_m, is_object, crops, axis, draw)
    _add_levels(error, depth_m, is_object, crops, axis, middle_m + draw.level * half_height_m, draw)
    scale = tensor_of(draw.scale, device, torch.float32)[:, None, None]
    return ((depth + error) * scale).clamp_min_(0.05).masked_fill_(empty, 0)


def _rows(amount: np.ndarray, device: torch.device) -> Tensor:
    """Numbers (k,) of the images with an error."""
    return tensor_of(np.flatnonzero(amount), device)


def _of(values: np.ndarray, rows: Tensor) -> Tensor:
    """Single-precision values (k, ...) of the rows."""
    return tensor_of(values, rows.device, torch.float32)[rows]


def _windowed(depth: Tensor, window_px: np.ndarray, per_px: Tensor) -> Tensor:
    """Disparity averaged in Gaussian windows, where no depth edge is near."""
    rows = _rows(window_px, depth.device)
    if len(rows) == 0:
        return depth
    seen = depth[rows]
    inverse = torch.where(seen > 0, 1 / seen.clamp_min(1e-3), 0)
    sigma = (_of(window_px, rows) / per_px[rows]).clamp_min(0.1)[:, None, None]
    position = torch.arange(depth.shape[1], device=depth.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * ((position[:, None] - position) / sigma) ** 2)
    weight = kernel @ (seen > 0).float() @ kernel
    mean = weight / (kernel @ inverse @ kernel).clamp_min(1e-9)
    averaged = torch.where((mean - seen).abs() < _EDGE_M, mean, seen)
    return depth.index_copy(0, rows, averaged)


def _nodes(px: Tensor, per_px: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(k, size) positions along a side of the crops in nodes `px` (k,) apart, begun anywhere."""
    step = torch.minimum(per_px / px, px.new_full((1,), (_NODES - 2) / size))
    start = torch.rand(len(px), generator=generator, device=px.device)
    pixels = torch.arange(size, device=px.device, dtype=torch.float32)
    return start[:, None] + pixels * step[:, None]


def _add_waves(
    error: Tensor,
    amount_m: np.ndarray,
    node_px: np.ndarray,
    per_px: Tensor,
    generator: torch.Generator,
) -> None:
    rows = _rows(amount_m, error.device)
    if len(rows) == 0:
        return
    weights = []
    numbers = torch.arange(_NODES, device=error.device)
    for axis, size in enumerate(error.shape[1:]):
        position = _nodes(_of(node_px[:, axis], rows), per_px[rows], size, generator)
        distance = (position[:, :, None] - numbers) / _NODE_BLUR
        weights.append(torch.nn.functional.normalize((-0.5 * distance**2).exp(), dim=2))
    shape = (len(rows), _NODES, _NODES)
    noise = torch.randn(shape, generator=generator, device=error.device)
    waves = weights[0] @ noise @ weights[1].mT
    error.index_add_(0, rows, waves * _of(amount_m, rows)[:, None, None])


def _add_bands(
    error: Tensor,
    amount_m: np.ndarray,
    width_px: np.ndarray,
    per_px: Tensor,
    generator: torch.Generator,
) -> None:
    rows = _rows(amount_m, error.device)
    if len(rows) == 0:
        return
    place = _nodes(_of(width_px, rows), per_px[rows], error.shape[2], generator).long()
    shape = (len(rows), _NODES)
    steps = torch.randn(shape, generator=generator, device=error.device)
    bands = steps.gather(1, place) * _of(amount_m, rows)[:, None]
    error.index_add_(0, rows, bands[:, None].expand(-1, error.shape[1], -1))


def _normals(depth: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit normals (k, H, W) towards the camera: a plane's 1 / z is linear in the tangents."""
    inverse = 1 / depth.clamp_min(1e-3)
    a = torch.zeros_like(inverse)
    a[:, :, 1:-1] = (inverse[:, :, 2:] - inverse[:, :, :-2]) / (x[:, :, 2:] - x[:, :, :-2])
    b = torch.zeros_like(inverse)
    b[:, 1:-1] = (inverse[:, 2:] - inverse[:, :-2]) / (y[:, 2:] - y[:, :-2])
    c = inverse - a * x - b * y
    length = -torch.rsqrt(a * a + b * b + c * c)
    return a * length, b * length, c * length


def _add_faces(
    error: Tensor,
    depth: Tensor,
    is_object: Tensor,
    crops: Crops,
    axis: np.ndarray,
    draw: DepthErrors,
) -> None:
    """Errors of the object's ends, whichever is seen, and of the faces that look one way."""
    rows = _rows((draw.end_m != 0) | (draw.face_m != 0), error.device)
    if len(rows) == 0:
        return
    x, y = (tangents[rows] for tangents in crops.tangents())
    normals = _normals(depth[rows], x, y)

    def along(direction: np.ndarray) -> Tensor:
        terms = zip(normals, _of(direction, rows)[:, :, None, None].unbind(1), strict=True)
        return torch.stack([normal * part for normal, part in terms]).sum(0)

    ends = ((along(axis).abs() - 0.6) / 0.25).clamp_(0, 1)
    # About a third of a sphere's directions look along any one axis.
    faces = ((along(draw.face_axis) - 0.2) / 0.3).clamp_(0, 1)
    sum_m = ends * _of(draw.end_m, rows)[:, None, None]
    sum_m += faces * _of(draw.face_m, rows)[:, None, None]
    error.index_add_(0, rows, sum_m * is_object[rows])


def _add_levels(
    error: Tensor,
    depth: Tensor,
    is_object: Tensor,
    crops: Crops,
    axis: np.ndarray,
    level_m: np.ndarray,
    draw: DepthErrors,
) -> None:
    """Errors of the object's surface below a level across its y axis."""
    rows = _rows(draw.level_m, error.device)
    if len(rows) == 0:
        return
    x, y = (tangents[rows] for tangents in crops.tangents())
    a, b, c = _of(axis, rows)[:, :, None, None].unbind(1)
    below = depth[rows] * (a * x + b * y + c) < _of(level_m, rows)[:, None, None]
    error.index_add_(0, rows, (below & is_object[rows]) * _of(draw.level_m, rows)[:, None, None])


def shifted(masks: Tensor, shift_px: np.ndarray, per_px: np.ndarray) -> Tensor:
    """Masks (n, H, W) moved by columns and rows (n, 2) of the camera, to the nearest array pixel.

    What comes in over the border is what the border held.

    Args:
        masks: (n, H, W).
        shift_px: (n, 2) camera pixels to the right and down.
        per_px: (n,) camera pixels per array pixel.
    """
    n, height, width = masks.shape
    steps = np.rint(shift_px / per_px[:, None]).astype(np.int64)
    step = tensor_of(steps, masks.device)
    column = (torch.arange(width, device=masks.device) - step[:, :1]).clamp_(0, width - 1)
    row = (torch.arange(height, device=masks.device) - step[:, 1:]).clamp_(0, height - 1)
    moved = masks.gather(1, row[:, :, None].expand(n, height, width))
    return moved.gather(2, column[:, None].expand(n, height, width))
