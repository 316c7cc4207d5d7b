# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clutter around objects: tables or walls behind, neighbours, things in front, hands.

Everything is in the frame of the camera that sees the object, and drawn for every object of a
batch; who is to have which is the caller's to decide.
"""

import numpy as np

from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.primitives import MeshBatch, lathe, merge, profile, tube
from genpose_ros.synthesis.turns import random_turns
from genpose_ros.synthesis.views import Views

__all__ = ["ground", "hands", "neighbours", "occluders", "support_levels"]


def _across(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 3), (n, 3) that span the planes perpendicular to unit `axis` (n, 3)."""
    helper = np.where(np.abs(axis[:, :1]) < 0.7, [[1.0, 0, 0]], [[0.0, 1, 0]])
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return u, np.cross(axis, u)


def ground(
    objects: Objects, views: Views, in_air: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The table under each object; behind objects `in_air` (n,), a wall at some distance.

    Returns:
        (n, 3) each plane as the vector g with g x = 1 for its points x; zero for a table that the
        camera is not above.
    """
    n = len(objects)
    distance = np.linalg.norm(views.translation, axis=1, keepdims=True)
    facing = -views.translation / distance + rng.normal(0, 0.35, (n, 3))
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    normal = np.where(in_air[:, None], facing, views.up)
    gap = np.where(in_air, rng.uniform(0.02, 0.6, n), 0.0)
    level = objects.lowest(normal) - gap
    # From below a table, it is not seen.
    visible = (level < -0.02)[:, None]
    return np.where(visible, normal / np.where(visible, level[:, None], 1.0), 0.0)


def support_levels(
    objects: Objects, views: Views, in_air: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Where along `views.up` the table is that a robot knows of, (n,) metres.

    Below each object; lower where it stands on something else, or is held in the air.
    """
    n = len(objects)
    below = np.where(rng.random(n) < 0.1, rng.uniform(0.01, 0.25, n), 0.0)
    below = np.where(in_air, np.exp(rng.uniform(np.log(0.01), np.log(0.6), n)), below)
    return objects.lowest(views.up) - below


def _lumps(size: np.ndarray, rng: np.random.Generator) -> MeshBatch:
    """Boxes, cylinders, cones and barrels that fill `size` (n, 3), the axis along y."""
    n = len(size)
    half, zero = size[:, 0] / 2, np.zeros(n)
    top, waist = rng.uniform(0.5, 1.0, n), rng.uniform(0.8, 1.1, n)
    low, high = -size[:, 1] / 2, size[:, 1] / 2
    return lathe(
        *profile(
            (zero, low), (half, low), (half * waist * (1 + top) / 2, zero), (half * top, high),
            (zero, high),
        ),
        segments=12,
        roundness=np.where(rng.random(n) < 0.5, 2.0, rng.uniform(3, 9, n)),
        flatness=size[:, 2] / size[:, 0],
    )  # fmt: skip


def neighbours(
    objects: Objects, views: Views, rng: np.random.Generator
) -> tuple[MeshBatch, np.ndarray]:
    """Things beside objects on their tables, near enough to touch the mask or to hide a part.

    Returns:
        One thing for each object, and (n,) whether it is clear of the camera.
    """
    n = len(objects)
    size = np.exp(rng.uniform(np.log(0.03), np.log(0.25), (n, 3)))
    u, v = _across(views.up)
    angle = rng.uniform(0, 2 * np.pi, n)
    aside = u * np.cos(angle)[:, None] + v * np.sin(angle)[:, None]
    base = np.stack([aside, views.up, np.cross(aside, views.up)], -1)
    middle = np.einsum("ni,nij->nj", views.translation, np.stack([aside, views.up], -1))
    reach = -objects.lowest(-aside) - middle[:, 0]
    gap = np.where(rng.random(n) < 0.4, 0.001, rng.uniform(0, 0.06, n))
    level = objects.lowest(views.up) - middle[:, 1]
    centre = (
        views.translation
        + aside * (reach + gap + size[:, 0] / 2)[:, None]
        + views.up * (level + size[:, 1] / 2)[:, None]
    )
    clear = centre[:, 2] - np.linalg.norm(size, axis=1) / 2 > 0.15
    return _lumps(size, rng).turned(base).moved(centre), clear


def occluders(
    size_m: np.ndarray, views: Views, rng: np.random.Generator
) -> tuple[MeshBatch, np.ndarray]:
    """Lumps between the camera and objects with boxes `size_m` (n, 3), hiding a part of each.

    Returns:
        One lump for each object, and (n,) whether it is clear of the camera.
    """
    n = len(size_m)
    size = rng.uniform(0.02, 0.14, (n, 3))
    lumps = _lumps(size, rng).turned(random_turns(n, rng).as_matrix())
    object_radius = np.linalg.norm(size_m, axis=1) / 2
    lump_radius = np.linalg.norm(size, axis=1) / 2
    distance = np.linalg.norm(views.translation, axis=1)
    view = views.translation / distance[:, None]
    side = np.cross(view, rng.standard_normal((n, 3)))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    ahead = distance - object_radius * rng.uniform(0.3, 1, n) - lump_radius - rng.uniform(0, 0.1, n)
    aside = (object_radius * rng.uniform(0.35, 0.9, n) + lump_radius * 0.5) * ahead / distance
    return lumps.moved(view * ahead[:, None] + side * aside[:, None]), ahead > 0.2


def hands(size_m: np.ndarray, views: Views, rng: np.random.Generator) -> MeshBatch:
    """Fingers, thumb, palm and forearm around an axis of each object with a box `size_m` (n, 3).

    The grip follows the ellipse that the box's edges span across the axis; where the object is
    thicker than that, its surface hides the finger, as it would be if the finger gave way.
    """
    n = len(size_m)
    # Mostly around the longest axis.
    axis = np.argsort(size_m + rng.uniform(0, 0.05, (n, 3)), axis=1)[:, 2]
    others = np.stack([(axis + 1) % 3, (axis + 2) % 3], 1)
    half = np.take_along_axis(size_m, others, 1) / 2
    length = np.take_along_axis(size_m, axis[:, None], 1)[:, 0]
    columns = np.stack([others[:, 0], others[:, 1], axis], 1)
    frame = np.take_along_axis(views.rotation, columns[:, None, :].repeat(3, 1), 2)

    thick = rng.uniform(0.006, 0.010, n)
    start, turn = rng.uniform(0, 2 * np.pi, n), rng.choice([-1.0, 1.0], n)
    parts = [
        _finger(half, start, turn * rng.uniform(1.7, 3.0, n), thick, thick).moved(
            np.stack([0 * thick, 0 * thick, thick * 2.2 * (slot - 1.5)], -1)
        )
        for slot in range(4)
    ]
    parts.append(_finger(half, start, -turn * rng.uniform(0.9, 1.8, n), thick * 1.1, thick * 1.1))
    parts.append(_finger(half, start - 0.35, 0.7 + 0 * start, thick * 1.3, thick * 4.5))
    parts.append(_forearm(half, start, rng))
    grip = length * rng.uniform(-0.35, 0.35, n)
    whole = merge(*parts).moved(np.stack([0 * grip, 0 * grip, grip], -1))
    return whole.turned(frame).moved(views.translation)


def _finger(
    half: np.ndarray, start: np.ndarray, sweep: np.ndarray, thick: np.ndarray, wide: np.ndarray
) -> MeshBatch:
    """A tube around the ellipse with the semi-axes `half` (n, 2), from an angle over a sweep."""
    angle = start[:, None] + sweep[:, None] * np.linspace(0, 1, 7)
    direction = np.stack([np.cos(angle), np.sin(angle)], -1)
    path = direction * (half + thick[:, None] * 0.8)[:, None]
    normal = direction * half[:, None, ::-1]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    # Outward on a path that runs clockwise would turn the tube inside out.
    return tube(path, normal * np.sign(sweep)[:, None, None], thick, wide)


def _forearm(half: np.ndarray, angle: np.ndarray, rng: np.random.Generator) -> MeshBatch:
    """From the palm away from the object, slanted along the grip's axis."""
    n = len(angle)
    radius, zero = rng.uniform(0.025, 0.04, n), np.zeros(n)
    arm = lathe(
        *profile(
            (zero, zero), (radius * 0.7, zero + 0.01), (radius, zero + 0.25), (zero, zero + 0.26)
        ),
        segments=10,
    )
    out = np.stack([np.cos(angle), np.sin(angle), rng.normal(0, 0.6, n)], -1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    u, v = _across(out)
    edge = half * np.stack([np.cos(angle), np.sin(angle)], -1)
    at = np.concatenate([edge, zero[:, None]], -1) + out * 0.012
    return arm.turned(np.stack([u, out, -v], -1)).moved(at)
