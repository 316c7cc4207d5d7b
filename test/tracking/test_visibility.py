# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Visibility of expected objects, on depth images whose answer is known."""

import math

import numpy as np
import pytest
from cube_scene import CAMERA, SIZE_M, at, front, image
from scipy.spatial.transform import Rotation

from genpose_ros.tracking.visibility import (
    image_pixels,
    inside_fraction,
    outside_fraction,
    outside_fractions,
    visibility,
)


def look(depth_m, T=None, points=None):
    points = front() if points is None else points
    T = at() if T is None else T
    (view,) = visibility(T[None], points[None], SIZE_M[None], depth_m, CAMERA, axisymmetric=[False])
    return view


class TestVisibility:
    def test_a_surface_where_it_is_expected_is_seen(self):
        view = look(image())
        assert (view.seen, view.hidden, view.gone, view.unknown) == (1.0, 0.0, 0.0, 0.0)
        assert view.residual_m == pytest.approx(0.0, abs=1e-6)

    def test_half_a_surface_behind_something_is_hidden(self):
        depth_m = image()
        depth_m[:, 160:] = 0.4
        view = look(depth_m)
        assert view.hidden == pytest.approx(0.5)
        assert view.seen == pytest.approx(0.5)

    def test_a_surface_taken_away_is_gone(self):
        view = look(np.full((240, 320), 2.0, dtype=np.float32))
        assert view.gone == 1.0
        assert view.residual_m == pytest.approx(1.2)

    @pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf, -1.0])
    def test_a_surface_without_depth_is_unknown(self, nothing):
        view = look(np.full((240, 320), nothing, dtype=np.float32))
        assert (view.unknown, view.seen) == (1.0, 0.0)
        assert math.isnan(view.residual_m)

    def test_a_surface_beyond_the_border_or_behind_the_camera_is_outside(self):
        assert look(image(), at(x=3.0)).outside == 1.0
        assert look(image(), at(z=-1.0)).outside == 1.0

    def test_a_surface_half_beyond_the_border_is_half_outside(self):
        view = look(image(), at(x=0.8 * CAMERA.cx / CAMERA.fx))
        assert view.outside == pytest.approx(0.5, abs=0.1)

    def test_a_surface_turned_away_is_not_hidden(self):
        # The back of the cube: its front is before it, and belongs to it.
        assert look(image(), points=front() * [1, 1, -1]).seen == 1.0
        # Something else is no part of it.
        assert look(image(z=0.6), points=front() * [1, 1, -1]).hidden == 1.0

    def test_shares_add_up_to_one(self):
        depth_m = image()
        depth_m[:110], depth_m[110:115], depth_m[115:120] = 0.3, 0.0, 1.5
        view = look(depth_m)
        assert view.seen + view.hidden + view.gone + view.unknown + view.outside == pytest.approx(1)
        assert min(view.seen, view.hidden, view.gone, view.unknown) > 0

    def test_the_view_of_many_objects_is_that_of_each(self):
        rng = np.random.default_rng(0)
        depth_m = rng.choice([0.0, 0.3, 0.79, 0.81, 0.9, 1.5, np.nan], (240, 320))
        poses = [at(*rng.uniform((-0.3, -0.2, 0.6), (0.3, 0.2, 1.0))) for _ in range(8)]
        poses += [at(x=3.0), at(z=-1.0)]
        sizes = rng.uniform(0.05, 0.2, (10, 3))
        surfaces = rng.uniform(-0.06, 0.06, (10, 99, 3))
        upright = [bool(i % 2) for i in range(10)]
        views = visibility(np.array(poses), surfaces, sizes, depth_m, CAMERA, axisymmetric=upright)
        for T, surface, size_m, symmetric, view in zip(
            poses, surfaces, sizes, upright, views, strict=True
        ):
            expected = by_point(T, surface, size_m, depth_m, symmetric)
            np.testing.assert_allclose(
                [
                    *(view.seen, view.hidden, view.gone, view.outside, view.unknown),
                    view.residual_m,
                ],
                expected,
            )
        assert 0 < views[0].seen < 1
        assert 0 < views[0].hidden < 1


def by_point(T, surface, size_m, depth_m, symmetric):
    """The shares and the residual, point by point."""
    counts, rest = dict.fromkeys(("seen", "hidden", "gone", "outside", "unknown"), 0), []
    for point in surface + T[:3, 3]:
        u, v = (round(300 * point[i] / point[2] + c) for i, c in ((0, 159.5), (1, 119.5)))
        inside = point[2] > 0 and 0 <= u < 320 and 0 <= v < 240
        measured = depth_m[v, u] if inside else np.nan
        if not measured > 0:
            counts["unknown" if inside else "outside"] += 1
            continue
        behind = measured - point[2]
        x, y, z = np.abs(point * measured / point[2] - T[:3, 3])
        half = size_m * 0.55 + 0.01
        across = math.hypot(x, z) <= half[0] if symmetric else x <= half[0] and z <= half[2]
        hidden = behind < -0.025 and not (across and y <= half[1])
        name = "hidden" if hidden else "gone" if behind > 0.025 else "seen"
        counts[name] += 1
        if not hidden:
            rest.append(abs(behind))
    shares = [count / len(surface) for count in counts.values()]
    return [*shares, np.median(rest) if rest else np.nan]


class TestBox:
    def test_the_share_outside_is_that_of_the_widened_box(self):
        # 10 % and 1 cm are allowed for: half an edge of 5 cm becomes 6.5.
        points = np.array([[0.064, 0, 0], [0.066, 0, 0], [0, -0.066, 0], [0, 0, 0.064]])
        T = at(1, 2, 3)
        moved = points + T[:3, 3]
        assert outside_fraction(moved, T, SIZE_M, axisymmetric=False) == 0.5
        assert inside_fraction(moved, T, SIZE_M, axisymmetric=False) == 0.5

    def test_axisymmetric_objects_have_a_cylinder(self):
        corner = np.array([[0.06, 0, 0.06]])
        assert outside_fraction(corner, np.eye(4), SIZE_M, axisymmetric=False) == 0
        assert outside_fraction(corner, np.eye(4), SIZE_M, axisymmetric=True) == 1


def test_points_fall_on_the_nearest_pixel():
    points = np.array([[0.0, 0, 1], [0.1, 0, 1], [9, 0, 1], [0, 0, -1]])
    row, column, inside = image_pixels(points, CAMERA)
    assert inside.tolist() == [True, True, False, False]
    assert column.tolist() == [160, 190]
    assert row.tolist() == [120, 120]


def test_shares_outside_of_several_objects_are_those_of_each():
    rng = np.random.default_rng(0)
    points = [rng.normal(0, 0.06, (count, 3)) for count in (40, 7, 40, 1)]
    T = np.stack([np.eye(4)] * 4)
    T[:, :3, :3] = Rotation.random(4, random_state=1).as_matrix()
    T[:, :3, 3] = rng.normal(0, 0.02, (4, 3))
    sizes_m, free = rng.uniform(0.05, 0.2, (4, 3)), [True, False, False, True]
    found = outside_fractions(points, T, sizes_m, axisymmetric=free)
    each = zip(points, T, sizes_m, free, strict=True)
    expected = [outside_fraction(p, pose, m, axisymmetric=a) for p, pose, m, a in each]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 0 < found[0] < 1
    assert outside_fractions([], T[:0], sizes_m[:0], axisymmetric=[]).shape == (0,)
