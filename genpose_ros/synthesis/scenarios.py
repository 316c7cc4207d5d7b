# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Motion scenarios of simulated sequences: cameras, objects, hands, and how they move."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.bodies import Rectangle
from genpose_ros.synthesis.library import ShapeLibrary
from genpose_ros.synthesis.motions import carry, look_at, poses, survey, sweep, wander
from genpose_ros.synthesis.placement import Shape, Thing, is_small, place_on_table, usual_shape
from genpose_ros.synthesis.primitives import box

__all__ = ["ROOM", "SCENARIOS", "MovingBody", "Scenario"]

#: Table, floor and wall of the fixed frame, whose y is up and whose origin is on the table.
ROOM = (
    Rectangle(1, 0.0, (-0.75, -0.65), (0.75, 0.65)),
    Rectangle(1, -0.75, (-4.0, -1.6), (4.0, 4.0)),
    Rectangle(2, -1.6, (-4.0, -0.75), (4.0, 3.0)),
)

_SLOW, _FAST = (0.10, 30.0), (0.40, 100.0)  # m/s, deg/s of what a hand carries
_SWEEP = (0.3, 60.0)  # m/s, deg/s of the camera
_SLAB_DISTANCE_M = 0.45
_CROWD = 10
#: Objects that cross each other, from the first seed on; those of other categories come later.
_CROSSING = ("mug", "can", "bottle", "camera", "bowl")


@dataclass(frozen=True)
class MovingBody:
    """Rigid body with its poses over time.

    Attributes:
        category: category name; None for hands and screens, which only hide objects.
        vertices: (V, 3), metres, its own frame.
        faces: (F, 3).
        T_fixed_body: (frames, 4, 4).
    """

    category: str | None
    vertices: np.ndarray
    faces: np.ndarray
    T_fixed_body: np.ndarray


@dataclass(frozen=True)
class Scenario:
    """Camera and bodies of one sequence.

    Attributes:
        T_fixed_cam: (frames, 4, 4).
        bodies: objects first, in the order of their ids.
    """

    T_fixed_cam: np.ndarray
    bodies: tuple[MovingBody, ...]


def _chosen(library: ShapeLibrary, kind: int, seed: int, count: int) -> list[str]:
    """Categories in turn, so that some seeds of a kind have all of them."""
    names = library.categories.names
    return [names[(kind + 2 * seed + i) % len(names)] for i in range(count)]


def _small(library: ShapeLibrary) -> list[str]:
    """The categories of small objects; all where there is none."""
    names = library.categories.names
    return [name for name in names if is_small(library, name)] or list(names)


def _radius(shape: Shape, axes: tuple[int, ...] = (0, 2)) -> float:
    return float(np.linalg.norm(shape.resting[:, axes], axis=1).max())


def _object(shape: Shape, T_fixed_table: np.ndarray) -> MovingBody:
    """A body that rests on a table, whose frame (frames, 4, 4) has y up and moves with it."""
    T_fixed_obj = T_fixed_table @ poses(shape.R_table_obj, np.zeros(3))
    return MovingBody(shape.category, shape.vertices, shape.faces, T_fixed_obj)


def _placed(thing: Thing, T_fixed_table: np.ndarray) -> MovingBody:
    return MovingBody(
        thing.category, thing.vertices, thing.faces, T_fixed_table @ thing.T_table_obj
    )


