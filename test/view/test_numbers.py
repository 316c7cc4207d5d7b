# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numbers of the page, as text."""

from dataclasses import replace

import numpy as np
from fake_estimator import make_estimate

from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import NOCS
from genpose_ros.view.content import ViewedFrame, viewed_object
from genpose_ros.view.numbers import frame_text, object_text

MUG = viewed_object(make_estimate(), "mug_1", NOCS, np.eye(4))


def test_an_objects_numbers_have_their_units():
    text = object_text(MUG)
    assert "| position (m) | 0.100, -0.200, 0.800 |" in text
    assert "| size (cm) | 10.0 x 12.0 x 8.0 |" in text
    assert "| sigma (mm) | 1.0, 1.4, 1.7 |" in text
    assert "| score | 0.75 (axis 0.88) |" in text
    assert "| modes | 70%, 30% |" in text
    assert "| energy | -1.50 rotation, -0.50 translation |" in text
    assert "track" not in text


def test_a_track_tells_its_state_and_speed():
    track = replace(
        MUG, state="coasting", velocity=np.array([0.03, 0.04, 0, 0, 0, np.pi / 2]), unseen_s=0.4
    )
    text = object_text(track)
    assert "| track | coasting, 0.0 s old, unseen 0.4 s |" in text
    assert "| speed | 5.0 cm/s, 90 deg/s |" in text


def test_a_frame_tells_what_was_refused_and_the_direction_up():
    up = UpDirection(np.array([0.0, -1, 0]), 0.0174533, 0.25, "plane")
    frame = ViewedFrame(
        "a table", "world", 1_500_000_000, (MUG,), up=up, timings_ms={"sample": 3.0, "rank": 4.0},
        refused=tuple(f"{n}: too_few_points, none" for n in range(10)),
    )  # fmt: skip
    text = frame_text(frame)
    assert text.startswith("**a table** 1.500 s, 1 objects, 0 points, 7 ms")
    assert "up from plane, sigma 1.0 deg, support at 0.250 m" in text
    assert text.count("too_few_points") == 8
    assert text.endswith("and 2 more")
