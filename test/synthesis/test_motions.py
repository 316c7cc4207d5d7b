# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Motions: as fast as they are said to be, and smooth."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.synthesis.motions import carry, eased, look_at, poses, rates, survey, sweep, wander

TIMES_S = np.arange(200) / 30


def root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def test_rates_of_a_known_motion_are_exact():
    turn = Rotation.from_euler("z", 45 * TIMES_S[:, None], degrees=True).as_matrix()
    way = np.stack([0.2 * TIMES_S, 0 * TIMES_S, 0 * TIMES_S], -1)
    speed, turning = rates(poses(turn, way), TIMES_S)
    np.testing.assert_allclose(speed, 0.2)
    np.testing.assert_allclose(turning, 45.0)


def test_camera_looks_at_its_target():
    T = look_at(np.array([0.3, 0.8, 1.0]), np.array([0.1, 0.0, -0.2]))
    target_cam = np.linalg.inv(T) @ [0.1, 0.0, -0.2, 1]
    np.testing.assert_allclose(target_cam[:2], 0, atol=1e-12)
    assert target_cam[2] > 0
    # y is down in the image, and level when there is no roll.
    assert (T[:3, :3].T @ [0, 1, 0])[1] < 0
    assert (T[:3, :3].T @ [0, 1, 0])[0] == pytest.approx(0)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_eased_motions_gather_speed_evenly_from_rest_to_rest():
    at = eased(TIMES_S, 0.5)
    pace = np.diff(at) * 30
    np.testing.assert_allclose(pace[15:-15], 1.0)
    np.testing.assert_allclose(np.diff(pace[:15]), 1 / 15)
    np.testing.assert_allclose(pace, pace[::-1])
    assert at[0] == 0
    assert pace[0] == pytest.approx(1 / 30)
    # Half of the path at either end is lost; with no time for more, half of all.
    assert at[-1] == pytest.approx(TIMES_S[-1] - 0.5)
    assert eased(TIMES_S, 100.0)[-1] == pytest.approx(TIMES_S[-1] / 2)
    np.testing.assert_array_equal(eased(TIMES_S, 0.0), TIMES_S)


@pytest.mark.parametrize("speed", [0.05, 0.4, 1.0])
def test_wander_has_its_speed_and_stays_near(speed):
    half_range = np.array([0.09, 0.07, 0.1])
    way = wander(TIMES_S, half_range, speed, np.random.default_rng(0))
    measured = np.linalg.norm(np.diff(way, axis=0), axis=1) * 30
    assert root_mean_square(measured) == pytest.approx(speed, rel=0.1)
    # Splines overshoot their knots a little.
    assert (np.abs(way) < 1.5 * half_range).all()


def test_wander_refuses_a_speed_that_its_range_does_not_allow():
    with pytest.raises(ValueError, match="turns"):
        wander(TIMES_S, np.array([0.001]), 5.0, np.random.default_rng(0))


@pytest.mark.parametrize(("speed", "rate"), [(0.1, 30.0), (0.4, 100.0)])
def test_carried_objects_have_the_given_speed_and_stay_upright(speed, rate):
    T = carry(TIMES_S, np.array([0.09, 0.07, 0.1]), speed, rate, np.random.default_rng(1))
    speeds, turning = rates(T, TIMES_S)
    assert root_mean_square(speeds) == pytest.approx(speed, rel=0.1)
    # Tilt and yaw add up only about.
    assert root_mean_square(turning) == pytest.approx(rate, rel=0.3)
    assert np.degrees(np.arccos(T[:, 1, 1])).max() < 45


def test_a_sweep_moves_the_camera_at_the_given_speed():
    T_fixed_cam = look_at(np.array([0.0, 0.7, 0.7]), np.zeros(3))
    T = sweep(T_fixed_cam, TIMES_S, 0.3, 60.0, np.random.default_rng(2))
    speeds, turning = rates(T, TIMES_S)
    np.testing.assert_allclose(speeds, 0.3, rtol=0.01)
    assert root_mean_square(turning) == pytest.approx(60, rel=0.1)
    # The table's middle stays in sight.
    middle = np.linalg.inv(T) @ [0, 0, 0, 1]
    assert (np.abs(middle[:, 0] / middle[:, 2]) < 0.4).all()


def test_a_camera_on_an_arm_moves_almost_evenly_and_keeps_its_target_in_the_middle():
    target = np.array([0.1, 0.0, 0.0])
    T = survey(np.array([0.0, 0.6, 0.6]), target, TIMES_S, 0.3, 60.0)
    speeds, turning = rates(T, TIMES_S)
    assert root_mean_square(speeds) == pytest.approx(0.3, rel=0.05)
    assert 50 < root_mean_square(turning) < 70
    middle = np.linalg.inv(T) @ [*target, 1]
    np.testing.assert_allclose(middle[:, :2], 0, atol=1e-9)
    # Half way between poses 0.2 s apart it is off the straight line by a (0.2 s)^2 / 8.
    steps = round(0.2 / (TIMES_S[1] - TIMES_S[0]))
    steps += steps % 2
    where = T[:, :3, 3]
    between = (where[:-steps] + where[steps:]) / 2 - where[steps // 2 : -steps // 2]
    assert np.linalg.norm(between, axis=1).max() < 0.004


@pytest.mark.parametrize("make", ["carry", "sweep"])
def test_speeds_of_motions_change_gradually(make):
    rng = np.random.default_rng(5)
    if make == "carry":
        T = carry(TIMES_S, np.array([0.09, 0.07, 0.1]), 0.4, 100.0, rng)
    else:
        T = sweep(np.eye(4), TIMES_S, 0.3, 60.0, rng)
    speeds, turning = rates(T, TIMES_S)
    assert np.abs(np.diff(speeds)).max() < 0.25
    assert np.abs(np.diff(turning)).max() < 60
