# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Placing objects on a table."""

import numpy as np
import pytest

from genpose_ros.geometry import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis.placement import pixel_rays, place_on_table
from genpose_ros.synthesis.scenes import D435_COLOR_CAMERA

WANTED = ["mug", "laptop", "can", "mug"]


def test_pixel_rays_go_through_pixel_centres():
    camera = PinholeCamera(100.0, 200.0, 3.0, 1.0, 8, 6)
    rays = pixel_rays(camera)
    assert rays.shape == (6, 8, 3)
    assert rays[1, 3].tolist() == [0, 0, 1]
    assert camera.project(rays[4, 7] * 0.9).tolist() == pytest.approx([7, 4])
    assert np.array_equal(pixel_rays(camera, step=2), rays[::2, ::2])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_objects_stand_apart_on_the_table_and_wholly_in_the_image(seed):
    T_cam_table, things = place_on_table(WANTED, D435_COLOR_CAMERA, np.random.default_rng(seed))
    assert sorted(thing.category for thing in things) == sorted(WANTED)
    for i, thing in enumerate(things):
        assert thing.on_table[:, 1].min() == pytest.approx(0, abs=1e-9)
        u, v = D435_COLOR_CAMERA.project(transform_points(T_cam_table, thing.on_table)).T
        assert u.min() > 6
        assert u.max() < 634
        assert v.min() > 6
        assert v.max() < 474
        for other in things[:i]:
            between = thing.on_table[:, None, [0, 2]] - other.on_table[None, :, [0, 2]]
            assert np.linalg.norm(between, axis=-1).min() >= 0.025


def test_more_objects_than_the_table_holds_are_refused():
    tiny = PinholeCamera(615.0, 615.0, 40.0, 30.0, 80, 60)
    with pytest.raises(ValueError, match="found no place for 1 objects"):
        place_on_table(["laptop"], tiny, np.random.default_rng(0))
