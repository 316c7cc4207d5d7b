# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables with objects of all categories, as a RealSense D435 would see them."""

from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.geometry.symmetry import handle_visible
from genpose_ros.synthesis.appearance import lit, object_albedo, smoothed, table_albedo
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.synthesis.placement import Thing, is_small, pixel_rays, place_on_table, table_scale
from genpose_ros.synthesis.render import Hits, cast
from genpose_ros.synthesis.sensor import (
    D435_BASELINE_M,
    corrupt_mask,
    measure_depth,
    typical_d435,
)

__all__ = ["D435_COLOR_CAMERA", "SceneObject", "SyntheticScene", "table_scene"]

#: Intrinsics of a D435's colour camera at 640 x 480, to which its depth is aligned.
D435_COLOR_CAMERA = PinholeCamera(615.7, 615.9, 321.8, 239.4, 640, 480)

_TABLE_M = (1.5, 1.3)
#: Objects of more categories find no place on it.
_MOST_CATEGORIES = 6


@dataclass(frozen=True)
class SceneObject:
    """Object of a scene and its ground truth.

    Attributes:
        instance_id: its value in the label image, 1 or higher.
        category: name of its category.
        T_cam_obj: (4, 4) float64, object frame (y up, origin at the centre of the bounding box) to
            camera optical frame, metres.
        size_m: (3,) edge lengths of its bounding box along its own axes.
        handle_visible: for mugs and others with `symmetry_hidden`, whether the camera sees the
            handle; true for all others.
    """

    instance_id: int
    category: str
    T_cam_obj: np.ndarray
    size_m: np.ndarray
    handle_visible: bool = True


@dataclass(frozen=True)
class SyntheticScene:
    """Scene as a camera and a segmenter deliver it, with its ground truth.

    Attributes:
        color: (H, W, 3) uint8 RGB.
        depth_mm: (H, W) uint16 millimetres with the sensor's noise, 0 without measurement.
        label: (H, W) uint8 instance ids with the segmenter's errors, 0 background.
        camera: of all three images.
        objects: in the order of their ids.
    """

    color: np.ndarray
    depth_mm: np.ndarray
    label: np.ndarray
    camera: PinholeCamera
    objects: tuple[SceneObject, ...]


def table_scene(
    seed: int,
    *,
    camera: PinholeCamera = D435_COLOR_CAMERA,
    categories: tuple[str, ...] | None = None,
    extras: int = 1,
    library: ShapeLibrary = NOCS_LIBRARY,
) -> SyntheticScene:
    """Return a table with one object of each category and `extras` more; same seed, same scene.

    The camera looks down by 35 to 50 degrees from 0.8 to 1.1 m, from farther away where objects are
    longer than a laptop. Objects stand on the table, do not
    touch, lie wholly inside the image and hide at most a quarter of each other; now and then a
    bottle, a can or an object of another category that can does lie on its side.

    Args:
        seed: 0 or more.
        camera: of the images to make.
        categories: one object of each; None: all of the library, six at most, first those that
            are made of meshes alone.
        extras: further objects, of small categories among them.
        library: that the objects are from.

    Raises:
        ValueError: the seed is negative, a category is unknown, or the objects are too many.
    """
    rng = np.random.default_rng(seed)
    names = _shown(library) if categories is None else categories
    small = [name for name in names if is_small(library, name)]
    more = rng.choice(small, extras, replace=len(small) < extras).tolist() if small else []
    view, things = place_on_table([*names, *more], camera, rng, library)
    things = [things[i] for i in rng.permutation(len(things))]
    table_m = table_scale(library, names) * np.array(_TABLE_M)
    return _photograph(view, things, table_m, camera, rng, library.categories)


def _shown(library: ShapeLibrary) -> list[str]:
    """The categories that there is room for, in the library's order."""
    order = sorted(library.categories, key=lambda c: c.generator is not None)[:_MOST_CATEGORIES]
    return [category.name for category in library.categories if category in order]


def _photograph(
    T_cam_table: np.ndarray,
    things: list[Thing],
    table_m: np.ndarray,
    camera: PinholeCamera,
    rng: np.random.Generator,
    categories: CategorySet,
) -> SyntheticScene:
    """Render the objects (parts 0, 1, ...) on their table (the last part)."""
    x, z = table_m / 2
    corners = np.array([[-x, 0, -z], [-x, 0, z], [x, 0, z], [x, 0, -z]])
    parts = [(transform_points(T_cam_table, thing.on_table), thing.faces) for thing in things]
    parts.append((transform_points(T_cam_table, corners), np.array([[0, 1, 2], [0, 2, 3]])))
    rays = pixel_rays(camera)
    hits = cast(parts, rays, np.zeros(3))
    depth_mm = _measure(hits, camera, rng)
    label = _segment(hits, len(things), rng)
    objects = tuple(
        _truth(
            index + 1,
            thing,
            T_cam_table @ thing.T_table_obj,
            categories[thing.category].symmetry_hidden is not None,
            camera.back_project(depth_mm / 1000.0, label == index + 1),
        )
        for index, thing in enumerate(things)
    )
    materials = [categories[thing.category].generator for thing in things]
    color = _colored(hits, parts, rays, things, materials, T_cam_table, rng)
    return SyntheticScene(color, depth_mm, label, camera, objects)


