# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Lines of the view against closed forms: boxes, axes, ellipsoids, the support plane."""

from collections import Counter

import numpy as np
import pytest

from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import PinholeCamera
from genpose_ros.view import lines

TURNED = np.array([[0.0, -1, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.9], [0, 0, 0, 1]])


def test_a_box_has_four_edges_of_each_length_about_its_centre():
    ends = lines.box(TURNED, np.array([0.1, 0.2, 0.3]), (1, 2, 3)).ends
    lengths = Counter(round(float(np.linalg.norm(b - a)), 6) for a, b in ends)
    assert lengths == {0.1: 4, 0.2: 4, 0.3: 4}
    np.testing.assert_allclose(ends.reshape(-1, 3).mean(0), [0.1, 0.2, 0.9], atol=1e-6)
    assert ends[..., 0].min() == pytest.approx(0.0)  # its y edge, 0.2 long, lies along -x


def test_axes_begin_at_the_origin_and_point_along_the_columns():
    drawn = lines.axes(TURNED, 0.5)
    np.testing.assert_allclose(drawn.ends[:, 0], np.tile(TURNED[:3, 3], (3, 1)))
    np.testing.assert_allclose(drawn.ends[:, 1] - drawn.ends[:, 0], 0.5 * TURNED[:3, :3].T)
    assert drawn.colors[:, 0].argmax(axis=1).tolist() == [0, 1, 2]


def test_an_ellipsoid_lies_at_two_standard_deviations():
    covariance = np.array([[4.0, 1, 0], [1, 2, 0], [0, 0, 0.5]]) * 1e-4
    centre = np.array([0.1, 0, 1])
    offsets = lines.ellipsoid(covariance, centre, (0, 0, 0)).ends.reshape(-1, 3) - centre
    distances = np.sqrt(np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(covariance), offsets))
    np.testing.assert_allclose(distances, 2.0, rtol=1e-4)


def test_candidates_are_shaded_from_the_lowest_value_to_the_highest():
    T = np.stack([TURNED] * 3)
    drawn = lines.candidate_lines(T, 0.04, np.array([5.0, -1.0, np.nan]))
    assert drawn.ends.shape == (6, 2, 3)
    bright = drawn.colors[:, 0].astype(int).sum(-1)
    assert bright[0] == bright[1] > bright[2] == bright[4]
    np.testing.assert_allclose(drawn.ends[1, 1] - drawn.ends[1, 0], 0.04 * TURNED[:3, 1])


def test_a_trail_leads_through_its_places_and_one_place_has_none():
    places = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]])
    drawn = lines.trail(places, (100, 200, 40))
    np.testing.assert_allclose(drawn.ends, [places[:2], places[1:]])
    assert drawn.colors[-1, 0].tolist() == [100, 200, 40]
    assert len(lines.trail(places[:1], (1, 1, 1)).ends) == 0


def test_the_support_lies_at_its_level_and_the_arrow_points_up():
    direction = np.array([0.0, -0.8, -0.6])
    drawn = lines.support_plane(UpDirection(direction, level_m=-0.5), np.array([0.1, 0.2, 0.9]))
    heights = drawn.ends @ direction
    np.testing.assert_allclose(heights[5:], -0.5, atol=1e-6)  # after the arrow's five lines
    assert heights[0, 1] - heights[0, 0] == pytest.approx(0.15)
    assert heights.max() == pytest.approx(heights[0, 1], abs=1e-6)


def test_without_a_level_there_is_an_arrow_alone_at_the_objects():
    near = np.array([0.1, 0.2, 0.9])
    drawn = lines.support_plane(UpDirection(np.array([0.0, -1, 0])), near)
    assert len(drawn.ends) == 5
    np.testing.assert_allclose(drawn.ends[0, 0], near)


def test_a_cameras_pyramid_ends_at_the_corners_of_its_image():
    camera = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
    drawn = lines.camera_pyramid(camera, np.eye(4), 0.3)
    pixels = camera.project(drawn.ends[:4, 1]).round(3).tolist()
    assert pixels == [[0, 0], [64, 0], [64, 48], [0, 48]]


def test_nothing_joined_is_nothing():
    assert lines.joined([]).ends.shape == (0, 2, 3)
