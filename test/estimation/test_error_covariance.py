# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Covariance of a pose's error: what is added to the spread, and where it ends."""

import math
from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation.error_covariance import error_covariances
from genpose_ros.estimation.evidence import EVIDENCE
from genpose_ros.estimation.result import ObjectEstimate

GAIN = 2.9


def error_covariance(estimate, *, tracked=False):
    (covariance,) = error_covariances([estimate], tracked=tracked)
    return covariance


def estimate(
    centre=(0.6, 0.0, 0.8), *, angle_deg=0.0, tilt_deg=0.0, spread=None, size_m=(0.2, 0.0, 0.0)
) -> ObjectEstimate:
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, 3] = centre
    evidence = dict.fromkeys(EVIDENCE, 0.0)
    evidence["log_angle_deg"] = math.log1p(angle_deg)
    evidence["log_tilt_deg"] = math.log1p(tilt_deg)
    return ObjectEstimate(
        instance_id=1, category="mug", T_cam_obj=T_cam_obj,
        covariance=np.zeros((6, 6)) if spread is None else spread,
        score=0.9, score_axis=0.9, energy_rotation=None, energy_translation=None,
        size_m=np.array(size_m), n_points=900, mode_shares=(1.0,),
        T_cam_candidates=T_cam_obj[None], points_cam=np.zeros((1, 3), np.float32),
        evidence=tuple(evidence.values()),
    )  # fmt: skip


def test_the_shared_error_grows_with_the_distance_and_lies_along_the_line_of_sight():
    added = error_covariance(estimate(), tracked=True)
    sight, across = np.array([0.6, 0, 0.8]), np.array([0.8, 0, -0.6])
    assert sight @ added[:3, :3] @ sight == pytest.approx(0.00125**2)
    assert across @ added[:3, :3] @ across == pytest.approx(0.00042**2)
    np.testing.assert_allclose(added[3:, 3:], np.deg2rad(0.225) ** 2 * np.eye(3))
    np.testing.assert_array_equal(added[:3, 3:], 0.0)
    farther = error_covariance(estimate((1.2, 0.0, 1.6)), tracked=True)
    np.testing.assert_allclose(farther[:3, :3], 4 * added[:3, :3])
    np.testing.assert_allclose(farther[3:, 3:], 2 * added[3:, 3:])


@pytest.mark.parametrize("tracked", [False, True])
def test_candidates_that_disagree_share_larger_errors(tracked):
    calm = error_covariance(estimate(), tracked=tracked)
    apart = error_covariance(estimate(angle_deg=9.0, tilt_deg=3.0), tracked=tracked)
    np.testing.assert_allclose(apart[:3, :3], 100 * calm[:3, :3])
    np.testing.assert_allclose(apart[3:, 3:], 4**3.5 * calm[3:, 3:])


def test_it_is_added_to_the_spread_which_says_too_little():
    spread = np.diag([1.0, 2, 3, 0.1, 0.2, 0.3])
    added = error_covariance(estimate(spread=spread)) - error_covariance(estimate())
    np.testing.assert_allclose(added, GAIN * spread)


def test_what_the_calibration_has_measured_comes_on_top_of_candidates_from_nothing():
    spread = np.eye(6) * 1e-4 + 1e-5
    plain = estimate(angle_deg=2.0, tilt_deg=1.0, spread=spread)
    inflated = replace(plain, error_factors=(4.0, 9.0))
    factors = np.block([[np.full((3, 3), 4.0), np.full((3, 3), 6.0)]] * 2)
    factors[3:, :3], factors[3:, 3:] = 6.0, 9.0
    np.testing.assert_allclose(error_covariance(inflated), factors * error_covariance(plain))
    tracks = [error_covariance(each, tracked=True) for each in (plain, inflated)]
    np.testing.assert_array_equal(*tracks)


def test_an_inflated_covariance_leaves_a_free_angle_uniform():
    spread = np.diag([1e-6] * 3 + [1e-4, math.pi**2 / 3, 1e-4])
    covariance = error_covariance(replace(estimate(spread=spread), error_factors=(4.0, 9.0)))
    assert covariance[4, 4] == pytest.approx(math.pi**2 / 3)
    assert covariance[3, 3] == pytest.approx(9 * (GAIN * 1e-4 + np.deg2rad(0.035) ** 2))


def test_small_objects_turn_more_than_large_ones():
    small, large = (
        error_covariance(estimate(size_m=(edge, 0.0, 0.0)))[3, 3] for edge in (0.05, 0.2)
    )
    assert small == pytest.approx(4 * large)


@pytest.mark.parametrize("tilt_deg", [0.0, 90.0, 179.0])
def test_an_angle_that_is_not_known_at_all_is_uniform_and_no_more(tilt_deg):
    spread = np.diag([1e-6, 1e-6, 1e-6, 1e-4, math.pi**2 / 3, 1e-4])
    covariance = error_covariance(estimate(spread=spread, tilt_deg=tilt_deg))
    assert covariance[4, 4] == pytest.approx(math.pi**2 / 3)
    assert 1e-4 < covariance[3, 3] <= GAIN * 1e-4 + math.pi**2 / 3
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_estimates_without_evidence_have_the_error_of_candidates_that_agree():
    bare = replace(estimate(angle_deg=50.0, tilt_deg=50.0), evidence=())
    np.testing.assert_array_equal(error_covariance(bare), error_covariance(estimate()))


def test_covariances_of_several_estimates_are_those_of_each():
    free = np.diag([1e-6] * 3 + [1e-4, math.pi**2 / 3, 1e-4])
    each = [
        estimate(),
        estimate((0.1, 0.2, 0.9), angle_deg=4.0, tilt_deg=2.0, spread=1e-5 * np.eye(6)),
        estimate(spread=free, size_m=(0.05, 0.1, 0.05)),
    ]
    for tracked in (False, True):
        found = error_covariances(each, tracked=tracked)
        expected = [error_covariance(one, tracked=tracked) for one in each]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-18)
    assert error_covariances([]).shape == (0, 6, 6)
