# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import fields

import pytest

from genpose_ros.cli.setting_changes import estimator_changes, tracker_changes
from genpose_ros.estimation import EstimatorSettings
from genpose_ros.settings import parameter_name
from genpose_ros.tracking import TrackerSettings


def test_values_take_the_type_of_their_setting():
    changes = ["candidates=9", "start_sigma=2", "sampler=rk45"]
    assert estimator_changes(changes) == {"candidates": 9, "start_sigma": 2.0, "sampler": "rk45"}
    assert tracker_changes(["smoothing=true", "steps=3"]) == {"smoothing": True, "steps": 3}


def test_a_setting_may_have_the_name_of_its_ros_parameter():
    for item in fields(EstimatorSettings):
        change = f"{parameter_name(item)}={item.default}"
        assert estimator_changes([change]) == {item.name: item.default}
    assert tracker_changes(["tracking.max_coast_s=2"]) == {"max_coast_s": 2.0}


def test_no_changes_are_an_empty_dictionary():
    assert estimator_changes(None) == tracker_changes([]) == {}


def test_the_last_of_two_values_counts():
    assert estimator_changes(["steps=1", "steps=2"]) == {"steps": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("steps", "--set expects name=value, got 'steps'"),
        ("steps=many", "--set steps expects int, got 'many'"),
        ("candidate=3", "--set: no setting is called 'candidate'; did you mean candidates?"),
        ("looks=2", "--set: no setting is called 'looks'; it is called tta_views now"),
        (
            "sampling.looks=2",
            "--set: no setting is called 'sampling.looks'; it is called tta_views",
        ),
        ("colour=red", "--set: no setting is called 'colour'; there are weights, energy_weights"),
        ("=3", "--set: no setting is called ''; there are weights, energy_weights"),
    ],
)
def test_a_wrong_change_of_the_estimator_is_refused_with_the_name_that_was_meant(change, message):
    with pytest.raises(ValueError, match="--set") as refused:
        estimator_changes([change])
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("smoothing=perhaps", "--tracker smoothing expects true or false, got 'perhaps'"),
        ("late_s=0.2", "no setting is called 'late_s'; it is called delayed_mask_horizon_s now"),
        ("tracking.late_s=0", "'late_s'; it is called delayed_mask_horizon_s now"),
        ("max_jump=1", "no setting is called 'max_jump'; did you mean max_jump_m?"),
    ],
)
def test_a_wrong_change_of_the_tracker_is_refused_with_the_name_that_was_meant(change, message):
    with pytest.raises(ValueError, match="--tracker") as refused:
        tracker_changes([change])
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [(EstimatorSettings, estimator_changes), (TrackerSettings, tracker_changes)],
)
def test_the_earlier_name_of_a_setting_is_refused_with_the_present_one(settings, changes):
    renamed = {old: f.name for f in fields(settings) for old in f.metadata["formerly"]}
    assert "looks" in renamed
    for old, new in renamed.items():
        with pytest.raises(ValueError, match=f"'{old}'; it is called {new} now"):
            changes([f"{old}=1"])
