# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Procedural laptops and cameras, made of boxes and barrels.

Metres, NOCS object frame: y up; a laptop's hinge along z with the screen on the -x side; a
camera's lens along +x. Not centred; `shapes.make_shapes` does it.
"""

from dataclasses import dataclass

import numpy as np

from genpose_ros.synthesis.primitives import MeshBatch, box, lathe, merge, profile, slab

__all__ = ["cameras", "laptops"]

Generator = np.random.Generator
_Number = np.ndarray | float
_Edges = tuple[np.ndarray, np.ndarray, np.ndarray]

#: y onto x, and y onto z: what `lathe` turns about y, laid along another axis.
_ONTO_X = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
_ONTO_Z = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_HALF_ABOUT_X = np.diag([1.0, -1, -1])

_KINDS = ("compact", "system", "reflex", "bridge", "action")


def _turned(batch: MeshBatch, rotation: np.ndarray) -> MeshBatch:
    return batch.turned(np.broadcast_to(rotation, (len(batch), 3, 3)))


def _block(*edges: _Number, at: tuple[_Number, ...], rounding: float = 0.0) -> MeshBatch:
    """Boxes with edges x, y, z (n,) around centres `at`."""
    return box(np.stack(np.broadcast_arrays(*edges), -1), rounding=rounding).moved(
        np.stack(np.broadcast_arrays(*at), -1)
    )


def laptops(rng: Generator, n: int) -> MeshBatch:
    """A base with the keyboard up and a screen hinged near its -x edge, 0 to 130 degrees open.

    Bases are flat or wedges, with a sunk keyboard and feet; lids are thin, with a sunk screen.
    """
    width = rng.uniform(0.26, 0.41, n)
    depth = np.minimum(width * rng.uniform(0.58, 0.80, n), 0.285)
    thin = rng.random(n) < 0.5
    base = np.where(thin, rng.uniform(0.009, 0.016, n), rng.uniform(0.016, 0.032, n))
    lid = np.minimum(rng.uniform(0.0035, 0.010, n), base * 0.75)
    kind = rng.choice(3, n, p=[0.76, 0.17, 0.07])  # in use, hardly open, closed
    opening = np.radians(
        np.choose(kind, [rng.uniform(75, 130, n), rng.uniform(2, 75, n), np.zeros(n)])
    )
    rounding = rng.uniform(0.001, 0.016, n)
    edges = (depth, base, width)
    lower = _keyboard_part(rng, edges, rounding, closed=kind == 2)
    feet = _feet(rng, depth, width)
    has_feet, has_barrel = rng.random(n) < 0.6, rng.random(n) < 0.6
    hinge_x = rng.uniform(0.0, 0.015, n)
    upper = _screen_part(rng, edges, lid, opening, hinge_x, rounding)
    barrel = _hinge_barrel(rng, base, width, hinge_x)
    anchor = np.stack([depth / 2, base / 2, np.zeros(n)], -1)
    return merge(
        lower,
        upper,
        *(foot.only(has_feet, anchor) for foot in feet),
        barrel.only(has_barrel, anchor),
    )


def _keyboard_part(
    rng: Generator, edges: _Edges, rounding: np.ndarray, *, closed: np.ndarray
) -> MeshBatch:
    """Bases from x = 0 on and from y = 0 up; the keyboard is sunk where they are not closed."""
    n, (depth, base, width) = len(closed), edges
    slabs = slab(
        np.stack([depth, base, width], -1),
        rounding=rounding,
        inset=depth * rng.uniform(0.03, 0.12, n),
        recess=rng.uniform(0, 0.0025, n) * ~closed,
    ).moved(np.stack([depth / 2, base / 2, np.zeros(n)], -1))
    wedge = rng.uniform(0, 0.55, n) * (rng.random(n) < 0.45)
    return _as_wedge(slabs, base, depth, np.where(closed, 0, wedge))


def _feet(rng: Generator, depth: np.ndarray, width: np.ndarray) -> list[MeshBatch]:
    """Two strips under the base, at the hinge and in front."""
    height = rng.uniform(0.001, 0.004, len(depth))
    return [
        _block(0.012, height + 0.001, width * 0.8, at=(depth * share, 0.0005 - height / 2, 0))
        for share in (0.1, 0.86)
    ]


def _screen_part(
    rng: Generator,
    edges: _Edges,
    lid: np.ndarray,
    opening: np.ndarray,
    hinge_x: np.ndarray,
    rounding: np.ndarray,
) -> MeshBatch:
    """Lids of thickness `lid`, hinged at `hinge_x` and open by `opening`, radians."""
    n, (depth, base, width) = len(lid), edges
    zero = np.zeros(n)
    hinge_y = base * (1 - rng.uniform(0, 0.5, n) * (opening > np.radians(40)))
    length = depth * rng.uniform(0.92, 1.0, n) - hinge_x
    lids = slab(
        np.stack([length, lid, width * rng.uniform(0.97, 1.0, n)], -1),
        rounding=rounding,
        inset=rng.uniform(0.004, 0.018, n),
        recess=rng.uniform(0, 0.0015, n),
    )
    lids = _turned(lids, _HALF_ABOUT_X).moved(np.stack([length / 2, lid / 2, zero], -1))
    cos, sin = np.cos(opening), np.sin(opening)
    turn = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1).reshape(n, 3, 3)
    return lids.turned(turn).moved(np.stack([hinge_x, hinge_y, zero], -1))


def _hinge_barrel(
    rng: Generator, base: np.ndarray, width: np.ndarray, hinge_x: np.ndarray
) -> MeshBatch:
    """Cylinders along the hinge."""
    n = len(base)
    radius, span = rng.uniform(0.3, 0.5, n) * base, width * rng.uniform(0.3, 0.8, n)
    barrel = _cylinder(radius, -span / 2, span / 2, segments=8)
    return _turned(barrel, _ONTO_Z).moved(np.stack([hinge_x, base * 0.6, np.zeros(n)], -1))


def _as_wedge(
    base: MeshBatch, height: np.ndarray, depth: np.ndarray, wedge: np.ndarray
) -> MeshBatch:
    """Lower what is in the upper half, from nothing at x = 0 to the share `wedge` at `depth`."""
    vertices = base.vertices.copy()
    share = wedge[:, None] * np.clip(vertices[..., 0] / depth[:, None], 0, 1)
    upper = vertices[..., 1] > height[:, None] / 2
    vertices[..., 1] -= np.where(upper, share * height[:, None], 0)
    return MeshBatch(vertices, base.faces)


def _cylinder(radius: np.ndarray, low: np.ndarray, high: np.ndarray, *, segments: int) -> MeshBatch:
    zero = np.zeros(len(radius))
    return lathe(
        *profile((zero, low), (radius, low), (radius, high), (zero, high)), segments=segments
    )


def cameras(rng: Generator, n: int) -> MeshBatch:
    """Compact, system, reflex, bridge and action cameras, from no lens to a long one with a hood.

    Bodies thin and thick, with grip, viewfinder hump and eyecup, dials, hot shoe, display, and now
    and then a flash, a battery grip or the display swung out. The photographer's right is +z.
    """
    kind = rng.choice(len(_KINDS), n, p=[0.25, 0.17, 0.36, 0.14, 0.08])
    draw = _Draw(rng, kind)
    # In the order of _KINDS: compact, system, reflex, bridge, action.
    width = draw.within((0.08, 0.12), (0.1, 0.14), (0.115, 0.16), (0.1, 0.135), (0.055, 0.078))
    height = draw.within((0.05, 0.075), (0.058, 0.085), (0.072, 0.11), (0.07, 0.095), (0.038, 0.06))
    depth = draw.within((0.016, 0.04), (0.026, 0.05), (0.036, 0.075), (0.04, 0.075), (0.02, 0.042))
    body = slab(np.stack([depth, height, width], -1), rounding=depth * rng.uniform(0.05, 0.5, n))
    body = _with_shoulders(body, height, width, height * rng.uniform(0, 0.14, n))

    aside = np.where(draw.happens(0.3, 0.2, 0, 0, 1.0), 0.3, rng.uniform(-0.2, 0.12, n))
    lens_z = width * aside * np.where(aside == 0.3, rng.choice([-1.0, 1.0], n), 1)
    lens_y = height * rng.uniform(-0.12, 0.06, n)
    radius = draw.within(
        (0.013, 0.025), (0.022, 0.036), (0.028, 0.042), (0.027, 0.038), (0.008, 0.014)
    )
    lens = _lens(
        rng,
        np.minimum(radius, height * np.where(kind == _KINDS.index("reflex"), 0.55, 0.49)),
        draw.within((0.003, 0.045), (0.01, 0.10), (0.02, 0.17), (0.025, 0.11), (0.002, 0.01)),
        depth,
        hood=draw.happens(0.0, 0.25, 0.35, 0.25, 0.0),
    ).moved(np.stack([np.zeros(n), lens_y, lens_z], -1))
    edges = (depth, height, width)
    parts = [
        *_viewfinder(draw, edges, lens_z),
        *_on_the_body(draw, edges, lens_z),
        *_accessories(draw, edges, lens_z),
    ]
    anchor = np.stack([np.zeros(n), lens_y, lens_z], -1)
    return merge(body, lens, *(part.only(present, anchor) for part, present in parts))


@dataclass(frozen=True)
class _Draw:
    """Draws that depend on the kind (n,) of each camera; arguments in the order of `_KINDS`."""

    rng: Generator
    kind: np.ndarray

    def within(self, *ranges: tuple[float, float]) -> np.ndarray:
        """(n,) values, each within its kind's range."""
        low, high = (np.choose(self.kind, limits) for limits in np.array(ranges).T)
        return self.rng.uniform(low, high)

    def happens(self, *shares: float) -> np.ndarray:
        """(n,) booleans, each with its kind's probability."""
        return self.rng.random(len(self.kind)) < np.choose(self.kind, np.array(shares, float))


