# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Procedural bottles, bowls, cans and mugs: profiles turned about y, with handles, pumps and tabs.

Metres, NOCS object frame: y up, a mug's handle at +x. Not centred; `shapes.make_shapes` does it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genpose_ros.synthesis.primitives import MeshBatch, box, lathe, merge, profile, slab, tube

__all__ = ["EVERYDAY", "USUAL", "VesselVariety", "bottles", "bowls", "cans", "mugs"]

Generator = np.random.Generator

_BOTTLE_TOPS = ("cap", "sports", "pump", "spray", "open")


@dataclass(frozen=True)
class VesselVariety:
    """Variety of the vessels: shares of the shapes, and ranges of their measures.

    Attributes:
        bottle_tops: shares of cap, sports cap, pump, spray head and open neck.
        flat_bottles: share of the bottles with an oval or flat body.
        flattest: depth of the flattest bottle's body in its width.
        filled_bowls, filled_mugs: share of them that hold something.
        bowl_level, mug_level: how high it stands, in the height of the inside.
        mug_taper: a mug's radius at the foot less that at the rim, in that at the rim.
        level_in_wall: what a mug holds ends at the wall; without, it sticks out of some that are
            wider below.
        alike_ends: share of the cans whose top and bottom are drawn alike, so that nothing tells
            which is which.
    """

    bottle_tops: tuple[float, ...] = (0.62, 0.12, 0.09, 0.08, 0.09)
    flat_bottles: float = 0.35
    flattest: float = 0.45
    filled_bowls: float = 0.1
    bowl_level: tuple[float, float] = (0.1, 0.6)
    filled_mugs: float = 0.1
    mug_level: tuple[float, float] = (0.3, 0.85)
    mug_taper: tuple[float, float] = (-0.35, 0.18)
    level_in_wall: bool = False
    alike_ends: float = 0.0


#: Shapes whose foot and head mostly differ; what the evaluation's views show.
USUAL = VesselVariety()
#: Shapes as kitchens hold them: many cans alike at both ends, full mugs, flat spray bottles.
EVERYDAY = VesselVariety(
    bottle_tops=(0.5, 0.11, 0.1, 0.2, 0.09),
    flat_bottles=0.5,
    flattest=0.3,
    filled_bowls=0.3,
    bowl_level=(0.1, 0.97),
    filled_mugs=0.35,
    mug_level=(0.15, 0.98),
    mug_taper=(-0.32, 0.3),
    level_in_wall=True,
    alike_ends=0.65,
)


