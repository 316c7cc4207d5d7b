# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A simulated scene and trackers of its objects, as fixtures."""

import pytest
from tracked_scene import Scene, SceneModel

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.tracking import Tracker, TrackerSettings


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def tracker(scene):
    """Makes a tracker of the scene's objects; keyword arguments are its settings."""

    def make(**changes) -> Tracker:
        settings = EstimatorSettings(candidates=20, steps=6, points=64, min_points=30)
        return Tracker(PoseEstimator(SceneModel(scene), settings), TrackerSettings(**changes))

    return make
