"""What surrounds an object: the table or wall behind it, neighbours, things in front, a hand.

Every function takes `Placed` objects and returns one mesh per object, in its camera's frame.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.synthesis.primitives import MeshBatch, lathe, merge, profile, tube
from genpose_ros.synthesis.views import Views

__all__ = ["Placed", "ground", "hand", "neighbour", "occluder"]

#: Where what is not there is put: behind the camera.
_OUT_OF_SIGHT = np.array([0.0, 0.0, -3.0])


@dataclass(frozen=True)
class Placed:
    """n objects as the camera sees them.

    Attributes:
        vertices: of each, (V, 3) metres, camera frame.
        size_m: (n, 3) edges of their boxes.
        views: where they are.
    """

    vertices: list[np.ndarray]
    size_m: np.ndarray
    views: Views

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def distance(self) -> np.ndarray:
        """(n,) from the camera, metres."""
        return np.linalg.norm(self.views.translation, axis=1)

    def lowest(self, normal: np.ndarray) -> np.ndarray:
        """(n,) the smallest coordinate of each object along its `normal` (n, 3)."""
        return np.array([(v @ a).min() for v, a in zip(self.vertices, normal, strict=True)])


def _across(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 3), (n, 3) that span the planes perpendicular to unit `axis` (n, 3)."""
    helper = np.where(np.abs(axis[:, :1]) < 0.7, [[1.0, 0, 0]], [[0.0, 1, 0]])
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return u, np.cross(axis, u)


def ground(placed: Placed, in_air: np.ndarray, rng: np.random.Generator) -> MeshBatch:
    """The table under each object; behind objects `in_air` (n,), a wall at some distance."""
    n, views = len(placed), placed.views
    facing = -views.translation / placed.distance[:, None] + rng.normal(0, 0.35, (n, 3))
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    normal = np.where(in_air[:, None], facing, views.up)
    gap = np.where(in_air, rng.uniform(0.02, 0.6, n), 0.0)
    level = placed.lowest(normal) - gap - np.einsum("ni,ni->n", views.translation, normal)
    u, v = _across(normal)
    centre = views.translation + normal * level[:, None]
    corners = np.stack([u + v, v - u, -u - v, u - v], 1) * 0.9
    return MeshBatch(centre[:, None] + corners, np.array([[0, 1, 2], [0, 2, 3]]))


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


def neighbour(
    placed: Placed, present: np.ndarray, in_air: np.ndarray, rng: np.random.Generator
) -> MeshBatch:
    """Something beside the object on its table, near enough to touch its mask or to hide a part.

    Args:
        placed: the objects.
        present: (n,) which have one; elsewhere it is out of sight.
        in_air: (n,) objects without a table have none.
        rng: source of the draws.
    """
    n, views = len(placed), placed.views
    size = np.exp(rng.uniform(np.log(0.03), np.log(0.25), (n, 3)))
    lumps = _lumps(size, rng)
    u, v = _across(views.up)
    angle = rng.uniform(0, 2 * np.pi, n)
    aside = u * np.cos(angle)[:, None] + v * np.sin(angle)[:, None]
    base = np.stack([aside, views.up, np.cross(aside, views.up)], -1)
    reach = -placed.lowest(-aside) - np.einsum("ni,ni->n", views.translation, aside)
    gap = np.where(rng.random(n) < 0.4, 0.001, rng.uniform(0, 0.06, n))
    level = placed.lowest(views.up) - np.einsum("ni,ni->n", views.translation, views.up)
    centre = (
        views.translation
        + aside * (reach + gap + size[:, 0] / 2)[:, None]
        + views.up * (level + size[:, 1] / 2)[:, None]
    )
    # Beyond 25 cm in front of the lens nothing stands.
    shown = present & ~in_air & (centre[:, 2] - np.linalg.norm(size, axis=1) / 2 > 0.15)
    return lumps.turned(base).moved(np.where(shown[:, None], centre, _OUT_OF_SIGHT))


def occluder(placed: Placed, present: np.ndarray, rng: np.random.Generator) -> MeshBatch:
    """A lump between the camera and the object, hiding a part of it."""
    n, views = len(placed), placed.views
    size = rng.uniform(0.02, 0.14, (n, 3))
    lumps = _lumps(size, rng).turned(Rotation.random(n, random_state=rng).as_matrix())
    object_radius = np.linalg.norm(placed.size_m, axis=1) / 2
    lump_radius = np.linalg.norm(size, axis=1) / 2
    distance = placed.distance
    view = views.translation / distance[:, None]
    side = np.cross(view, rng.standard_normal((n, 3)))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    ahead = distance - object_radius * rng.uniform(0.3, 1, n) - lump_radius - rng.uniform(0, 0.1, n)
    aside = (object_radius * rng.uniform(0.35, 0.9, n) + lump_radius * 0.5) * ahead / distance
    centre = view * ahead[:, None] + side * aside[:, None]
    shown = present & (ahead > 0.2)
    return lumps.moved(np.where(shown[:, None], centre, _OUT_OF_SIGHT))


def hand(placed: Placed, present: np.ndarray, rng: np.random.Generator) -> MeshBatch:
    """Fingers, thumb, palm and forearm around one of the object's axes; one where `present`.

    The grip follows the ellipse that the box's edges span across the axis; where the object is
    thicker than that, its surface hides the finger, as it would be if the finger gave way.
    """
    n, views = len(placed), placed.views
    # Mostly around the longest axis.
    axis = np.argsort(placed.size_m + rng.uniform(0, 0.05, (n, 3)), axis=1)[:, 2]
    others = np.array([[1, 2], [2, 0], [0, 1]])[axis]
    half = np.take_along_axis(placed.size_m, others, 1) / 2
    length = np.take_along_axis(placed.size_m, axis[:, None], 1)[:, 0]
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
    whole = merge(*parts).moved(np.stack([0 * grip, 0 * grip, grip], -1)).turned(frame)
    return whole.moved(np.where(present[:, None], views.translation, _OUT_OF_SIGHT))


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
