# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Registration of depth images with other cameras: pixels, hidden surfaces, label images."""

import numpy as np
import pytest
import torch

from genpose_ros.geometry import PinholeCamera, at_pixels, is_transform, pixels_in_image, so3_exp

DEPTH = PinholeCamera(120.0, 121.0, 79.0, 60.5, 160, 120)
COLOUR = PinholeCamera(230.0, 229.0, 158.0, 118.0, 320, 240)


def transform(x_m=0.0, y_m=0.0, z_m=0.0, turn=(0.0, 0.0, 0.0)) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = so3_exp(torch.tensor(turn, dtype=torch.float64)).numpy()
    T[:3, 3] = x_m, y_m, z_m
    assert is_transform(T)
    return T


def boxes(camera: PinholeCamera, T_cam_world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and labels of a wall at 2 m (0) with two screens before it (1 and 2), ray by ray."""
    rows, columns = np.indices((camera.height, camera.width))
    rays = np.stack(
        ((columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(rows.shape)), -1
    )
    rays = rays @ T_cam_world[:3, :3]  # into the world's axes
    origin = -T_cam_world[:3, :3].T @ T_cam_world[:3, 3]
    depth_m, labels = np.full(rows.shape, np.inf), np.zeros(rows.shape, dtype=np.uint8)
    screens = ((0, 2.0, (-9, 9), (-9, 9)), (1, 1.4, (-0.3, 0.1), (-0.3, 0.2)),
               (2, 0.8, (-0.02, 0.2), (-0.1, 0.15)))  # fmt: skip
    for label, z, (left, right), (top, bottom) in screens:
        t = (z - origin[2]) / rays[..., 2]
        x, y = origin[0] + t * rays[..., 0], origin[1] + t * rays[..., 1]
        hit = (x > left) & (x < right) & (y > top) & (y < bottom) & (t < depth_m)
        depth_m, labels = np.where(hit, t, depth_m), np.where(hit, label, labels)
    return depth_m, labels


def test_a_camera_finds_its_own_pixels():
    depth_m = np.random.default_rng(0).uniform(0.3, 3.0, (120, 160))
    pixels = pixels_in_image(depth_m, DEPTH, DEPTH, np.eye(4))
    # Neighbours share a cell of the z-buffer, so those far behind others are left out.
    found = pixels >= 0
    np.testing.assert_array_equal(pixels[found], np.arange(120 * 160).reshape(120, 160)[found])
    flat = pixels_in_image(np.full((120, 160), 0.7), DEPTH, DEPTH, np.eye(4))
    np.testing.assert_array_equal(flat.ravel(), np.arange(120 * 160))


def test_points_lie_where_the_projection_puts_them():
    depth_m = 1.0 + 0.01 * np.sin(np.arange(160) / 9) * np.ones((120, 1))
    T = transform(0.015, -0.004, 0.003, (0.004, -0.006, 0.01))
    pixels = pixels_in_image(depth_m, DEPTH, COLOUR, T)
    points = DEPTH.back_project(depth_m).astype(np.float64) @ T[:3, :3].T + T[:3, 3]
    uv = COLOUR.project(points).reshape(120, 160, 2)
    inside = ((uv > -0.49) & (uv < (319.49, 239.49))).all(-1)
    assert inside.mean() > 0.9
    found = np.stack(np.divmod(pixels, 320)[::-1], -1)[inside]
    assert np.abs(found - uv[inside]).max() < 0.51  # rounded
    assert (pixels[((uv < -0.51) | (uv > (319.51, 239.51))).any(-1)] == -1).all()


@pytest.mark.parametrize("baseline_m", [0.015, 0.06, 0.2])
@pytest.mark.parametrize("colour", [COLOUR, DEPTH], ids=["finer", "equal"])
def test_labels_of_one_camera_are_those_of_the_other_but_at_borders(baseline_m, colour):
    T_colour_depth = transform(baseline_m, 0.002, 0.001, (0.01, 0.02, -0.01))
    depth_m, truth = boxes(DEPTH, np.eye(4))
    seen_depth_m, labels = boxes(colour, T_colour_depth)
    pixels = pixels_in_image(depth_m, DEPTH, colour, T_colour_depth)
    carried = at_pixels(labels, pixels)
    inner = np.ones(truth.shape, dtype=bool)  # pixels off each border
    for axis, step in ((0, 1), (0, 2), (1, 1), (1, 2), (1, 3)):
        inner &= (np.roll(truth, step, axis) == truth) & (np.roll(truth, -step, axis) == truth)
    # What the other camera has something in front of belongs to nothing, above all not to that.
    assert ((carried == truth) | (pixels < 0))[inner].mean() > 0.9995
    assert ((carried == 2) & (truth != 2))[inner].mean() < 0.0005
    points = DEPTH.back_project(depth_m).astype(np.float64) @ T_colour_depth[:3, :3].T
    points += T_colour_depth[:3, 3]
    uv = np.rint(colour.project(points)).astype(int).reshape(120, 160, 2)
    inside = ((uv >= 0) & (uv < (colour.width, colour.height))).all(-1)
    u, v = np.clip(uv[..., 0], 0, colour.width - 1), np.clip(uv[..., 1], 0, colour.height - 1)
    shows = inside & (np.abs(seen_depth_m[v, u] - points[:, 2].reshape(120, 160)) < 0.01)
    hidden = inside & (seen_depth_m[v, u] < points[:, 2].reshape(120, 160) - 0.1)
    assert (pixels >= 0)[shows & inner].mean() > 0.99
    if hidden[inner].any():
        assert (pixels < 0)[hidden & inner].mean() > 0.99


def test_what_has_no_depth_lies_behind_or_outside_has_no_pixel():
    depth_m = np.full((120, 160), 1.0)
    depth_m[0], depth_m[1], depth_m[2], depth_m[3] = 0.0, np.nan, np.inf, -1.0
    assert (pixels_in_image(depth_m, DEPTH, DEPTH, np.eye(4))[:4] == -1).all()
    assert (pixels_in_image(depth_m, DEPTH, DEPTH, transform(z_m=-2.0)) == -1).all()
    assert (pixels_in_image(depth_m, DEPTH, DEPTH, transform(x_m=9.0)) == -1).all()


def test_a_depth_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match="depth must be 120 x 160"):
        pixels_in_image(np.ones((48, 64)), DEPTH, COLOUR, np.eye(4))


def test_many_masks_are_carried_over_at_once():
    masks = np.random.default_rng(0).random((5, 240, 320)) < 0.5
    pixels = np.random.default_rng(1).integers(-1, 240 * 320, (120, 160))
    carried = at_pixels(masks, pixels)
    assert (carried.shape, carried.dtype) == ((5, 120, 160), bool)
    for mask, one in zip(masks, carried, strict=True):
        np.testing.assert_array_equal(one, np.where(pixels >= 0, mask.ravel()[pixels], False))


def test_label_images_keep_their_type_and_take_the_background_where_nothing_is_seen():
    labels = np.full((2, 2), 3, dtype=np.int16)
    carried = at_pixels(labels, np.array([[-1, 0]]), fill=-1)
    assert (carried.tolist(), carried.dtype) == ([[-1, 3]], np.int16)
