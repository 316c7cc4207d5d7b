# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inverse kinematics: what is found is right, what can be reached is found, and quickly."""

import time

import numpy as np
import pytest

from genpose_ros.robot.collision import Surroundings, box_obstacle
from genpose_ros.robot.inverse import InverseKinematics, Reachability
from genpose_ros.robot.kinematics import frame_error, transform
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions

READY = np.array(READY_RAD)
TABLE = Surroundings(0.0)


@pytest.fixture(scope="module")
def solver():
    return InverseKinematics(xarm6_collisions())


@pytest.fixture(scope="module")
def positions(solver):
    """Free joint positions, which the solver's own library does not hold."""
    arm, rng = solver.collisions.arm, np.random.default_rng(77)
    low, high = np.maximum(arm.low_rad, -np.pi), np.minimum(arm.high_rad, np.pi)
    q = rng.uniform(low, high, (1000, 6))
    return q[solver.collisions.clearance(q, TABLE) > 0.01][:150]


def test_frames_that_the_arm_can_take_are_found_and_free(solver, positions):
    targets = solver.collisions.arm.tcp(positions)
    found = solver.solve(targets, TABLE, near_rad=READY)
    share = np.mean([reach.reachable for reach in found])
    assert share >= 0.98
    rows = [i for i, reach in enumerate(found) if reach.reachable]
    q = np.array([found[i].q_rad for i in rows])
    error = np.abs(frame_error(solver.collisions.arm.tcp(q), targets[rows]))
    assert error[:, :3].max() < 2.5e-4
    assert error[:, 3:].max() < 1.2e-3
    assert solver.collisions.arm.within_limits(q).all()
    assert (solver.collisions.clearance(q, TABLE) >= solver.margin_m).all()


def test_a_frame_takes_less_than_5_ms_of_one_core(solver, positions):
    targets = solver.collisions.arm.tcp(positions[:40])
    took = []
    for target in targets:
        start = time.thread_time()  # of this thread: other programs do not count
        solver.solve(target[None], TABLE, near_rad=READY)
        took.append(time.thread_time() - start)
    assert np.median(took) < 0.005


def test_what_is_too_far_away_is_out_of_reach(solver):
    far = transform((1.5, 0.0, 0.3))
    (reach,) = solver.solve(far[None], TABLE)
    assert reach.outcome is Reachability.OUT_OF_REACH
    assert reach.q_rad is None


def test_a_frame_below_the_table_is_in_collision_with_it(solver):
    down = transform((0.4, 0.0, -0.05), (np.pi, 0.0, 0.0))
    (reach,) = solver.solve(down[None], TABLE)
    assert reach.outcome is Reachability.IN_COLLISION
    assert reach.obstacle == "the table"
    assert reach.clearance_m < 0


def test_an_obstacle_around_a_frame_is_named_and_one_elsewhere_does_not_matter(solver):
    down = transform((0.4, 0.0, 0.15), (np.pi, 0.0, 0.0))
    for x, expected in ((0.4, Reachability.IN_COLLISION), (-0.5, Reachability.REACHABLE)):
        crate = box_obstacle("the crate", transform((x, 0.0, 0.15)), np.full(3, 0.2))
        (reach,) = solver.solve(down[None], Surroundings(0.0, (crate,)), near_rad=READY)
        assert reach.outcome is expected
        assert reach.obstacle == ("the crate" if x > 0 else "")


def test_the_position_nearest_to_the_arms_own_is_taken(solver, positions):
    arm = solver.collisions.arm
    for q in positions[:20]:
        (reach,) = solver.solve(arm.tcp(q[None]), TABLE, near_rad=q)
        np.testing.assert_allclose(reach.q_rad, q, atol=1e-6)


def test_whole_turns_are_taken_off(solver):
    near = READY + np.array([0, 0, 0, 0, 0, 2 * np.pi - 0.3])
    (reach,) = solver.solve(solver.collisions.arm.tcp(READY[None]), TABLE, near_rad=near)
    assert np.abs(reach.q_rad - near).max() < np.pi


def test_a_straight_path_is_followed_step_by_step(solver):
    start = solver.collisions.arm.tcp(READY[None])[0]
    way = np.stack([start @ transform((0.0, 0.0, 0.005 * i)) for i in range(1, 21)])
    path = solver.follow(READY, way)
    np.testing.assert_allclose(solver.collisions.arm.tcp(path)[:, :3, 3], way[:, :3, 3], atol=3e-4)
    assert np.abs(np.diff(path, axis=0)).max() < 0.1
    beyond = np.stack([start @ transform((0.0, 0.0, 0.1 * i)) for i in range(1, 21)])
    assert solver.follow(READY, beyond) is None


def test_the_same_frames_have_the_same_solutions(solver):
    targets = solver.collisions.arm.tcp(READY[None] + 0.1)
    first, again = (InverseKinematics(xarm6_collisions()).solve(targets, TABLE) for _ in range(2))
    np.testing.assert_array_equal(first[0].q_rad, again[0].q_rad)
