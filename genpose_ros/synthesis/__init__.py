# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic objects, views and sensors: training clouds and table scenes."""

from genpose_ros.synthesis.clouds import (
    TRAINING_SURROUNDINGS,
    CloudBatch,
    Surroundings,
    make_clouds,
)
from genpose_ros.synthesis.domains import D435, DOMAINS, WIDE, Domain
from genpose_ros.synthesis.library import (
    NOCS_LIBRARY,
    ShapeLibrary,
    held_out_library,
    library_of,
    mesh_attachments,
)
from genpose_ros.synthesis.meshes import Mesh, deform, load_meshes
from genpose_ros.synthesis.shapes import make_shapes
from genpose_ros.synthesis.shards import (
    SetRecipe,
    read_shard,
    set_categories,
    shard_paths,
    write_set,
)
from genpose_ros.synthesis.views import STANCES, Views, sample_views

__all__ = [
    "D435",
    "DOMAINS",
    "NOCS_LIBRARY",
    "STANCES",
    "TRAINING_SURROUNDINGS",
    "WIDE",
    "CloudBatch",
    "Domain",
    "Mesh",
    "SetRecipe",
    "ShapeLibrary",
    "Surroundings",
    "Views",
    "deform",
    "held_out_library",
    "library_of",
    "load_meshes",
    "make_clouds",
    "make_shapes",
    "mesh_attachments",
    "read_shard",
    "sample_views",
    "set_categories",
    "shard_paths",
    "write_set",
]
