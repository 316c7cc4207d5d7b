# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Symmetry groups: what words generate, and the nearest of equivalent rotations."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import (
    Symmetry,
    SymmetryBatch,
    axis_angle_rad,
    geodesic_angle,
    random_rotations,
    so3_exp,
)
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, AXISYMMETRIC

HALF_Y = Symmetry.parse({"y": "half"})
BOX = Symmetry.parse({"x": "half", "y": "half"})
TIN = Symmetry.parse({"y": "quarter"})
CUBE = Symmetry.parse({"x": "quarter", "y": "quarter"})
ROD = Symmetry.parse({"x": "half", "y": "any"})


def turn(x_deg: float, y_deg: float, z_deg: float) -> torch.Tensor:
    return so3_exp(torch.deg2rad(torch.tensor([x_deg, y_deg, z_deg], dtype=torch.float64)))


class TestSymmetry:
    @pytest.mark.parametrize(
        ("words", "order"),
        [
            ({}, 1),
            ({"y": "half"}, 2),
            ({"y": "quarter"}, 4),
            ({"x": "half", "y": "half"}, 4),
            ({"x": "half", "y": "quarter"}, 8),
            ({"x": "half", "y": 6}, 12),
            ({"x": "quarter", "y": "quarter"}, 24),
            ({"y": "any"}, 1),
            ({"x": "half", "y": "any", "z": "half"}, 2),
        ],
    )
    def test_words_generate_a_closed_group_of_proper_rotations(self, words, order):
        group = Symmetry.parse(words).rotations
        assert len(group) == order
        assert np.array_equal(group[0], np.eye(3))
        assert np.allclose(np.linalg.det(group), 1)
        for a in group:
            for b in group:
                assert np.abs(group - a @ b).max(axis=(1, 2)).min() < 1e-12

    def test_half_turns_are_exact_matrices(self):
        assert np.array_equal(HALF_Y.rotations[1], np.diag([-1.0, 1.0, -1.0]))
        assert set(np.unique(CUBE.rotations)) == {-1.0, 0.0, 1.0}

    @pytest.mark.parametrize(
        "words", [{}, {"y": "any"}, {"x": "half", "y": 6}, {"x": "half", "y": "any"}]
    )
    def test_words_of_a_symmetry_give_it_again(self, words):
        assert Symmetry.parse(words).words == words
        assert Symmetry.parse(Symmetry.parse(words).words) == Symmetry.parse(words)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ({"w": "half"}, "unknown axis 'w'"),
            ({"y": "third"}, "unknown symmetry 'third' about y"),
            ({"y": True}, "unknown symmetry True"),
            ({"y": 1}, "a count from 2 on"),
            ({"x": "any"}, "only y can be a free axis, got x"),
            ({"x": "any", "y": "any"}, "only y can be a free axis, got x, y"),
            ({"x": "quarter", "y": "any"}, "half turns about x or z"),
            ({"y": 25}, "more than 24 rotations"),
            ({"x": 3, "y": "quarter"}, "more than 24 rotations"),
            ("half", "a symmetry is a table"),
        ],
    )
    def test_words_that_make_no_group_are_refused(self, words, message):
        with pytest.raises(ValueError, match=message):
            Symmetry.parse(words)


