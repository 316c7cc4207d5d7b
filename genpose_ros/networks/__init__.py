# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Networks: point encoders, score and energy networks, and their checkpoints."""

from genpose_ros.networks.checkpoints import (
    convert_reference_checkpoint,
    default_weights,
    describe_checkpoint,
    load_categories,
    load_model,
    save_model,
)
from genpose_ros.networks.devices import prefers_bf16, torch_device, usable_cores
from genpose_ros.networks.interface import Encoding, PoseModel
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.networks.model_set import (
    ModelSet,
    absolute_weights,
    checkpoint_files,
    known_categories,
)
from genpose_ros.networks.pointnet2 import MultiScaleEncoder
from genpose_ros.networks.reference import (
    ReferenceEnergyNetwork,
    ReferencePoseModel,
    ReferenceScoreNetwork,
)

__all__ = [
    "Encoding",
    "LightConfig",
    "LightPoseModel",
    "ModelSet",
    "MultiScaleEncoder",
    "PoseModel",
    "ReferenceEnergyNetwork",
    "ReferencePoseModel",
    "ReferenceScoreNetwork",
    "absolute_weights",
    "checkpoint_files",
    "convert_reference_checkpoint",
    "default_weights",
    "describe_checkpoint",
    "known_categories",
    "load_categories",
    "load_model",
    "prefers_bf16",
    "save_model",
    "torch_device",
    "usable_cores",
]
