# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looks of a hand-eye check: taken at rest, and somewhere new."""

import numpy as np

from genpose_ros.robot.hand_eye import Sighting
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.looks import Looks


def at(x_m=0.0, roll_deg=0.0):
    return Sighting(transform((x_m, 0.0, 0.3), (np.radians(roll_deg), 0.0, 0.0)), np.eye(4))


def test_a_look_is_taken_once_the_arm_rests():
    looks = Looks(3)
    assert not looks.add(at())  # nobody knows yet
    assert looks.add(at(0.0005))
    assert not looks.add(at(0.0005))  # the same place again
    assert not looks.add(at(0.05))  # on its way
    assert not looks.add(at(0.10))
    assert looks.add(at(0.10, 0.1))
    assert len(looks.sightings) == 2
    assert not looks.complete


def test_a_turn_on_the_spot_is_a_new_look_and_a_small_one_is_not():
    looks = Looks(5)
    taken = [looks.add(at(roll_deg=angle)) for angle in (0, 0, 5, 5, 12, 12)]
    assert taken == [False, True, False, False, False, True]


def test_no_more_than_wanted_are_taken():
    looks = Looks(2)
    for x_m in (0.0, 0.0, 0.1, 0.1, 0.2, 0.2):
        looks.add(at(x_m))
    assert looks.complete
    assert len(looks.sightings) == 2
