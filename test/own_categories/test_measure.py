# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measured symmetries, mirror planes and rests of shapes whose own are known."""

import math

import numpy as np
import pytest
from mesh_shapes import Shape, box, hammer, joined, moved, prism

from genpose_ros.own_categories.measure import (
    ANY,
    AXES,
    common_fold,
    is_mirrored,
    measure_deviations,
    stable_rests,
    symmetry_words,
    tipping_rad,
)
from genpose_ros.synthesis.meshes import make_mesh


def measured(shape: Shape):
    mesh = make_mesh("a", "thing", *shape, metric=True)
    return measure_deviations(mesh.vertices, mesh.faces)


def words(*shapes: Shape) -> str:
    found = [measured(shape) for shape in shapes]
    return symmetry_words([common_fold(found, axis) for axis in AXES])


def planes(shape: Shape) -> str:
    return "".join(axis for axis in AXES if is_mirrored([measured(shape)], axis))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (box(0.05, 0.2, 0.1), "{x: half, y: half, z: half}"),
        (box(0.1, 0.2, 0.1), "{x: half, y: quarter, z: half}"),
        (box(0.1, 0.1, 0.1), "{x: quarter, y: quarter, z: quarter}"),
        (prism(6, 0.05, 0.03), "{x: half, y: 6, z: half}"),
        (prism(64, 0.03, 0.2), "{x: half, y: any, z: half}"),
        (hammer(), "{}"),
    ],
)
def test_known_symmetries_are_measured(shape, expected):
    assert words(shape) == expected


def test_a_side_a_fifth_longer_is_no_quarter_turn_even_of_a_long_bar():
    assert words(box(0.05, 0.5, 0.06)) == "{x: half, y: half, z: half}"
    assert words(box(0.05, 0.5, 0.051)) == "{x: half, y: quarter, z: half}"


def test_mirror_planes_are_measured():
    assert planes(hammer()) == "z"
    assert planes(box(0.1, 0.2, 0.3)) == "xyz"
    handed = joined(box(0.2, 0.02, 0.02), moved(box(0.02, 0.1, 0.02), 0.09, 0.05, 0))
    assert planes(joined(handed, moved(box(0.02, 0.02, 0.1), -0.09, 0, 0.05))) == ""


def test_what_is_inside_does_not_count():
    inner = moved(box(0.02, 0.02, 0.02), 0.01, 0.02, 0.01)
    assert words(joined(prism(48, 0.04, 0.1), inner)) == "{x: half, y: any, z: half}"


def test_a_shape_among_many_that_is_clearly_different_decides():
    square, oblong = box(0.1, 0.2, 0.1), box(0.1, 0.2, 0.13)
    assert words(square, square) == "{x: half, y: quarter, z: half}"
    assert words(square, square, square, oblong) == "{x: half, y: half, z: half}"


def test_deviations_are_relative_to_what_counts_as_the_same():
    # A quarter turn takes the far sides of a x by b edges (a - b) / 2 off the surface.
    a, b, height = 0.1, 0.12, 0.2
    off = measured(box(a, height, b)).turns["y", 4] * 0.03 * math.hypot(a, b)
    assert off == pytest.approx((b - a) / 2, rel=0.05)


def test_words_are_those_of_a_manifest():
    assert symmetry_words((1, 1, 1)) == "{}"
    assert symmetry_words((2, ANY, 1)) == "{x: half, y: any}"
    assert symmetry_words((1, 6, 4)) == "{y: 6, z: quarter}"


def test_a_box_tips_over_its_longer_foot_side():
    vertices, _ = box(0.06, 0.2, 0.1)
    assert tipping_rad(vertices) == pytest.approx(math.atan(0.03 / 0.1))


def test_a_cone_on_its_point_does_not_stand_at_all():
    ring, faces = prism(32, 0.05, 0.1)
    cone = ring * np.where(ring[:, 1:2] < 0, [1e-3, 1, 1e-3], 1)
    assert tipping_rad(cone) < 0.01
    assert tipping_rad(-cone) > 0.5
    assert len(faces)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (box(0.06, 0.2, 0.1), ("standing", "lying", "upside_down")),
        (prism(64, 0.01, 0.3), ("lying",)),
        (prism(64, 0.1, 0.02), ("standing", "upside_down")),
        (joined(prism(48, 0.1, 0.02), moved(prism(48, 0.01, 0.1), 0, 0.06, 0)), ("standing",)),
    ],
)
def test_rests_are_those_in_which_an_object_is_stable(shape, expected):
    rests = stable_rests([make_mesh("a", "thing", *shape, metric=True)])
    assert set(expected) <= set(rests)
    assert rests == expected or "lying" in rests
