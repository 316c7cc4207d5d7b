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
from genpose_ros.ros.camera_info import calibrated_camera, calibration_from_info


def camera_from_info(message, *, rectified=True, shape=(48, 64)):
    return calibrated_camera(calibration_from_info(message), shape, rectified=rectified)


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
        d=numbers[:5],
        roi=region,
        width=sizes[4],
        height=sizes[5],
        binning_x=sizes[6],
        binning_y=sizes[7],
    )
    result = camera_from_info(message)
    assert isinstance(result, PinholeCamera) or result.reason is Reason.BAD_INTRINSICS


def test_a_camera_info_without_a_size_is_of_any_image(ros):
    message = ros.camera_info()
    message.width = message.height = 0
    assert camera_from_info(message) == PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)


def test_an_image_without_pixels_is_named(ros):
    message = ros.camera_info()
    message.binning_x = 1000
    assert camera_from_info(message).reason is Reason.BAD_INTRINSICS


def test_where_k_is_empty_p_counts_even_of_a_raw_image(ros):
    message = ros.camera_info(fx=70.0)
    message.k = [0.0] * 9
    assert camera_from_info(message, rectified=False).fx == 70.0


@pytest.mark.parametrize(("index", "name"), [(2, "cx is 64"), (5, "cy is 64")])
def test_a_principal_point_outside_the_image_is_refused(ros, index, name):
    message = ros.camera_info()
    message.p = [0.0] * 12
    message.k[index] = 64.0
    result = camera_from_info(message)
    assert result.reason is Reason.BAD_INTRINSICS
    assert name in result.detail
    assert "another resolution" in result.detail


def test_a_region_may_lie_beside_the_principal_point(ros):
    message = ros.camera_info(480, 640, fx=600.0)
    message.roi.x_offset, message.roi.width, message.roi.height = 400, 240, 480
    assert camera_from_info(message).cx == -80.0


class TestDistortion:
    @pytest.fixture
    def message(self, ros):
        message = ros.camera_info()
        message.d = [0.78, -2.98, 0.0007, 0.00006, 1.7, 0.657, -2.81, 1.63]
        return message

    def doubts(self, message, rectified=True):
        return calibration_from_info(message).doubts(rectified=rectified)

    def test_where_p_equals_k_nothing_was_rectified(self, message):
        (doubt,) = self.doubts(message)
        assert "lens distortion that is not corrected: P equals K" in doubt

    def test_where_p_is_empty_nothing_was_rectified(self, message):
        message.p = [0.0] * 12
        (doubt,) = self.doubts(message)
        assert "P is empty" in doubt

    def test_where_p_is_another_matrix_the_image_is_rectified(self, message):
        message.p[0] = message.p[5] = 55.0
        assert self.doubts(message) == []
        (doubt,) = self.doubts(message, rectified=False)
        assert "taken as not rectified" in doubt

    def test_without_coefficients_there_is_no_distortion(self, message):
        for none in ([], [0.0] * 5):
            message.d = none
            assert self.doubts(message) == []
            assert self.doubts(message, rectified=False) == []
