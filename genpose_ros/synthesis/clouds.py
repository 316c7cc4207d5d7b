# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training clouds: one object each, as the sensor and the segmenter would deliver it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genpose_ros.synthesis.clutter import ground, hands, neighbours, occluders, support_levels
from genpose_ros.synthesis.depth_errors import add_depth_errors, shifted
from genpose_ros.synthesis.depth_filters import filter_depth
from genpose_ros.synthesis.device_arrays import DeviceRandom, array_for, tensor_of
from genpose_ros.synthesis.domains import D435, Cameras, Domain
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.rasterise import Crops, DepthImages, Triangles, rasterise
from genpose_ros.synthesis.sensor import (
    corrupt_mask,
    hidden_from_right,
    measure_depth,
    tear_mask,
)
from genpose_ros.synthesis.surfaces import surfaces_of
from genpose_ros.synthesis.views import STANCES, Views, sample_views

__all__ = [
    "TRAINING_SURROUNDINGS",
    "CloudBatch",
    "DeviceClouds",
    "Surroundings",
    "crops_around",
    "draw_in_air",
    "make_clouds",
    "make_device_clouds",
    "render_views",
    "sense_depth",
    "sense_views",
]

GRID = 64  # rays along each side of the crop around an object
NATIVE_SPACING = 1 / 615  # a D435's colour camera: tangent per pixel
MIN_POINTS = 64
DEPTH_WINDOW_M = 0.25


