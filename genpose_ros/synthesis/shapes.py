"""Procedural shapes of the six categories, in metres, in the NOCS object frame.

y is up; a mug's handle and a camera's lens point along +x; a laptop's hinge runs along z with the
screen on the -x side. The origin is the centre of the tight bounding box.
"""

from collections.abc import Callable

import numpy as np

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis.primitives import MeshBatch, box, lathe, merge, tube

__all__ = ["GENERATORS", "make_shapes"]

Generator = np.random.Generator


def _bottle(rng: Generator, n: int) -> MeshBatch:
    """Bodies with a shoulder, a neck and a cap; round, square or oval; waisted or bulged."""
    radius, total = rng.uniform(0.022, 0.052, n), rng.uniform(0.11, 0.32, n)
    radius = np.minimum(radius, total * rng.uniform(0.15, 0.27, n))
    neck = radius * rng.uniform(0.25, 0.72, n)
    cap = np.maximum(neck * rng.uniform(0.9, 1.35, n), 0.009)
    cap_height = total * rng.uniform(0.04, 0.14, n)
    neck_height = total * rng.uniform(0.0, 0.22, n) * rng.integers(0, 2, n)
    shoulder = total * rng.uniform(0.06, 0.38, n)
    body = total - cap_height - neck_height - shoulder
    bevel = radius * rng.uniform(0.02, 0.3, n)
    taper = rng.uniform(-0.12, 0.12, n) * (rng.random(n) < 0.4)
    waist = rng.uniform(-0.18, 0.08, n) * (rng.random(n) < 0.4)

    s = np.linspace(0, 1, 9)
    body_r = radius[:, None] * (
        1 + taper[:, None] * (s - 0.5) + waist[:, None] * np.sin(np.pi * s) ** 2
    )
    body_y = bevel[:, None] + (body - bevel)[:, None] * s
    u = np.linspace(0, 1, 9)[1:]
    power = rng.uniform(0.8, 2.6, n)[:, None]
    blend = np.where(
        rng.random(n)[:, None] < 0.5, u**power, 0.5 - 0.5 * np.cos(np.pi * u ** (power / 1.5))
    )
    shoulder_r = body_r[:, -1:] + (neck[:, None] - body_r[:, -1:]) * blend
    shoulder_y = body[:, None] + shoulder[:, None] * u
    top = body + shoulder + neck_height
    zero = np.zeros(n)
    r = np.column_stack(
        [zero, radius - bevel, body_r, shoulder_r, neck, cap, cap * 0.98, cap * 0.85, zero]
    )
    y = np.column_stack(
        [
            zero,
            zero,
            body_y,
            shoulder_y,
            top,
            top,
            top + cap_height * 0.9,
            top + cap_height,
            top + cap_height,
        ]
    )
    roundness = np.where(rng.random(n) < 0.2, rng.uniform(2.5, 7, n), 2.0)
    flatness = np.where(rng.random(n) < 0.3, rng.uniform(0.5, 1.0, n), 1.0)
    return lathe(r, y, roundness=roundness, flatness=flatness)


def _bowl(rng: Generator, n: int) -> MeshBatch:
    """Open dishes: outer and inner wall, foot ring, flat or flaring rim."""
    radius = rng.uniform(0.055, 0.125, n)
    height = 2 * radius * np.exp(rng.uniform(np.log(0.16), np.log(0.62), n))
    base = radius * rng.uniform(0.25, 0.72, n)
    wall = rng.uniform(0.002, 0.006, n)
    foot = height * rng.uniform(0.0, 0.14, n) * rng.integers(0, 2, n)
    power = rng.uniform(0.35, 1.3, n)
    rim = radius * rng.uniform(0, 0.12, n) * (rng.random(n) < 0.3)
    u = np.linspace(0, 1, 11)
    outer_r = base[:, None] + (radius - base)[:, None] * u ** power[:, None]
    outer_y = foot[:, None] + (height - foot)[:, None] * u
    inner_r = np.maximum(outer_r[:, ::-1] - wall[:, None], 1e-4)
    inner_y = outer_y[:, ::-1] + wall[:, None] * np.linspace(0, 1, 11)
    zero = np.zeros(n)
    r = np.column_stack(
        [zero, base * 0.95, base, outer_r, radius + rim, radius + rim - wall, inner_r, zero]
    )
    y = np.column_stack(
        [zero, zero, foot, outer_y, height, height + wall * 0.5, inner_y, foot + wall]
    )
    return lathe(r, y, segments=40)


