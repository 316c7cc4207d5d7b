# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tasks in the simulated arm: what succeeds with true poses, and what a judge must not let pass."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.robot.collision import Surroundings, box_obstacle
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.planning import joint_path, timed_path
from genpose_ros.robot.simulation.grasping import fall_m, straight_way
from genpose_ros.robot.simulation.tasks import run_task
from genpose_ros.robot.simulation.world import Solid, camera_poses, on_table, tcp_of_camera
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions
from genpose_ros.synthesis.primitives import box

READY = np.array(READY_RAD)


@pytest.fixture(scope="module")
def solver():
    return InverseKinematics(xarm6_collisions())


def cube(x=0.0, z=0.0, edge=0.1):
    mesh = box(np.full((1, 3), edge))
    return Solid("cube", "can", mesh.vertices[0], mesh.faces, transform((x, 0.0, z)))


def test_a_solid_falls_until_it_meets_the_one_below():
    assert fall_m(cube(z=0.35), cube(z=0.05)) == pytest.approx(0.2, abs=1e-6)
    assert fall_m(cube(x=0.06, z=0.35), cube(z=0.05)) == pytest.approx(0.2, abs=1e-6)
    assert fall_m(cube(z=0.13), cube(z=0.05)) == pytest.approx(-0.02, abs=1e-6)
    assert fall_m(cube(x=0.2, z=0.35), cube(z=0.05)) == 1.0


def test_a_surface_has_points_everywhere_at_its_spacing():
    points = cube().surface(0.01)
    grid = np.stack(
        np.meshgrid([0.05], np.linspace(-0.04, 0.04, 9), np.linspace(-0.04, 0.04, 9)), -1
    )
    gaps = np.linalg.norm(points[:, None] - grid.reshape(1, -1, 3), axis=-1).min(0)
    assert gaps.max() < 0.01
    assert np.abs(points).max() == pytest.approx(0.05)


def test_objects_stand_on_the_table_with_their_y_axis_up():
    T = on_table(np.array([0.1, 0.2, 0.1]), 0.4, -0.1, 0.7)
    np.testing.assert_allclose(T[:3, 1], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(T[:3, 3], [0.4, -0.1, 0.1])


def test_the_tool_of_a_camera_pose_has_the_camera_there(solver):
    T = camera_poses(READY[None])
    np.testing.assert_allclose(tcp_of_camera(T), solver.collisions.arm.tcp(READY[None]), atol=1e-12)


def test_a_path_goes_round_what_blocks_the_straight_way(solver):
    left, right = READY + np.eye(6)[0] * 0.7, READY - np.eye(6)[0] * 0.7
    tip = solver.collisions.arm.tcp(READY[None])[0, :3, 3]
    wall = box_obstacle("wall", transform((*(tip - [0, 0, 0.1]),)), np.array([0.25, 0.03, 0.3]))
    around = Surroundings(0.0, (wall,))
    path = joint_path(solver, left, right, around)
    assert path is not None
    assert (solver.collisions.clearance(path, around) > 0).all()
    assert np.abs(np.diff(path, axis=0)).max() <= 0.0601
    assert np.abs(path[:, 1:] - READY[1:]).max() > 0.1  # not the straight way


def test_a_timed_path_is_no_faster_than_it_may_be(solver):
    path = np.linspace(READY, READY + 0.8, 30)
    motion = timed_path(solver.collisions.arm, path, speed_share=0.2)
    times = np.linspace(0, motion.times_s[-1], 500)
    speed = np.abs(np.gradient(motion.at(times), times, axis=0)).max()
    assert 0.15 * 3.14 < speed < 0.22 * 3.14
    np.testing.assert_allclose(motion.at(motion.times_s[-1:]), path[-1:])


def test_a_straight_way_keeps_its_step_and_ends_where_it_should():
    way = straight_way(np.eye(4), transform((0.0, 0.03, 0.04)))
    assert len(way) == 5
    np.testing.assert_allclose(way[-1, :3, 3], [0.0, 0.03, 0.04])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pour", "stack", "handover"])
def test_a_task_succeeds_with_true_poses(task, solver):
    outcome = run_task(task, 0, solver=solver, table=GraspTable.shipped())
    assert outcome.success, outcome.failure


@pytest.mark.slow
def test_a_gripper_that_is_too_narrow_fails_with_the_reason(solver):
    table = GraspTable.shipped()
    narrow = replace(table, gripper=replace(table.gripper, opening_m=0.03))
    outcome = run_task("pour", 0, solver=solver, table=narrow)
    assert not outcome.success
    assert outcome.failure == "grasp_side: too_wide"
