# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Views, a small network that has learnt nothing, and candidates of known errors."""

import numpy as np
import pytest
import torch

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation import synthetic_views
from genpose_ros.evaluation.studies import ViewCandidates, ViewTruth
from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.geometry.rotations import so3_exp
from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.synthesis import CloudBatch

SMALL = LightConfig(
    patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2, head_width=16
)


@pytest.fixture(scope="session")
def views():
    return synthetic_views(64, seed=5)


@pytest.fixture(scope="session")
def estimator():
    torch.manual_seed(0)
    model = LightPoseModel(SMALL)
    for head in (model.score_head, model.energy_head):
        torch.nn.init.normal_(head.leave.weight, std=0.3)
    return PoseEstimator(model, EstimatorSettings(candidates=12, steps=3, size_factor=0.0))


@pytest.fixture
def known():
    """Makes candidates of a category, all upright, of given degrees about x and centimetres."""

    def make(category, degrees, centimetres, energy=None, symmetric=None):
        degrees, centimetres = np.atleast_2d(degrees), np.atleast_2d(centimetres)
        n, count = degrees.shape
        batch = CloudBatch(
            points_cam=np.zeros((n, 8, 3), np.float32),
            rotation=np.tile(np.eye(3, dtype=np.float32), (n, 1, 1)),
            translation=np.tile(np.array([0, 0, 1], np.float32), (n, 1)),
            size_m=np.full((n, 3), 0.1, np.float32),
            category=np.full(n, CATEGORIES.index(category)),
            stance=np.arange(n) % 2,  # the first stands, the second lies and so on
            up=np.tile(np.array([0, -1, 0], np.float32), (n, 1)),
            level_m=np.zeros(n, np.float32),
        )
        vector = torch.zeros(n, count, 3, dtype=torch.float64)
        vector[..., 0] = torch.from_numpy(np.radians(degrees))
        translation = torch.zeros(n, count, 3, dtype=torch.float64)
        translation[..., 0] = torch.from_numpy(centimetres / 100)
        translation[..., 2] = 1
        free = np.zeros(n, bool) if symmetric is None else np.asarray(symmetric)
        return ViewCandidates(
            truth=ViewTruth(batch, free),
            rotation=so3_exp(vector),
            translation=translation,
            finite=torch.ones(n, count, dtype=torch.bool),
            energy=None if energy is None else torch.as_tensor(energy),
            features=np.zeros((n, 4), np.float32),
            size_m=None,
            keep_fraction=0.6,
        )

    return make
