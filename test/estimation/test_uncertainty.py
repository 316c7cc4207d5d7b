# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Covariance and agreement against their definitions."""

import math

import numpy as np
import pytest
import torch

from genpose_ros.estimation import agreement, pose_covariance
from genpose_ros.geometry import random_rotations, so3_exp
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, Symmetry, SymmetryBatch

R = random_rotations(1, torch.Generator().manual_seed(9))[0]
T = torch.tensor([0.1, -0.2, 0.9]).double()
GENERAL = SymmetryBatch.of([ASYMMETRIC])
AXISYMMETRIC = SymmetryBatch.of([Symmetry(free_axis=True)])
BOX = SymmetryBatch.of([Symmetry.parse({"x": "half", "y": "half"})])
FLOOR = np.diag([1e-8] * 3 + [1e-6] * 3)


def turn_y(angle: torch.Tensor) -> torch.Tensor:
    return so3_exp(angle[:, None] * torch.tensor([0.0, 1.0, 0.0]).double())


def covariance(rotation, translation, symmetry, members=None) -> np.ndarray:
    if members is None:
        members = torch.ones(len(rotation), dtype=torch.bool)
    result = pose_covariance(
        rotation[None], translation[None], members[None], R[None], T[None], symmetry
    )
    return result[0].numpy()


class TestCovariance:
    def test_the_covariance_is_the_second_moment_about_the_pose(self):
        delta = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
        delta *= torch.tensor([0.01, 0.02, 0.03, 0.1, 0.2, 0.3]).double()
        rotation, translation = so3_exp(delta[:, 3:]) @ R, T + delta[:, :3]
        expected = (delta.T @ delta / 40).numpy() + FLOOR
        assert np.allclose(covariance(rotation, translation, GENERAL), expected, atol=1e-12)

    def test_only_members_count_in_the_covariance(self):
        rotation = torch.stack((R, so3_exp(torch.tensor([1.0, 0, 0]).double()) @ R))
        members = torch.tensor([True, False])
        translation = torch.stack((T, T + 1))
        assert np.allclose(covariance(rotation, translation, GENERAL, members), FLOOR)

    def test_the_yaw_of_axisymmetric_objects_has_the_variance_of_a_full_circle(self):
        angles = torch.linspace(-3, 3, 30).double()
        actual = covariance(R @ turn_y(angles), T.expand(30, 3), AXISYMMETRIC)
        y = R[:, 1].numpy()
        assert y @ actual[3:, 3:] @ y == pytest.approx(math.pi**2 / 3 + 1e-6)
        others = np.linalg.eigvalsh(actual[3:, 3:])[:2]
        assert others == pytest.approx([1e-6, 1e-6], abs=1e-12)

    def test_the_tilt_of_axisymmetric_objects_counts_in_the_covariance(self):
        generator = torch.Generator().manual_seed(3)
        tilt = torch.randn(50, 3, generator=generator).double() * 0.1
        tilt -= (tilt @ R[:, 1])[:, None] * R[:, 1]  # turns about axes perpendicular to y
        rotation = so3_exp(tilt) @ R @ turn_y(torch.rand(50, generator=generator).double() * 6)
        expected = (tilt.T @ tilt / 50).numpy() + 1e-6 * np.eye(3)
        expected += math.pi**2 / 3 * np.outer(R[:, 1], R[:, 1])
        assert np.allclose(covariance(rotation, T.expand(50, 3), AXISYMMETRIC)[3:, 3:], expected)

    @pytest.mark.parametrize("symmetry", [GENERAL, AXISYMMETRIC, BOX])
    def test_the_covariance_is_positive_definite_even_for_opposite_rotations(self, symmetry):
        flips = [torch.eye(3).double()]
        flips += [so3_exp(math.pi * axis) for axis in torch.eye(3).double()]
        flips += [so3_exp(math.pi * torch.ones(3).double() / math.sqrt(3))]
        rotation = R @ torch.stack(flips)
        actual = covariance(rotation, T.expand(5, 3), symmetry)
        assert np.array_equal(actual, actual.T)
        assert np.linalg.eigvalsh(actual).min() >= 0.99e-8

    @pytest.mark.parametrize("axis", [(1.0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, -1), (-1, 1, 1)])
    def test_an_opposite_axis_is_a_turn_of_180_degrees(self, axis):
        y = torch.tensor(axis).double() / math.sqrt(sum(a * a for a in axis))
        x = torch.linalg.cross(y, torch.tensor([0.3, -0.5, 0.8]).double())
        x = x / x.norm()
        rotation = torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)
        flipped = rotation * torch.tensor([1.0, -1.0, -1.0]).double()
        member = torch.ones(1, 1, dtype=torch.bool)
        zero = torch.zeros(1, 3).double()
        actual = pose_covariance(
            flipped[None, None], zero[None], member, rotation[None], zero, AXISYMMETRIC
        )[0, 3:, 3:]
        assert float(actual.trace()) == pytest.approx(math.pi**2 * 4 / 3, rel=1e-5)
        assert float(y @ actual @ y) == pytest.approx(math.pi**2 / 3, rel=1e-5)

    def test_candidates_at_other_members_of_a_group_spread_no_wider(self):
        generator = torch.Generator().manual_seed(3)
        turns = 0.1 * torch.randn(40, 3, generator=generator).double()
        rotation = so3_exp(turns) @ R @ BOX.rotations[0].repeat(10, 1, 1)
        expected = (turns.T @ turns / 40).numpy() + 1e-6 * np.eye(3)
        assert np.allclose(covariance(rotation, T.expand(40, 3), BOX)[3:, 3:], expected)
        assert np.trace(covariance(rotation, T.expand(40, 3), GENERAL)) > 5


class TestAgreement:
    def share(self, rotation, translation, symmetry, finite=None) -> float:
        if finite is None:
            finite = torch.ones(len(rotation), dtype=torch.bool)
        args = (rotation[None], translation[None], finite[None], R[None], T[None], symmetry)
        return float(agreement(*args))

    def test_candidates_within_ten_degrees_and_two_centimetres_agree(self):
        angles = torch.deg2rad(torch.tensor([0.0, 9.9, 10.1, 0.0, 0.0]).double())
        translation = (
            T + torch.tensor([0, 0, 0, 0.0199, 0.0201]).double()[:, None] * torch.eye(3)[0]
        )
        rotation = R @ turn_y(angles)
        assert self.share(rotation, translation, GENERAL) == pytest.approx(3 / 5)
        assert self.share(rotation, translation, AXISYMMETRIC) == pytest.approx(4 / 5)

    def test_candidates_that_are_not_finite_do_not_agree(self):
        finite = torch.tensor([True, False])
        assert self.share(R.expand(2, 3, 3), T.expand(2, 3), GENERAL, finite) == 0.5

    def test_candidates_at_other_members_of_a_group_agree(self):
        angles = torch.deg2rad(torch.tensor([0.0, 180.0, 189.9, 190.1, 90.0]).double())
        rotation, translation = R @ turn_y(angles), T.expand(5, 3)
        assert self.share(rotation, translation, BOX) == pytest.approx(3 / 5)
        assert self.share(rotation, translation, GENERAL) == pytest.approx(1 / 5)