def _about_y(angle: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) about y."""
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(len(angle))
    rows = [cos, zero, sin, zero, zero + 1, zero, -sin, zero, cos]
    return np.stack(rows, -1).reshape(-1, 3, 3)


def _some(rng: Generator, n: int, share: float, low: float, high: float) -> np.ndarray:
    """(n,) values between low and high for a share of the rows, 0 for the others."""
    return rng.uniform(low, high, n) * (rng.random(n) < share)


def bottles(rng: Generator, n: int, variety: VesselVariety = USUAL) -> MeshBatch:
    """Bodies with shoulder and neck under a cap, sports cap, pump, spray head, or open.

    Round, square or oval, waisted, bulged or ribbed; some with a handle beside the neck. What
    sticks out stays within the body's outline, so that the axis is the middle of the box.
    """
    top_kind = rng.choice(len(_BOTTLE_TOPS), n, p=variety.bottle_tops)
    is_kind = {name: top_kind == i for i, name in enumerate(_BOTTLE_TOPS)}
    roundness = np.where(rng.random(n) < 0.22, rng.uniform(2.5, 8, n), 2.0)
    flat = rng.random(n) < variety.flat_bottles
    flatness = np.where(flat, rng.uniform(variety.flattest, 1.0, n), 1.0)
    total = rng.uniform(0.10, 0.32, n)
    radius = np.minimum(rng.uniform(0.020, 0.055, n), total * rng.uniform(0.15, 0.29, n))

    neck = radius * rng.uniform(0.25, 0.75, n)
    neck = np.where(flatness < 1, np.minimum(neck, radius * 0.5), neck)
    cap = np.maximum(neck * rng.uniform(0.95, 1.4, n), 0.009)
    cap_height = total * rng.uniform(0.03, 0.15, n)
    neck_height = total * _some(rng, n, 0.5, 0.0, 0.24)
    shoulder = total * rng.uniform(0.03, 0.38, n)
    body = total - cap_height - neck_height - shoulder
    rings = _bottle_profile(
        rng, is_kind, radius, body, shoulder, neck, neck_height, cap, cap_height
    )
    flask = lathe(*rings, segments=28, roundness=roundness, flatness=flatness)
    head = _dispenser(rng, is_kind, radius * flatness, cap, total)
    round_ones = (flatness == 1) & (rng.random(n) < 0.08) & (radius > 0.03)
    grip = _bottle_handle(rng, radius, neck, body, shoulder)
    anchor = np.stack([0 * total, body / 2, 0 * total], -1)
    return merge(flask, head, grip.only(round_ones, anchor))


def _bottle_profile(
    rng: Generator,
    is_kind: dict[str, np.ndarray],
    radius: np.ndarray,
    body: np.ndarray,
    shoulder: np.ndarray,
    neck: np.ndarray,
    neck_height: np.ndarray,
    cap: np.ndarray,
    cap_height: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """From the (often hollow) bottom over body, shoulder and neck to the top of the cap."""
    n = len(radius)
    bevel = radius * rng.uniform(0.02, 0.35, n)
    body_r, body_y = _bottle_body(rng, radius, bevel, body)
    u = np.linspace(0, 1, 8)[1:]
    power = rng.uniform(0.7, 2.6, n)[:, None]
    blend = np.where(
        rng.random(n)[:, None] < 0.5, u**power, 0.5 - 0.5 * np.cos(np.pi * u ** (power / 1.5))
    )
    shoulder_r = body_r[:, -1:] + (neck[:, None] - body_r[:, -1:]) * blend
    shoulder_y = body[:, None] + shoulder[:, None] * u
    punt = _some(rng, n, 0.5, 0.001, 0.010)
    foot = np.maximum(body_r[:, 0] - bevel, radius * 0.4)

    collar = body + shoulder + neck_height
    top = collar + cap_height
    tip = cap * np.where(is_kind["sports"], rng.uniform(0.3, 0.55, n), 0.9)
    nozzle = np.where(is_kind["sports"], rng.uniform(0.008, 0.025, n), 0.0)
    opening = np.where(is_kind["open"], rng.uniform(0.012, 0.04, n), 0.0)
    zero = np.zeros(n)
    return profile(
        (zero, punt),
        (foot * 0.7, punt * 0.6),
        (foot * 0.9, zero),
        (foot, zero),
        (body_r, body_y),
        (shoulder_r, shoulder_y),
        (neck, collar),
        (cap, collar),
        (cap, collar + cap_height * 0.9),
        (cap * 0.9, top),
        (tip, top),
        (tip * 0.9, top + nozzle),
        (tip * 0.75, top + nozzle),
        (tip * 0.75, top + nozzle - opening),
        (zero, top + nozzle - opening),
    )


def _bottle_body(
    rng: Generator, radius: np.ndarray, bevel: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Radii and heights (n, 12) from the bevel up: straight, tapered, waisted, bulged or ribbed."""
    n = len(radius)
    taper, waist = _some(rng, n, 0.4, -0.15, 0.15), _some(rng, n, 0.4, -0.22, 0.08)
    ribs = _some(rng, n, 0.25, 0.0004, 0.0018) / radius
    count = rng.integers(2, 6, n)
    s = np.linspace(0, 1, 12)
    outline = radius[:, None] * (
        1
        + taper[:, None] * (s - 0.5)
        + waist[:, None] * np.sin(np.pi * s) ** 2
        - ribs[:, None] * (1 - np.cos(2 * np.pi * count[:, None] * s))
    )
    return outline, bevel[:, None] + (height - bevel)[:, None] * s