def _still(T: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    return np.broadcast_to(T, (len(times_s), 4, 4))


def _view(
    target: tuple[float, float, float],
    distance_m: float,
    elevation_deg: float,
    times_s: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """T_fixed_cam (F, 4, 4) of a camera that stands and looks down at a target from the +z side."""
    angle = np.radians(elevation_deg)
    eye = np.array(target) + distance_m * np.array([0.0, np.sin(angle), np.cos(angle)])
    return _still(look_at(eye, np.array(target), np.radians(rng.normal(0, 2))), times_s)


def _turntable(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """One to three objects on a table that turns by 30, 60 or 90 degrees per second."""
    elevation_deg = rng.uniform(32, 45)
    names = _chosen(library, 2, seed, 1 + seed % 3)
    shapes = [usual_shape(name, rng, library) for name in names]
    return _turning(shapes, 30.0 * (1 + seed % 3), elevation_deg, times_s, rng)


def _crowd(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """Ten objects on a table that turns by 20 degrees per second."""
    small = _small(library)
    shapes = [usual_shape(small[i % len(small)], rng, library) for i in range(_CROWD)]
    return _turning(shapes, 20.0, 50.0, times_s, rng)


def _turning(
    shapes: list[Shape],
    rate_deg_s: float,
    elevation_deg: float,
    times_s: np.ndarray,
    rng: np.random.Generator,
) -> Scenario:
    """Objects on the corners of a polygon on a turning table."""
    radii = [_radius(shape) for shape in shapes]
    # The corners are equally far apart, as two of the widest need.
    corners = max(len(shapes), 3)
    side_m = sum(sorted(radii)[-2:]) + 0.03
    circle_m = side_m / (2 * np.sin(np.pi / corners)) if len(shapes) > 1 else 0.0
    angle = np.radians(rate_deg_s) * rng.choice([-1, 1]) * times_s + 0.2 * np.sin(2 * times_s)
    bodies = []
    for i, shape in enumerate(shapes):
        place = angle + 2 * np.pi * i / corners
        turn = Rotation.from_euler("y", (angle + rng.uniform(0, 2 * np.pi))[:, None])
        height = np.full(len(place), -shape.resting[:, 1].min())
        centre = np.stack([circle_m * np.sin(place), height, circle_m * np.cos(place)], -1)
        bodies.append(_object(shape, poses(turn.as_matrix(), centre)))
    distance_m = 0.8 + circle_m + max(radii)
    T_fixed_cam = _view((0, 0.05, 0), distance_m, elevation_deg, times_s, rng)
    return Scenario(T_fixed_cam, tuple(bodies))


def _carried(pace: tuple[float, float], kind: int) -> Callable[..., Scenario]:
    def scenario(
        seed: int,
        times_s: np.ndarray,
        camera: PinholeCamera,
        rng: np.random.Generator,
        library: ShapeLibrary,
    ) -> Scenario:
        """Two objects in two hands above the table."""
        shapes = [usual_shape(name, rng, library) for name in _chosen(library, kind, seed, 2)]
        half_range = np.array([0.09, 0.07, 0.10])
        radii = [_radius(shape, (0, 1, 2)) for shape in shapes]
        aside = max(0.14, sum(radii) / 2 + half_range[0] + 0.02)
        bodies: list[MovingBody] = []
        hands: list[MovingBody] = []
        for side, shape in zip((-1, 1), shapes, strict=True):
            yaw = Rotation.from_euler("y", rng.uniform(0, 2 * np.pi)).as_matrix()
            way = carry(times_s, half_range, *pace, rng)
            T = (
                poses(np.eye(3), np.array([side * aside, 0.32, 0.0]))
                @ way
                @ poses(yaw, np.zeros(3))
            )
            bodies.append(_object(shape, T))
            hands.append(_hand(shape, T, yaw))
        distance_m = max(0.75, (aside + half_range[0] + max(radii)) / 0.48)
        T_fixed_cam = _view((0, 0.3, 0), distance_m, rng.uniform(18, 30), times_s, rng)
        return Scenario(T_fixed_cam, (*bodies, *hands))

    return scenario


def _hand(shape: Shape, T_fixed_table: np.ndarray, yaw: np.ndarray) -> MovingBody:
    """A palm under an object with a thumb at its side and the forearm below, moving with it."""
    low, radius = float(shape.resting[:, 1].min()), _radius(shape)
    sizes = np.array([[0.09, 0.03, 0.09], [0.02, 0.07, 0.03], [0.07, 0.30, 0.07]])
    centres = [[0.0, low - 0.016, 0.0], [0.0, low + 0.03, 0.0], [0.0, low - 0.18, -0.03]]
    centres[1][0] = min(radius + 0.012, 0.06)
    parts = box(sizes, rounding=0.005).moved(np.array(centres))
    count = parts.vertices.shape[1]
    faces = np.concatenate([parts.faces + i * count for i in range(3)])
    # The hand keeps the side it came from, whichever way the object was facing.
    return MovingBody(None, parts.vertices.reshape(-1, 3) @ yaw, faces, T_fixed_table)


def _sweep(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """Four to six objects on a table, seen by a camera on a moving hand."""
    T_cam_table, things = place_on_table(
        _chosen(library, 3, seed, 4 + seed % 3), camera, rng, library
    )
    T_table_cam = np.linalg.inv(T_cam_table) @ poses(np.eye(3), np.array([0, 0, -0.12]))
    bodies = tuple(_placed(thing, _still(np.eye(4), times_s)) for thing in things)
    return Scenario(sweep(T_table_cam, times_s, *_SWEEP, rng), bodies)


def _arm(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """The table of `_sweep`, seen by a camera that moves as fast, but as evenly as an arm does."""
    swept = _sweep(seed, times_s, camera, rng, library)
    places = [body.T_fixed_body[0, :3, 3] for body in swept.bodies]
    eye, target = swept.T_fixed_cam[0, :3, 3], np.mean(places, axis=0)
    return replace(swept, T_fixed_cam=survey(eye, target, times_s, *_SWEEP))


def _occlusion(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """Four objects on a slowly moving tray, hidden for 0.3 to 1 s by a passing slab."""
    T_cam_table, things = place_on_table(_chosen(library, 4, seed, 4), camera, rng, library)
    sway = 0.06 * np.sin(0.8 * times_s) * (seed % 3 > 0)
    tray = poses(
        Rotation.from_euler(
            "y", (0.15 * np.sin(0.6 * times_s) * (seed % 3 > 0))[:, None]
        ).as_matrix(),
        np.stack([sway, 0 * sway, 0 * sway], -1),
    )
    bodies = [_placed(thing, tray) for thing in things]
    T_fixed_cam = np.linalg.inv(T_cam_table)
    widths = []
    for thing in things:
        points = transform_points(T_cam_table, thing.on_table)
        widths.append(float(np.ptp(points[:, 0] / points[:, 2])))
    bodies.append(_slab(np.array(widths), T_fixed_cam, times_s, rng))
    return Scenario(_still(T_fixed_cam, times_s), tuple(bodies))


def _slab(
    widths: np.ndarray, T_fixed_cam: np.ndarray, times_s: np.ndarray, rng: np.random.Generator
) -> MovingBody:
    """A slab near the camera that passes to and fro; `widths` are the objects', as tangents."""
    width = widths.max() + 0.3
    reach = 0.56 + width / 2
    tangent, start, sense = np.full(len(times_s), 3.0), 1.0, 1.0
    while start < times_s[-1]:
        hidden_s = rng.uniform(0.3, 0.8)
        duration = 2 * reach / (width - np.median(widths)) * hidden_s
        share = (times_s - start) / duration
        passing = (share >= 0) & (share < 1)
        tangent[passing] = sense * reach * (2 * share[passing] - 1)
        start, sense = start + duration + rng.uniform(0.3, 0.7), -sense
    distance = _SLAB_DISTANCE_M
    slab = box(np.array([[width * distance, 0.6, 0.02]]), rounding=0.004)
    centre = np.stack([tangent * distance, 0 * tangent, np.full(len(tangent), distance)], -1)
    return MovingBody(None, slab.vertices[0], slab.faces, T_fixed_cam @ poses(np.eye(3), centre))


def _returns(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """Two carried objects that leave the image and come back, and one that stays on the table."""
    names = _chosen(library, 5, seed, 3)
    names.sort(key=lambda name: not is_small(library, name))
    shapes = [usual_shape(name, rng, library) for name in names]
    distance_m = 0.95
    bodies: list[MovingBody] = []
    for side, shape in zip((-1, 1), shapes[:2], strict=True):
        radius = _radius(shape, (0, 1, 2))
        yaw = Rotation.from_euler("y", rng.uniform(0, 2 * np.pi)).as_matrix()
        way = carry(times_s, np.array([0.0, 0.04, 0.05]), 0.08, 40.0, rng, tilt_deg=15)
        way[:, :3, 3] += [0.0, 0.28, 0.05]
        way[:, 0, 3] = side * _excursions(times_s, 0.13, 0.65 * distance_m + radius, rng)
        bodies.append(_object(shape, way @ poses(yaw, np.zeros(3))))
    place = np.array([rng.uniform(-0.1, 0.1), -shapes[2].resting[:, 1].min(), -0.12])
    yaw = Rotation.from_euler("y", -90 + rng.uniform(-50, 50), degrees=True).as_matrix()
    bodies.append(_object(shapes[2], _still(poses(yaw, place), times_s)))
    T_fixed_cam = _view((0, 0.16, 0), distance_m, rng.uniform(22, 30), times_s, rng)
    return Scenario(T_fixed_cam, tuple(bodies))


def _excursions(
    times_s: np.ndarray, inside_m: float, outside_m: float, rng: np.random.Generator
) -> np.ndarray:
    """A coordinate (F,) that is now within, now for 0.3 to 1.2 s out of the image."""
    at, knots = [0.0], [inside_m]
    while at[-1] < times_s[-1]:
        start = at[-1] + rng.uniform(0.9, 1.5)
        away = rng.uniform(0.3, 1.2)
        at += [start, start + 0.75, start + 0.75 + away, start + 1.5 + away]
        knots += [inside_m, outside_m, outside_m, inside_m]
    return np.asarray(PchipInterpolator(at, knots)(times_s))


def _crossing(
    seed: int,
    times_s: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    library: ShapeLibrary,
) -> Scenario:
    """Two equal objects that pass in front of each other, to and fro."""
    names = sorted(_small(library), key=lambda n: (*_CROSSING, n).index(n))
    shape = usual_shape(names[seed % len(names)], rng, library)
    gap = 2 * _radius(shape) + 0.02
    low, height = float(shape.resting[:, 1].min()), float(np.ptp(shape.resting[:, 1]))
    bodies = []
    for side in (-1, 1):
        yaw = Rotation.from_euler("y", -90 + rng.uniform(-60, 60), degrees=True).as_matrix()
        x = side * (0.10 + gap / 2) * np.cos(0.9 * times_s)
        jitter = wander(times_s, np.array([0.015]), 0.02, rng)[:, 0]
        centre = np.stack(
            [x + jitter, np.full(len(x), -low), np.full(len(x), side * gap / 2)],
            -1,
        )
        bodies.append(_object(shape, poses(yaw, centre)))
    T_fixed_cam = _view(
        (0, height / 2, 0), rng.uniform(0.8, 0.95), 5 + 4 * (seed % 3), times_s, rng
    )
    return Scenario(T_fixed_cam, tuple(bodies))


#: Kind of sequence -> its scenario, made of (seed, times_s (F,), camera, rng, library).
SCENARIOS: dict[
    str, Callable[[int, np.ndarray, PinholeCamera, np.random.Generator, ShapeLibrary], Scenario]
] = {
    "turntable": _turntable,
    "carried_slow": _carried(_SLOW, 1),
    "carried_fast": _carried(_FAST, 2),
    "sweep": _sweep,
    "occlusion": _occlusion,
    "returns": _returns,
    "crossing": _crossing,
    "crowd": _crowd,
    "arm": _arm,
}