@dataclass(frozen=True)
class CloudBatch:
    """Batch of n clouds with their ground truth.

    Attributes:
        points_cam: (n, N, 3) float32 metres, camera optical frame.
        rotation: (n, 3, 3) float32 object to camera.
        translation: (n, 3) float32 metres, of the object's box centre.
        size_m: (n, 3) float32 box edge lengths.
        category: (n,) int, index into the categories of the library that the objects are from.
        stance: (n,) int, index into `STANCES`.
        up: (n, 3) float32 unit vector against gravity, camera frame.
        level_m: (n,) float32 coordinate along it of the table.
        surface_obj: (n, S, 3) float32 metres, object frame, points spread over the whole surface;
            None: not asked for.
    """

    points_cam: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    size_m: np.ndarray
    category: np.ndarray
    stance: np.ndarray
    up: np.ndarray
    level_m: np.ndarray
    surface_obj: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.points_cam)

    def __getitem__(self, index: np.ndarray | slice) -> "CloudBatch":
        return CloudBatch(**{name: values[index] for name, values in self._known().items()})

    def _known(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def concatenate(cls, batches: list["CloudBatch"]) -> "CloudBatch":
        """Put batches one after another; all with surfaces, or none."""
        parts = [batch._known() for batch in batches]
        return cls(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


@dataclass(frozen=True)
class DeviceClouds:
    """Clouds on a device with their ground truth: as of `CloudBatch`, as tensors.

    Attributes:
        points_cam: (n, N, 3) metres, camera optical frame.
        rotation: (n, 3, 3) object to camera.
        translation: (n, 3) metres.
        size_m: (n, 3) box edge lengths.
        category: (n,) int64.
        stance: (n,) int64.
        up: (n, 3) unit vector against gravity.
        level_m: (n,) coordinate along it of the table.
    """

    points_cam: Tensor
    rotation: Tensor
    translation: Tensor
    size_m: Tensor
    category: Tensor
    stance: Tensor
    up: Tensor
    level_m: Tensor

    def __len__(self) -> int:
        return len(self.points_cam)


@dataclass(frozen=True)
class Surroundings:
    """Shares of the clouds whose view something disturbs.

    Attributes:
        occluder: something between camera and object.
        neighbour: something beside the object on its table.
        hand: a hand around the object, of those held in the air.
        cut: the image border, or a lost part of the mask, cuts the object.
        torn: the mask lacks parts.
        leaking: the mask holds parts of what is beside the object.
    """

    occluder: float = 0.35
    neighbour: float = 0.0
    hand: float = 0.0
    cut: float = 0.15
    torn: float = 0.0
    leaking: float = 0.0


#: Harder than what is evaluated on.
TRAINING_SURROUNDINGS = Surroundings(
    occluder=0.25, neighbour=0.4, hand=0.45, cut=0.15, torn=0.08, leaking=0.08
)


def make_clouds(
    n: int,
    rng: np.random.Generator,
    *,
    library: ShapeLibrary = NOCS_LIBRARY,
    shares: Mapping[str, float] | None = None,
    stances: np.ndarray | None = None,
    surroundings: Surroundings | None = None,
    domain: Domain = D435,
    points: int = 1024,
    surface_points: int = 0,
    device: torch.device | str = "cpu",
) -> CloudBatch:
    """Make about n clouds of a library's objects; views with too few points are dropped.

    Shapes are drawn with numpy; rendering, sensor and sampling run on `device`.

    Args:
        n: clouds to render; up to a few per cent fewer are returned.
        rng: source of all draws: the same generator state gives the same clouds, on one kind of
            device.
        library: that the objects are drawn from.
        shares: relative frequency of each category, by name; None: all alike.
        stances: (n,) indices into `STANCES`; drawn when not given. An object that does not rest so
            takes another stance that its category has.
        surroundings: what disturbs the views; default `Surroundings()`.
        domain: cameras, shapes, stances and rolls.
        points: points per cloud.
        surface_points: of the whole surface of each object; 0: none. They change no draw.
        device: cpu or cuda.

    Raises:
        ValueError: the shares are of no use, see `ShapeLibrary.draw`.
    """
    drawn = _Drawn.of(
        n, rng, library, shares, stances, surroundings, domain, points, torch.device(device)
    )
    views, category = drawn.views, drawn.category
    batch = CloudBatch(
        points_cam=drawn.points_cam.cpu().numpy(),
        rotation=views.rotation.astype(np.float32),
        translation=views.translation.astype(np.float32),
        size_m=drawn.size_m.astype(np.float32),
        category=category,
        stance=views.stance,
        up=views.up.astype(np.float32),
        level_m=drawn.level_m.astype(np.float32),
        surface_obj=surfaces_of(drawn.shapes, surface_points) if surface_points else None,
    )
    return batch[drawn.enough.cpu().numpy()]


def make_device_clouds(
    n: int,
    rng: DeviceRandom,
    *,
    library: ShapeLibrary = NOCS_LIBRARY,
    shares: Mapping[str, float] | None = None,
    stances: np.ndarray | None = None,
    surroundings: Surroundings | None = None,
    domain: Domain = D435,
    points: int = 1024,
) -> DeviceClouds:
    """Make about n clouds as `make_clouds` does, all of it on a device; they stay there.

    Shapes, views and cameras are drawn by the same code, in single precision and from other random
    numbers: the clouds are others, of the same distribution.

    Args:
        n, library, shares, stances, surroundings, domain, points: as of `make_clouds`.
        rng: source of all draws, and the device.

    Raises:
        ValueError: as of `make_clouds`.
    """
    drawn = _Drawn.of(n, rng, library, shares, stances, surroundings, domain, points, rng.device)
    views = drawn.views
    values = {
        "points_cam": drawn.points_cam,
        "rotation": views.rotation,
        "translation": views.translation,
        "size_m": drawn.size_m,
        "category": drawn.category,
        "stance": views.stance,
        "up": views.up,
        "level_m": drawn.level_m,
    }
    usable = drawn.enough.nonzero()[:, 0]
    tensors = {name: tensor_of(v, rng.device)[usable] for name, v in values.items()}
    return DeviceClouds(**tensors)


@dataclass(frozen=True)
class _Drawn:
    """Clouds as drawn, usable ones or not, with arrays of the kind that the generator makes.

    Attributes:
        points_cam: (n, N, 3).
        enough: (n,) bool, which have enough points.
        views: of the objects.
        size_m: (n, 3).
        category: (n,).
        level_m: (n,).
        shapes: the objects, each in its own frame.
    """

    points_cam: Tensor
    enough: Tensor
    views: Views
    size_m: np.ndarray
    category: np.ndarray
    level_m: np.ndarray
    shapes: Objects

    @classmethod
    def of(
        cls,
        n: int,
        rng: Any,
        library: ShapeLibrary,
        shares: Mapping[str, float] | None,
        stances: np.ndarray | None,
        surroundings: Surroundings | None,
        domain: Domain,
        points: int,
        device: torch.device,
    ) -> "_Drawn":
        """Draw n clouds; the arguments are those of `make_clouds`, the generator of either kind."""
        around = surroundings or Surroundings()
        shapes = library.draw(n, rng, shares, vessels=domain.vessels)
        allowed = np.array([[s in (*c.rests, "free") for s in STANCES] for c in library.categories])
        views = sample_views(
            n, rng, stances=stances, allowed=allowed[shapes.category], domain=domain
        )
        size_m = shapes.size_m
        objects = shapes.placed(views.rotation, views.translation)
        crops = crops_around(objects, device)
        in_air = draw_in_air(views, rng)
        images = render_views(objects, size_m, views, in_air, crops, around, rng)
        clouds, enough = sense_views(images, size_m, views, crops, around, domain, points, rng)
        # Draws of its own, so that those of the clouds stay what they are.
        level_m = support_levels(objects, views, in_air, _beside(rng))
        return cls(clouds, enough, views, size_m, shapes.category, level_m, shapes)


def _beside(rng: Any) -> Any:
    """A generator of its own beside one of either kind: `spawn`, which NumPy has since 1.25."""
    if hasattr(rng, "spawn"):
        return rng.spawn(1)[0]
    bits = rng.bit_generator
    return np.random.Generator(type(bits)(bits._seed_seq.spawn(1)[0]))


def crops_around(objects: Objects, device: torch.device) -> Crops:
    """Rays over each object's outline, with a margin; no denser than a camera's pixels."""
    low, high = objects.outline()
    spacing = np.maximum((high - low).max(1) * 1.12 / (GRID - 1), NATIVE_SPACING)
    centre, step = (tensor_of(a, device, torch.float32) for a in ((low + high) / 2, spacing))
    return Crops(centre, step, GRID)


def draw_in_air(views: Views, rng: np.random.Generator) -> np.ndarray:
    """Which objects (n,) bool are held in the air: most of those of any orientation."""
    free: np.ndarray = views.stance == STANCES.index("free")
    return free & (rng.random(len(free)) < 0.75)


def render_views(
    objects: Objects,
    size_m: np.ndarray,
    views: Views,
    in_air: np.ndarray,
    crops: Crops,
    around: Surroundings,
    rng: np.random.Generator,
) -> DepthImages:
    """Draw every crop with its object (part 0), what surrounds it (1) and its ground (2).

    Args:
        objects: placed in front of the camera.
        size_m: (n, 3) edges of their boxes.
        views: where they are.
        in_air: (n,) bool, which are held in the air; the others are on a table.
        crops: the rays.
        around: what surrounds them.
        rng: source of the draws.
    """
    n = len(objects)
    hidden, accompanied = rng.random(n) < around.occluder, rng.random(n) < around.neighbour
    held = in_air & (rng.random(n) < around.hand)
    lumps, clear = occluders(size_m, views, rng)
    beside, free_space = neighbours(objects, views, rng)
    others = [
        (hidden & clear, lumps),
        (accompanied & ~in_air & free_space, beside),
    ]
    batches = [(rows, meshes, 0) for rows, meshes in objects.groups]
    batches += [
        (np.flatnonzero(shown), MeshBatch(meshes.vertices[shown], meshes.faces), 1)
        for shown, meshes in others
    ]
    rows = np.flatnonzero(held)
    batches.append((rows, hands(size_m[rows], views[rows], rng), 1))
    device = crops.spacing.device
    floor = tensor_of(ground(objects, views, in_air, rng), device, torch.float32)
    return rasterise(_triangles(batches, device), crops, floor)


def _triangles(batches: list[tuple[np.ndarray, MeshBatch, int]], device: torch.device) -> Triangles:
    """All triangles of (images (k,), k meshes, part) on the device."""
    vertices, owner, faces, part, closed, start = [], [], [], [], [], 0
    for rows, meshes, number in batches:
        k, count = meshes.vertices.shape[:2]
        if k == 0:
            continue
        corners = meshes.vertices.reshape(-1, 3)
        vertices.append(tensor_of(corners, device, torch.float32))
        owner.append(tensor_of(rows, device).repeat_interleave(count))
        first = start + count * torch.arange(k, device=device)
        triangles = torch.from_numpy(meshes.faces.astype(np.int64)).to(device)
        faces.append((triangles + first[:, None, None]).view(-1, 3))
        part.append(torch.full((len(faces[-1]),), number, device=device))
        closed.append(torch.full((len(faces[-1]),), meshes.closed, device=device))
        start += k * count
    return Triangles(
        vertices=torch.cat(vertices),
        vertex_image=torch.cat(owner),
        faces=torch.cat(faces),
        part=torch.cat(part),
        closed=torch.cat(closed),
    )


def sense_views(
    images: DepthImages,
    size_m: np.ndarray,
    views: Views,
    crops: Crops,
    around: Surroundings,
    domain: Domain,
    points: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """The clouds (n, points, 3) that sensor and segmenter deliver, and (n,) which are usable.

    Args:
        images: from `render_views`.
        size_m: (n, 3) edges of the objects' boxes.
        views: where they are.
        crops: the rays.
        around: shares of the masks that are cut, torn and leaking.
        domain: the cameras.
        points: points per cloud.
        rng: source of the draws.
    """
    n, per_px = len(crops), array_for(crops.spacing, rng) / NATIVE_SPACING
    cameras = domain.draw_cameras(n, rng)
    depth = sense_depth(images, size_m, views, crops, cameras, rng)
    is_object = images.part == 0
    mask = corrupt_mask(is_object, per_px, rng)
    mask = tear_mask(mask, rng.random(n) < around.torn, rng.random(n) < around.leaking, rng)
    if cameras.errors is not None:
        mask = shifted(mask, cameras.errors.shift_px, per_px)
    mask &= _window(crops, around.cut, rng) & (depth > 0)
    clouds, counts = _sample(depth, mask, crops, points, rng)
    shown_px = is_object.flatten(1).sum(1)
    return clouds, (counts >= MIN_POINTS) & (shown_px >= MIN_POINTS)


def sense_depth(
    images: DepthImages,
    size_m: np.ndarray,
    views: Views,
    crops: Crops,
    cameras: Cameras,
    rng: np.random.Generator,
) -> Tensor:
    """The depth (n, H, W) in metres that the cameras report, 0 for holes and shadows.

    Args:
        images: from `render_views`.
        size_m: (n, 3) edges of the objects' boxes.
        views: where they are.
        crops: the rays.
        cameras: n of them.
        rng: source of the draws.
    """
    spacing = array_for(crops.spacing, rng)
    true, errors, filters = images.depth_m, cameras.errors, cameras.filters
    if errors is not None:
        axis = views.rotation[:, :, 1]
        true = add_depth_errors(
            true,
            images.part == 0,
            crops,
            axis,
            np.einsum("ni,ni->n", axis, views.translation),
            size_m[:, 1] / 2,
            errors,
            rng,
            pixel=NATIVE_SPACING,
        )
    depth = measure_depth(true, images.cos_incidence, cameras.sensor, rng)
    depth = depth.masked_fill(_shadows(images.depth_m, spacing, cameras), 0)
    if filters is not None:
        depth = filter_depth(depth, filters, spacing / NATIVE_SPACING)
    return depth


def _shadows(depth_m: Tensor, spacing: np.ndarray, cameras: Cameras) -> Tensor:
    """Where something nearer hides the surface from the other eye or from the projector."""
    flip = tensor_of(cameras.mirrored, depth_m.device)[:, None, None]
    sensor = cameras.sensor
    seen = torch.where(flip, depth_m.flip(2), depth_m) if cameras.mirrored.any() else depth_m
    hidden = hidden_from_right(
        seen, sensor.baseline_m / spacing, sensor.shadow_px * NATIVE_SPACING / spacing
    )
    return torch.where(flip, hidden.flip(2), hidden) if cameras.mirrored.any() else hidden


def _window(crops: Crops, share: float, rng: np.random.Generator) -> Tensor:
    """Which rays remain when the image border or a lost part of the mask cuts the object."""
    n, device = len(crops), crops.spacing.device
    angle = rng.uniform(0, 2 * np.pi, n)
    border = rng.random(n) < 0.5
    angle = np.where(border, np.round(angle / (np.pi / 2)) * (np.pi / 2), angle)
    limit = np.where(rng.random(n) < share, rng.uniform(0.0, 0.8, n), 10.0)
    cos, sin, end = (
        tensor_of(a, device, torch.float32)[:, None, None]
        for a in (np.cos(angle), np.sin(angle), limit)
    )
    across = torch.linspace(-1, 1, crops.size, device=device)
    return cos * across + sin * across[:, None] < end


def _sorted_rows(values: Tensor) -> Tensor:
    """Each row in ascending order; numpy's sort is many times faster than torch's on a CPU."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=1))
    return values.sort(dim=1).values


def _sample(
    depth: Tensor, valid: Tensor, crops: Crops, count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw `count` points of each image (n, H, W) among the valid ones near their median depth.

    Returns the clouds (n, count, 3) and how many points there were to draw from (n,).
    """
    n, pixels = len(depth), crops.size**2
    depth, valid = depth.view(n, pixels), valid.view(n, pixels)
    middle = (valid.sum(1, keepdim=True) - 1).clamp_min(0) // 2
    median = _sorted_rows(depth.masked_fill(~valid, torch.inf)).gather(1, middle)
    valid = valid & ((depth - median).abs() <= DEPTH_WINDOW_M)
    available = valid.sum(1)
    # A random number in the upper bits, the pixel in the lower: sorted, pixels are in random order.
    bits = (pixels - 1).bit_length()
    generator = torch.Generator(depth.device).manual_seed(int(rng.integers(2**62)))
    chance = torch.rand(depth.shape, generator=generator, device=depth.device)
    key = ((chance * 2 ** (30 - bits)).int() << bits) | torch.arange(
        pixels, device=depth.device, dtype=torch.int32
    )
    order = _sorted_rows(key.masked_fill_(~valid, 2**31 - 1))
    slot = torch.arange(count, device=depth.device) % available.clamp_min(1)[:, None]
    pixel = order.gather(1, slot).long() & (2**bits - 1)
    x, y = crops.tangents()
    z = depth.gather(1, pixel)
    across = x[:, 0].gather(1, pixel % crops.size) * z
    along = y[:, :, 0].gather(1, pixel // crops.size) * z
    return torch.stack([across, along, z], -1), available