def _can(rng: Generator, n: int) -> MeshBatch:
    """Cylinders from flat tuna tins to tall drink cans, with rims and tapered ends."""
    radius = rng.uniform(0.026, 0.055, n)
    ratio = np.exp(rng.uniform(np.log(0.38), np.log(2.6), n))
    height = np.clip(2 * radius * ratio, 0.028, 0.19)
    drink = rng.random(n) < 0.45
    top = radius * np.where(drink, rng.uniform(0.78, 0.95, n), rng.uniform(0.96, 1.0, n))
    bottom = radius * np.where(drink, rng.uniform(0.75, 0.95, n), rng.uniform(0.96, 1.0, n))
    slope = height * np.where(drink, rng.uniform(0.03, 0.11, n), 0.01)
    recess = rng.uniform(0.0, 0.006, n)
    lip = radius * rng.uniform(0.03, 0.08, n)
    zero = np.zeros(n)
    r = np.column_stack(
        [zero, bottom - lip, bottom, radius, radius, radius, top, top - lip, top - lip, zero]
    )
    y = np.column_stack(
        [
            recess,
            recess,
            zero,
            slope,
            height / 2,
            height - slope,
            height,
            height,
            height - recess,
            height - recess,
        ]
    )
    return lathe(r, y)


def _mug(rng: Generator, n: int) -> MeshBatch:
    """Cups, straight, tapered or bellied, with a handle at +x."""
    radius, height = rng.uniform(0.030, 0.053, n), rng.uniform(0.062, 0.135, n)
    height = np.minimum(height, radius * 3.2)
    taper = rng.uniform(-0.3, 0.16, n) * (rng.random(n) < 0.6)
    belly = rng.uniform(-0.1, 0.28, n) * (rng.random(n) < 0.4)
    wall, floor = rng.uniform(0.002, 0.006, n), rng.uniform(0.003, 0.012, n)
    bevel = radius * rng.uniform(0.02, 0.35, n)

    def wall_radius(s: np.ndarray) -> np.ndarray:
        shape = 1 + taper[:, None] * (1 - s) + belly[:, None] * np.sin(np.pi * s) ** 1.5
        return radius[:, None] * shape

    s = np.broadcast_to(np.linspace(0, 1, 12), (n, 12))
    start = (bevel / height)[:, None]
    y_outer = bevel[:, None] + (height - bevel)[:, None] * s
    r_outer = wall_radius(start + (1 - start) * s)
    r_inner = np.maximum(r_outer[:, ::-1] - wall[:, None], 1e-3)
    y_inner = np.maximum(y_outer[:, ::-1], (floor + bevel * 0.5)[:, None])
    zero = np.zeros(n)
    body = lathe(
        np.column_stack([zero, r_outer[:, 0] - bevel * 0.9, r_outer, r_inner, zero]),
        np.column_stack([zero, zero, y_outer, y_inner, floor]),
    )
    return merge(body, _handle(rng, height, wall_radius)).centred()


def _handle(
    rng: Generator, height: np.ndarray, wall_radius: Callable[[np.ndarray], np.ndarray]
) -> MeshBatch:
    """A loop from the upper to the lower end of the wall, reaching out along +x."""
    n = len(height)
    upper = rng.uniform(0.68, 0.95, n)
    lower = np.maximum(upper - rng.uniform(0.4, 0.8, n), 0.08)
    reach = rng.uniform(0.018, 0.046, n)
    exponent = rng.uniform(1.5, 4.0, n)[:, None]
    lean = rng.uniform(-0.35, 0.35, n)[:, None]
    angle = np.linspace(np.pi / 2, -np.pi / 2, 14)
    out = np.abs(np.cos(angle)) ** (2 / exponent)
    up = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / exponent)
    level = (upper + lower)[:, None] / 2 + (upper - lower)[:, None] / 2 * up
    thickness = rng.uniform(0.0025, 0.007, n)
    attach = wall_radius(level) - (thickness * 0.8 + 0.001)[:, None]
    x = attach * (1 - out) + out * (attach.mean(1, keepdims=True) + reach[:, None])
    y = height[:, None] * level + lean * reach[:, None] * out * 0.5
    path = np.stack([x, y], -1)
    tangent = np.gradient(path, axis=1)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-9
    normal = np.stack([tangent[..., 1], -tangent[..., 0]], -1)
    return tube(path, normal, thickness, rng.uniform(0.0035, 0.012, n))


def _laptop(rng: Generator, n: int) -> MeshBatch:
    """A base with the keyboard up and a screen hinged at its -x edge, 0 to 135 degrees open."""
    width = rng.uniform(0.27, 0.40, n)
    depth = width * rng.uniform(0.60, 0.76, n)
    base, lid = rng.uniform(0.008, 0.028, n), rng.uniform(0.004, 0.011, n)
    opening = np.radians(
        np.where(rng.random(n) < 0.82, rng.uniform(80, 135, n), rng.uniform(3, 80, n))
    )
    rounding = rng.uniform(0.001, 0.015, n)
    lower = box(np.stack([depth, base, width], -1), rounding=rounding)
    lower = lower.moved(np.stack([depth / 2, base / 2, 0 * base], -1))
    length = depth * rng.uniform(0.94, 1.0, n)
    upper = box(np.stack([length, lid, width], -1), rounding=rounding)
    upper = upper.moved(np.stack([length / 2, lid / 2, 0 * lid], -1))
    cos, sin, zero = np.cos(opening), np.sin(opening), np.zeros(n)
    turn = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1).reshape(n, 3, 3)
    upper = upper.turned(turn).moved(np.stack([zero, base, zero], -1))
    return merge(lower, upper).centred()


