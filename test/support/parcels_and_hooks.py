# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Two categories that are none of the six: parcels with half turns, and hooks that only lie."""

from pathlib import Path

import numpy as np

from genpose_ros.geometry import Category, CategorySet, Symmetry
from genpose_ros.networks import LightConfig, LightPoseModel, save_model
from genpose_ros.synthesis import Mesh, ShapeLibrary, held_out_library, mesh_attachments
from genpose_ros.synthesis.primitives import box, merge

__all__ = ["HOOK", "OWN", "PARCEL", "hook_mesh", "own_library", "own_weights", "parcel_mesh"]

PARCEL = Category(
    name="parcel",
    symmetry=Symmetry.parse({"x": "half", "y": "half"}),
    size_m=(0.15, 0.30),
    rests=("standing", "lying"),
    color=(10, 200, 120),
)
HOOK = Category(name="hook", mirror=False, size_m=(0.12, 0.25), rests=("lying",))
OWN = CategorySet((PARCEL, HOOK))


def parcel_mesh(edges_m: tuple[float, float, float] = (0.08, 0.18, 0.12)) -> Mesh:
    """A closed box."""
    shape = box(np.array([edges_m]), rounding=0.004).centred()
    return Mesh("parcel", "parcel", True, shape.vertices[0], shape.faces, shape.closed)


def hook_mesh(reach_m: float = 0.08) -> Mesh:
    """A bar along y with a bar along +x at its top and one along +z at that one's end."""
    parts = [
        box(np.array([[0.02, 0.16, 0.02]])),
        box(np.array([[reach_m, 0.02, 0.02]])).moved(np.array([[reach_m / 2, 0.07, 0.0]])),
        box(np.array([[0.02, 0.02, 0.05]])).moved(np.array([[reach_m, 0.07, 0.025]])),
    ]
    shape = merge(*parts).centred()
    return Mesh("hook", "hook", True, shape.vertices[0], shape.faces, closed=False)


def own_library(*, deformed: bool = False) -> ShapeLibrary:
    """Both categories, of one mesh each."""
    meshes = (parcel_mesh(), hook_mesh())
    return ShapeLibrary(OWN, meshes) if deformed else held_out_library(OWN, meshes)


def own_weights(file: Path) -> Path:
    """Write weights that have learnt nothing, but know both categories and carry their meshes."""
    model = LightPoseModel(LightConfig(8, 8, subset=64, width=16, layers=1, attention_heads=2))
    model.categories = OWN
    save_model(model, file, {}, mesh_attachments([parcel_mesh(), hook_mesh()]))
    return file