class TestSymmetryBatch:
    def test_smaller_groups_are_filled_up_with_the_identity(self):
        batch = SymmetryBatch.of([ASYMMETRIC, BOX, AXISYMMETRIC], members=8)
        assert batch.rotations.shape == (3, 8, 3, 3)
        assert torch.equal(batch.rotations[0], torch.eye(3).double().expand(8, 3, 3))
        assert np.array_equal(batch.rotations[1, :4].numpy(), BOX.rotations)
        assert batch.free.tolist() == [False, False, True]

    def test_the_nearest_member_is_that_of_trying_all(self):
        generator = torch.Generator().manual_seed(0)
        symmetries = [ASYMMETRIC, HALF_Y, BOX, TIN, CUBE, AXISYMMETRIC, ROD]
        batch = SymmetryBatch.of(symmetries)
        rotation = random_rotations(70, generator).view(7, 10, 3, 3)
        reference = random_rotations(70, generator).view(7, 10, 3, 3)
        near, angle = batch.nearest(rotation, reference), batch.angle_rad(rotation, reference)
        for b, symmetry in enumerate(symmetries):
            for k in range(10):
                forms = rotation[b, k] @ torch.from_numpy(symmetry.rotations)
                if symmetry.free_axis:
                    y_axis = reference[b, k][:, 1].expand(len(forms), 3)
                    angles = axis_angle_rad(forms[..., 1], y_axis)
                else:
                    relative = (reference[b, k].T @ forms).numpy()
                    angles = torch.from_numpy(Rotation.from_matrix(relative).magnitude())
                assert float(angle[b, k]) == pytest.approx(float(angles.min()), abs=1e-9)
                assert torch.allclose(near[b, k], forms[angles.argmin()], atol=1e-12)

    def test_angles_modulo_a_group_have_their_closed_form_about_the_axis(self):
        yaws = [-170.0, -100.0, -46.0, 0.0, 44.0, 46.0, 90.0, 135.0]
        rotation = torch.stack([turn(0, yaw, 0) for yaw in yaws])[None]
        for symmetry, period in ((HALF_Y, 180.0), (TIN, 90.0), (ASYMMETRIC, 360.0)):
            angle = SymmetryBatch.of([symmetry]).angle_rad(rotation, torch.eye(3).double())[0]
            expected = [abs(math.remainder(yaw, period)) for yaw in yaws]
            assert torch.rad2deg(angle).tolist() == pytest.approx(expected, abs=1e-6)

    def test_every_member_is_as_good_as_another(self):
        pose = random_rotations(1, torch.Generator().manual_seed(1))[0]
        batch = SymmetryBatch.of([CUBE])
        forms = pose @ torch.from_numpy(CUBE.rotations)
        angles = torch.rad2deg(batch.angle_rad((forms @ turn(7, 0, 0))[None], pose))[0]
        assert angles.tolist() == pytest.approx([7.0] * 24, abs=1e-6)

    def test_a_rod_of_two_equal_ends_is_turned_to_the_references_end(self):
        batch = SymmetryBatch.of([ROD])
        upside_down = turn(180, 0, 0) @ turn(4, 0, 0)
        near = batch.nearest(upside_down[None], torch.eye(3).double())[0]
        assert near[1, 1] == pytest.approx(math.cos(math.radians(4)))
        angle = batch.angle_rad(upside_down[None], torch.eye(3).double())
        assert math.degrees(angle) == pytest.approx(4)

    def test_without_the_yaw_only_the_tilt_of_the_y_axis_counts(self):
        generator = torch.Generator().manual_seed(3)
        batch = SymmetryBatch.of([ASYMMETRIC, HALF_Y, AXISYMMETRIC, ROD, CUBE])
        rotation, reference = (random_rotations(50, generator).view(5, 10, 3, 3) for _ in "ab")
        tilt = batch.without_yaw.angle_rad(rotation, reference)
        for b in range(3):  # no member turns the y axis elsewhere
            expected = axis_angle_rad(rotation[b, :, :, 1], reference[b, :, :, 1])
            assert torch.allclose(tilt[b], expected, atol=1e-9)
        assert torch.equal(tilt[2:4], batch.angle_rad(rotation, reference)[2:4])
        assert bool((tilt <= batch.angle_rad(rotation, reference) + 1e-9).all())
        assert math.degrees(tilt[4].max()) < 54.8  # one of a cube's six axes is as near as this

    def test_without_members_rotations_come_back_as_they_are(self):
        rotation = random_rotations(6, torch.Generator().manual_seed(2)).view(2, 3, 3, 3)
        batch = SymmetryBatch.of([ASYMMETRIC, AXISYMMETRIC])
        assert batch.is_trivial
        assert batch.nearest(rotation, torch.eye(3)) is rotation
        turns = geodesic_angle(rotation[0], torch.eye(3).double())
        assert torch.equal(batch.angle_rad(rotation, torch.eye(3).double())[0], turns)

    def test_equally_near_members_are_told_apart_by_their_order_alone(self):
        batch = SymmetryBatch.of([HALF_Y])
        for noise in (-1e-9, 0.0, 1e-9):
            sideways = turn(0, 90, 0) @ so3_exp(torch.tensor([0.0, noise, 0.0]).double())
            near = batch.nearest(sideways[None], torch.eye(3).double())[0]
            assert torch.allclose(near, turn(0, 90, 0), atol=1e-8)
