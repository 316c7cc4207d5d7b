# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Motion filter against closed forms, and on paths that are known."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import pose_difference, rotate_covariance
from genpose_ros.tracking.motion import (
    Motion,
    MotionNoise,
    change_frame,
    correct,
    initial_motion,
    predict,
    significant_velocity,
)

NOISE = MotionNoise(1.5, 6.0)
DEVIATION = np.repeat([0.002, 0.01], 3)
STEP_NS = 33_333_333


def pose(x, y, z, rotvec=(0, 0, 0)):
    T = np.eye(4)
    T[:3, 3], T[:3, :3] = (x, y, z), Rotation.from_rotvec(rotvec).as_matrix()
    return T


def predicted(motion, stamp_ns):
    return predict([motion], stamp_ns, NOISE)[0]


def corrected(motion, T, covariance):
    return correct([motion], T[None], covariance[None])[0]


def followed(path, deviation=DEVIATION, seed=None):
    """The filter after poses (T, ...) measured at 30 Hz, with noise if there is a seed."""
    rng = np.random.default_rng(seed)
    motion = None
    for i, T in enumerate(path):
        measured = T.copy()
        if seed is not None:
            error = rng.normal(0, deviation)
            measured[:3, 3] += error[:3]
            measured[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ measured[:3, :3]
        if motion is None:
            motion = initial_motion(0, measured, np.diag(deviation**2))
        else:
            motion = predicted(motion, i * STEP_NS)
            motion = corrected(motion, measured, np.diag(deviation**2))
    return motion


class TestPredict:
    def test_the_velocity_is_nearly_constant_over_a_frame(self):
        motion = initial_motion(0, pose(0, 0, 1), np.eye(6) * 1e-6)
        motion.velocity[:] = [0.3, 0, 0, 0, 1.0, 0]
        after = predicted(motion, STEP_NS)
        dt = STEP_NS / 1e9
        difference = pose_difference(motion.T_fixed_obj, after.T_fixed_obj)
        # Fading with 0.4 s and 0.3 s takes half of dt over that time from the way.
        assert difference[0] == pytest.approx(0.3 * dt * (1 - dt / 0.8), rel=1e-2)
        assert difference[4] == pytest.approx(1.0 * dt * (1 - dt / 0.6), rel=1e-2)

    def test_long_predictions_come_to_rest(self):
        motion = initial_motion(0, pose(0, 0, 1), np.eye(6) * 1e-6)
        motion.velocity[:] = [0.4, 0, 0, 0, 0, 2.0]
        after = predicted(motion, 10**15)
        assert after.T_fixed_obj[0, 3] == pytest.approx(0.4 * 0.4)
        assert pose_difference(motion.T_fixed_obj, after.T_fixed_obj)[5] == pytest.approx(0.6)
        assert np.abs(after.velocity).max() < 1e-9
        assert np.isfinite(after.covariance).all()

    @pytest.mark.parametrize("dt", [0.001, 0.2, 1.0])
    def test_the_covariance_is_that_of_the_linear_model(self, dt):
        rng = np.random.default_rng(0)
        root = rng.normal(0, 0.1, (12, 12))
        motion = Motion(0, pose(0, 0, 1), rng.normal(size=6), root @ root.T)
        after = predicted(motion, round(dt * 1e9))
        fades = np.repeat([0.4, 0.3], 3)
        F = np.eye(12)
        F[:6, 6:] = np.diag(fades * (1 - np.exp(-dt / fades)))
        F[6:, 6:] = np.diag(np.exp(-dt / fades))
        added = after.covariance - F @ motion.covariance @ F.T
        assert np.allclose(after.velocity, F[6:, 6:] @ motion.velocity)
        # White acceleration adds to each axis alone.
        axes = np.arange(6)
        Q = np.zeros((12, 12))
        Q[axes, axes], Q[axes + 6, axes + 6] = np.diag(added)[:6], np.diag(added)[6:]
        Q[axes, axes + 6] = Q[axes + 6, axes] = added[axes, axes + 6]
        assert np.allclose(added, Q)
        assert np.linalg.eigvalsh(Q).min() > 0

    def test_predictions_forth_and_back_are_equally_far(self):
        motion = initial_motion(10**9, pose(0, 0, 1), np.eye(6) * 1e-6)
        motion.velocity[:] = [0.4, 0, 0, 0, 0, 1.0]
        forth = predicted(motion, 10**9 + STEP_NS).T_fixed_obj[0, 3]
        back = predicted(motion, 10**9 - STEP_NS).T_fixed_obj[0, 3]
        assert back == pytest.approx(-forth)

    def test_the_covariance_grows_and_stays_positive(self):
        motion = followed([pose(0.01 * i, 0, 1) for i in range(10)])
        for dt in (1e-3, 0.03, 0.5, 5.0):
            after = predicted(motion, motion.stamp_ns + int(dt * 1e9))
            assert np.linalg.eigvalsh(after.covariance).min() > 0
            assert (np.diag(after.covariance)[:6] > np.diag(motion.covariance)[:6]).all()


class TestCorrect:
    def test_the_correction_is_the_weighted_mean_of_prediction_and_measurement(self):
        motion = initial_motion(0, pose(0, 0, 1), np.diag(np.repeat([1e-4, 1e-2], 3)))
        after = corrected(motion, pose(0.1, 0, 1, (0, 0.2, 0)), np.diag(np.repeat([3e-4, 1e-2], 3)))
        difference = pose_difference(motion.T_fixed_obj, after.T_fixed_obj)
        assert difference == pytest.approx([0.025, 0, 0, 0, 0.1, 0], abs=1e-9)
        assert np.diag(after.covariance)[:6] == pytest.approx(np.repeat([0.75e-4, 0.5e-2], 3))

    def test_an_unknown_direction_is_not_followed(self):
        covariance = np.diag([1e-6] * 3 + [1e-4, math.pi**2 / 3, 1e-4])
        motion = initial_motion(0, pose(0, 0, 1), np.diag(np.repeat([1e-6, 1e-4], 3)))
        after = corrected(motion, pose(0, 0, 1, (0.1, 0.1, 0)), covariance)
        turn = pose_difference(motion.T_fixed_obj, after.T_fixed_obj)[3:]
        assert turn[0] == pytest.approx(0.05, rel=0.01)
        assert abs(turn[1]) < 1e-5

    def test_the_filter_finds_a_constant_velocity(self):
        path = [pose(0.3 * i / 30, 0, 1, (0, math.radians(60) * i / 30, 0)) for i in range(60)]
        motion = followed(path)
        # Against the fading, which the filter expects, a few percent are missing.
        assert motion.velocity == pytest.approx([0.3, 0, 0, 0, math.radians(60), 0], rel=0.15)
        assert np.abs(pose_difference(motion.T_fixed_obj, path[-1])).max() < 0.02

    def test_errors_are_as_large_as_the_filter_says(self):
        """Normalised error of the pose over 40 noisy paths: 6 in the mean, within 4 deviations."""
        path = [pose(0.1 * math.sin(i / 30), 0, 1) for i in range(30)]
        values = []
        for seed in range(40):
            motion = followed(path, seed=seed)
            error = pose_difference(motion.T_fixed_obj, path[-1])
            values.append(error @ np.linalg.solve(motion.covariance[:6, :6], error))
        # The path is smoother than the filter allows for: it may be too modest, never too sure.
        assert 1.5 < np.mean(values) < 6 + 4 * math.sqrt(12 / 40)


def test_velocities_within_the_noise_are_none():
    still = followed([pose(0, 0, 1)] * 40, seed=3)
    assert np.abs(still.velocity[:3]).max() > 0
    assert significant_velocity(still)[:3] == pytest.approx([0, 0, 0])
    fast = followed([pose(0.5 * i / 30, 0, 1) for i in range(40)])
    assert significant_velocity(fast)[0] == pytest.approx(0.5, rel=0.25)
    assert significant_velocity(fast)[3:] == pytest.approx([0, 0, 0])


def test_another_frame_turns_pose_and_covariance_and_forgets_the_velocity():
    motion = followed([pose(0.02 * i, 0, 1) for i in range(10)], np.repeat([0.001, 0.02], 3))
    T = pose(1, 2, 3, (0, 0, math.pi / 2))
    moved = change_frame(motion, T)
    assert np.allclose(moved.T_fixed_obj, T @ motion.T_fixed_obj)
    assert np.allclose(moved.velocity, 0)
    back = rotate_covariance(moved.covariance[:6, :6], T[:3, :3].T)
    assert np.allclose(back, motion.covariance[:6, :6])


def one_by_one(motion, stamp_ns, measured, covariance):
    """The filter of one object in plain steps: prediction, and Kalman's update in Joseph's form."""
    dt = (stamp_ns - motion.stamp_ns) / 1e9
    fades = np.repeat([0.4, 0.3], 3)
    reach, fade = fades * (1 - np.exp(-dt / fades)), np.exp(-dt / fades)
    F = np.block([[np.eye(6), np.diag(reach)], [np.zeros((6, 6)), np.diag(fade)]])
    # What acceleration adds is that of an object whose covariance was nothing.
    still = Motion(motion.stamp_ns, motion.T_fixed_obj, np.zeros(6), np.zeros((12, 12)))
    P = F @ motion.covariance @ F.T + predicted(still, stamp_ns).covariance
    T = displaced(motion.T_fixed_obj, motion.velocity * reach)
    H = np.eye(6, 12)
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + covariance)
    error = gain @ pose_difference(T, measured)
    keep = np.eye(12) - gain @ H
    P = keep @ P @ keep.T + gain @ covariance @ gain.T
    return Motion(stamp_ns, displaced(T, error[:6]), motion.velocity * fade + error[6:], P)


