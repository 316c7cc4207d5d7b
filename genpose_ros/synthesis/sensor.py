"""What a RealSense D435 and a Mask R-CNN make of a clean depth image and a clean mask.

Depth: matching noise that grows with z squared, in fine grain and in slow waves, disparity in
steps of a fraction of a pixel, flying pixels at depth edges, holes on grazing, dark and glossy
surfaces, in blobs and in the shadow beside whatever is nearer, 1 mm output. Masks: borders moved
in, out and raggedly, parts missing, parts of the neighbourhood inside.
All arrays are (n, H, W); the noise is drawn per image, so that a batch holds good and bad cameras.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

__all__ = [
    "SensorDraw",
    "corrupt_mask",
    "draw_sensor",
    "hidden_from_right",
    "measure_depth",
    "smooth_noise",
    "tear_mask",
]


def _none() -> np.ndarray:
    return np.zeros(1)


@dataclass(frozen=True)
class SensorDraw:
    """The imperfections of n cameras, each (n,), or (1,) for all alike.

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


def draw_sensor(n: int, rng: np.random.Generator) -> SensorDraw:
    """Draw n cameras around the D435 as recorded: 0.7 mm at 0.6 m to 1.6 mm at 1.4 m."""
    return SensorDraw(
        fine=rng.uniform(0.0003, 0.0022, n),
        wave=rng.uniform(0.0, 0.0035, n),
        disparity_step=rng.uniform(0.0002, 0.003, n),
        hole_share=rng.uniform(0.0, 0.25, n) * (rng.random(n) < 0.5),
        grazing_cosine=rng.uniform(0.02, 0.28, n),
        flying_share=rng.uniform(0.0, 0.5, n),
        dropout=rng.uniform(0.0, 0.5, n) * (rng.random(n) < 0.25),
        gloss=rng.uniform(0.0, 0.06, n) * (rng.random(n) < 0.25),
        baseline_m=rng.uniform(0.03, 0.06, n) * (rng.random(n) < 0.8),
    )


