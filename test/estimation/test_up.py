# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the direction up: the support plane in the depth, and what is made of a known one."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.up import (
    UpDirection,
    find_support_plane,
    support_share,
    up_direction,
)
from genpose_ros.geometry import PinholeCamera
from genpose_ros.synthesis.scenes import table_scene

CAMERA = PinholeCamera(150.0, 150.0, 80.0, 60.0, 160, 120)


def angle_deg(a, b):
    return np.degrees(np.arccos(np.clip(np.dot(a, b), -1, 1)))


def rays():
    v, u = np.mgrid[0:120, 0:160].astype(float)
    return np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1)


def plane_depth(normal, level):
    """Depth of the plane normal x = level; 0 where a ray does not meet it."""
    along = rays() @ normal
    depth = level / np.where(np.abs(along) > 1e-6, along, np.inf)
    return np.where((depth > 0) & (depth < 5), depth, 0.0)


def with_box(depth, up, level):
    """The depth with the front of a box that stands on the plane in the image's middle."""
    mask = np.zeros(depth.shape, bool)
    mask[45:66, 70:92] = True
    front = np.array([0.0, 0.0, -1.0])
    front -= (front @ up) * up
    front /= np.linalg.norm(front)
    foot = rays()[65, 80] * depth[65, 80]
    depth = np.where(mask, (front @ foot) / (rays() @ front), depth)
    return depth, mask


@pytest.mark.parametrize("elevation_deg", [20, 45, 70])
@pytest.mark.parametrize("roll_deg", [0, 90, 180])
def test_a_table_is_found_from_any_elevation_and_at_any_roll(elevation_deg, roll_deg):
    angle = np.radians(elevation_deg)
    up = np.array([0.0, -np.cos(angle), -np.sin(angle)])
    depth, mask = with_box(plane_depth(up, -0.5), up, -0.5)
    rng = np.random.default_rng(1)
    depth = np.where(depth > 0, depth + rng.normal(0, 0.002, depth.shape), 0)
    turns = roll_deg // 90
    camera = CAMERA if turns % 2 == 0 else PinholeCamera(150.0, 150.0, 60.0, 80.0, 120, 160)
    if turns:
        depth, mask = np.rot90(depth, turns), np.rot90(mask, turns)
        camera = PinholeCamera(150.0, 150.0, (depth.shape[1] - 1) / 2, (depth.shape[0] - 1) / 2,
                               depth.shape[1], depth.shape[0])  # fmt: skip
    plane = find_support_plane(depth, camera, [mask])
    expected = Rotation.from_euler("z", -roll_deg, degrees=True).apply(up)
    assert plane.source == "plane"
    assert angle_deg(plane.direction_cam, expected) < 1.0
    assert plane.level_m == pytest.approx(-0.5, abs=0.01)


def test_the_tables_of_scenes_are_found_within_half_a_degree():
    for seed in range(4):
        scene = table_scene(seed)
        masks = [scene.label == o.instance_id for o in scene.objects]
        plane = find_support_plane(scene.depth_mm / 1000, scene.camera, masks)
        # Objects that stand have the table's normal as their y axis.
        tilts = [angle_deg(o.T_cam_obj[:3, 1], plane.direction_cam) for o in scene.objects]
        assert sorted(tilts)[len(tilts) // 2] < 0.5
        assert plane.sigma_rad < np.radians(2)


def test_a_wall_behind_an_object_in_the_air_is_no_support():
    depth = plane_depth(np.array([0.0, 0.0, -1.0]), -1.2)
    mask = np.zeros(depth.shape, bool)
    mask[40:80, 60:100] = True
    depth[mask] = 0.7
    assert find_support_plane(depth, CAMERA, [mask]) is None


def test_the_table_is_found_although_the_wall_behind_it_has_more_pixels():
    up = np.array([0.0, -0.94, -np.sqrt(1 - 0.94**2)])
    table = plane_depth(up, -0.3)
    depth, mask = with_box(np.where(table > 0, table, 9.0), up, -0.3)
    depth = np.where(mask, depth, np.minimum(depth, 0.85))
    wall = (depth == 0.85) & ~mask
    assert wall.sum() > (~wall & ~mask).sum()
    plane = find_support_plane(depth, CAMERA, [mask])
    assert angle_deg(plane.direction_cam, up) < 1.5


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf, -1.0])
def test_without_measurements_there_is_no_plane_and_no_warning(fill):
    mask = np.zeros((120, 160), bool)
    mask[40:80, 60:100] = True
    assert find_support_plane(np.full((120, 160), fill), CAMERA, [mask]) is None


