# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scenes of the tasks: what stands on the table before the arm, or is held out to it."""

from collections.abc import Callable, Sequence

import numpy as np

from genpose_ros.robot.kinematics import transform, turned_about
from genpose_ros.robot.simulation.world import Solid, on_table
from genpose_ros.synthesis.placement import usual_shape
from genpose_ros.synthesis.primitives import box

__all__ = ["SCENES"]

#: The widest object that scenes hold out to the gripper, metres.
_GRASPABLE_M = 0.075


def _vessel(rng: np.random.Generator, names: Sequence[str], at: tuple[float, float]) -> Solid:
    """A can or bottle that the gripper can span, on the table near a place."""
    name = str(rng.choice(names))
    while True:
        shape = usual_shape(name, rng)
        size_m = np.ptp(shape.vertices, axis=0)
        if size_m[[0, 2]].max() < _GRASPABLE_M and size_m[1] < 0.25:
            break
    x, y = np.array(at) + rng.uniform(-0.05, 0.05, 2)
    T = on_table(size_m, x, y, rng.uniform(0, 2 * np.pi))
    return Solid(name, name, shape.vertices, shape.faces, T)


def _bowl(
    rng: np.random.Generator, name: str, at: tuple[float, float], like: Solid | None
) -> Solid:
    if like is None:
        while True:
            shape = usual_shape("bowl", rng)
            size_m = np.ptp(shape.vertices, axis=0)
            if size_m[[0, 2]].max() < 0.18:
                break
        vertices, faces = shape.vertices, shape.faces
    else:
        vertices, faces = like.vertices, like.faces
    x, y = np.array(at) + rng.uniform(-0.04, 0.04, 2)
    T = on_table(np.ptp(vertices, axis=0), x, y, rng.uniform(0, 2 * np.pi))
    return Solid(name, "bowl", vertices, faces, T)


def _pour_scene(rng: np.random.Generator) -> list[Solid]:
    return [_vessel(rng, ("bottle", "can"), (0.42, -0.17)), _bowl(rng, "bowl", (0.44, 0.15), None)]


def _stack_scene(rng: np.random.Generator) -> list[Solid]:
    below = _bowl(rng, "bowl below", (0.44, 0.16), None)
    return [below, _bowl(rng, "bowl", (0.42, -0.16), below)]


def _handover_scene(rng: np.random.Generator) -> list[Solid]:
    """A bottle or can on a palm that comes from one side, the thumb against it, off the table."""
    solid = _vessel(rng, ("bottle", "can"), (0.46, 0.0))
    lean = transform(rpy_rad=tuple(rng.normal(0, np.radians(8), 3)))
    T = solid.T_base_obj.copy()
    T[2, 3] = rng.uniform(0.28, 0.36)
    T[:3, :3] = lean[:3, :3] @ T[:3, :3]
    side = rng.uniform(-0.4 * np.pi, 0.4 * np.pi)  # where the arm of the hand comes from
    away = turned_about(2, side)
    width_m, height_m = float(solid.size_m[[0, 2]].max()), float(solid.size_m[1])
    sizes = np.array([[0.10, 0.08, 0.025], [0.02, 0.07, 0.05], [0.25, 0.07, 0.07]])
    below = -height_m / 2
    centres = np.array(
        [
            [0.0, 0.0, below - 0.014],
            [width_m / 2 + 0.012, 0.0, below + 0.03],
            [0.17, 0.0, below - 0.05],
        ]
    )
    parts = box(sizes, rounding=0.004).moved(centres)
    count = parts.vertices.shape[1]
    faces = np.concatenate([parts.faces + i * count for i in range(len(sizes))])
    hand = np.eye(4)
    hand[:3, :3], hand[:3, 3] = lean[:3, :3] @ away, T[:3, 3]
    return [solid.moved(T), Solid("hand", None, parts.vertices.reshape(-1, 3), faces, hand)]


#: Task -> what makes its scene; the bodies of categories come first.
SCENES: dict[str, Callable[[np.random.Generator], list[Solid]]] = {
    "pour": _pour_scene,
    "stack": _stack_scene,
    "handover": _handover_scene,
}
