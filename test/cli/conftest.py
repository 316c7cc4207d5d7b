# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from genpose_ros.networks import LightPoseModel, save_model


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A light network that has learnt nothing."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_model(LightPoseModel(), path, {})
    return path
