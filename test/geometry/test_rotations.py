# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rotations against scipy, and at the points where their formulas are singular."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import (
    columns_from_rotation,
    geodesic_angle,
    mean_rotation,
    quat_wxyz_from_rotation,
    random_rotations,
    rotation_from_columns,
    rotation_from_quat_wxyz,
    so3_exp,
    so3_log,
)
from genpose_ros.geometry.rotations import _top_eigenvector, _top_eigenvector_by_squaring

# A few roundings of the dtype's epsilon.
TOLERANCE = {torch.float32: 3e-6, torch.float64: 1e-14}
ANGLES = [0.0, 1e-12, 1e-5, 0.00999, 0.0101, 1.0, 3.0, math.pi - 1e-6, math.pi]
AXES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (0.6, -0.8, 0), (1 / 3, 2 / 3, -2 / 3)]

vectors = st.lists(st.floats(-1.8, 1.8), min_size=3, max_size=3)


def axis_times(angle: float, axis: tuple[float, ...]) -> np.ndarray:
    return angle * np.asarray(axis, dtype=np.float64)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("axis", AXES)
class TestAgainstScipy:
    def test_the_exponential_map_is_that_of_scipy(self, axis, angle, dtype):
        vector = axis_times(angle, axis)
        expected = torch.from_numpy(Rotation.from_rotvec(vector).as_matrix())
        actual = so3_exp(torch.from_numpy(vector).to(dtype))
        assert (actual.double() - expected).abs().max() < TOLERANCE[dtype]

    def test_the_logarithm_gives_the_rotation_vector_back(self, axis, angle, dtype):
        vector = torch.from_numpy(axis_times(angle, axis))
        rotation = torch.from_numpy(Rotation.from_rotvec(vector.numpy()).as_matrix()).to(dtype)
        error = (so3_log(rotation).double() - vector).norm()
        if angle == math.pi:  # both signs are right
            error = min(error, (so3_log(rotation).double() + vector).norm())
        assert error < 5 * TOLERANCE[dtype]

    def test_quaternions_are_those_of_scipy(self, axis, angle, dtype):
        rotation = Rotation.from_rotvec(axis_times(angle, axis))
        expected = torch.from_numpy(rotation.as_quat()[[3, 0, 1, 2]])
        quat = quat_wxyz_from_rotation(torch.from_numpy(rotation.as_matrix()).to(dtype)).double()
        assert quat[0] >= 0
        assert min((quat - expected).norm(), (quat + expected).norm()) < TOLERANCE[dtype]

    def test_the_angle_to_the_identity_is_the_length_of_the_vector(self, axis, angle, dtype):
        rotation = Rotation.from_rotvec(axis_times(angle, axis)).as_matrix()
        actual = geodesic_angle(torch.eye(3, dtype=dtype), torch.from_numpy(rotation).to(dtype))
        assert abs(float(actual) - angle) < 2 * TOLERANCE[dtype]


@given(vectors, vectors)
def test_the_angle_is_that_of_scipy_for_any_pair(a, b):
    ra, rb = Rotation.from_rotvec(a), Rotation.from_rotvec(b)
    actual = geodesic_angle(torch.from_numpy(ra.as_matrix()), torch.from_numpy(rb.as_matrix()))
    assert float(actual) == pytest.approx((ra.inv() * rb).magnitude(), abs=1e-13)


@given(vectors)
def test_exponential_map_and_logarithm_are_inverse(vector):
    vector = torch.tensor(vector, dtype=torch.float64)
    if vector.norm() < math.pi - 1e-6:
        assert torch.allclose(so3_log(so3_exp(vector)), vector, atol=1e-13, rtol=0)


def test_quaternions_of_any_length_and_batch_shape_are_rotations():
    rotation = random_rotations(24, torch.Generator().manual_seed(1)).reshape(2, 3, 4, 3, 3)
    quat = quat_wxyz_from_rotation(rotation)
    assert quat.shape == (2, 3, 4, 4)
    assert torch.allclose(rotation_from_quat_wxyz(-3.0 * quat), rotation, atol=1e-14)


