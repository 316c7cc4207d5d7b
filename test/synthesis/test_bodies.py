# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Casting moving bodies: the same picture as casting everything at once, and the room behind."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.synthesis.bodies import Backdrop, Body, Rectangle, render_bodies
from genpose_ros.synthesis.motions import look_at, poses
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.primitives import box
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.shapes import make_shapes

CAMERA = PinholeCamera(154.0, 154.0, 80.0, 60.0, 160, 120)
NOTHING = (np.zeros((120, 160), np.float32), np.zeros((120, 160), np.float32))


def plate(width: float, height: float) -> Body:
    batch = box(np.array([[width, height, 0.001]]))
    return Body(batch.vertices[0], batch.faces)


def at(x: float, y: float, z: float) -> np.ndarray:
    return poses(np.eye(3), np.array([x, y, z]))


def test_rendered_bodies_equal_a_cast_of_all_meshes_at_once():
    rng = np.random.default_rng(3)
    meshes = [make_shapes(name, 1, rng) for name in ("mug", "laptop", "bowl")]
    turns = Rotation.random(3, random_state=rng).as_matrix()
    # The second reaches over the image's border, the third lies partly behind the first.
    T = [
        poses(turns[i], np.array(p))
        for i, p in enumerate([(0, 0, 0.6), (0.4, 0, 0.9), (0, 0, 0.75)])
    ]
    seen = render_bodies([Body(m.vertices[0], m.faces) for m in meshes], T, NOTHING, CAMERA)
    parts = [
        (m.vertices[0] @ t[:3, :3].T + t[:3, 3], m.faces) for m, t in zip(meshes, T, strict=True)
    ]
    expected = cast(parts, pixel_rays(CAMERA), np.zeros(3))
    differs = seen.part != expected.part
    # Rays that graze an edge may fall on either side of it by rounding.
    assert differs.mean() < 2e-4
    assert set(np.unique(seen.part)) == {-1, 0, 1, 2}
    same = ~differs & (seen.part >= 0)
    depths = np.abs(seen.depth_m - expected.depth_m)[same]
    assert np.quantile(depths, 0.999) < 1e-4
    cosines = np.abs(seen.cos_incidence - expected.cos_incidence)[same]
    assert np.quantile(cosines, 0.995) < 1e-3


def test_the_room_equals_its_rectangles_cast_as_meshes():
    rectangles = (
        Rectangle(1, 0.0, (-0.5, -0.4), (0.5, 0.4)),
        Rectangle(2, -0.8, (-2.0, -1.0), (2.0, 1.5)),
    )
    corners = [
        np.array([[-0.5, 0, -0.4], [0.5, 0, -0.4], [0.5, 0, 0.4], [-0.5, 0, 0.4]]),
        np.array([[-2, -1, -0.8], [2, -1, -0.8], [2, 1.5, -0.8], [-2, 1.5, -0.8]]),
    ]
    T_fixed_cam = look_at(np.array([0.1, 0.7, 0.9]), np.zeros(3), 0.2)
    T_cam_fixed = np.linalg.inv(T_fixed_cam)
    rays = pixel_rays(CAMERA).astype(np.float32)
    depth, cosine = Backdrop(rectangles, rays).view_from(T_fixed_cam)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    parts = [(c @ T_cam_fixed[:3, :3].T + T_cam_fixed[:3, 3], faces) for c in corners]
    expected = cast(parts, rays, np.zeros(3))
    same = (depth > 0) == (expected.part >= 0)
    assert same.mean() > 0.999
    np.testing.assert_allclose(depth[same], expected.depth_m[same], atol=2e-5)
    np.testing.assert_allclose(cosine[same], expected.cos_incidence[same], atol=1e-4)


def test_the_room_is_rendered_anew_when_the_camera_moves():
    rays = pixel_rays(CAMERA).astype(np.float32)
    backdrop = Backdrop((Rectangle(2, 0.0, (-9, -9), (9, 9)),), rays)
    near = poses(np.diag([1.0, -1, -1]), np.array([0, 0, 1.0]))
    far = poses(np.diag([1.0, -1, -1]), np.array([0, 0, 1.5]))
    for T, distance in ((near, 1.0), (near, 1.0), (far, 1.5), (near, 1.0)):
        np.testing.assert_allclose(backdrop.view_from(T)[0], distance, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "share"),
    [(0.0, 1.0), (0.52, 0.5), (0.8, 0.0), (-0.52, 0.5)],
)
def test_visible_share_counts_the_part_outside_the_image_as_hidden(x, share):
    # At 1 m the image ends at 80 / 154 = 0.52 m on either side.
    seen = render_bodies([plate(0.2, 0.1)], [at(x, 0, 1)], NOTHING, CAMERA)
    assert seen.visible_shares[0] == pytest.approx(share, abs=0.04)


def test_visible_share_counts_the_part_behind_another_body_as_hidden():
    bodies = [plate(0.2, 0.1), plate(0.05, 0.4)]
    seen = render_bodies(bodies, [at(0, 0, 1), at(0, 0, 0.5)], NOTHING, CAMERA)
    # The bar at half the distance hides twice its width.
    np.testing.assert_allclose(seen.visible_shares, [0.5, 1.0], atol=0.04)


def test_a_body_behind_the_camera_is_not_rendered():
    seen = render_bodies([plate(0.2, 0.1)], [at(0, 0, -1)], NOTHING, CAMERA)
    assert (seen.part == -1).all()
    assert (seen.depth_m == 0).all()


def test_a_body_around_the_camera_fills_the_image():
    seen = render_bodies([plate(9.0, 9.0)], [at(0, 0, 0.3)], NOTHING, CAMERA)
    assert (seen.part == 0).all()
    np.testing.assert_allclose(seen.depth_m, 0.3, atol=0.001)


def test_bodies_behind_the_room_are_hidden():
    wall = (np.full((120, 160), 0.8, np.float32), np.ones((120, 160), np.float32))
    seen = render_bodies([plate(0.2, 0.1)], [at(0, 0, 1)], wall, CAMERA)
    assert (seen.part == -1).all()
    assert seen.visible_shares[0] == 0
