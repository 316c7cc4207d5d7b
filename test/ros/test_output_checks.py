# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.output_checks import check_estimate, publishable

GARBAGE = [math.nan, math.inf, -math.inf]


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    result = np.array(array, dtype=np.float64)
    result.flat[-2] = value
    return result


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize(
    "name", ["T_cam_obj", "covariance", "size_m", "T_cam_candidates", "points_cam"]
)
def test_an_estimate_with_an_array_that_is_not_finite_is_refused(ros, name, value):
    estimate = ros.estimate(7)
    bad = ros.estimate(7, **{name: spoiled(getattr(estimate, name), value)})
    rejection = check_estimate(bad, 10.0)
    assert (rejection.reason, rejection.instance_id) == (Reason.NOT_FINITE, 7)


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize(
    "name", ["score", "detection_score", "energy_rotation", "energy_translation"]
)
def test_an_estimate_with_a_number_that_is_not_finite_is_refused(ros, name, value):
    assert check_estimate(ros.estimate(**{name: value}), 10.0).reason is Reason.NOT_FINITE


def test_an_estimate_with_a_mode_share_that_is_not_finite_is_refused(ros):
    rejection = check_estimate(ros.estimate(8, mode_shares=(0.5, math.nan)), 10.0)
    assert (rejection.reason, rejection.instance_id) == (Reason.NOT_FINITE, 8)
    assert rejection.detail == "mode shares of the mug is not finite"


def test_an_estimate_without_energies_passes(ros):
    estimate = ros.estimate(energy_rotation=None, energy_translation=None)
    assert check_estimate(estimate, 10.0) is None


@pytest.mark.parametrize("far", [10.01, -1e6, 1e300])
def test_an_estimate_outside_of_the_workspace_is_refused(ros, far):
    T_cam_obj = np.eye(4)
    T_cam_obj[1, 3] = far
    rejection = check_estimate(ros.estimate(6, T_cam_obj=T_cam_obj), 10.0)
    assert (rejection.reason, rejection.instance_id) == (Reason.OUTSIDE_WORKSPACE, 6)
    assert f"{abs(far):.3g} m away, expected at most 10 m" in rejection.detail


@pytest.mark.parametrize(("along_each_axis_m", "inside"), [(5.77, True), (5.78, False)])
def test_the_workspace_is_a_ball(ros, along_each_axis_m, inside):
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, 3] = along_each_axis_m
    assert (check_estimate(ros.estimate(T_cam_obj=T_cam_obj), 10.0) is None) == inside


def test_an_estimate_whose_orientation_is_no_rotation_is_refused(ros):
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, :3] *= 1.01
    rejection = check_estimate(ros.estimate(4, T_cam_obj=T_cam_obj), 10.0)
    assert (rejection.reason, rejection.instance_id) == (Reason.NOT_FINITE, 4)
    assert rejection.detail == "orientation of the mug is no rotation"


def test_estimates_that_pass_stay_in_order(ros):
    estimates = [ros.estimate(1), ros.estimate(2, score=math.nan), ros.estimate(3)]
    kept, rejections = publishable(estimates, 10.0)
    assert [e.instance_id for e in kept] == [1, 3]
    assert [(r.reason, r.instance_id) for r in rejections] == [(Reason.NOT_FINITE, 2)]