def _camera(rng: Generator, n: int) -> MeshBatch:
    """Compact cameras, system cameras and single-lens reflex cameras, with short to long lenses."""
    kind = rng.choice(3, n, p=[0.35, 0.2, 0.45])  # compact, system, reflex

    def by_kind(*ranges: tuple[float, float]) -> np.ndarray:
        low, high = np.array(ranges)[kind].T
        return rng.uniform(low, high)

    width = by_kind((0.08, 0.12), (0.10, 0.14), (0.11, 0.16))
    height = by_kind((0.05, 0.075), (0.06, 0.08), (0.07, 0.105))
    depth = by_kind((0.016, 0.036), (0.024, 0.045), (0.035, 0.065))
    lens_length = by_kind((0.003, 0.04), (0.015, 0.08), (0.025, 0.16))
    lens_radius = np.minimum(by_kind((0.014, 0.024), (0.022, 0.034), (0.028, 0.042)), height * 0.49)
    body = box(np.stack([depth, height, width], -1), rounding=depth * rng.uniform(0.05, 0.5, n))
    zero = np.zeros(n)

    lens_z = width * rng.uniform(-0.2, 0.12, n)
    lens_y = height * rng.uniform(-0.12, 0.06, n)
    lens = _lens(rng, lens_radius, lens_length, depth)
    lens = lens.moved(np.stack([zero, lens_y, lens_z], -1))

    hump_height = height * by_kind((0.0, 0.06), (0.0, 0.25), (0.18, 0.42))
    hump = box(
        np.stack(
            [depth * rng.uniform(0.6, 1.25, n), hump_height, width * rng.uniform(0.2, 0.48, n)], -1
        ),
        rounding=0.006,
    )
    hump = hump.moved(
        np.stack([depth * rng.uniform(-0.1, 0.2, n), height / 2 + hump_height / 2, lens_z], -1)
    )
    grip_depth = depth * by_kind((0.0, 0.3), (0.1, 0.8), (0.4, 1.1))
    grip_width = width * rng.uniform(0.14, 0.27, n)
    grip = box(
        np.stack([grip_depth, height * rng.uniform(0.75, 1.0, n), grip_width], -1),
        rounding=grip_depth * 0.4,
    )
    side = width / 2 - grip_width / 2
    grip = grip.moved(np.stack([depth / 2 + grip_depth / 2, -height * 0.02 + zero, side], -1))
    dial = _lens(rng, width * 0.07, height * 0.1, height)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    dial = dial.turned(np.broadcast_to(quarter, (n, 3, 3)))
    dial = dial.moved(np.stack([zero, zero, width * rng.uniform(-0.42, 0.42, n)], -1))
    return merge(body, lens, hump, grip, dial).centred()


def _lens(rng: Generator, radius: np.ndarray, length: np.ndarray, depth: np.ndarray) -> MeshBatch:
    """A stepped barrel along +x that starts inside a body of `depth` and sticks out by `length`."""
    n = len(radius)
    s = np.array([0, 0, 0.3, 0.32, 0.7, 0.72, 1.0, 1.0, 0.93, 0.93])
    steps = rng.uniform(0.82, 1.0, (n, 3))
    one, zero = np.ones(n), np.zeros(n)
    factor = np.column_stack(
        [
            zero,
            one,
            one,
            steps[:, 0],
            steps[:, 0],
            steps[:, 1],
            steps[:, 1],
            steps[:, 1] * 0.86,
            steps[:, 1] * 0.8,
            zero,
        ]
    )
    along = np.where(s > 0, length[:, None] * s + depth[:, None] / 2, 0)
    barrel = lathe(radius[:, None] * factor, along, segments=24)
    onto_x = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    return barrel.turned(np.broadcast_to(onto_x, (n, 3, 3)))


#: Category name -> generator of n random shapes of that category.
GENERATORS: dict[str, Callable[[Generator, int], MeshBatch]] = {
    "bottle": _bottle,
    "bowl": _bowl,
    "camera": _camera,
    "can": _can,
    "laptop": _laptop,
    "mug": _mug,
}


def make_shapes(category: str, n: int, rng: Generator) -> MeshBatch:
    """Return n random shapes of a category, centred on their bounding box, metres.

    Raises:
        ValueError: the category is none of the six.
    """
    if category not in GENERATORS:
        raise ValueError(f"unknown category {category!r}; expected one of {', '.join(CATEGORIES)}")
    return GENERATORS[category](rng, n).centred()
