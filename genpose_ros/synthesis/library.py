# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Shape libraries: what objects of a set of categories are drawn from, generators and meshes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.networks.checkpoints import load_attachments
from genpose_ros.networks.model_set import checkpoint_files, known_categories
from genpose_ros.synthesis.device_arrays import host_of
from genpose_ros.synthesis.meshes import Mesh, deform, deformed
from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.shapes import GENERATORS, make_shapes
from genpose_ros.synthesis.vessels import USUAL, VesselVariety

__all__ = [
    "NOCS_LIBRARY",
    "ShapeLibrary",
    "held_out_library",
    "library_of",
    "mesh_attachments",
]

#: Share of the held-out objects that are meshes, where their category has a generator too.
HELD_OUT_SHARE = 0.5

_PREFIX = "mesh/"


@dataclass(frozen=True)
class ShapeLibrary:
    """Library of shapes of some categories.

    Attributes:
        categories: that objects are drawn from.
        meshes: of these categories.
        mesh_share: share of the objects made of meshes, where a category has a generator too.
        deformation: how much meshes are deformed, see `deform`.

    Raises:
        ValueError: a category has neither generator nor mesh, its generator is unknown, or a mesh
            is of none of the categories.

    Example:
        >>> objects = NOCS_LIBRARY.draw(4, np.random.default_rng(0), {"bowl": 3, "mug": 1})
        >>> sorted(NOCS.names[i] for i in objects.category)
        ['bowl', 'bowl', 'bowl', 'mug']
    """

    categories: CategorySet = NOCS
    meshes: tuple[Mesh, ...] = ()
    mesh_share: float = 0.25
    deformation: float = 1.0

    def __post_init__(self) -> None:
        for category in self.categories:
            _check_shapes(category, self.meshes_of(category.name))
        strange = [mesh for mesh in self.meshes if mesh.category not in self.categories]
        if strange:
            raise ValueError(
                f"{strange[0].name} is a {strange[0].category}, of which this library knows "
                f"nothing; its categories are {', '.join(self.categories.names)}"
            )

    def meshes_of(self, name: str) -> tuple[Mesh, ...]:
        """The meshes of a category."""
        return tuple(mesh for mesh in self.meshes if mesh.category == name)

    def largest_m(self, name: str) -> float:
        """Largest box diagonal, metres, of a category's objects, as far as is known."""
        category, known = self.categories[name], self.meshes_of(name)
        if category.generator or not all(mesh.metric for mesh in known):
            return category.size_m[1]
        return max(mesh.diagonal for mesh in known)

    def draw(
        self,
        n: int,
        rng: np.random.Generator,
        shares: Mapping[str, float] | None = None,
        *,
        vessels: VesselVariety = USUAL,
    ) -> Objects:
        """Draw n objects in random order.

        Args:
            n: how many.
            rng: source of the draws.
            shares: relative frequency of each category, by name, those left out 0; None: all are
                equally frequent.
            vessels: variety of generated bottles, bowls, cans and mugs.

        Raises:
            ValueError: a share is of no category, negative or not finite, or all are 0.
        """
        host = host_of(rng)
        category = host.permutation(_dealt(_weights(self.categories, shares), n, host))
        groups: list[tuple[np.ndarray, MeshBatch]] = []
        for index in np.unique(category):
            groups += self._shapes(index, np.flatnonzero(category == index), rng, vessels)
        return Objects(tuple(groups), category)

    def draw_mesh(
        self, name: str, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Draw vertices (V, 3), metres, and faces of one mesh of a category.

        None where the object is to be a generator's; no number is drawn where there is no mesh.
        """
        known, category = self.meshes_of(name), self.categories[name]
        if not known or (category.generator and rng.random() >= self.mesh_share):
            return None
        mesh = known[rng.integers(len(known))]
        return deform(mesh, category, rng, amount=self.deformation), mesh.faces

    def _shapes(
        self, index: int, rows: np.ndarray, rng: np.random.Generator, vessels: VesselVariety
    ) -> list[tuple[np.ndarray, MeshBatch]]:
        """The objects `rows` of one category, in groups that share their triangles."""
        category = self.categories.categories[index]
        known = self.meshes_of(category.name)
        groups: list[tuple[np.ndarray, MeshBatch]] = []
        chosen = np.full(len(rows), -1)
        if known:
            share = self.mesh_share if category.generator else 1.0
            host = host_of(rng)
            scanned = host.random(len(rows)) < share
            chosen = np.where(scanned, host.integers(len(known), size=len(rows)), -1)
        for number, mesh in enumerate(known):
            of_mesh = rows[chosen == number]
            if len(of_mesh):
                vertices = deformed(mesh, category, rng, len(of_mesh), amount=self.deformation)
                groups.append((of_mesh, MeshBatch(vertices, mesh.faces, closed=mesh.closed)))
        if category.generator and (chosen < 0).any():
            shapes = make_shapes(category.generator, int((chosen < 0).sum()), rng, vessels)
            groups.append((rows[chosen < 0], shapes))
        return groups


def held_out_library(categories: CategorySet, meshes: tuple[Mesh, ...] = ()) -> ShapeLibrary:
    """Return the library that evaluations and demos draw from: meshes are shown as they are.

    Args:
        categories: that objects are drawn from.
        meshes: held out in training; half of the objects where there is a generator too.

    Raises:
        ValueError: as of `ShapeLibrary`.
    """
    return ShapeLibrary(categories, meshes, mesh_share=HELD_OUT_SHARE, deformation=0.0)


def library_of(weights: str = "") -> ShapeLibrary:
    """Return the held-out shapes of what checkpoints know.

    From the generators of their categories and the meshes that they carry.

    Args:
        weights: one file, or several with commas between; empty: the released weights.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one is damaged, a category has neither generator nor mesh, or two files know it.
    """
    meshes = [mesh for file in checkpoint_files(weights) for mesh in _attached_meshes(file)]
    return held_out_library(known_categories(weights), tuple(meshes))


def mesh_attachments(meshes: Iterable[Mesh]) -> dict[str, Tensor]:
    """Return meshes as tensors that `save_model` attaches to weights, for `library_of`."""
    tensors: dict[str, Tensor] = {}
    for number, mesh in enumerate(meshes):
        place = f"{_PREFIX}{number:03d}/{mesh.category}/"
        tensors[f"{place}vertices"] = torch.from_numpy(mesh.vertices.astype(np.float32))
        tensors[f"{place}faces"] = torch.from_numpy(mesh.faces.astype(np.int32))
        tensors[f"{place}metric_closed"] = torch.tensor([mesh.metric, mesh.closed])
        tensors[f"{place}name"] = torch.tensor(list(mesh.name.encode()), dtype=torch.uint8)
    return tensors


def _attached_meshes(weights: Path) -> tuple[Mesh, ...]:
    """The meshes that `mesh_attachments` wrote into a checkpoint.

    Raises:
        ValueError: they are damaged.
    """
    attached = load_attachments(weights)
    places = sorted({key.rsplit("/", 1)[0] for key in attached if key.startswith(_PREFIX)})
    try:
        return tuple(_attached_mesh(place, attached) for place in places)
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"{weights} carries meshes that cannot be used: {error!r}") from error


def _attached_mesh(place: str, attached: Mapping[str, Tensor]) -> Mesh:
    vertices = attached[f"{place}/vertices"].double().numpy()
    faces = attached[f"{place}/faces"].long().numpy()
    metric, closed = attached[f"{place}/metric_closed"].tolist()
    if vertices.ndim != 2 or faces.ndim != 2 or vertices.shape[1] != 3 or faces.shape[1] != 3:
        raise ValueError(f"{place} has vertices {vertices.shape} and faces {faces.shape}")
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"{place} names vertices that are not there")
    name = bytes(attached[f"{place}/name"].tolist()).decode()
    return Mesh(name, place.split("/")[2], bool(metric), vertices, faces, bool(closed))


def _check_shapes(category: Category, meshes: tuple[Mesh, ...]) -> None:
    """Raise ValueError where nothing makes shapes of a category."""
    if category.generator is None and not meshes:
        raise ValueError(
            f"there are no shapes of the category {category.name}: it has no generator, so name a "
            "folder with its meshes as --meshes, or weights that carry some"
        )
    if category.generator is not None and category.generator not in GENERATORS:
        raise ValueError(
            f"the category {category.name} has the unknown generator {category.generator!r}; this "
            f"version knows {', '.join(GENERATORS)}"
        )


def _weights(categories: CategorySet, shares: Mapping[str, float] | None) -> np.ndarray:
    """Relative frequencies (C,) of the categories."""
    if shares is None:
        return np.ones(len(categories))
    for name in shares:
        _ = categories[name]  # refused where unknown
    weights = np.array([shares.get(name, 0.0) for name in categories.names], dtype=np.float64)
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(f"shares are numbers from 0 on, not all of them 0, got {dict(shares)}")
    return weights


def _dealt(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Indices (n,), each as often as its weight says; those of equal weights in turn.

    The j-th turn of an index comes at the time (j + phase) / weight. Random phases give weights so
    small that they are not due once in n their turn in some batches.
    """
    used = np.flatnonzero(weights)
    equal = len(set(weights[used])) == 1
    phase = np.zeros(len(used)) if equal else rng.random(len(used))
    due = (np.arange(n)[:, None] + phase) / weights[used]
    return used[np.argsort(due, axis=None, kind="stable")[:n] % len(used)]


#: Generated shapes of the six categories of NOCS.
NOCS_LIBRARY = ShapeLibrary()
