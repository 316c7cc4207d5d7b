# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colours for rendered scenes: materials under a soft lamp, for pictures and not for training."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

__all__ = ["lit", "object_albedo", "smoothed", "table_albedo"]

_PALETTE = np.array(
    [
        [0.75, 0.16, 0.14],
        [0.12, 0.38, 0.66],
        [0.16, 0.52, 0.30],
        [0.88, 0.62, 0.12],
        [0.48, 0.26, 0.55],
        [0.10, 0.55, 0.58],
        [0.85, 0.40, 0.28],
    ]
)
_WHITE = np.array([0.88, 0.87, 0.84])
_DARK = np.array([0.06, 0.06, 0.07])
_METAL = np.array([0.62, 0.64, 0.66])


def table_albedo(points_table: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the wood of a table, (M, 3) in [0, 1].

    Args:
        points_table: (M, 3) metres, table frame with y up; planks run along x.
        rng: source of the grain.
    """
    x, z = points_table[:, 0], points_table[:, 2]
    plank = np.floor(z / 0.11).astype(int)
    shade = rng.uniform(0.86, 1.08, 64)[plank % 64]
    phase = rng.uniform(0, 6.28, 64)[plank % 64]
    along = np.sin(9 * x + phase) + 0.5 * np.sin(23 * x + 2 * phase)
    grain = np.sin(420 * z + 2.2 * along + phase) + 0.6 * np.sin(1130 * z + 4 * along)
    gap = np.abs(z / 0.11 - np.round(z / 0.11)) < 0.012
    value = shade * (1 + 0.045 * grain) * np.where(gap, 0.6, 1.0)
    return np.clip(value[:, None] * np.array([0.66, 0.50, 0.35]), 0, 1)


def object_albedo(
    material: str | None,
    points_obj: np.ndarray,
    normals_obj: np.ndarray,
    size_m: np.ndarray,
    color: int,
) -> np.ndarray:
    """Return the material of an object's surface, (M, 3) in [0, 1].

    Args:
        material: what is printed where: name of a generator of shapes; none of them: nothing is.
        points_obj: (M, 3) metres, object frame.
        normals_obj: (M, 3) unit normals, object frame.
        size_m: (3,) edges of its box.
        color: which colour of the palette, any integer.
    """
    main = _PALETTE[color % len(_PALETTE)]
    relative = points_obj / size_m
    return _MATERIALS.get(material or "", _plain)(relative, normals_obj, size_m, main)


def _where(condition: np.ndarray, yes: np.ndarray, no: np.ndarray) -> np.ndarray:
    return np.where(condition[:, None], yes, no)


def _plain(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    return np.broadcast_to(main, p.shape).copy()


def _bottle(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    label = np.abs(p[:, 1] + 0.16) < 0.15
    stripe = np.abs(p[:, 1] + 0.16) < 0.035
    out = _where(label, _WHITE, main * 0.8)
    out = _where(stripe, main, out)
    return _where(p[:, 1] > 0.41, _DARK + 0.12, out)


def _bowl(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    inside = (n[:, 0] * p[:, 0] + n[:, 2] * p[:, 2] < 0) | (n[:, 1] > 0.1)
    out = _where(inside, _WHITE, main)
    return _where(p[:, 1] > 0.42, main * 0.6, out)


def _can(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    metal = (np.abs(p[:, 1]) > 0.42) | (np.abs(n[:, 1]) > 0.9)
    angle = np.arctan2(p[:, 2], p[:, 0])
    wave = np.abs(p[:, 1] - 0.10 * np.sin(2 * angle)) < 0.07
    return _where(metal, _METAL, _where(wave, _WHITE, main))


def _mug(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    # The body's axis: half a body's width from the side that has no handle.
    x, z = p[:, 0] * size[0] + size[0] / 2 - size[2] / 2, p[:, 2] * size[2]
    handle = x > size[2] / 2
    inside = ~handle & ((n[:, 0] * x + n[:, 2] * z < 0) | (p[:, 1] > 0.47))
    stripe = ~handle & (np.abs(p[:, 1] + 0.05) < 0.12)
    return _where(inside, _WHITE, _where(stripe, main * 0.55, main))


def _laptop(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    on_base = n[:, 1] > 0.97
    pitch_x, pitch_z = p[:, 0] * size[0] / 0.019, p[:, 2] * size[2] / 0.019
    keyboard = on_base & (np.abs(p[:, 0] + 0.02) < 0.2) & (np.abs(p[:, 2]) < 0.44)
    cap = (np.abs(pitch_x % 1 - 0.5) < 0.41) & (np.abs(pitch_z % 1 - 0.5) < 0.41)
    out = _where(keyboard, np.where(cap[:, None], _DARK + 0.05, _METAL * 0.7), _METAL)
    pad = on_base & (p[:, 0] > 0.24) & (p[:, 0] < 0.44) & (np.abs(p[:, 2]) < 0.16)
    out = _where(pad, _METAL * 0.8, out)
    screen = (n[:, 0] > 0.3) & (p[:, 1] > -0.4)
    picture = 0.25 + 0.75 * main * (0.55 + 0.45 * (p[:, 1:2] + 0.5))
    bezel = (np.abs(p[:, 2]) > 0.465) | (p[:, 1] > 0.45) | (p[:, 1] < -0.33)
    return _where(screen, _where(bezel, _DARK, picture), out)


def _camera(p: np.ndarray, n: np.ndarray, size: np.ndarray, main: np.ndarray) -> np.ndarray:
    out = np.broadcast_to(_DARK + 0.11, p.shape).copy()
    glass = (n[:, 0] > 0.9) & (p[:, 0] > 0.25)
    out = _where(glass, np.array([0.16, 0.15, 0.32]), out)
    ring = (p[:, 0] > 0.12) & (p[:, 0] < 0.2)
    return _where(ring, main * 0.9, out)


_MATERIALS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "bottle": _bottle,
    "bowl": _bowl,
    "camera": _camera,
    "can": _can,
    "laptop": _laptop,
    "mug": _mug,
}


def lit(
    albedo: np.ndarray,
    normals: np.ndarray,
    view: np.ndarray,
    light: np.ndarray,
    up: np.ndarray,
    lamp: np.ndarray,
    gloss: np.ndarray,
) -> np.ndarray:
    """Return the light that reaches the eye, (H, W, 3) in [0, 1], gamma encoded.

    Args:
        albedo: (H, W, 3) in [0, 1], linear.
        normals: (H, W, 3) unit, towards the viewer.
        view: (H, W, 3) unit, from the surface to the viewer.
        light: (3,) unit, towards the lamp.
        up: (3,) unit, towards the ceiling, which lights everything a little.
        lamp: (H, W) share of the lamp that is not in shadow, in [0, 1].
        gloss: (H, W) strength of the highlight.
    """
    ambient = 0.34 + 0.14 * (normals @ up)
    diffuse = np.clip(normals @ light, 0, 1) * lamp
    half = view + light
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    highlight = gloss * lamp * np.clip(np.einsum("hwi,hwi->hw", normals, half), 0, 1) ** 60
    linear = albedo * (ambient + 0.72 * diffuse)[..., None] + highlight[..., None]
    return np.clip(linear, 0, 1) ** (1 / 2.2)


def smoothed(image: np.ndarray, part: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur an image (H, W, C) by a Gaussian without mixing the parts (H, W) of it."""
    out = image.copy()
    for index in np.unique(part):
        mask = part == index
        rows, columns = (
            slice(max(int(a.min()) - 8, 0), int(a.max()) + 9) for a in np.nonzero(mask)
        )
        inside = mask[rows, columns].astype(np.float32)
        weight = ndimage.gaussian_filter(inside, sigma_px)
        blurred = ndimage.gaussian_filter(
            image[rows, columns] * inside[..., None], (sigma_px, sigma_px, 0)
        )
        chosen = inside > 0
        out[rows, columns][chosen] = blurred[chosen] / np.maximum(weight[chosen], 1e-6)[:, None]
    return out
