# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distances of segments against brute force, and what the arm's capsules make of them."""

import numpy as np
import pytest

from genpose_ros.robot.collision import Obstacle, Surroundings, box_obstacle
from genpose_ros.robot.segments import segment_distances, segment_point_distances
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions

READY = np.array([READY_RAD])
LOW = np.array([[0.0, 0.3, -1.0, 0.0, 0.7, 0.0]])  # the fingers are lower than the shoulder


def by_hand(a0, a1, b0, b1, steps=200):
    """The smallest distance between points of two segments, from above, to the grid's width."""
    share = np.linspace(0, 1, steps + 1)[:, None]
    a, b = a0 + share * (a1 - a0), b0 + share * (b1 - b0)
    return np.linalg.norm(a[:, None] - b[None], axis=-1).min()


@pytest.mark.parametrize("seed", range(20))
def test_segment_distances_are_those_of_the_nearest_of_many_points(seed):
    ends = np.random.default_rng(seed).normal(size=(4, 3))
    if seed % 4 == 1:
        ends[1] = ends[0]  # a point
    if seed % 4 == 2:
        ends[3] = ends[2] + 0.5 * (ends[1] - ends[0])  # parallel
    if seed % 4 == 3:
        ends[3] = ends[2] = ends[0] + 0.3
    length = np.linalg.norm(ends[1] - ends[0]) + np.linalg.norm(ends[3] - ends[2])
    found, coarse = float(segment_distances(*ends)), by_hand(*ends)
    assert coarse - length / 200 <= found <= coarse + 1e-9


def test_distances_to_points_are_to_the_ends_beyond_them():
    a0, a1 = np.zeros(3), np.array([1.0, 0, 0])
    points = np.array([[-3.0, 4, 0], [0.5, 2, 0], [4.0, 4, 0]])
    assert segment_point_distances(a0, a1, points).tolist() == [5.0, 2.0, 5.0]


def test_the_ready_position_is_free_and_a_folded_one_is_not():
    model = xarm6_collisions()
    folded = np.array([[0.0, 0.0, -3.9, 0.0, -1.5, 0.0]])
    assert model.clearance(READY, Surroundings(0.0))[0] > 0.03
    assert model.clearance(folded, Surroundings())[0] < 0
    assert model.in_the_way(folded[0], Surroundings()) == "the arm itself"


def test_the_table_is_met_by_what_hangs_below_it():
    model = xarm6_collisions()
    lowest = model.segments(LOW)[0, 9, :, 2].min() - 0.012  # of a finger
    for table_m, sign in ((lowest - 0.01, 1), (lowest + 0.01, -1)):
        clearance = model.clearance(LOW, Surroundings(table_m))[0]
        assert np.sign(clearance) == sign
        if sign < 0:
            assert clearance == pytest.approx(-0.01, abs=1e-9)
            assert model.in_the_way(LOW[0], Surroundings(table_m)) == "the table"


def test_an_obstacle_is_met_where_its_points_are_however_far_the_middle_is():
    """A ring of points around the arm is near, though its middle lies within the arm's reach."""
    model = xarm6_collisions()
    tip = model.segments(READY)[0, 9, 1]  # of a finger, 12 mm thick
    for gap in (0.04, 0.02, -0.01):
        points = np.array([tip - np.array([0, 0, 0.012 + gap]), tip - np.array([0, 0, 0.8])])
        around = Surroundings(obstacles=(Obstacle("ring", points),))
        assert model.clearance(READY, around)[0] == pytest.approx(gap, abs=1e-9)
        assert model.in_the_way(READY[0], around) == "ring"


def test_many_positions_at_once_have_the_clearances_of_each():
    model, rng = xarm6_collisions(), np.random.default_rng(0)
    q = rng.uniform(model.arm.low_rad, model.arm.high_rad, (12, 6))
    crate = box_obstacle("crate", np.eye(4) + np.eye(4, k=3) * 0.4, np.array([0.2, 0.2, 0.2]))
    around = Surroundings(0.0, (crate,))
    singly = [model.clearance(row[None], around)[0] for row in q]
    np.testing.assert_allclose(model.clearance(q, around), singly)


def test_what_is_left_out_by_name_is_no_obstacle():
    crate = box_obstacle("crate", np.eye(4), np.full(3, 0.1))
    assert Surroundings(0.1, (crate,)).without("crate") == Surroundings(0.1)