class TestColumns:
    def test_columns_give_the_gram_schmidt_rotation_of_the_paper(self):
        generator = torch.Generator().manual_seed(0)
        a, b = torch.randn(2, 100, 3, generator=generator, dtype=torch.float64)
        rotation = rotation_from_columns(a, b)
        # Paper eq. 10-12 makes the second column orthogonal to the first.
        x = a / a.norm(dim=-1, keepdim=True)
        y = b - (x * b).sum(-1, keepdim=True) * x
        y = y / y.norm(dim=-1, keepdim=True)
        assert torch.allclose(rotation[..., 0], x, atol=1e-14)
        assert torch.allclose(rotation[..., 1], y, atol=1e-13)
        assert torch.allclose(torch.linalg.det(rotation), torch.ones(100).double(), atol=1e-13)

    def test_a_rotation_comes_back_from_its_columns(self):
        rotation = random_rotations(50, torch.Generator().manual_seed(2))
        columns = columns_from_rotation(rotation)
        assert columns.shape == (50, 6)
        assert torch.allclose(rotation_from_columns(columns[:, :3], columns[:, 3:]), rotation)

    def test_parallel_columns_give_no_finite_rotation(self):
        a = torch.tensor([1.0, 2.0, 3.0])
        assert not rotation_from_columns(a, 2 * a).isfinite().all()


class TestRandomRotations:
    def test_random_rotations_follow_their_generator(self):
        a, b = (random_rotations(3, torch.Generator().manual_seed(7)) for _ in range(2))
        assert torch.equal(a, b)

    def test_random_rotations_are_uniform(self):
        rotation = random_rotations(20000, torch.Generator().manual_seed(3))
        # Haar measure: E R = 0, E R_ij^2 = 1/3, E angle = pi/2 + 2/pi; 5 standard errors.
        assert rotation.mean(dim=0).abs().max() < 5 * (1 / 3 / 20000) ** 0.5
        assert ((rotation**2).mean(dim=0) - 1 / 3).abs().max() < 5 * (4 / 45 / 20000) ** 0.5
        angle = geodesic_angle(torch.eye(3).double(), rotation).mean()
        assert abs(float(angle) - (math.pi / 2 + 2 / math.pi)) < 5 * 0.65 / 20000**0.5


class TestMeanRotation:
    def test_the_weighted_mean_is_that_of_scipy(self):
        rng = np.random.default_rng(0)
        rotation, weights = Rotation.random(12, random_state=1), rng.random(12)
        expected = torch.from_numpy(rotation.mean(weights).as_matrix())
        actual = mean_rotation(torch.from_numpy(rotation.as_matrix()), torch.from_numpy(weights))
        assert torch.allclose(actual, expected, atol=1e-12)

    def test_means_without_weights_are_batched(self):
        rotation = random_rotations(30, torch.Generator().manual_seed(5)).reshape(3, 10, 3, 3)
        expected = torch.from_numpy(
            np.stack([Rotation.from_matrix(r.numpy()).mean().as_matrix() for r in rotation])
        )
        assert torch.allclose(mean_rotation(rotation), expected, atol=1e-12)

    def test_the_mean_of_two_rotations_lies_midway(self):
        centre = so3_exp(torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64))
        step = torch.tensor([0.2, 0.1, -0.4], dtype=torch.float64)
        pair = torch.stack((centre @ so3_exp(step), centre @ so3_exp(-step)))
        assert torch.allclose(mean_rotation(pair), centre, atol=1e-14)

    def test_the_mean_keeps_float32(self):
        assert mean_rotation(torch.eye(3).expand(4, 3, 3)).dtype == torch.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda: so3_exp(torch.zeros(4)),
        lambda: so3_log(torch.zeros(3)),
        lambda: rotation_from_quat_wxyz(torch.zeros(3)),
        lambda: geodesic_angle(torch.zeros(3, 4), torch.eye(3)),
    ],
)
def test_wrong_shapes_are_refused(call):
    with pytest.raises(ValueError, match=r"expected .* got shape"):
        call()


def test_the_mean_of_rotations_is_the_same_in_a_fixed_number_of_steps():
    """What a GPU does in place of a solver, which would make the host wait."""
    generator = torch.Generator().manual_seed(0)
    turns = 0.4 * torch.randn(7, 30, 3, generator=generator).double()
    rotation = so3_exp(turns) @ random_rotations(7, generator)[:, None]
    quat = quat_wxyz_from_rotation(rotation)
    outer = quat.mT @ quat
    expected, actual = _top_eigenvector(outer), _top_eigenvector_by_squaring(outer)
    assert torch.allclose((expected * actual).sum(-1).abs(), torch.ones(7).double(), atol=1e-12)
