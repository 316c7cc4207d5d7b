# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Single rotations against scipy, and at the points where their formulas are singular."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.single_rotations import (
    quat_wxyz_of,
    rotation_from_quat_wxyz,
    rotation_from_vector,
    vector_from_rotation,
)

ANGLES = [0.0, 1e-200, 1e-12, 1e-5, 0.00999, 0.0101, 1.0, 3.0, math.pi - 1e-6, math.pi]
AXES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (0.6, -0.8, 0), (1 / 3, 2 / 3, -2 / 3)]

vectors = arrays(np.float64, 3, elements=st.floats(-1.8, 1.8))


@given(vectors)
def test_single_rotations_are_those_of_scipy(vector):
    rotation = rotation_from_vector(vector)
    np.testing.assert_allclose(rotation, Rotation.from_rotvec(vector).as_matrix(), atol=1e-14)
    np.testing.assert_allclose(vector_from_rotation(rotation), vector, atol=1e-13)
    w, x, y, z = quat_wxyz_of(rotation)
    assert w >= 0
    np.testing.assert_allclose(Rotation.from_quat([x, y, z, w]).as_matrix(), rotation, atol=1e-14)
    assert math.hypot(w, x, y, z) == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(rotation_from_quat_wxyz(w, x, y, z), rotation, atol=1e-14)
    longer = rotation_from_quat_wxyz(*(-3 * n for n in (w, x, y, z)))
    np.testing.assert_allclose(longer, rotation, atol=1e-14)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("angle", ANGLES)
def test_single_rotations_are_exact_where_formulas_are_singular(angle, axis):
    vector = angle * np.array(axis)
    rotation = rotation_from_vector(vector)
    np.testing.assert_allclose(rotation, Rotation.from_rotvec(vector).as_matrix(), atol=1e-14)
    back = vector_from_rotation(rotation)
    if angle == math.pi:  # either way round
        back = math.copysign(1, back @ vector) * back
    np.testing.assert_allclose(back, vector, rtol=1e-9, atol=1e-15)


def test_vectors_longer_than_pi_come_back_as_the_shortest():
    rotation = rotation_from_vector(np.array([0, 2 * math.pi - 0.5, 0]))
    np.testing.assert_allclose(vector_from_rotation(rotation), [0, -0.5, 0], atol=1e-14)


def test_almost_orthonormal_matrices_count_as_a_rotation_near_by():
    vector = np.array([0.3, -0.2, 0.5])
    rotation = rotation_from_vector(vector).astype(np.float32) + np.float32(1e-4)
    np.testing.assert_allclose(vector_from_rotation(rotation), vector, atol=3e-4)


def test_no_quaternion_is_no_rotation():
    for quat in ((0.0, 0.0, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0), (math.inf, 0.0, 0.0, 1.0)):
        assert np.isnan(rotation_from_quat_wxyz(*quat)).any()
