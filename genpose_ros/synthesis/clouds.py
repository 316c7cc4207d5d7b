"""Training clouds: one object each, as the sensor and the segmenter would deliver it."""

from dataclasses import dataclass, fields

import numpy as np

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis.clutter import Placed, ground, hand, neighbour, occluder
from genpose_ros.synthesis.meshes import Mesh, deform
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.render import Hits, cast, cell_offsets
from genpose_ros.synthesis.sensor import (
    corrupt_mask,
    draw_sensor,
    hidden_from_right,
    measure_depth,
    tear_mask,
)
from genpose_ros.synthesis.shapes import make_shapes
from genpose_ros.synthesis.views import STANCES, sample_views

__all__ = ["TRAINING_SURROUNDINGS", "CloudBatch", "Surroundings", "make_clouds"]

GRID = 64  # rays along each side of the crop around an object
NATIVE_SPACING = 1 / 615  # a D435's colour camera: tangent per pixel
MIN_POINTS = 64
DEPTH_WINDOW_M = 0.25


@dataclass(frozen=True)
class CloudBatch:
    """n clouds with their truth.

    Attributes:
        points_cam: (n, N, 3) float32 metres, camera optical frame.
        rotation: (n, 3, 3) float32 object to camera.
        translation: (n, 3) float32 metres, of the object's box centre.
        size_m: (n, 3) float32 box edge lengths.
        category: (n,) int, index into `CATEGORIES`.
        stance: (n,) int, index into `STANCES`.
    """

    points_cam: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    size_m: np.ndarray
    category: np.ndarray
    stance: np.ndarray

    def __len__(self) -> int:
        return len(self.points_cam)

    def __getitem__(self, index: np.ndarray | slice) -> "CloudBatch":
        return CloudBatch(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concatenate(cls, batches: list["CloudBatch"]) -> "CloudBatch":
        """Put batches one after another."""
        return cls(
            **{f.name: np.concatenate([getattr(b, f.name) for b in batches]) for f in fields(cls)}
        )


@dataclass(frozen=True)
class Surroundings:
    """How often something disturbs the view: shares of the clouds.

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
    meshes: tuple[Mesh, ...] = (),
    mesh_share: float = 0.25,
    deformation: float = 1.0,
    categories: tuple[str, ...] = CATEGORIES,
    stances: np.ndarray | None = None,
    surroundings: Surroundings | None = None,
    points: int = 1024,
    threads: int = 0,
) -> CloudBatch:
    """Make about n clouds, balanced over the categories; views with too few points are dropped.

    Args:
        n: clouds to render; up to a few per cent fewer are returned.
        rng: source of all draws: the same generator state gives the same clouds.
        meshes: objects used, deformed, for `mesh_share` of the clouds of their category.
        mesh_share: see `meshes`; 1 uses meshes wherever the category has one.
        deformation: how much meshes are deformed, see `deform`.
        categories: categories to draw from.
        stances: (n,) indices into `STANCES`; drawn when not given.
        surroundings: what disturbs the views; default `Surroundings()`.
        points: points per cloud.
        threads: CPU threads of the ray caster; 0: all.
    """
    shapes = _Shapes.draw(n, rng, categories, meshes, mesh_share, deformation)
    views = sample_views(n, rng, stances=stances)
    vertices = [
        v @ views.rotation[i].T + views.translation[i] for i, v in enumerate(shapes.vertices)
    ]
    size_m = np.stack([np.ptp(v, 0) for v in shapes.vertices])
    placed, around = Placed(vertices, size_m, views), surroundings or Surroundings()
    tangents, spacing = _crops(vertices)
    hits = _render(shapes, placed, tangents, around, rng, threads)
    is_object = hits.part == 0
    true_pixels = is_object.sum((1, 2))
    sensor = draw_sensor(n, rng)
    depth = measure_depth(hits.depth_m, hits.cos_incidence, sensor, rng)
    seen = ~hidden_from_right(hits.depth_m, sensor.baseline_m / spacing) & (depth > 0)
    mask = corrupt_mask(is_object, spacing / NATIVE_SPACING, rng)
    mask = tear_mask(mask, rng.random(n) < around.torn, rng.random(n) < around.leaking, rng)
    mask &= _window(tangents, around.cut, rng)
    clouds, counts = _sample(tangents * depth[..., None], mask & seen, points, rng)
    batch = CloudBatch(
        points_cam=clouds.astype(np.float32),
        rotation=views.rotation.astype(np.float32),
        translation=views.translation.astype(np.float32),
        size_m=size_m.astype(np.float32),
        category=shapes.category,
        stance=views.stance,
    )
    return batch[(counts >= MIN_POINTS) & (true_pixels >= MIN_POINTS)]


@dataclass(frozen=True)
class _Shapes:
    """The drawn objects: vertices and faces each, and the category index of each."""

    vertices: list[np.ndarray]
    faces: list[np.ndarray]
    category: np.ndarray

    @classmethod
    def draw(
        cls,
        n: int,
        rng: np.random.Generator,
        categories: tuple[str, ...],
        meshes: tuple[Mesh, ...],
        mesh_share: float,
        deformation: float,
    ) -> "_Shapes":
        category = rng.permutation(np.resize([CATEGORIES.index(name) for name in categories], n))
        vertices: list[np.ndarray] = [np.empty(0)] * n
        faces: list[np.ndarray] = [np.empty(0)] * n
        for index in np.unique(category):
            where = np.flatnonzero(category == index)
            known = [mesh for mesh in meshes if mesh.category == CATEGORIES[index]]
            shapes = make_shapes(CATEGORIES[index], len(where), rng)
            for row, i in enumerate(where):
                if known and rng.random() < mesh_share:
                    mesh = known[rng.integers(len(known))]
                    vertices[i], faces[i] = deform(mesh, rng, amount=deformation), mesh.faces
                else:
                    vertices[i], faces[i] = shapes.vertices[row], shapes.faces
        return cls(vertices, faces, category)


def _crops(vertices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rays (n, GRID, GRID, 3) at z = 1 over each object's outline, and their spacing (n,)."""
    low, high = np.empty((len(vertices), 2)), np.empty((len(vertices), 2))
    for i, v in enumerate(vertices):
        tangent = v[:, :2] / np.maximum(v[:, 2:], 0.05)
        low[i], high[i] = tangent.min(0), tangent.max(0)
    spacing = np.maximum((high - low).max(1) * 1.12 / (GRID - 1), NATIVE_SPACING)
    steps = (np.arange(GRID) - (GRID - 1) / 2) * spacing[:, None]
    centre = (low + high) / 2
    rays = np.ones((len(vertices), GRID, GRID, 3))
    rays[..., 0] = (centre[:, :1] + steps)[:, None, :]
    rays[..., 1] = (centre[:, 1:] + steps)[:, :, None]
    return rays, spacing


def _render(
    shapes: _Shapes,
    placed: Placed,
    tangents: np.ndarray,
    around: Surroundings,
    rng: np.random.Generator,
    threads: int,
) -> Hits:
    """Cast every crop against its object (part 0), its ground (1) and all else (2 and more)."""
    n, vertices = len(placed), placed.vertices
    offsets = cell_offsets(n)
    starts = np.cumsum([0] + [len(v) for v in vertices[:-1]])
    objects = (
        np.concatenate([v + o for v, o in zip(vertices, offsets, strict=True)]),
        np.concatenate([f + s for f, s in zip(shapes.faces, starts, strict=True)]),
    )
    free = placed.views.stance == STANCES.index("free")
    in_air = free & (rng.random(n) < 0.75)
    others = [
        ground(placed, in_air, rng),
        occluder(placed, rng.random(n) < around.occluder, rng),
        neighbour(placed, rng.random(n) < around.neighbour, in_air, rng),
        hand(placed, in_air & (rng.random(n) < around.hand), rng),
    ]
    parts = [objects] + [_flat(batch.moved(offsets)) for batch in others]
    return cast(parts, tangents, offsets[:, None, None], threads=threads)


def _flat(batch: MeshBatch) -> tuple[np.ndarray, np.ndarray]:
    """A batch as one mesh."""
    n, count = batch.vertices.shape[:2]
    faces = batch.faces[None] + (np.arange(n) * count)[:, None, None]
    return batch.vertices.reshape(-1, 3), faces.reshape(-1, 3)


def _window(tangents: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which rays remain when the image border or a lost part of the mask cuts the object."""
    n = len(tangents)
    angle = rng.uniform(0, 2 * np.pi, n)
    border = rng.random(n) < 0.5
    angle = np.where(border, np.round(angle / (np.pi / 2)) * (np.pi / 2), angle)
    centre = tangents[:, GRID // 2, GRID // 2, :2]
    half = (tangents[:, -1, -1, :2] - tangents[:, 0, 0, :2]).max(1) / 2
    offset = tangents[..., :2] - centre[:, None, None]
    along = np.einsum("nhwi,ni->nhw", offset, np.stack([np.cos(angle), np.sin(angle)], -1))
    limit = np.where(rng.random(n) < share, rng.uniform(0.0, 0.8, n), 10.0) * half
    return along < limit[:, None, None]


def _sample(
    points: np.ndarray, valid: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` points of each image (n, H, W, 3) among the valid ones near their median depth.

    Returns the clouds (n, count, 3) and how many points there were to draw from (n,).
    """
    n = len(points)
    points, valid = points.reshape(n, -1, 3), valid.reshape(n, -1)
    depth = np.where(valid, points[..., 2], np.nan)
    depth[~valid.any(1)] = 0
    median = np.nanmedian(depth, 1)
    valid = valid & (np.abs(points[..., 2] - median[:, None]) <= DEPTH_WINDOW_M)
    available = valid.sum(1)
    key = rng.random(valid.shape, dtype=np.float32) + np.where(valid, 0, 2).astype(np.float32)
    order = np.argsort(key, 1)
    slot = np.arange(count)[None] % np.maximum(available, 1)[:, None]
    chosen = np.take_along_axis(order, slot, 1)
    return np.take_along_axis(points, chosen[..., None], 1), available
