# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Placement of objects on a table, so that a camera sees all of them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.shapes import make_shapes

__all__ = ["Thing", "pixel_rays", "place_on_table", "usual_shape"]

#: Free space between objects, and between objects and the border of the image.
_GAP_M, _MARGIN_PX = 0.025, 6.0
#: Share of each object's outline that the others leave visible.
_MIN_VISIBLE = 0.75
#: Tries to fill a table; the usual seven objects need one or two.
_TABLES = 20
#: Height ranges, metres, that make a shape of a category look usual and stand well on a table.
_USUAL_HEIGHT_M = {
    "bottle": (0.14, 0.28),
    "bowl": (0.045, 0.10),
    "camera": (0.06, 0.12),
    "can": (0.07, 0.16),
    "laptop": (0.17, 0.28),
    "mug": (0.075, 0.12),
}


@dataclass(frozen=True)
class Thing:
    """Object placed on a table, whose frame has y up and its origin in the table's middle.

    Attributes:
        category: category name.
        vertices: (V, 3) metres, object frame.
        faces: (F, 3) vertex indices.
        T_table_obj: (4, 4), object to table, metres.
        color: number of its colour.
    """

    category: str
    vertices: np.ndarray
    faces: np.ndarray
    T_table_obj: np.ndarray
    color: int

    @property
    def on_table(self) -> np.ndarray:
        """The vertices (V, 3), metres, table frame."""
        return transform_points(self.T_table_obj, self.vertices)


def _transform(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation, translation
    return T


def _draw_view(rng: np.random.Generator) -> np.ndarray:
    """T_cam_table: the camera looks at the table's middle, from the +z side."""
    elevation, roll = np.radians(rng.uniform(35, 50)), np.radians(rng.normal(0, 2))
    distance = rng.uniform(0.88, 1.05)
    forward = -np.array([0.0, np.sin(elevation), np.cos(elevation)])
    right = np.array([1.0, 0.0, 0.0])
    down = np.cross(forward, right)
    facing = np.stack([right, down, forward])
    rotation = Rotation.from_euler("z", roll).as_matrix() @ facing
    return _transform(rotation, rotation @ (forward * distance + [0, -0.04, 0]))


def place_on_table(
    wanted: list[str], camera: PinholeCamera, rng: np.random.Generator
) -> tuple[np.ndarray, list[Thing]]:
    """Place objects one by one, the largest first; begin anew when one finds no place.

    Args:
        wanted: categories, as often as objects of them are wanted.
        camera: all objects lie wholly inside its image.
        rng: source of the draws.

    Returns:
        T_cam_table (4, 4), and the objects.

    Raises:
        ValueError: a category is unknown, or there is no place for so many.
    """
    order = sorted(wanted, key=lambda name: name != "laptop")
    for _ in range(_TABLES):
        view, things = _draw_view(rng), list[Thing]()
        colors = rng.permutation(len(order)).tolist()
        for category, color in zip(order, colors, strict=True):
            shape = usual_shape(category, rng)
            for _ in range(40):
                thing = _draw_place(category, shape, color, rng)
                if _fits(thing, things, view, camera):
                    things.append(thing)
                    break
            else:
                break
        else:
            return view, things
    raise ValueError(f"found no place for {len(wanted)} objects; ask for fewer")


def usual_shape(category: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3), metres, and faces of a random shape of usual height.

    Raises:
        ValueError: the category is none of the six.
    """
    low, high = _USUAL_HEIGHT_M.get(category, (0.0, 1.0))
    while True:
        shapes = make_shapes(category, 24, rng)
        for vertices, extents in zip(shapes.vertices, shapes.extents, strict=True):
            if low <= extents[1] <= high:
                return vertices, shapes.faces


def _draw_place(
    category: str, shape: tuple[np.ndarray, np.ndarray], color: int, rng: np.random.Generator
) -> Thing:
    vertices, faces = shape
    # The x axis of laptops and cameras is their front; -90 degrees about y turns it to the viewer.
    spread = {"laptop": 50.0, "camera": 75.0}.get(category, 180.0)
    turn = Rotation.from_euler("y", -90 + rng.uniform(-spread, spread), degrees=True)
    if category in {"bottle", "can"} and rng.random() < 0.15:
        turn = turn * Rotation.from_euler("x", 90, degrees=True)
    rotation = turn.as_matrix()
    width, depth = 0.62, 0.60
    x, z = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
    bottom = float((vertices @ rotation.T)[:, 1].min())
    return Thing(category, vertices, faces, _transform(rotation, np.array([x, -bottom, z])), color)


def _fits(
    thing: Thing, things: list[Thing], T_cam_table: np.ndarray, camera: PinholeCamera
) -> bool:
    """Whether it lies in the image, touches no other, and everything is still seen well."""
    pixels = camera.project(transform_points(T_cam_table, thing.on_table))
    inside = (pixels > _MARGIN_PX) & (pixels < np.array([camera.width, camera.height]) - _MARGIN_PX)
    if not inside.all():
        return False
    footprint = thing.on_table[:, [0, 2]]
    if any(_gap(footprint, other.on_table[:, [0, 2]]) < _GAP_M for other in things):
        return False
    return bool((_visible_shares([*things, thing], T_cam_table, camera) > _MIN_VISIBLE).all())


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    """Width of the widest straight lane between point sets (M, 2), of 36 directions."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    directions = np.stack([np.cos(angle), np.sin(angle)])
    return float(((b @ directions).min(0) - (a @ directions).max(0)).max())


def _visible_shares(
    things: list[Thing], T_cam_table: np.ndarray, camera: PinholeCamera
) -> np.ndarray:
    """Share of each object's outline that no other object hides, on every fourth pixel."""
    rays = pixel_rays(camera, step=4)
    parts = [(transform_points(T_cam_table, thing.on_table), thing.faces) for thing in things]
    together = cast(parts, rays, np.zeros(3)).part
    alone = [(cast([part], rays, np.zeros(3)).part == 0).sum() for part in parts]
    shown = [(together == i).sum() for i in range(len(parts))]
    return np.array(shown) / np.maximum(alone, 1)


def pixel_rays(camera: PinholeCamera, *, step: int = 1) -> np.ndarray:
    """Return directions (H, W, 3) through the centres of every `step`-th pixel, at z = 1."""
    v, u = np.mgrid[0 : camera.height : step, 0 : camera.width : step].astype(np.float64)
    return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1)