_Parts = list[tuple[MeshBatch, np.ndarray]]


def _with_shoulders(
    body: MeshBatch, height: np.ndarray, width: np.ndarray, drop: np.ndarray
) -> MeshBatch:
    """Lower the upper face towards both sides."""
    vertices = body.vertices.copy()
    aside = np.clip(np.abs(vertices[..., 2]) / (width / 2)[:, None], 0, 1)
    upper = vertices[..., 1] > (height / 2 - 1e-6)[:, None]
    vertices[..., 1] -= np.where(upper, drop[:, None] * aside, 0)
    return MeshBatch(vertices, body.faces)


def _lens(
    rng: Generator,
    radius: np.ndarray,
    length: np.ndarray,
    depth: np.ndarray,
    *,
    hood: np.ndarray,
) -> MeshBatch:
    """A stepped barrel along +x that starts within a body of `depth` and sticks out by `length`.

    Its front is hollow: a filter ring before the glass, or the depth of a hood.
    """
    n = len(radius)
    zero, one = np.zeros(n), np.ones(n)
    steps = rng.uniform(0.78, 1.0, (n, 3))
    front = np.where(hood, np.minimum(rng.uniform(0.9, 1.25, n), 0.046 / radius), steps[:, 1])
    start = np.where(hood, rng.uniform(0.6, 0.8, n), 0.98)
    sunk = np.where(hood, (1 - start) * rng.uniform(0.5, 1.0, n), 0)
    sunk = sunk + np.minimum(rng.uniform(0, 0.008, n), 0.5 * length) / length
    first, second = rng.uniform(0.15, 0.4, n), rng.uniform(0.45, 0.58, n)
    inside = -0.5 * depth / length  # from the body's middle: closed there, and covered
    factors, along = profile(
        (zero, inside),
        (one, inside),
        (one, first),
        (steps[:, 0], first + 0.02),
        (steps[:, 0], second),
        (steps[:, 1], second + 0.02),
        (steps[:, 1], start),
        (front, one),
        (front * 0.92, one),
        (np.minimum(front, steps[:, 1]) * 0.85, 1 - sunk),
        (zero, 1 - sunk),
    )
    barrel = lathe(
        radius[:, None] * factors, depth[:, None] / 2 + length[:, None] * along, segments=24
    )
    return _turned(barrel, _ONTO_X)