def test_masks_of_another_size_and_empty_ones_are_left_out():
    depth = np.ones((120, 160))
    assert find_support_plane(depth, CAMERA, [np.ones((60, 80), bool)]) is None
    assert find_support_plane(depth, CAMERA, [np.zeros((120, 160), bool)]) is None
    assert find_support_plane(depth, CAMERA, []) is None


def test_noise_and_a_heap_of_things_give_no_plane_rather_than_a_wrong_one():
    depth = np.random.default_rng(0).uniform(0.4, 1.5, (120, 160))
    mask = np.zeros(depth.shape, bool)
    mask[40:80, 60:100] = True
    assert find_support_plane(depth, CAMERA, [mask]) is None


def test_a_known_direction_takes_the_level_of_a_plane_that_agrees_with_it():
    up = np.array([0.0, -0.8, -0.6])
    depth, mask = with_box(plane_depth(up, -0.5), up, -0.5)
    leaning = Rotation.from_euler("x", 3, degrees=True).apply(up)
    known = UpDirection(leaning, sigma_rad=0.01, source="tf")
    found = up_direction("auto", known, depth, CAMERA, [mask])
    assert np.array_equal(found.direction_cam, leaning)
    assert found.source == "tf"
    # The level is the plane's below the box, whose foot is there.
    foot = rays()[65, 80] * depth[65, 80]
    assert found.level_m == pytest.approx(leaning @ foot, abs=0.01)


def test_a_known_direction_does_not_take_the_level_of_a_slope():
    up = np.array([0.0, -0.8, -0.6])
    depth, mask = with_box(plane_depth(up, -0.5), up, -0.5)
    known = UpDirection(Rotation.from_euler("x", 30, degrees=True).apply(up), source="imu")
    assert up_direction("auto", known, depth, CAMERA, [mask]) is known


def test_the_source_decides_whether_a_plane_is_looked_for():
    up = np.array([0.0, -0.8, -0.6])
    depth, mask = with_box(plane_depth(up, -0.5), up, -0.5)
    given = UpDirection(up, level_m=-0.4)
    assert up_direction("none", given, depth, CAMERA, [mask]) is None
    assert up_direction("auto", given, depth, CAMERA, [mask]) is given
    assert up_direction("plane", None, depth, CAMERA, [mask]).source == "plane"
    assert up_direction("plane", given, depth, CAMERA, [mask]).source == "plane"
    assert up_direction("tf", None, depth, CAMERA, [mask]) is None
    known = UpDirection(up, source="tf")
    for source in ("auto", "tf", "imu"):
        found = up_direction(source, known, depth, CAMERA, [mask])
        assert found.source == "tf"
        assert found.level_m == pytest.approx(-0.5, abs=0.01)


def test_a_wall_with_more_points_gives_way_to_the_table_where_up_is_known():
    up = np.array([0.0, -0.8, -0.6])
    depth, mask = with_box(plane_depth(up, -0.5), up, -0.5)
    depth[:, 92:] = np.minimum(depth[:, 92:], 0.9)  # a board that the box touches
    known = UpDirection(up, source="imu")
    plane = find_support_plane(depth, CAMERA, [mask], known)
    assert angle_deg(plane.direction_cam, up) < 1
    assert find_support_plane(depth, CAMERA, [mask], UpDirection(np.array([1.0, 0, 0]))) is None


def test_the_share_of_an_image_on_a_plane_tells_whether_it_is_still_there():
    up = np.array([0.0, -0.8, -0.6])
    depth, _ = with_box(plane_depth(up, -0.5), up, -0.5)
    plane = UpDirection(up, level_m=-0.5)
    there = support_share(plane, depth, CAMERA)
    assert there > 0.9
    tilted = Rotation.from_euler("x", 5, degrees=True).apply(up)
    assert support_share(UpDirection(tilted, level_m=-0.5), depth, CAMERA) < 0.5 * there
    assert support_share(UpDirection(up, level_m=-0.53), depth, CAMERA) < 0.1 * there
    assert support_share(UpDirection(up), depth, CAMERA) == 0
    assert support_share(plane, np.zeros_like(depth), CAMERA) == 0


@pytest.mark.parametrize("wrong", [[0, 0, 2.0], [0, 0, 0], [0, 1.0], [0, np.nan, 1]])
def test_what_is_no_unit_vector_is_refused(wrong):
    with pytest.raises(ValueError, match="unit vector"):
        UpDirection(np.array(wrong))


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        UpDirection(np.array([0.0, 0, 1]), sigma_rad=np.nan)
    with pytest.raises(ValueError, match="finite"):
        UpDirection(np.array([0.0, 0, 1]), level_m=np.inf)
