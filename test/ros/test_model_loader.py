# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import gc
import hashlib
import weakref
from dataclasses import replace

import pytest
import torch

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry import Category, CategorySet
from genpose_ros.networks.checkpoints import save_model
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.ros.model_loader import CheckpointFile, ModelLoader


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> EstimatorSettings:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    save_model(LightPoseModel(), path, {"training_data": "none"})
    return EstimatorSettings(weights=str(path), device="cpu")


def test_the_network_is_loaded_once_and_shared(settings):
    load = ModelLoader()
    first, second = load(settings), load(replace(settings, steps=3))
    assert second.model is first.model
    assert (first.settings.steps, second.settings.steps) == (4, 3)


def test_networks_that_were_freed_are_gone_and_can_be_loaded_again(settings):
    load = ModelLoader()
    network = weakref.ref(load(settings).model)
    load.free()
    gc.collect()
    assert network() is None
    assert (load.about, load.checkpoints) == ({}, {})
    load(settings)
    assert load.about["device"] == "cpu"


def test_each_category_is_told_with_the_checkpoint_that_estimates_it(settings, tmp_path):
    other = tmp_path / "drill.safetensors"
    model = LightPoseModel()
    model.categories = CategorySet((Category(name="drill"),))
    save_model(model, other, {})
    load = ModelLoader()
    estimator = load(replace(settings, weights=f"{settings.weights},{other}"))
    assert estimator.categories.names[-2:] == ("mug", "drill")
    assert load.about["checkpoint"] == "mine.safetensors, drill.safetensors"
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    assert load.checkpoints["drill"] == CheckpointFile("drill.safetensors", digest)
    assert load.checkpoints["mug"].name == "mine.safetensors"
    assert load(replace(settings, steps=3)).models is estimator.models


def test_diagnostics_get_the_device_the_name_of_the_checkpoint_and_its_hash(settings):
    load = ModelLoader()
    assert load.about == {}
    load(settings)
    with open(settings.weights, "rb") as file:  # noqa: PTH123
        digest = hashlib.sha256(file.read()).hexdigest()
    assert load.about == {
        "device": "cpu",
        "architecture": LightPoseModel.architecture,
        "categories": "bottle, bowl, camera, can, laptop, mug",
        "checkpoint": "mine.safetensors",
        "checkpoint SHA-256": digest,
    }
