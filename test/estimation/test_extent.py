# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sizes from visible points."""

import numpy as np
import pytest

from genpose_ros.estimation import visible_extent

UPRIGHT = np.array([[0.0, 0, -1, 0.1], [0, -1, 0, 0.2], [-1, 0, 0, 0.8], [0, 0, 0, 1]])


def to_camera(points_obj: np.ndarray) -> np.ndarray:
    return points_obj @ UPRIGHT[:3, :3].T + UPRIGHT[:3, 3]


def test_half_a_cylinder_gives_the_size_of_the_whole():
    angle, height = np.meshgrid(
        np.linspace(-np.pi / 2, np.pi / 2, 200), np.linspace(-0.06, 0.06, 200)
    )
    points = np.stack((0.03 * np.cos(angle), height, 0.03 * np.sin(angle)), axis=-1).reshape(-1, 3)
    size_m = visible_extent(to_camera(points), UPRIGHT, symmetric=True)
    # 2 % of the points lie beyond the box: of the height, 0.06 * 0.98.
    assert size_m == pytest.approx([0.06, 0.1176, 0.06], rel=5e-3)


def test_the_visible_sides_of_a_box_give_the_hidden_ones():
    rng = np.random.default_rng(0)
    points = rng.uniform((0.0, 0.0, 0.0), (0.05, 0.02, 0.1), (100000, 3))
    points[:, 0] = 0.05
    size_m = visible_extent(to_camera(points), UPRIGHT, symmetric=False)
    assert size_m == pytest.approx([0.1, 0.0392, 0.196], rel=5e-3)
