# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rigid transforms and pose covariances against scipy and block matrices."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import is_transform, rotate_covariance, with_uniform_angle


@pytest.mark.parametrize(
    ("matrix", "valid"),
    [
        (np.eye(4), True),
        (np.eye(4, dtype=np.float32), True),
        (np.eye(3), False),
        (np.full((4, 4), np.inf), False),
        (np.diag([1.0, 1, -1, 1]), False),
        (np.diag([1.0, 1, 1, 2]), False),
        (1.01 * np.eye(4), False),
    ],
)
def test_rigid_transforms_are_told_apart_from_other_matrices(matrix, valid):
    assert is_transform(matrix) is valid
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec([1, 2, 3]).as_matrix()
    assert is_transform(turned @ matrix if matrix.shape == (4, 4) else matrix) is valid


def test_a_covariance_is_rotated_in_both_its_parts():
    rng = np.random.default_rng(0)
    root, rotation = rng.normal(size=(6, 6)), Rotation.from_rotvec([0.3, -0.4, 1.2]).as_matrix()
    both = np.kron(np.eye(2), rotation)
    expected = both @ root @ root.T @ both.T
    assert np.allclose(rotate_covariance(root @ root.T, rotation), expected)


def test_a_uniform_angle_has_its_variance_whatever_was_claimed_and_the_rest_is_kept():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    covariance = root @ root.T
    axis = np.array([2.0, -1.0, 2.0]) / 3
    free = with_uniform_angle(covariance, axis)
    about = np.concatenate((np.zeros(3), axis))
    assert about @ free @ about == pytest.approx(np.pi**2 / 3)
    # Every direction across the axis keeps its variance.
    across = np.concatenate((rng.normal(size=3), np.cross(axis, rng.normal(size=3))))
    assert across @ free @ across == pytest.approx(across @ covariance @ across)
    assert across @ free @ about == pytest.approx(0.0, abs=1e-12)
    assert np.linalg.eigvalsh(free).min() > 0
    np.testing.assert_allclose(with_uniform_angle(free, axis), free, atol=1e-12)
