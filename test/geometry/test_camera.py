# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The pinhole camera against its closed form."""

import math

import numpy as np
import pytest

from genpose_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(fx=600.0, fy=580.0, cx=319.5, cy=243.25, width=640, height=480)


def test_back_projected_pixels_project_onto_themselves():
    rng = np.random.default_rng(0)
    depth_m = rng.uniform(0.3, 2.0, (480, 640)).astype(np.float32)
    mask = rng.random((480, 640)) < 0.01
    points = CAMERA.back_project(depth_m, mask)
    v, u = np.nonzero(mask)
    assert points.dtype == np.float32
    # float32 points at 2 m: 600 px * 2^-24 * a few.
    assert np.abs(CAMERA.project(points) - np.stack((u, v), axis=-1)).max() < 2e-4
    assert np.array_equal(points[:, 2], depth_m[mask])


def test_one_pixel_has_the_point_of_the_closed_form():
    depth_m = np.zeros((480, 640), dtype=np.float32)
    depth_m[10, 600] = 1.5
    x, y = (600 - 319.5) / 600 * 1.5, (10 - 243.25) / 580 * 1.5
    assert CAMERA.back_project(depth_m)[0] == pytest.approx([x, y, 1.5], abs=1e-7)


@pytest.mark.parametrize("hole", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_pixels_without_measurement_are_left_out(hole):
    depth_m = np.full((480, 640), hole, dtype=np.float32)
    depth_m[5, 6] = 1.0
    assert len(CAMERA.back_project(depth_m)) == 1


def test_a_crop_sees_the_same_points():
    depth_m = np.random.default_rng(1).uniform(0.5, 1.0, (480, 640)).astype(np.float32)
    rows, columns = slice(100, 130), slice(600, 640)
    mask = np.zeros((480, 640), dtype=bool)
    mask[rows, columns] = True
    part = CAMERA.cropped(rows, columns).back_project(depth_m[rows, columns])
    assert np.allclose(part, CAMERA.back_project(depth_m, mask), atol=1e-7)


def test_a_part_of_every_third_row_and_fourth_column_shows_the_same_points():
    depth_m = np.random.default_rng(0).uniform(0.3, 2.0, (480, 640))
    part = slice(31, 400, 3), slice(50, 600, 4)
    camera = CAMERA.cropped(*part)
    assert (camera.height, camera.width) == depth_m[part].shape
    mask = np.zeros((480, 640), dtype=bool)
    mask[part] = True
    points = camera.back_project(depth_m[part])
    np.testing.assert_allclose(points, CAMERA.back_project(depth_m, mask), atol=1e-6)


@pytest.mark.parametrize(("cx", "cy"), [(-1e6, 0.0), (1e6, 1e6), (0.0, -1e6)])
def test_parts_of_a_camera_whose_principal_point_is_as_far_off_as_may_be_are_cameras(cx, cy):
    camera = PinholeCamera(600.0, 600.0, cx, cy, 640, 480)
    depth_m = np.random.default_rng(0).uniform(0.3, 2.0, (480, 640))
    part = slice(100, 200, 3), slice(50, 60)
    points = camera.cropped(*part).cropped(slice(1, None), slice(1, None))
    mask = np.zeros((480, 640), dtype=bool)
    mask[103:200:3, 51:60] = True
    found = points.back_project(depth_m[103:200:3, 51:60])
    np.testing.assert_allclose(found, camera.back_project(depth_m, mask), rtol=1e-6)


@pytest.mark.parametrize("part", [(slice(5, 5), slice(0, 9)), (slice(0, 9), slice(640, 700))])
def test_no_part_of_a_camera_is_without_pixels(part):
    with pytest.raises(ValueError, match="no pixel is left"):
        CAMERA.cropped(*part)


def test_a_turned_camera_sees_the_same_points_turned():
    depth_m = np.random.default_rng(0).uniform(0.5, 2.0, (48, 64)).astype(np.float32)
    camera = PinholeCamera(61.0, 59.0, 30.3, 25.1, 64, 48)
    points_cam = camera.back_project(depth_m).reshape(48, 64, 3)
    turned = camera.turned().back_project(np.rot90(depth_m, -1).copy()).reshape(64, 48, 3)
    expected = np.rot90(points_cam, -1)[..., [1, 0, 2]] * [-1, 1, 1]
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(CAMERA.project(np.array([[0.1, 0.1, -1.0], [0, 0, 0]]))).all()


def test_a_camera_comes_back_from_its_matrix():
    assert PinholeCamera.from_matrix(CAMERA.matrix, 640, 480) == CAMERA
    assert PinholeCamera.from_matrix(CAMERA.matrix.ravel(), 640, 480) == CAMERA


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0}, "positive"),
        ({"fy": -1.0}, "positive"),
        ({"fx": math.nan}, "finite"),
        ({"cy": math.inf}, "finite"),
        ({"fy": 1e308}, "within 1000000 pixels"),
        ({"cx": -1e300}, "within 1000000 pixels"),
        ({"width": 0}, "size"),
    ],
)
def test_numbers_that_are_no_cameras_are_refused(change, message):
    values = {"fx": 1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0, "width": 4, "height": 4}
    with pytest.raises(ValueError, match=message):
        PinholeCamera(**{**values, **change})


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(4), "9 numbers"),
        (np.full((3, 3), np.nan), "finite"),
        (np.array([[500.0, 1, 320], [0, 500, 240], [0, 0, 1]]), "K must be"),
        (np.zeros((3, 3)), "K must be"),
    ],
)
def test_matrices_that_are_no_intrinsics_are_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        PinholeCamera.from_matrix(matrix, 640, 480)


@pytest.mark.parametrize("name", ["depth", "mask"])
def test_images_of_another_size_are_refused(name):
    images = {"depth": np.ones((480, 640)), "mask": np.ones((480, 640), dtype=bool)}
    images[name] = images[name][:, :-1]
    with pytest.raises(ValueError, match=f"{name} must be 480 x 640"):
        CAMERA.back_project(images["depth"], images["mask"])