def smooth_noise(shape: tuple[int, int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance, smooth over about H / cells pixels, (n, H, W) float32."""
    n, height, width = shape
    coarse = rng.standard_normal((n, cells + 1, cells + 1), dtype=np.float32)

    def weights(size: int) -> np.ndarray:
        position = np.linspace(0, cells, size)
        return np.clip(1 - np.abs(position[:, None] - np.arange(cells + 1)), 0, 1).astype(
            np.float32
        )

    rows, columns = weights(height), weights(width)
    norm = np.sqrt((rows**2).sum(1)[:, None] * (columns**2).sum(1))
    return np.einsum("hi,nij,wj->nhw", rows, coarse, columns, optimize=True) / norm


def measure_depth(
    depth_m: np.ndarray,
    cos_incidence: np.ndarray,
    draw: SensorDraw,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return what the sensor reports for the true depth, metres in steps of 1 mm, 0 for holes.

    Args:
        depth_m: (n, H, W) true depth, 0 where there is nothing.
        cos_incidence: (n, H, W) cosine of the angle between surface normal and ray.
        draw: the cameras, n of them.
        rng: source of the noise.
    """
    shape = depth_m.shape[0], depth_m.shape[1], depth_m.shape[2]

    def column(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None]

    depth = _mix_edges(depth_m.astype(np.float32), column(draw.flying_share), rng)
    depth = depth + depth**2 * (
        column(draw.fine) * rng.standard_normal(shape, dtype=np.float32)
        + column(draw.wave) * smooth_noise(shape, 7, rng)
    )
    # Disparity is what is quantised: in units of its step it is 1 / (step_m z).
    step = np.maximum(column(draw.disparity_step), 1e-6)
    depth = 1 / (step * np.maximum(np.round(1 / (step * np.maximum(depth, 1e-3))), 1))
    lost = cos_incidence < column(draw.grazing_cosine) * rng.uniform(0.3, 1.3, shape)
    # A blob covers what exceeds the quantile of a unit normal that belongs to the share.
    blob = smooth_noise(shape, 6, rng) > column(2.2 - 4.5 * draw.hole_share)
    lost |= blob & (column(draw.hole_share) > 0)
    lost |= _patchy(shape, column(draw.dropout), rng)
    lost |= (cos_incidence > 1 - column(draw.gloss)) & (rng.random(shape, dtype=np.float32) < 0.8)
    return np.where((depth_m <= 0) | lost, 0, np.round(depth, 3)).astype(np.float32)


def _patchy(shape: tuple[int, int, int], share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Single pixels, more in some patches than in others."""
    density = share * np.clip(1 + smooth_noise(shape, 10, rng), 0, 2)
    return rng.random(shape, dtype=np.float32) < density


def hidden_from_right(depth_m: np.ndarray, shift_px_m: np.ndarray) -> np.ndarray:
    """Where the left camera sees a surface that something nearer hides from the right one.

    That is where a pixel further right lands further left in the right image: the shadow of
    missing depth on the left of whatever stands in front.

    Args:
        depth_m: (n, H, W), 0 where there is nothing.
        shift_px_m: (n,) baseline in metres times columns per unit of tangent; 0: no shadow.
    """
    columns = np.arange(depth_m.shape[2], dtype=np.float32)
    inverse = np.where(depth_m > 0, 1 / np.maximum(depth_m, 1e-3), 0).astype(np.float32)
    target = columns - shift_px_m.astype(np.float32)[:, None, None] * inverse
    nearer = np.minimum.accumulate(target[:, :, ::-1], axis=2)[:, :, ::-1]
    return nearer < target - 0.5


def _mix_edges(depth: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let some pixels at depth edges take a value between the two sides."""
    direction = rng.integers(0, 4)
    shift, axis = (1, -1)[direction % 2], (1, 2)[direction // 2]
    other = np.roll(depth, shift, axis)
    edge = (np.abs(other - depth) > 0.012) & (other > 0) & (depth > 0)
    mixed = edge & (rng.random(depth.shape, dtype=np.float32) < share)
    part = rng.random(depth.shape, dtype=np.float32)
    return np.where(mixed, depth + part * (other - depth), depth)


def corrupt_mask(mask: np.ndarray, spacing_px: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move a mask's border in and out by up to about 3 camera pixels, raggedly.

    Args:
        mask: (n, H, W) bool.
        spacing_px: (n,) camera pixels per array pixel.
        rng: source of the draws.
    """
    n = len(mask)
    sigma = 2.0
    soft = ndimage.gaussian_filter1d(
        ndimage.gaussian_filter1d(mask.astype(np.float32), sigma, 1), sigma, 2
    )
    # Near a straight border the blurred mask changes by 1 / (sigma sqrt(2 pi)) per pixel.
    slope = 1 / (sigma * np.sqrt(2 * np.pi)) / spacing_px
    inward = np.clip(rng.normal(0.3, 1.1, n), -2.0, 3.0)
    ragged = rng.uniform(0, 1.2, n)
    threshold = 0.5 + slope[:, None, None] * (
        inward[:, None, None] + ragged[:, None, None] * smooth_noise(mask.shape, 12, rng)
    )
    moved = soft > np.clip(threshold, 0.06, 0.94)
    # Some detectors are right: leave a third as it is.
    return np.where((rng.random(n) < 0.33)[:, None, None], mask, moved)


def tear_mask(
    mask: np.ndarray, missing: np.ndarray, leaking: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Take parts out of masks, and let others grow into what is beside them.

    Args:
        mask: (n, H, W) bool.
        missing: (n,) which lose parts.
        leaking: (n,) which grow, in places, by several pixels.
        rng: source of the draws.
    """
    pattern = smooth_noise(mask.shape, 5, rng)
    near = ndimage.uniform_filter(mask.astype(np.float32), (0, 11, 11)) > 0
    hole = missing[:, None, None] & (pattern > 0.9)
    grown = leaking[:, None, None] & (pattern < -0.4) & near
    return (mask & ~hole) | grown