def _truth(
    instance_id: int,
    thing: Thing,
    T_cam_obj: np.ndarray,
    has_handle: bool,
    points_cam: np.ndarray,
) -> SceneObject:
    size_m = np.ptp(thing.vertices, axis=0)
    handle = not has_handle or handle_visible(points_cam, T_cam_obj, size_m)
    return SceneObject(instance_id, thing.category, T_cam_obj, size_m, handle)


def _measure(hits: Hits, camera: PinholeCamera, rng: np.random.Generator) -> np.ndarray:
    """The depth image of a typical D435, uint16 mm."""
    sensor = typical_d435()
    depth = measure_depth(hits.depth_m[None], hits.cos_incidence[None], sensor, rng)[0]
    depth[_hidden_from_right(hits.depth_m, camera.fx)] = 0
    return np.round(depth * 1000).astype(np.uint16)


def _hidden_from_right(depth_m: np.ndarray, fx: float) -> np.ndarray:
    """Pixels that the right infrared camera does not see: no stereo match, no depth."""
    rows = np.broadcast_to(np.arange(depth_m.shape[0])[:, None], depth_m.shape)
    columns = np.arange(depth_m.shape[1])
    z = np.where(depth_m > 0, depth_m, np.inf)
    target = np.round(columns - fx * D435_BASELINE_M / z).astype(int)
    inside = (target >= 0) & np.isfinite(z)
    nearest = np.full(depth_m.shape, np.inf)
    np.minimum.at(nearest, (rows[inside], target[inside]), z[inside])
    hidden = np.zeros(depth_m.shape, dtype=bool)
    hidden[inside] = nearest[rows[inside], target[inside]] < z[inside] - 0.03
    return hidden


def _segment(hits: Hits, count: int, rng: np.random.Generator) -> np.ndarray:
    """The label image of a segmenter whose borders are a pixel or two off."""
    label = np.zeros(hits.part.shape, dtype=np.uint8)
    true = hits.part[None] == np.arange(count)[:, None, None]
    moved = corrupt_mask(true, np.ones(count), rng)
    distance = [np.median(hits.depth_m[mask]) for mask in true]
    for index in np.argsort(distance)[::-1]:
        label[moved[index]] = index + 1
    return label


def _colored(
    hits: Hits,
    parts: list[tuple[np.ndarray, np.ndarray]],
    rays: np.ndarray,
    things: list[Thing],
    materials: list[str | None],
    T_cam_table: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """The colour image, uint8 RGB."""
    points = rays * hits.depth_m[..., None]
    view = -rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    normals = hits.normals * np.sign(np.einsum("hwi,hwi->hw", hits.normals, view))[..., None]
    R_cam_table = T_cam_table[:3, :3]
    light = R_cam_table @ np.array([-0.45, 0.80, 0.40])
    light /= np.linalg.norm(light)
    albedo = np.full(rays.shape, 0.10)
    gloss = np.zeros(hits.part.shape)
    for index, thing in enumerate(things):
        mask = hits.part == index
        T_obj_cam = np.linalg.inv(T_cam_table @ thing.T_table_obj)
        albedo[mask] = object_albedo(
            materials[index],
            transform_points(T_obj_cam, points[mask]),
            normals[mask] @ T_obj_cam[:3, :3].T,
            np.ptp(thing.vertices, axis=0),
            thing.color,
        )
        gloss[mask] = 0.35
    table = hits.part == len(things)
    albedo[table] = table_albedo(transform_points(np.linalg.inv(T_cam_table), points[table]), rng)
    lamp = _lamp(hits, parts, points, normals, light, rng)
    normals = smoothed(normals, hits.part, 1.2)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    image = lit(albedo, normals, view, light, R_cam_table[:, 1], lamp, gloss)
    image += rng.normal(0, 0.006, image.shape)
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _lamp(
    hits: Hits,
    parts: list[tuple[np.ndarray, np.ndarray]],
    points: np.ndarray,
    normals: np.ndarray,
    light: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of a broad lamp that each pixel sees, (H, W): one ray each, blurred."""
    toward = light + rng.normal(0, 0.09, points.shape)
    toward /= np.linalg.norm(toward, axis=-1, keepdims=True)
    shadow = cast(parts, toward, points + 0.002 * normals)
    lamp = (shadow.part < 0).astype(np.float64)
    return smoothed(lamp[..., None], hits.part, 2.5)[..., 0]