def displaced(T, difference):
    moved = T.copy()
    moved[:3, 3] += difference[:3]
    moved[:3, :3] = Rotation.from_rotvec(difference[3:]).as_matrix() @ T[:3, :3]
    return moved


def test_motions_of_several_objects_are_those_of_each_in_plain_steps():
    rng = np.random.default_rng(0)
    motions, measured, covariances = [], [], []
    for number in range(7):
        root, noise = rng.normal(0, 0.05, (12, 12)), rng.normal(0, 0.02, (6, 6))
        T = displaced(np.eye(4), rng.normal(0, 0.6, 6))
        stamp_ns = 10**9 - 10**7 * number
        motions.append(Motion(stamp_ns, T, rng.normal(0, 0.4, 6), root @ root.T))
        measured.append(displaced(T, rng.normal(0, 0.1, 6)))
        covariances.append(noise @ noise.T + 1e-6 * np.eye(6))
    stamp_ns = 10**9 + STEP_NS
    after = correct(predict(motions, stamp_ns, NOISE), np.stack(measured), np.stack(covariances))
    for motion, *given, found in zip(motions, measured, covariances, after, strict=True):
        expected = one_by_one(motion, stamp_ns, *given)
        assert found.stamp_ns == stamp_ns
        np.testing.assert_allclose(found.T_fixed_obj, expected.T_fixed_obj, atol=1e-9)
        np.testing.assert_allclose(found.velocity, expected.velocity, atol=1e-8)
        np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-9)


def test_motions_at_the_same_time_stay_as_they_are():
    motion = followed([pose(0, 0, 1)])
    assert predict([motion], motion.stamp_ns, NOISE) == [motion]
    assert predict([], 0, NOISE) == []
    assert correct([], np.zeros((0, 4, 4)), np.zeros((0, 6, 6))) == []