def _viewfinder(draw: _Draw, edges: _Edges, lens_z: np.ndarray) -> _Parts:
    """The prism's hump over the lens, and the eyecup behind it."""
    rng, (depth, height, width) = draw.rng, edges
    tall = height * draw.within(
        (0.02, 0.10), (0.08, 0.30), (0.16, 0.45), (0.12, 0.35), (0.01, 0.05)
    )
    long = depth * rng.uniform(0.6, 1.3, len(depth))
    across = width * rng.uniform(0.2, 0.48, len(depth))
    hump = slab(
        np.stack([long, tall, across], -1), rounding=0.005, taper=rng.uniform(0.5, 0.95, len(depth))
    )
    x = depth * rng.uniform(-0.1, 0.2, len(depth))
    hump = hump.moved(np.stack([x, height / 2 + tall / 2 - 0.001, lens_z], -1))
    eye_x = np.minimum(x - long / 2, -depth / 2)
    eyecup = _block(
        0.012,
        np.maximum(tall * 0.7, 0.012),
        across * 0.55,
        at=(eye_x - rng.uniform(-0.003, 0.006, len(depth)), height / 2 + tall * 0.3, lens_z),
        rounding=0.003,
    )
    has_hump = draw.happens(0.3, 0.7, 1.0, 0.95, 0.2)
    return [(hump, has_hump), (eyecup, has_hump & draw.happens(0, 0.5, 0.85, 0.8, 0))]


