# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of finished estimates: which number is not finite, and how far away they may be."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import ObjectEstimate, Reason
from genpose_ros.estimation.checks import (
    check_finite,
    check_size,
    check_workspace,
    distance_to_camera_m,
    is_unusual_size,
)


@pytest.fixture
def estimate() -> ObjectEstimate:
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, 3] = 2.0, 3.0, 6.0
    return ObjectEstimate(
        instance_id=5,
        category="can",
        T_cam_obj=T_cam_obj,
        covariance=np.eye(6),
        score=0.5,
        score_axis=0.5,
        energy_rotation=1.0,
        energy_translation=2.0,
        size_m=np.full(3, 0.1),
        n_points=100,
        mode_shares=(1.0,),
        T_cam_candidates=T_cam_obj[None],
        points_cam=np.ones((8, 3), np.float32),
    )


def test_the_distance_is_euclidean_and_not_the_largest_coordinate(estimate):
    assert distance_to_camera_m(estimate.T_cam_obj) == pytest.approx(7.0)
    assert distance_to_camera_m(1e300 * estimate.T_cam_obj) == pytest.approx(7e300)


def test_an_object_at_the_workspaces_border_is_inside_and_one_beyond_is_not(estimate):
    assert check_workspace(estimate, 7.0) is None
    rejection = check_workspace(estimate, 6.9)
    assert rejection.reason is Reason.OUTSIDE_WORKSPACE
    assert rejection.instance_id == 5
    assert rejection.detail == "the can is 7 m away, expected at most 6.9 m"


def test_a_diagonal_is_taken_up_to_the_factor_beyond_the_categorys_sizes(estimate):
    diagonal_m = 0.1 * 3**0.5
    for limits_m, factor, refused in (
        ((0.08, 0.18), 1.0, False),
        ((0.01, diagonal_m / 2 + 1e-6), 2.0, False),
        ((0.01, diagonal_m / 2 - 1e-6), 2.0, True),
        ((2 * diagonal_m - 1e-6, 1.0), 2.0, False),
        ((2 * diagonal_m + 1e-6, 1.0), 2.0, True),
        ((5.0, 9.0), 0.0, False),
    ):
        rejection = check_size(estimate, limits_m, factor)
        assert (rejection is not None) is refused
        assert rejection is None or rejection.reason is Reason.IMPLAUSIBLE_SIZE


def test_a_diagonal_three_tenths_beyond_the_categorys_sizes_is_unusual(estimate):
    diagonal_m = 0.1 * 3**0.5
    for limits_m, unusual in (
        ((0.1, diagonal_m / 1.29), False),
        ((0.1, diagonal_m / 1.31), True),
        ((1.29 * diagonal_m, 1.0), False),
        ((1.31 * diagonal_m, 1.0), True),
    ):
        assert is_unusual_size(estimate, limits_m) is unusual


def test_finite_numbers_pass_with_and_without_energies(estimate):
    assert check_finite(estimate) is None
    assert check_finite(replace(estimate, energy_rotation=None, energy_translation=None)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ("T_cam_obj", "pose"),
        ("covariance", "covariance"),
        ("size_m", "size"),
        ("score", "score"),
        ("score_axis", "score of the axis"),
        ("detection_score", "detection score"),
        ("energy_rotation", "energy"),
        ("energy_translation", "energy"),
        ("mode_shares", "mode shares"),
        ("T_cam_candidates", "candidates"),
        ("points_cam", "points"),
    ],
)
def test_the_number_that_is_not_finite_is_named(estimate, changed, name, bad):
    value = getattr(estimate, changed)
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flat[-1] = bad
    else:
        value = (1.0, bad) if isinstance(value, tuple) else bad
    rejection = check_finite(replace(estimate, **{changed: value}))
    assert rejection.reason is Reason.NOT_FINITE
    assert rejection.detail == f"{name} of the can is not finite"
    assert rejection.instance_id == 5