def _dispenser(
    rng: Generator,
    is_kind: dict[str, np.ndarray],
    reach: np.ndarray,
    cap: np.ndarray,
    top: np.ndarray,
) -> MeshBatch:
    """The stem, head and trigger of pumps and sprays on a bottle's cap, turned any way."""
    n = len(top)
    pump, spray = is_kind["pump"], is_kind["spray"]
    zero = np.zeros(n)
    stem_height = np.where(pump, rng.uniform(0.015, 0.045, n), rng.uniform(0.004, 0.015, n))
    stem_radius = np.where(pump, rng.uniform(0.003, 0.006, n), cap * 0.8)
    stem = lathe(
        *profile(
            (zero, top - 0.003),
            (stem_radius, top - 0.003),
            (stem_radius, top + stem_height),
            (zero, top + stem_height),
        ),
        segments=8,
    )
    out, back = reach * rng.uniform(0.6, 0.92, n), np.minimum(reach * 0.9, cap * 1.1)
    height = np.where(pump, rng.uniform(0.006, 0.014, n), rng.uniform(0.018, 0.04, n))
    width = np.minimum(rng.uniform(0.012, 0.026, n), reach * 0.7)
    head = slab(np.stack([out + back, height, width], -1), rounding=0.004, taper=0.85)
    level = top + stem_height
    head = head.moved(np.stack([(out - back) / 2, level + height / 2 - 0.001, zero], -1))
    drop = np.where(spray, rng.uniform(0.025, 0.06, n), rng.uniform(0.003, 0.012, n))
    lever = box(np.stack([0.006 + zero, drop, width * 0.6], -1))
    lever = lever.moved(np.stack([out - np.where(spray, 0.010, 0.004), level - drop / 2, zero], -1))
    anchor = np.stack([zero, top / 2, zero], -1)
    turn = _about_y(rng.uniform(0, 2 * np.pi, n))
    return merge(stem, head, lever).turned(turn).only(pump | spray, anchor)


def _bottle_handle(
    rng: Generator, radius: np.ndarray, neck: np.ndarray, body: np.ndarray, shoulder: np.ndarray
) -> MeshBatch:
    """A loop from the neck down to the body, as jugs have it."""
    n = len(radius)
    u = np.linspace(0, 1, 9)
    thickness = rng.uniform(0.004, 0.009, n)
    start, end = (body + shoulder) * 0.99, body * rng.uniform(0.55, 0.9, n)
    x = neck[:, None] * 0.8 + (radius - neck * 0.8)[:, None] * u**0.6
    x = x + (radius * rng.uniform(0.1, 0.5, n))[:, None] * np.sin(np.pi * u)
    x = np.minimum(x, (radius - thickness)[:, None] * 0.98)
    y = start[:, None] + (end - start)[:, None] * u
    return _along(np.stack([x, y], -1), thickness, thickness * rng.uniform(0.8, 1.6, n))


def _along(path: np.ndarray, thickness: np.ndarray, width: np.ndarray) -> MeshBatch:
    """A tube along paths (n, P, 2) in the xy plane, ended flat."""
    tangent = np.gradient(path, axis=1)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-9
    return tube(path, np.stack([tangent[..., 1], -tangent[..., 0]], -1), thickness, width)


def bowls(rng: Generator, n: int, variety: VesselVariety = USUAL) -> MeshBatch:
    """Open dishes from flat to deep: foot ring, curved or straight wall, plain or flaring rim."""
    radius = rng.uniform(0.050, 0.125, n)
    height = 2 * radius * np.exp(rng.uniform(np.log(0.14), np.log(0.68), n))
    height = np.maximum(height, 0.022)
    base = radius * rng.uniform(0.22, 0.75, n)
    wall = rng.uniform(0.002, 0.007, n)
    foot = np.minimum(height * 0.3, _some(rng, n, 0.6, 0.002, 0.014))
    hollow = foot * rng.uniform(0.3, 1.0, n)
    power = np.exp(rng.uniform(np.log(0.3), np.log(1.4), n))
    rim = radius * _some(rng, n, 0.3, 0.0, 0.16)
    roll = wall * _some(rng, n, 0.3, 0.2, 1.0)
    u = np.linspace(0, 1, 11)
    outer_r = base[:, None] + (radius - base)[:, None] * u ** power[:, None]
    outer_y = foot[:, None] + (height - foot)[:, None] * u
    inner_r = np.maximum(outer_r[:, ::-1] - wall[:, None], 1e-4)
    inner_y = outer_y[:, ::-1] + wall[:, None] * np.linspace(0, 1, 11)
    level = _some(rng, n, variety.filled_bowls, *variety.bowl_level)
    content = foot + wall + (height - foot) * level
    inner_y = np.maximum(inner_y, content[:, None])
    zero = np.zeros(n)
    rings = profile(
        (zero, hollow),
        (base * 0.78, hollow),
        (base * 0.84, zero),
        (base * 0.95, zero),
        (base, foot),
        (outer_r, outer_y),
        (radius + rim + roll, height - roll),
        (radius + rim + roll, height),
        (radius + rim, height + wall * 0.5),
        (radius + rim - wall, height + wall * 0.3),
        (inner_r, inner_y),
        (zero, content),
    )
    roundness = np.where(rng.random(n) < 0.06, rng.uniform(2.3, 4.5, n), 2.0)
    return lathe(*rings, segments=36, roundness=roundness)


