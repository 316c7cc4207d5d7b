# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sensor model of a RealSense D435 and a Mask R-CNN, for clean depth images and masks.

Depth: matching noise that grows with z squared, in fine grain and in slow waves, disparity in
steps of a fraction of a pixel, flying pixels at depth edges, holes on grazing, dark and glossy
surfaces, in blobs and in the shadow beside whatever is nearer, 1 mm output. Masks: borders moved
in, out and raggedly, parts missing, parts of the neighbourhood inside.

All images are (n, H, W), as numpy arrays or as torch tensors on any device; what comes back is of
the same kind. The noise is drawn per image, so that a batch holds good and bad cameras.
"""

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from genpose_ros.synthesis.device_arrays import tensor_of

__all__ = [
    "D435_BASELINE_M",
    "Images",
    "SensorDraw",
    "corrupt_mask",
    "draw_pattern_sensor",
    "draw_sensor",
    "hidden_from_right",
    "measure_depth",
    "smooth_noise",
    "tear_mask",
    "typical_d435",
]

Images = TypeVar("Images", np.ndarray, Tensor)

#: Distance of a D435's two infrared cameras.
D435_BASELINE_M = 0.05
#: How far, in array pixels, masks are blurred before their border is moved.
_BLUR_PX = 2.0
#: Nearer than this the camera's search for a match does not reach, metres.
_NEAREST_M = 0.17


def _none() -> np.ndarray:
    return np.zeros(1)


@dataclass(frozen=True)
class SensorDraw:
    """Imperfections of n cameras, each (n,), or (1,) for all alike.

    Attributes:
        fine: standard deviation of the per-pixel noise at 1 m, metres.
        wave: standard deviation of the slow noise at 1 m, metres.
        disparity_step: depth step at 1 m, metres (z^2 / (f b) times the sub-pixel step).
        hole_share: share of the surface lost in blobs.
        grazing_cosine: surfaces seen under a smaller cosine are likely lost.
        flying_share: share of the edge pixels that lie between the two depths.
        dropout: share of the pixels lost singly, in patches, as on dark surfaces.
        gloss: surfaces whose normal is this close to the ray, 1 - cosine, may mirror the lamp.
        baseline_m: between the two infrared cameras; 0: no shadow.
        shadow_px: camera pixels by which the shadow is wider than geometry makes it.
        edge_holes: share of the pixels beside a depth edge, on its far side, that are lost.
    """

    fine: np.ndarray
    wave: np.ndarray
    disparity_step: np.ndarray
    hole_share: np.ndarray
    grazing_cosine: np.ndarray
    flying_share: np.ndarray
    dropout: np.ndarray = field(default_factory=_none)
    gloss: np.ndarray = field(default_factory=_none)
    baseline_m: np.ndarray = field(default_factory=_none)
    shadow_px: np.ndarray = field(default_factory=_none)
    edge_holes: np.ndarray = field(default_factory=_none)


def typical_d435() -> SensorDraw:
    """Return one camera: a D435 as most are, without the shadow of its second one."""
    one = np.ones(1)
    return SensorDraw(
        fine=0.0010 * one,
        wave=0.0010 * one,
        disparity_step=0.0008 * one,
        hole_share=0.0 * one,
        grazing_cosine=0.10 * one,
        flying_share=0.25 * one,
    )


def draw_sensor(n: int, rng: np.random.Generator) -> SensorDraw:
    """Draw n cameras from ranges that hold the RealSense cameras recorded (docs/data.md)."""

    def some(share: float, low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, n) * (rng.random(n) < share)

    return SensorDraw(
        fine=np.exp(rng.uniform(np.log(0.00015), np.log(0.0028), n)),
        wave=rng.uniform(0.0, 0.005, n),
        disparity_step=rng.uniform(0.0002, 0.003, n),
        hole_share=some(0.4, 0.0, 0.22),
        grazing_cosine=rng.uniform(0.02, 0.28, n),
        flying_share=some(0.85, 0.0, 0.9),
        dropout=some(0.2, 0.0, 0.4),
        gloss=some(0.25, 0.0, 0.06),
        baseline_m=some(0.9, 0.045, 0.065),
        shadow_px=rng.uniform(0.0, 7.0, n),
        edge_holes=rng.uniform(0.0, 0.6, n),
    )


def draw_pattern_sensor(pattern: np.ndarray, rng: np.random.Generator) -> SensorDraw:
    """Draw n cameras of several kinds; their slow errors are drawn by `draw_depth_errors`.

    Some average several frames, which leaves less noise and fewer holes.

    Args:
        pattern: (n,) which have one eye and a projector (Structure Sensor, Xtion): wider
            baseline, coarser steps, less grain; the others have two eyes.
        rng: source of the draws.
    """
    n = len(pattern)
    stereo = draw_sensor(n, rng)
    frames = np.where(rng.random(n) < 0.25, rng.uniform(2, 10, n), 1.0)
    grain = np.where(pattern, np.minimum(stereo.fine, 0.001), np.minimum(stereo.fine, 0.002))
    step = np.where(pattern, rng.uniform(0.0012, 0.0032, n), stereo.disparity_step)
    return replace(
        stereo,
        fine=grain / np.sqrt(frames),
        wave=np.zeros(n),
        disparity_step=step / frames,
        dropout=np.where(frames > 1, 0.2 * stereo.dropout, stereo.dropout),
        baseline_m=np.where(pattern, 1.5, 1.0) * stereo.baseline_m,
        shadow_px=np.where(pattern, 0.5, 1.0) * stereo.shadow_px,
    )


class _Noise:
    """Random images on one device, all of them decided by a numpy generator."""

    def __init__(self, shape: torch.Size, device: torch.device, rng: np.random.Generator) -> None:
        self.shape, self.device = shape, device
        self._generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))

    def uniform(self) -> Tensor:
        return torch.rand(self.shape, generator=self._generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        size = shape or self.shape
        return torch.randn(size, generator=self._generator, device=self.device)

    def smooth(self, cells: int) -> Tensor:
        """Unit variance, smooth over about H / cells pixels."""
        n, height, width = self.shape
        rows, columns = (_hats(size, cells, self.device) for size in (height, width))
        return rows @ self.normal(n, cells + 1, cells + 1) @ columns.T


def _hats(size: int, cells: int, device: torch.device) -> Tensor:
    """(size, cells + 1) weights that interpolate cells + 1 values, each row of length one."""
    position = torch.linspace(0, cells, size, device=device)
    distance = position[:, None] - torch.arange(cells + 1, device=device)
    return torch.nn.functional.normalize((1 - distance.abs()).clamp_min(0), dim=1)


def smooth_noise(shape: tuple[int, int, int], cells: int, rng: np.random.Generator) -> Tensor:
    """Noise of unit variance, smooth over about H / cells pixels, (n, H, W) float32."""
    return _Noise(torch.Size(shape), torch.device("cpu"), rng).smooth(cells)


def _tensor(images: np.ndarray | Tensor) -> Tensor:
    """(n, H, W) float32."""
    return torch.as_tensor(
        np.ascontiguousarray(images) if isinstance(images, np.ndarray) else images
    )


def _like(example: Images, images: Tensor) -> Images:
    """The images as what the caller came with."""
    return images.numpy() if isinstance(example, np.ndarray) else images


def _per_image(values: np.ndarray, device: torch.device) -> Tensor:
    return tensor_of(values, device, torch.float32)[:, None, None]


def measure_depth(
    depth_m: Images, cos_incidence: Images, draw: SensorDraw, rng: np.random.Generator
) -> Images:
    """Return what the sensor reports for the true depth, metres in steps of 1 mm, 0 for holes.

    Args:
        depth_m: (n, H, W) true depth, 0 where there is nothing.
        cos_incidence: (n, H, W) cosine of the angle between surface normal and ray.
        draw: the cameras, n of them.
        rng: source of the noise.
    """
    true, cosine = _tensor(depth_m).float(), _tensor(cos_incidence).float()
    noise = _Noise(true.shape, true.device, rng)

    def column(values: np.ndarray) -> Tensor:
        return _per_image(values, true.device)

    depth = _mix_edges(true, column(draw.flying_share), noise, int(rng.integers(4)))
    spread = column(draw.wave) * noise.smooth(7)
    spread += column(draw.fine) * noise.normal()
    depth = depth + depth * depth * spread
    # Disparity is what is quantised: in units of its step it is 1 / (step_m z).
    step = column(draw.disparity_step).clamp_min(1e-6)
    depth = 1 / (step * (1 / (step * depth.clamp_min(1e-3))).round_().clamp_min_(1))
    lost = _lost(cosine, draw, noise) | (true < _NEAREST_M)
    lost |= _beside_edges(true) & (noise.uniform() < column(draw.edge_holes))
    depth = ((depth * 1000).round_() / 1000).masked_fill_(lost, 0)
    return _like(depth_m, depth)


def _lost(cosine: Tensor, draw: SensorDraw, noise: _Noise) -> Tensor:
    """Where a surface seen under `cosine` gives no depth."""
    holes, dropout, gloss, grazing = (
        _per_image(values, cosine.device)
        for values in (draw.hole_share, draw.dropout, draw.gloss, draw.grazing_cosine)
    )
    chance = noise.uniform()
    lost = cosine < grazing * (0.3 + chance)
    # A blob covers what exceeds the quantile of a unit normal that belongs to the share.
    lost |= noise.smooth(6) > torch.where(holes > 0, 2.2 - 4.5 * holes, torch.inf)
    chance = noise.uniform()
    lost |= chance < dropout * (1 + noise.smooth(10)).clamp_(0, 2)
    lost |= (cosine > 1 - gloss) & (chance < 0.8)
    return lost


def _beside_edges(depth: Tensor) -> Tensor:
    """Pixels that lie more than 2 % behind a neighbour in their row or column."""
    depth = depth.masked_fill(depth <= 0, torch.inf)
    nearest = depth.clone()
    for axis in (1, 2):
        length = depth.shape[axis] - 1
        first, last = depth.narrow(axis, 0, length), depth.narrow(axis, 1, length)
        torch.minimum(nearest.narrow(axis, 1, length), first, out=nearest.narrow(axis, 1, length))
        torch.minimum(nearest.narrow(axis, 0, length), last, out=nearest.narrow(axis, 0, length))
    return depth - nearest > 0.02 * depth


def hidden_from_right(
    depth_m: Images, shift_px_m: np.ndarray, wider_px: np.ndarray | None = None
) -> Images:
    """Where the left camera sees a surface that something nearer hides from the right one.

    That is where a pixel further right lands further left in the right image: the shadow of
    missing depth on the left of whatever stands in front.

    Args:
        depth_m: (n, H, W), 0 where there is nothing.
        shift_px_m: (n,) baseline in metres times columns per unit of tangent; 0: no shadow.
        wider_px: (n,) columns by which shadows reach further to the left: matching compares whole
            windows, which must be free of the nearer surface.
    """
    depth = _tensor(depth_m).float()
    columns = torch.arange(depth.shape[2], device=depth.device)
    inverse = torch.where(depth > 0, 1 / depth.clamp_min(1e-3), 0)
    target = columns - _per_image(shift_px_m, depth.device) * inverse
    hidden = _least_from_here(target) < target - 0.5
    if wider_px is not None:
        next_hidden = _least_from_here(torch.where(hidden, columns, torch.inf))
        hidden = next_hidden - columns <= _per_image(wider_px, depth.device)
    return _like(depth_m, hidden)


def _least_from_here(values: Tensor) -> Tensor:
    """Of every pixel, the smallest value from it to the right end of its row."""
    return values.flip(2).cummin(2).values.flip(2)


def _mix_edges(depth: Tensor, share: Tensor, noise: _Noise, direction: int) -> Tensor:
    """Let some pixels at depth edges take a value between the two sides."""
    other = depth.roll((1, -1)[direction % 2], (1, 2)[direction // 2])
    edge = ((other - depth).abs() > 0.012) & (other > 0) & (depth > 0)
    chance = noise.uniform()
    # What is below the share is uniform from zero to it: it decides how far over as well.
    part = torch.where(edge & (chance < share), chance / share.clamp_min(1e-6), 0)
    return depth + part * (other - depth)


def _blurred(mask: Tensor) -> Tensor:
    """Masks (n, H, W) blurred by a Gaussian of `_BLUR_PX`."""

    def kernel(size: int) -> Tensor:
        position = torch.arange(size, device=mask.device)
        distance = (position[:, None] - position) / _BLUR_PX
        weights = (-0.5 * distance**2).exp()
        return weights / weights.sum(1, keepdim=True)

    return kernel(mask.shape[1]) @ mask.float() @ kernel(mask.shape[2]).T


def corrupt_mask(mask: Images, spacing_px: np.ndarray, rng: np.random.Generator) -> Images:
    """Move a mask's border in and out by up to about 3 camera pixels, raggedly.

    Args:
        mask: (n, H, W) bool.
        spacing_px: (n,) camera pixels per array pixel.
        rng: source of the draws.
    """
    true = _tensor(mask)
    n, noise = len(true), _Noise(true.shape, true.device, rng)
    # Near a straight border the blurred mask changes by 1 / (sigma sqrt(2 pi)) per pixel.
    slope = 1 / (_BLUR_PX * np.sqrt(2 * np.pi)) / spacing_px
    inward = np.clip(rng.normal(0.3, 1.1, n), -2.0, 3.0)
    ragged = rng.uniform(0, 1.2, n)
    threshold = _per_image(0.5 + slope * inward, true.device)
    threshold = threshold + _per_image(slope * ragged, true.device) * noise.smooth(12)
    # Some detectors are right: leave a third as it is.
    exact = tensor_of(rng.random(n) < 0.33, true.device)[:, None, None]
    moved = _blurred(true) > threshold.clamp_(0.06, 0.94)
    return _like(mask, torch.where(exact, true, moved))


def tear_mask(
    mask: Images, missing: np.ndarray, leaking: np.ndarray, rng: np.random.Generator
) -> Images:
    """Take parts out of masks, and let others grow into what is beside them.

    Args:
        mask: (n, H, W) bool.
        missing: (n,) which lose parts.
        leaking: (n,) which grow, in places, by several pixels.
        rng: source of the draws.
    """
    whole = _tensor(mask)
    pattern = _Noise(whole.shape, whole.device, rng).smooth(5)
    limits = _per_image(np.where(missing, 0.9, np.inf), whole.device)
    kept = whole & (pattern <= limits)
    leak = tensor_of(np.flatnonzero(leaking), whole.device)
    near = _blurred(whole[leak]) > 0.004
    kept[leak] |= near & (pattern[leak] < -0.4)
    return _like(mask, kept)
