# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpose_ros.estimation.reasons import Reason
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.camera_info import camera_from_info, is_distorted


def test_the_projection_matrix_describes_a_rectified_image(ros):
    message = ros.camera_info(48, 64)
    message.k[0] = 61.0
    message.p[0], message.p[2], message.p[5], message.p[6] = 70.0, 30.0, 71.0, 25.0
    assert camera_from_info(message) == PinholeCamera(70.0, 71.0, 30.0, 25.0, 64, 48)
    assert camera_from_info(message, rectified=False) == PinholeCamera(61.0, 60, 32, 24, 64, 48)


def test_without_a_projection_matrix_the_matrix_k_counts(ros):
    message = ros.camera_info(48, 64)
    message.p = [0.0] * 12
    assert camera_from_info(message) == PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)


def test_a_region_and_binning_describe_the_same_rays(ros):
    message = ros.camera_info(480, 640, fx=600.0, fy=610.0)
    message.roi.x_offset, message.roi.y_offset = 100, 40
    message.roi.width, message.roi.height = 400, 300
    message.binning_x, message.binning_y = 2, 4
    camera = camera_from_info(message)
    assert (camera.width, camera.height) == (200, 75)
    full = PinholeCamera(600.0, 610.0, 320.0, 240.0, 640, 480)
    points = np.array([[0.1, 0.2, 1.5], [-0.3, 0.1, 0.9]])
    expected = (full.project(points) - [100, 40]) / [2, 4]
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, -500.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("index", [0, 4])
def test_a_focal_length_that_is_none_is_named(ros, value, index):
    message = ros.camera_info()
    message.k[index] = value
    message.p = [0.0] * 12
    assert camera_from_info(message).reason is Reason.BAD_INTRINSICS


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("index", [0, 2, 5, 6])
def test_a_projection_matrix_that_is_not_finite_is_named(ros, value, index):
    message = ros.camera_info()
    message.p[index] = value
    assert camera_from_info(message).reason is Reason.BAD_INTRINSICS


@given(
    numbers=st.lists(st.floats(width=64), min_size=21, max_size=21),
    sizes=st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
)
def test_whatever_the_numbers_say_nothing_is_raised(numbers, sizes):
    region = SimpleNamespace(x_offset=sizes[0], y_offset=sizes[1], width=sizes[2], height=sizes[3])
    message = SimpleNamespace(
        k=numbers[:9],
        p=numbers[9:],
        roi=region,
        width=sizes[4],
        height=sizes[5],
        binning_x=sizes[6],
        binning_y=sizes[7],
    )
    result = camera_from_info(message)
    assert isinstance(result, PinholeCamera) or result.reason is Reason.BAD_INTRINSICS


@pytest.mark.parametrize("change", [{"width": 0}, {"height": 0}, {"binning_x": 1000}])
def test_an_image_without_pixels_is_named(ros, change):
    message = ros.camera_info()
    for name, value in change.items():
        setattr(message, name, value)
    assert camera_from_info(message).reason is Reason.BAD_INTRINSICS


def test_a_camera_is_distorted_where_a_coefficient_is_not_zero(ros):
    message = ros.camera_info()
    assert not is_distorted(message)
    message.d = []
    assert not is_distorted(message)
    message.d = [0.0, -0.05, 0.0, 0.0, 0.0]
    assert is_distorted(message)
