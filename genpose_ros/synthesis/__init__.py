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
from genpose_ros.synthesis.meshes import Mesh, deform, load_meshes
from genpose_ros.synthesis.shapes import make_shapes
from genpose_ros.synthesis.shards import SetRecipe, read_shard, shard_paths, write_set
from genpose_ros.synthesis.views import STANCES, Views, sample_views

__all__ = [
    "D435",
    "DOMAINS",
    "STANCES",
    "TRAINING_SURROUNDINGS",
    "WIDE",
    "CloudBatch",
    "Domain",
    "Mesh",
    "SetRecipe",
    "Surroundings",
    "Views",
    "deform",
    "load_meshes",
    "make_clouds",
    "make_shapes",
    "read_shard",
    "sample_views",
    "shard_paths",
    "write_set",
]
