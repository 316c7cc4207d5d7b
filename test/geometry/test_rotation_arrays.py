# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rotations of several objects at once against those of each by itself."""

import numpy as np
import pytest

from genpose_ros.geometry.rotation_arrays import rotations_from_vectors, vectors_from_rotations
from genpose_ros.geometry.single_rotations import rotation_from_vector, vector_from_rotation


@pytest.fixture
def vectors():
    """Of all lengths up to pi: none, the smallest, about where the series ends, the largest."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(40, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    lengths = np.concatenate(
        ([0.0, 1e-12, 1e-7, 0.0099, 0.0101, np.pi - 1e-7], rng.uniform(0, np.pi, 34))
    )
    return lengths[:, None] * axes


def test_rotations_are_those_of_each_vector(vectors):
    expected = [rotation_from_vector(vector) for vector in vectors]
    np.testing.assert_allclose(rotations_from_vectors(vectors), expected, atol=1e-14)


def test_vectors_are_those_of_each_rotation(vectors):
    rotations = np.stack([rotation_from_vector(vector) for vector in vectors])
    expected = [vector_from_rotation(rotation) for rotation in rotations]
    np.testing.assert_allclose(vectors_from_rotations(rotations), expected, atol=1e-14)
    np.testing.assert_allclose(vectors_from_rotations(rotations), vectors, atol=1e-7)


def test_half_turns_have_vectors_as_long_as_pi():
    halves = np.stack([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
    np.testing.assert_allclose(np.abs(vectors_from_rotations(halves)), np.pi * np.eye(3))


def test_any_number_of_axes_goes_before():
    vectors = np.random.default_rng(1).normal(size=(2, 5, 3))
    rotations = rotations_from_vectors(vectors)
    assert rotations.shape == (2, 5, 3, 3)
    np.testing.assert_allclose(rotations[1, 3], rotation_from_vector(vectors[1, 3]))
    assert rotations_from_vectors(np.zeros((0, 3))).shape == (0, 3, 3)
    assert vectors_from_rotations(np.zeros((0, 3, 3))).shape == (0, 3)