@dataclass(frozen=True)
class _CanEnd:
    """One end of n cans, from the middle outward: P points each.

    Attributes:
        radius: (n, P) metres.
        depth: (n, P) how far inside the can's box, metres.
    """

    radius: np.ndarray
    depth: np.ndarray

    def where(self, chosen: np.ndarray, other: "_CanEnd") -> "_CanEnd":
        """These ends for the `chosen` (n,) cans, for the rest the `other` ones of fewer points."""
        again = np.linspace(0, other.radius.shape[1] - 1, self.radius.shape[1]).round().astype(int)
        return _CanEnd(
            np.where(chosen[:, None], self.radius, other.radius[:, again]),
            np.where(chosen[:, None], self.depth, other.depth[:, again]),
        )


def cans(rng: Generator, n: int, variety: VesselVariety = USUAL) -> MeshBatch:
    """Drink cans (necked-in lid, domed bottom on a small ring) and food cans (rims, beads, tuna).

    Top and bottom differ: the lid lies deeper within its rim than a food can's bottom, and carries
    a tab; a drink can stands on a ring narrower than its lid. Of those whose ends are alike both
    have rims, flat or domed lids, rings or plastic caps, drawn from one distribution.
    """
    drink = rng.random(n) < 0.45
    radius = np.where(drink, rng.uniform(0.026, 0.036, n), rng.uniform(0.026, 0.055, n))
    tall = np.exp(rng.uniform(np.log(1.25), np.log(2.7), n))
    food = np.exp(rng.uniform(np.log(0.33), np.log(1.9), n))
    height = np.clip(2 * radius * np.where(drink, tall, food), 0.026, 0.19)
    top, bottom, shoulder, heel, lid = _can_ends(rng, drink, radius)
    beads = np.where(drink, 0, _some(rng, n, 0.5, 0.0003, 0.0014))
    count = rng.integers(2, 6, n)
    alike = np.zeros(n, dtype=bool)
    if variety.alike_ends:
        # Of drink cans fewer are alike.
        alike = rng.random(n) < variety.alike_ends * np.where(drink, 0.5, 1.4)
        first, second = (_alike_end(rng, radius, height) for _ in range(2))
        second = first.where(rng.random(n) < 0.5, second)
        heel = np.where(alike, first.depth[:, -1], heel)
        shoulder = np.where(alike, second.depth[:, -1], shoulder)
        bottom, top = first.where(alike, bottom), second.where(alike, top)

    s = np.linspace(0, 1, 14)
    middle = np.sin(np.pi * s) ** 0.5 * (1 - np.cos(2 * np.pi * count[:, None] * s)) / 2
    side_r = radius[:, None] - beads[:, None] * middle
    side_y = heel[:, None] + (height - shoulder - heel)[:, None] * s
    rings = profile(
        (bottom.radius, bottom.depth),
        (side_r, side_y),
        (top.radius[:, ::-1], height[:, None] - top.depth[:, ::-1]),
    )
    rim = top.radius[:, -2]
    tab = _can_tab(rng, rim, height - lid)
    has_tab = (rng.random(n) < np.where(drink, 0.9, 0.5)) & (lid > 0.0025) & ~alike
    anchor = np.stack([0 * height, height / 2, 0 * height], -1)
    return merge(lathe(*rings), tab.turned(_about_y(rng.uniform(0, 6.3, n))).only(has_tab, anchor))


