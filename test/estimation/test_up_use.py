# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of what the direction up is used for: the network's condition, the prior, and both."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_models import POSE, MixtureModel

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud, PoseEstimator
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.rotations import so3_exp

#: Up, as the object stands in `POSE`.
UP = POSE[:, 1].numpy()
OVER = POSE @ torch.diag(torch.tensor([1.0, -1.0, -1.0])).double()
SETTINGS = EstimatorSettings(candidates=50, steps=8, points=64, min_points=30, size_factor=0)


class Listening(MixtureModel):
    """Notes what it is told of the direction up."""

    def encode(self, points_cam, *, patches=0, up=None):
        self.told = up
        return super().encode(points_cam, patches=patches)


def model(share, *, takes_up=False, tilt_deg=0.0):
    """An object that stands with a share of the candidates, but for a tilt, else on its head."""
    shares = torch.tensor([share, 1 - share])
    made = Listening(torch.stack((tilted(tilt_deg), OVER)), torch.zeros(2, 3), shares)
    made.uses_up = takes_up
    return made


def tilted(degrees):
    """An object that leans by so much."""
    return so3_exp(math.radians(degrees) * POSE[:, 0]) @ POSE


def cloud(above_m=0.0, **up):
    """A can whose lowest point is that high above its support, and what is known of up."""
    points = np.random.default_rng(0).uniform(-0.04, 0.04, (64, 3)) + np.array([0, 0, 0.8])
    level_m = float(np.partition(points @ UP, 1)[1]) - above_m
    known = UpDirection(UP, **{"level_m": level_m, "source": "tf", **up})
    can = Instance(1, "can", np.ones((1, 1), bool))
    return ObjectCloud(can, points.astype(np.float32), 64, shuffled=True, up_cam=known)


def estimated(made, given, use="both", **changes):
    estimator = PoseEstimator(made, replace(SETTINGS, up_use=use, **changes))
    (estimate,) = estimator.estimate_clouds([given])
    return estimate


def stands(estimate):
    return estimate.T_cam_obj[:3, 1] @ UP > 0.9


def test_an_object_that_touches_its_support_is_turned_and_it_is_told_by_how_much():
    estimate = estimated(model(0.3), cloud())
    assert stands(estimate)
    assert estimate.rests
    assert estimate.up_turn_rad == pytest.approx(math.pi, abs=0.05)


def test_one_that_is_held_is_left_alone():
    estimate = estimated(model(0.3), cloud(above_m=0.06))
    assert not stands(estimate)
    assert not estimate.rests
    assert estimate.up_turn_rad == 0


def test_without_a_level_nothing_rests():
    estimate = estimated(model(0.3), cloud(level_m=None))
    assert (stands(estimate), estimate.rests, estimate.up_turn_rad) == (False, False, 0)


def test_what_stood_already_is_not_turned():
    estimate = estimated(model(0.9), cloud())
    assert stands(estimate)
    assert estimate.up_turn_rad < 0.03


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize(
    ("tilt_deg", "left"), [(5.0, (0.4, 0.6)), (40.0, (0.99, 1.01))], ids=["stands", "leans"]
)
def test_one_that_nearly_stands_settles_and_one_that_leans_does_not(tilt_deg, left, tracked):
    start = np.eye(4)
    start[:3, :3], start[2, 3] = tilted(tilt_deg).numpy(), 0.8
    estimator = PoseEstimator(model(1.0, tilt_deg=tilt_deg), SETTINGS)
    (found,) = estimator.estimate_clouds([cloud()], T_cam_start=start[None] if tracked else None)
    tilt_left_deg = math.degrees(math.acos(found.T_cam_obj[:3, 1] @ UP))
    assert left[0] < tilt_left_deg / tilt_deg < left[1]
    assert math.degrees(found.up_turn_rad) == pytest.approx(tilt_deg - tilt_left_deg, abs=0.6)


@pytest.mark.parametrize(
    ("use", "takes_up", "turned", "told"),
    [
        ("prior", False, True, False),
        ("condition", False, False, False),
        ("both", False, True, False),
        ("prior", True, True, False),
        ("condition", True, False, True),
        ("both", True, True, True),
    ],
)
def test_the_setting_and_the_network_decide_what_the_direction_is_used_for(
    use, takes_up, turned, told
):
    made = model(0.3, takes_up=takes_up)
    assert stands(estimated(made, cloud(), use)) == turned
    assert (made.told is not None) == told


def test_the_network_is_told_the_direction_and_the_level_of_each_object():
    made = model(0.3, takes_up=True)
    bare = replace(cloud(), up_cam=None)
    estimator = PoseEstimator(made, replace(SETTINGS, tta_views=1, up_use="condition"))
    estimator.estimate_clouds([cloud(), cloud(level_m=None), bare])
    np.testing.assert_allclose(made.told.direction, [UP, UP, [0, 0, 0]], atol=1e-6)
    assert made.told.level_m.isnan().tolist() == [False, True, True]


def test_an_object_that_is_followed_keeps_its_pose_whatever_the_prior_says():
    estimator = PoseEstimator(model(0.3), SETTINGS)
    start = np.eye(4)
    start[:3, :3], start[2, 3] = OVER.numpy(), 0.8
    (estimate,) = estimator.estimate_clouds([cloud()], T_cam_start=start[None])
    assert not stands(estimate)
    assert estimate.rests
    assert estimate.up_turn_rad < 0.03
