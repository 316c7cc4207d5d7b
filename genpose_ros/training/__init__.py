# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training of the light and of the reference's networks on synthetic clouds."""

from genpose_ros.training.averaging import average_run
from genpose_ros.training.data import CloudPool
from genpose_ros.training.distillation import distil_run
from genpose_ros.training.recipe import Recipe, load_recipe, parse_changes, recipe_names
from genpose_ros.training.runs import RunResult, averaged_model, train_run
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.trainer import Progress, Training, train

__all__ = [
    "CloudPool",
    "Progress",
    "Recipe",
    "RunResult",
    "Training",
    "TrainingSettings",
    "average_run",
    "averaged_model",
    "distil_run",
    "load_recipe",
    "parse_changes",
    "recipe_names",
    "train",
    "train_run",
]
