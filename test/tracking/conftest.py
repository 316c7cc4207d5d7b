"""A simulated scene and trackers of its objects, as fixtures."""

import pytest
from tracked_scene import Stage, StageModel

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.tracking import Tracker, TrackerSettings


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def tracker(stage):
    """Makes a tracker of the stage's objects; keyword arguments are its settings."""

    def make(**changes) -> Tracker:
        settings = EstimatorSettings(candidates=20, steps=6, points=64, min_points=30)
        return Tracker(PoseEstimator(StageModel(stage), settings), TrackerSettings(**changes))

    return make