def _on_the_body(draw: _Draw, edges: _Edges, lens_z: np.ndarray) -> _Parts:
    """Grip, dials, hot shoe and display."""
    rng, (depth, height, width) = draw.rng, edges
    n, zero = len(depth), np.zeros(len(depth))
    out = depth * draw.within((0.0, 0.4), (0.15, 0.9), (0.35, 1.0), (0.3, 0.9), (0.0, 0.1)) + 0.002
    across = width * rng.uniform(0.14, 0.28, n)
    grip = slab(
        np.stack([out + 0.01, height * rng.uniform(0.75, 1.0, n), across], -1),
        rounding=out * 0.45,
        taper=rng.uniform(0.75, 1.0, n),
    )
    side = width / 2 - across / 2
    grip = grip.moved(np.stack([depth / 2 + out / 2 - 0.005, -height * 0.02 + zero, side], -1))
    dials = [
        _cylinder(width * rng.uniform(0.04, 0.08, n), zero, height * size, segments=10).moved(
            np.stack([depth * rng.uniform(-0.15, 0.15, n), height / 2 - height * 0.13, z], -1)
        )
        for size, z in (
            (rng.uniform(0.14, 0.24, n), width * rng.uniform(0.2, 0.42, n)),
            (rng.uniform(0.14, 0.22, n), -width * rng.uniform(0.2, 0.42, n)),
        )
    ]
    shoe = _block(
        0.018 + zero, 0.006 + zero, 0.019 + zero, at=(-depth * 0.1, height / 2 + 0.001, lens_z)
    )
    shown = rng.uniform(0.001, 0.005, n)
    display = _block(
        shown + 0.004,
        height * rng.uniform(0.55, 0.8, n),
        width * rng.uniform(0.45, 0.65, n),
        at=(-depth / 2 - shown / 2 + 0.002, -height * 0.05, -width * 0.06),
    )
    return [
        (grip, draw.happens(0.5, 0.85, 1.0, 0.95, 0.1)),
        (dials[0], draw.happens(0.5, 0.8, 0.8, 0.8, 0.5)),
        (dials[1], draw.happens(0.2, 0.4, 0.6, 0.5, 0.0)),
        (shoe, draw.happens(0.1, 0.8, 0.5, 0.5, 0.0)),
        (display, draw.happens(0.5, 0.8, 0.8, 0.8, 0.5)),
    ]


def _accessories(draw: _Draw, edges: _Edges, lens_z: np.ndarray) -> _Parts:
    """What only some have: battery grip, flash on a foot, display swung out to the left."""
    rng, (depth, height, width) = draw.rng, edges
    n = len(depth)
    lower = rng.uniform(0.022, 0.045, n)
    battery = _block(
        depth * rng.uniform(0.8, 1.15, n),
        lower + 0.002,
        width * rng.uniform(0.9, 1.0, n),
        at=(np.zeros(n), -height / 2 - lower / 2 + 0.001, np.zeros(n)),
        rounding=0.008,
    )
    x, top = -depth * 0.1, height / 2
    post = rng.uniform(0.02, 0.05, n)
    foot = _block(0.025, post, 0.035, at=(x, top + post / 2, lens_z))
    head_height = rng.uniform(0.03, 0.045, n)
    head = _block(
        rng.uniform(0.03, 0.09, n),
        head_height,
        rng.uniform(0.05, 0.075, n),
        at=(x + 0.01, top + post + head_height / 2 - 0.001, lens_z),
        rounding=0.005,
    )
    panel_width = width * rng.uniform(0.45, 0.6, n)
    panel = _block(
        rng.uniform(0.004, 0.009, n),
        height * rng.uniform(0.55, 0.75, n),
        panel_width,
        at=(-depth / 2 + 0.004, -height * 0.05, -width / 2 - panel_width / 2 + 0.002),
    )
    has_flash = draw.happens(0.0, 0.05, 0.08, 0.05, 0.0)
    return [
        (battery, draw.happens(0.0, 0.05, 0.15, 0.0, 0.0)),
        (foot, has_flash),
        (head, has_flash),
        (panel, draw.happens(0.0, 0.06, 0.05, 0.05, 0.0)),
    ]