def _can_ends(
    rng: Generator, drink: np.ndarray, radius: np.ndarray
) -> tuple[_CanEnd, _CanEnd, np.ndarray, np.ndarray, np.ndarray]:
    """Lid and bottom as drink and food cans have them, height of shoulder and heel, lid's depth."""
    n = len(drink)
    top = radius * np.where(drink, rng.uniform(0.74, 0.95, n), rng.uniform(0.98, 1.03, n))
    top = np.where(drink, top, np.minimum(top, radius + 0.0015))
    ring = radius * np.where(drink, rng.uniform(0.68, 0.84, n), rng.uniform(0.93, 1.02, n))
    shoulder = np.where(drink, rng.uniform(0.006, 0.018, n), rng.uniform(0.0015, 0.004, n))
    heel = np.where(drink, rng.uniform(0.005, 0.014, n), rng.uniform(0.0015, 0.004, n))
    lid = np.where(drink, rng.uniform(0.003, 0.0075, n), rng.uniform(0.001, 0.006, n))
    dome = np.where(drink, rng.uniform(0.006, 0.013, n), rng.uniform(0.0005, 0.003, n))
    lip = np.where(drink, rng.uniform(0.002, 0.004, n), rng.uniform(0.0015, 0.003, n))
    zero = np.zeros(n)
    above = profile(
        (zero, lid),
        (top - lip * 1.3, lid),
        (top - lip, zero),
        (top, zero),
        (top, np.where(drink, 0.003, 0.001)),
    )
    below = profile(
        (zero, dome),
        (ring * 0.55, dome * np.where(drink, 0.8, 1.0)),
        (ring - lip * 1.5, np.where(drink, 0.0015, dome)),
        (ring - lip, zero),
        (ring, zero),
        ((ring + radius) / 2, heel * 0.4),
    )
    return _CanEnd(*above), _CanEnd(*below), shoulder, heel, lid


def _alike_end(rng: Generator, radius: np.ndarray, height: np.ndarray) -> _CanEnd:
    """Ends for tops and bottoms alike: a lid within a rim, often with a ring, or domed, or a cap.

    The last point is where the body begins.
    """
    n = len(radius)
    kind = rng.choice(4, n, p=[0.5, 0.14, 0.16, 0.2])
    rimmed, domed, cap = kind == 0, kind == 2, kind == 3
    sunk = np.where(rimmed, rng.uniform(0.0005, 0.003, n), _some(rng, n, 0.3, 0.0003, 0.002) * cap)
    bulge = np.where(domed, rng.uniform(0.001, 0.006, n), 0.0)
    step = np.where(rimmed, _some(rng, n, 0.5, -0.0012, 0.0012), 0.0)
    necked = ~cap & (rng.random(n) < 0.3)
    over = np.where(cap, rng.uniform(0.0, 0.0025, n), rng.uniform(-0.002, 0.0012, n))
    edge = np.where(necked, radius * rng.uniform(0.76, 0.96, n), radius + over)
    lip = np.where(rimmed, rng.uniform(0.0012, 0.0035, n), rng.uniform(0.0005, 0.002, n))
    skirt = np.where(cap, rng.uniform(0.004, 0.014, n), rng.uniform(0.001, 0.004, n))
    skirt = np.minimum(bulge + skirt, height * 0.25)
    reach = np.where(necked, rng.uniform(0.004, 0.016, n), rng.uniform(0.0, 0.002, n))
    body = np.minimum(skirt + reach, height * 0.4)
    inner = edge - lip

    def lid(share: float) -> np.ndarray:
        """Depth of the lid at a share of its radius; a dome's middle is outermost."""
        return sunk + bulge * share**2

    outer = bulge
    return _CanEnd(
        *profile(
            (np.zeros(n), lid(0.0)),
            (inner * 0.35, lid(0.35)),
            (inner * 0.62, lid(0.62)),
            (inner * 0.66, lid(0.66) + np.maximum(step, -sunk)),
            (inner * 0.97, lid(0.97) + np.maximum(step, -sunk)),
            (inner, np.where(domed, lid(1.0), outer)),
            (edge, outer),
            (edge, skirt),
            (radius, body),
        )
    )


def _can_tab(rng: Generator, radius: np.ndarray, level: np.ndarray) -> MeshBatch:
    """The tab on a lid of `radius` at height `level`, along x."""
    n = len(radius)
    zero = np.zeros(n)
    length = radius * rng.uniform(0.5, 0.8, n)
    tab = box(np.stack([length, 0.002 + zero, length * rng.uniform(0.5, 0.75, n)], -1))
    return tab.moved(np.stack([radius * rng.uniform(0.0, 0.3, n), level + 0.0012, zero], -1))


