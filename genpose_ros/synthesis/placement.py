# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Placement of objects on a table, so that a camera sees all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.shapes import make_shapes

__all__ = [
    "Shape",
    "Thing",
    "is_small",
    "pixel_rays",
    "place_on_table",
    "table_scale",
    "usual_shape",
]

#: Free space between objects, and between objects and the border of the image.
_GAP_M, _MARGIN_PX = 0.025, 6.0
#: Share of each object's outline that the others leave visible.
_MIN_VISIBLE = 0.75
#: Tries to fill a table; the usual seven objects need one or two.
_TABLES = 20
#: Categories of which objects have longer box diagonals are large.
_SMALL_M = 0.4
#: The longest box diagonal of objects that the usual table and distance are made for.
_USUAL_M = 0.55
#: Angles about x by which an object that rests so is turned.
_REST_DEG = {"standing": 0.0, "lying": 90.0, "upside_down": 180.0}


@dataclass(frozen=True)
class _Staging:
    """How objects of a category are shown on a table.

    Attributes:
        height_m: range of heights that look usual and stand well; None: all do.
        spread_deg: how far their front, the x axis, may turn away from the viewer.
        tipped_share: share of those that do not rest as they mostly do, but in another way.
    """

    height_m: tuple[float, float] | None = None
    spread_deg: float = 180.0
    tipped_share: float = 0.0


#: Name of a generator -> how its shapes are shown.
_STAGING = {
    "bottle": _Staging((0.14, 0.28), tipped_share=0.15),
    "bowl": _Staging((0.045, 0.10)),
    "camera": _Staging((0.06, 0.12), spread_deg=75.0),
    "can": _Staging((0.07, 0.16), tipped_share=0.15),
    "laptop": _Staging((0.17, 0.28), spread_deg=50.0),
    "mug": _Staging((0.075, 0.12)),
}
#: How objects without a generator are shown.
_AS_THEY_COME = _Staging(tipped_share=0.15)


@dataclass(frozen=True)
class Shape:
    """Shape of an object that lies on a table.

    Attributes:
        category: category name.
        vertices: (V, 3) metres, object frame.
        faces: (F, 3) vertex indices.
        rest_deg: angle about its x axis by which it is turned where it rests as it mostly does.
    """

    category: str
    vertices: np.ndarray
    faces: np.ndarray
    rest_deg: float = 0.0

    @property
    def R_table_obj(self) -> np.ndarray:
        """(3, 3), to a frame whose y axis is the table's up."""
        return np.asarray(Rotation.from_euler("x", self.rest_deg, degrees=True).as_matrix())

    @property
    def resting(self) -> np.ndarray:
        """The vertices (V, 3), metres, in that frame."""
        return self.vertices @ self.R_table_obj.T


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


def _draw_view(scale: float, rng: np.random.Generator) -> np.ndarray:
    """T_cam_table: the camera looks at the table's middle, from the +z side."""
    elevation, roll = np.radians(rng.uniform(35, 50)), np.radians(rng.normal(0, 2))
    distance = scale * rng.uniform(0.88, 1.05)
    forward = -np.array([0.0, np.sin(elevation), np.cos(elevation)])
    right = np.array([1.0, 0.0, 0.0])
    down = np.cross(forward, right)
    facing = np.stack([right, down, forward])
    rotation = Rotation.from_euler("z", roll).as_matrix() @ facing
    return _transform(rotation, rotation @ (forward * distance + [0, -0.04, 0]))


def place_on_table(
    wanted: list[str],
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary = NOCS_LIBRARY,
) -> tuple[np.ndarray, list[Thing]]:
    """Place objects one by one, the largest first; begin anew when one finds no place.

    Args:
        wanted: categories, as often as objects of them are wanted.
        camera: all objects lie wholly inside its image.
        rng: source of the draws.
        library: that the objects are from.

    Returns:
        T_cam_table (4, 4), and the objects.

    Raises:
        ValueError: a category is unknown, or there is no place for so many.
    """
    scale = table_scale(library, wanted)
    order = sorted(wanted, key=lambda name: is_small(library, name))
    for _ in range(_TABLES):
        view, things = _draw_view(scale, rng), list[Thing]()
        colors = rng.permutation(len(order)).tolist()
        for category, color in zip(order, colors, strict=True):
            shape = usual_shape(category, rng, library)
            for _ in range(40):
                thing = _draw_place(library.categories[category], shape, scale, color, rng)
                if _fits(thing, things, view, camera):
                    things.append(thing)
                    break
            else:
                break
        else:
            return view, things
    raise ValueError(f"found no place for {len(wanted)} objects; ask for fewer")


def table_scale(library: ShapeLibrary, names: Sequence[str]) -> float:
    """How many times as large as usual the table, and as far the camera, is for such objects."""
    return max([1.0, *(library.largest_m(name) / _USUAL_M for name in names)])


def is_small(library: ShapeLibrary, name: str) -> bool:
    """Whether there is room on a table for several objects of a category."""
    return library.largest_m(name) <= _SMALL_M


def usual_shape(name: str, rng: np.random.Generator, library: ShapeLibrary = NOCS_LIBRARY) -> Shape:
    """Return a random shape of a category: a mesh, or one of usual height from its generator.

    Raises:
        ValueError: the library knows no such category.
    """
    category, drawn = library.categories[name], library.draw_mesh(name, rng)
    rest_deg = _REST_DEG["standing" if "standing" in category.rests else category.rests[0]]
    if drawn is not None:
        return Shape(name, *drawn, rest_deg)
    low, high = _STAGING[category.generator or ""].height_m or (0.0, np.inf)
    while True:
        shapes = make_shapes(category.generator or "", 24, rng)
        for vertices, extents in zip(shapes.vertices, shapes.extents, strict=True):
            if low <= extents[1] <= high:
                return Shape(name, vertices, shapes.faces, rest_deg)


def _draw_place(
    category: Category, shape: Shape, scale: float, color: int, rng: np.random.Generator
) -> Thing:
    staging = _STAGING.get(category.generator or "", _AS_THEY_COME)
    # -90 degrees about y turn the x axis, the front, to the viewer.
    spread = staging.spread_deg
    turn = Rotation.from_euler("y", -90 + rng.uniform(-spread, spread), degrees=True)
    tips = [t for t in map(_REST_DEG.__getitem__, category.rests) if t != shape.rest_deg]
    tip_deg = shape.rest_deg
    if tips and staging.tipped_share and rng.random() < staging.tipped_share:
        tip_deg = tips[0]
    if tip_deg:
        turn = turn * Rotation.from_euler("x", tip_deg, degrees=True)
    rotation = turn.as_matrix()
    width, depth = 0.62 * scale, 0.60 * scale
    x, z = rng.uniform(-width / 2, width / 2), rng.uniform(-depth / 2, depth / 2)
    bottom = float((shape.vertices @ rotation.T)[:, 1].min())
    T_table_obj = _transform(rotation, np.array([x, -bottom, z]))
    return Thing(category.name, shape.vertices, shape.faces, T_table_obj, color)


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
