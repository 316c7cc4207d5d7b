# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded frames in the view, estimated as they are looked at."""

import pytest
from fake_estimator import FakeEstimator

from genpose_ros.datasets import find_frames
from genpose_ros.estimation import EstimatorSettings
from genpose_ros.view.folders import FolderFrames, adjustable


@pytest.fixture
def made():
    """The estimators that were made, the first one to begin with."""
    return [FakeEstimator(EstimatorSettings())]


@pytest.fixture
def frames(simulated_frames, made):
    def make(_old, settings):
        made.append(FakeEstimator(settings))
        return made[-1]

    return FolderFrames(find_frames(simulated_frames), made[0], make)


def test_a_frame_is_estimated_once_with_its_objects_cloud_and_picture(frames, made):
    assert len(frames) == 2
    frame = frames[1]
    assert frames[1] is frame
    assert made[0].n_frames == 1
    assert frame.name == "table_2"
    assert len({item.name for item in frame.objects}) == len(frame.objects) == 7
    assert 4000 < len(frame.cloud.points) <= 18_000
    assert frame.image.pixels.shape == (240, 320, 3)


def test_a_changed_setting_estimates_anew_and_a_wrong_value_changes_nothing(frames, made):
    assert frames.change("sampling.steps", 4) == ""
    _ = frames[0]
    assert [e.n_frames for e in made] == [0, 1]
    assert made[1].settings.steps == 4
    assert "steps must lie in [1, 1000]" in frames.change("sampling.steps", 0)
    assert "no setting" in frames.change("sampling.hops", 1)
    assert len(made) == 2


def test_slices_are_lists_of_frames(frames):
    assert [frame.name for frame in frames[:5]] == ["table_0", "table_2"]


def test_what_can_be_adjusted_is_what_may_change_while_a_node_runs():
    found = {item.name: item for item in adjustable(EstimatorSettings())}
    assert "weights" not in found
    assert "device" not in found
    steps = found["sampling.steps"]
    assert (steps.value, steps.low, steps.high, steps.group) == (4, 1, 1000, "sampling")
    assert {"euler", "rk45"} <= set(found["sampling.sampler"].choices)