def mugs(rng: Generator, n: int, variety: VesselVariety = USUAL) -> MeshBatch:
    """Cups from espresso to beer, straight, tapered, bellied or waisted, with a handle at +x."""
    radius, height = rng.uniform(0.028, 0.058, n), rng.uniform(0.055, 0.140, n)
    height = np.clip(height, radius * 1.15, radius * 3.2)
    taper, belly = _some(rng, n, 0.6, *variety.mug_taper), _some(rng, n, 0.45, -0.15, 0.28)
    wall, floor = rng.uniform(0.002, 0.006, n), rng.uniform(0.003, 0.012, n)
    bevel = np.minimum(radius * rng.uniform(0.02, 0.5, n), height * 0.4)
    floor = floor + (height - floor) * _some(rng, n, variety.filled_mugs, *variety.mug_level)

    def wall_radius(s: np.ndarray) -> np.ndarray:
        shape = 1 + taper[:, None] * (1 - s) + belly[:, None] * np.abs(np.sin(np.pi * s)) ** 1.5
        return radius[:, None] * shape

    s = np.broadcast_to(np.linspace(0, 1, 12), (n, 12))
    start = (bevel / height)[:, None]
    y_outer = bevel[:, None] + (height - bevel)[:, None] * s
    r_outer = wall_radius(start + (1 - start) * s)
    r_inner = np.maximum(r_outer[:, ::-1] - wall[:, None], 1e-3)
    bottom = (floor + bevel * 0.3)[:, None]
    if variety.level_in_wall:
        at_level = wall_radius(np.minimum(bottom / height[:, None], 1))
        within = np.minimum(r_inner, np.maximum(at_level - wall[:, None], 1e-3))
        r_inner = np.where(y_outer[:, ::-1] < bottom, within, r_inner)
    y_inner = np.maximum(y_outer[:, ::-1], bottom)
    foot, ring = r_outer[:, 0] - bevel * 0.9, _some(rng, n, 0.6, 0.001, 0.004)
    zero = np.zeros(n)
    rings = profile(
        (zero, ring),
        (foot * 0.82, ring),
        (foot * 0.88, zero),
        (foot, zero),
        (foot + bevel * 0.65, bevel * 0.3),
        (r_outer, y_outer),
        (r_inner, y_inner),
        (zero, floor),
    )
    roundness = np.where(rng.random(n) < 0.05, rng.uniform(2.4, 4.5, n), 2.0)
    body = lathe(*rings, roundness=roundness)
    return merge(body, _mug_handle(rng, height, wall, bevel, wall_radius))


def _mug_handle(
    rng: Generator,
    height: np.ndarray,
    wall: np.ndarray,
    bevel: np.ndarray,
    wall_radius: Callable[[np.ndarray], np.ndarray],
) -> MeshBatch:
    """A loop out of the wall along +x: C, D, square, ear (wider above or below); thin or thick."""
    n = len(height)
    upper = rng.uniform(0.62, 0.97, n)
    lower = np.maximum(upper - rng.uniform(0.36, 0.85, n), bevel / height + 0.05)
    reach = np.maximum(rng.uniform(0.016, 0.050, n), 0.35 * height * (upper - lower))
    reach = np.minimum(reach, 0.050)
    exponent = np.exp(rng.uniform(np.log(1.4), np.log(7.0), n))[:, None]
    ear = rng.uniform(-0.35, 0.45, n)[:, None] * (rng.random((n, 1)) < 0.6)
    lean = rng.uniform(-0.4, 0.4, n)[:, None]
    angle = np.linspace(np.pi / 2, -np.pi / 2, 15)
    out = np.abs(np.cos(angle)) ** (2 / exponent)
    up = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / exponent)
    level = (upper + lower)[:, None] / 2 + (upper - lower)[:, None] / 2 * up
    thickness, width = rng.uniform(0.0022, 0.0075, n), rng.uniform(0.003, 0.013, n)
    # The ends are flat: sunk so deep that the round wall covers their corners, but hardly through.
    outer = wall_radius(level)
    sunk = np.maximum(0.6 * wall, width**2 / (2 * outer.min(1)) + 0.0003)
    attach = outer - sunk[:, None]
    stretch = (attach.mean(1, keepdims=True) + reach[:, None] - attach) * (1 + ear * up)
    y = height[:, None] * level + lean * reach[:, None] * out * 0.5
    path = np.stack([attach + out * np.maximum(stretch, 0), y], -1)
    return _along(path, thickness, width)
