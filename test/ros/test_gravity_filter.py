# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the direction against gravity that an IMU's samples tell."""

import math
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.ros.gravity_filter import GravityFilter, ImuSample

MS = 1_000_000
#: An optical frame that looks 40 degrees down.
UP = np.array([0.0, -math.cos(math.radians(40)), -math.sin(math.radians(40))])


def angle_deg(a, b):
    return math.degrees(math.acos(np.clip(np.dot(a, b), -1, 1)))


def fed(samples):
    gravity = GravityFilter()
    for sample in samples:
        gravity.add(sample)
    return gravity


def at_rest(count=200, noise=0.1, start_ns=0, **others):
    rng = np.random.default_rng(0)
    return [
        ImuSample(start_ns + 5 * MS * i, 9.81 * UP + rng.normal(0, noise, 3), **others)
        for i in range(count)
    ]


def test_an_accelerometer_at_rest_points_up():
    up = fed(at_rest()).up_at(199 * 5 * MS)
    assert angle_deg(up.direction_cam, UP) < 0.5
    assert (up.source, up.level_m) == ("imu", None)
    assert math.radians(1) <= up.sigma_rad < math.radians(1.5)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1 / 9.81, "1.00 m/s.2.*units of g"), (0.0, "0.00 m/s.2"), (1.5, "14.7.* expected near 9.81")],
)
def test_what_is_not_gravity_is_refused_with_the_number(factor, words):
    samples = [ImuSample(5 * MS * i, factor * 9.81 * UP) for i in range(100)]
    problem = fed(samples).up_at(99 * 5 * MS)
    assert re.search(words, problem)


def test_a_camera_that_turns_is_followed_without_lag_by_its_rate():
    rate = np.array([0.0, 0.0, 0.8])  # about the optical axis
    samples, true = [], UP
    for i in range(400):
        true = Rotation.from_rotvec(-rate * 0.005 * i).apply(UP)  # a still vector turns back
        samples.append(ImuSample(5 * MS * i, 9.81 * true, rate))
    assert angle_deg(fed(samples).up_at(399 * 5 * MS).direction_cam, true) < 0.3
    without = fed([ImuSample(s.stamp_ns, s.acceleration) for s in samples])
    assert angle_deg(without.up_at(399 * 5 * MS).direction_cam, true) > 5


def test_a_camera_that_turns_fast_tells_nothing():
    problem = fed(at_rest(rate=np.array([3.0, 0, 0]), noise=0)).up_at(50 * 5 * MS)
    assert "rad/s" in problem
    assert "at most 1.5" in problem


def test_a_camera_that_shakes_is_less_sure():
    shaken, still = (fed(at_rest(noise=noise)).up_at(199 * 5 * MS) for noise in (3.0, 0.05))
    assert isinstance(shaken, str) or shaken.sigma_rad > 1.5 * still.sigma_rad


def test_an_orientation_is_taken_unless_the_acceleration_contradicts_it():
    near = Rotation.from_euler("x", 4, degrees=True).apply(UP)
    far = Rotation.from_euler("x", 40, degrees=True).apply(UP)
    taken = fed(at_rest(up=near, up_sigma_rad=0.01)).up_at(199 * 5 * MS)
    assert np.array_equal(taken.direction_cam, near)
    assert taken.sigma_rad == 0.01
    refused = fed(at_rest(up=far)).up_at(199 * 5 * MS)
    assert angle_deg(refused.direction_cam, UP) < 0.5


def test_an_orientation_goes_on_while_the_camera_is_shaken():
    shaken = [ImuSample(5 * MS * i, 20 * UP, None, UP) for i in range(200, 300)]
    assert np.array_equal(fed([*at_rest(up=UP), *shaken]).up_at(299 * 5 * MS).direction_cam, UP)


def test_an_orientation_alone_is_enough():
    gravity = fed([ImuSample(MS, up=UP)])
    assert np.array_equal(gravity.up_at(2 * MS).direction_cam, UP)


def test_an_image_gets_the_direction_of_its_stamp_or_the_gap():
    turned = Rotation.from_euler("z", 90, degrees=True).apply(UP)
    later = [ImuSample((1000 + 5 * i) * MS, 9.81 * turned) for i in range(600)]
    gravity = fed([*at_rest(noise=0), *later])
    assert angle_deg(gravity.up_at(990 * MS).direction_cam, UP) < 0.1
    assert angle_deg(gravity.up_at(3990 * MS).direction_cam, turned) < 0.1
    assert "1.00 s from the image's stamp" in gravity.up_at((3995 + 1000) * MS)
    assert "nothing was heard" in GravityFilter().up_at(0)


def test_a_clock_that_was_set_back_and_a_long_gap_begin_anew():
    for start_ns in (0, 60_000 * MS):
        gravity = fed([*at_rest(start_ns=30_000 * MS), *at_rest(3, start_ns=start_ns)])
        assert gravity.up_at(start_ns + 10 * MS) == "the IMU has just begun"


def test_a_sample_that_comes_late_changes_nothing():
    gravity = fed([*at_rest(), ImuSample(990 * MS, -9.81 * UP)])
    assert angle_deg(gravity.up_at(995 * MS).direction_cam, UP) < 0.5


def test_samples_are_not_kept_for_ever():
    gravity = fed(ImuSample(MS * i // 2, 9.81 * UP) for i in range(20_000))
    assert len(gravity._entries) == 1000
