# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Aligned depth along the colour camera's axis, against projected points."""

import numpy as np
import pytest

from genpose_ros.geometry import PinholeCamera
from genpose_ros.geometry.single_rotations import rotation_from_vector
from genpose_ros.realsense.alignment import AlignedDepth

#: Of a real D435 (colour 640 x 480), and how its cameras lie.
COLOR = PinholeCamera(613.204, 613.419, 319.939, 239.183, 640, 480)
T = np.eye(4)
T[:3, :3] = [
    [0.999863, -0.01031, 0.0129259], [0.0103087, 0.999947, 0.00017303],
    [-0.012927, -3.97579e-05, 0.999916],
]  # fmt: skip
T[:3, 3] = 0.0143113, 0.000602306, 0.000610804


def aligned_as_librealsense_does(T_color_depth, plane_normal, plane_m):
    """Both depths of a plane at every colour pixel: along the depth camera's axis, and its own."""
    v, u = np.mgrid[: COLOR.height, : COLOR.width]
    rays = np.stack(
        ((u - COLOR.cx) / COLOR.fx, (v - COLOR.cy) / COLOR.fy, np.ones(u.shape)), axis=-1
    )
    z = plane_m / (rays @ plane_normal)
    points = z[..., None] * rays
    R, t = T_color_depth[:3, :3], T_color_depth[:3, 3]
    return ((points - t) @ R)[..., 2], z


@pytest.mark.parametrize("T_color_depth", [T, np.linalg.inv(T)])
def test_depth_is_that_along_the_colour_cameras_axis_to_a_hundredth_of_a_millimetre(T_color_depth):
    normal = np.array([0.2, 0.3, 0.93])
    along_depth, along_color = aligned_as_librealsense_does(T_color_depth, normal, 0.9)
    corrected = AlignedDepth(COLOR, T_color_depth).corrected(along_depth)
    np.testing.assert_allclose(corrected, along_color, atol=1e-5)


def test_of_a_real_camera_it_is_millimetres_at_the_border():
    along_depth, along_color = aligned_as_librealsense_does(T, np.array([0, 0, 1.0]), 1.0)
    assert 0.006 < np.abs(along_depth - along_color).max() < 0.008


def test_a_degree_more_makes_over_a_centimetre():
    turned = T.copy()
    turned[:3, :3] = rotation_from_vector(np.array([0, np.radians(1.0), 0])) @ T[:3, :3]
    along_depth, along_color = aligned_as_librealsense_does(turned, np.array([0, 0, 1.0]), 1.0)
    assert np.abs(along_depth - along_color).max() > 0.013
    corrected = AlignedDepth(COLOR, turned).corrected(along_depth)
    np.testing.assert_allclose(corrected, along_color, atol=1e-5)


def test_where_nothing_was_measured_nothing_is():
    aligned = np.zeros((480, 640), np.float32)
    aligned[5, 7] = 1.0
    corrected = AlignedDepth(COLOR, T).corrected(aligned)
    assert np.count_nonzero(corrected) == 1


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match="colour image"):
        AlignedDepth(COLOR, T).corrected(np.zeros((240, 320)))
