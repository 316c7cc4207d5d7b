# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pooling: modes, shares and means of candidates with known clusters."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import find_modes, pool_mean, pool_modes, rank_candidates
from genpose_ros.estimation.pooling import MODE_DISTANCE
from genpose_ros.geometry import (
    geodesic_angle,
    pin_yaw,
    random_rotations,
    rotation_error_deg,
    so3_exp,
)
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, Symmetry, SymmetryBatch

R = random_rotations(1, torch.Generator().manual_seed(4))[0]
GENERAL = SymmetryBatch.of([ASYMMETRIC])
AXISYMMETRIC = SymmetryBatch.of([Symmetry(free_axis=True)])
BOX = SymmetryBatch.of([Symmetry.parse({"x": "half", "y": "half"})])
ROD = SymmetryBatch.of([Symmetry.parse({"x": "half", "y": "any"})])


def around(rotation: torch.Tensor, n: int, deviation: float = 0.05, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return so3_exp(deviation * torch.randn(n, 3, generator=generator).double()) @ rotation


def turn_y(degrees: float) -> torch.Tensor:
    return so3_exp(torch.tensor([0.0, math.radians(degrees), 0.0]).double())


def all_kept(k: int):
    return rank_candidates(None, torch.ones(1, k, dtype=torch.bool), 1.0)


class TestFindModes:
    def test_two_separate_clusters_are_two_modes_and_a_stray_is_none(self):
        rotation = torch.cat((around(R, 6), around(R @ turn_y(90), 12), (R @ turn_y(-90))[None]))
        modes = find_modes(rotation[None], GENERAL)[0]
        assert modes.tolist() == [0] * 6 + [6] * 12 + [-1]

    def test_axisymmetric_objects_are_clustered_by_their_y_axis(self):
        yaws = torch.stack([turn_y(10.0 * i) for i in range(36)])
        tipped = so3_exp(torch.tensor([1.5, 0.0, 0.0]).double()) @ R
        rotation = torch.cat((R @ yaws, tipped @ yaws[:12]))[None]
        assert find_modes(rotation, AXISYMMETRIC)[0].tolist() == [0] * 36 + [36] * 12
        # For a general shape, 40 degrees apart, none of them is near another.
        assert find_modes(rotation[:, ::4], GENERAL)[0].unique().tolist() == [-1]

    def test_rotations_are_neighbours_up_to_the_angle_of_mode_distance(self):
        limit_deg = 2 * math.degrees(math.asin(math.sqrt(MODE_DISTANCE)))
        for angle, count in ((limit_deg - 0.1, 1), (limit_deg + 0.1, 2)):
            pair = torch.stack((R, R @ turn_y(angle)))[None]
            assert len(find_modes(pair, GENERAL).unique()) == count

    def test_a_long_chain_of_neighbours_is_one_mode(self):
        chain = torch.stack([R @ turn_y(3.0 * i) for i in range(100)])
        shuffled = chain[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
        modes = find_modes(shuffled[None], GENERAL)[0]
        assert len(modes[modes >= 0].unique()) == 1

    def test_a_bridge_of_few_does_not_join_two_modes(self):
        bridge = torch.stack([R @ turn_y(a) for a in (22.5, 45.0, 67.5)])
        rotation = torch.cat((around(R, 20), around(R @ turn_y(90), 20, seed=1), bridge))
        modes = find_modes(rotation[None], GENERAL)[0]
        assert modes[:20].unique().tolist() == [0]
        assert modes[20:40].unique().tolist() == [20]
        # The middle of the bridge is in reach of both ends, which are cores; it is none itself.
        assert modes[40:].tolist() == [0, 0, 20]

    def test_modes_of_different_objects_do_not_mix(self):
        a, b = around(R, 12), around(R @ turn_y(120), 12)
        both = torch.stack((a, torch.cat((a[:6], b[:6]))))
        modes = find_modes(both, SymmetryBatch.of([ASYMMETRIC] * 2))
        assert modes[0].unique().tolist() == [0]
        assert modes[1].unique().tolist() == [0, 6]


class TestPoolMean:
    def test_the_pooled_mean_is_markleys_mean_and_the_mean_translation(self):
        rotation = around(R, 10, 0.3)
        translation = torch.randn(10, 3, generator=torch.Generator().manual_seed(1)).double()
        energy = torch.stack((torch.arange(10.0), -torch.arange(10.0)), dim=-1)[None]
        ranking = rank_candidates(energy, torch.ones(1, 10, dtype=torch.bool), 0.6)
        pooled = pool_mean(rotation[None], translation[None], ranking, GENERAL)
        expected = Rotation.from_matrix(rotation[4:].numpy()).mean().as_matrix()
        assert torch.allclose(pooled.rotation[0], torch.from_numpy(expected), atol=1e-12)
        assert torch.allclose(pooled.translation[0], translation[:6].mean(dim=0))
        assert pooled.members[0].tolist() == [False] * 4 + [True] * 6

    def test_the_pooled_mean_of_two_modes_lies_between_them(self):
        rotation = torch.stack((R, R @ turn_y(80)))[None]
        pooled = pool_mean(rotation, torch.zeros(1, 2, 3).double(), all_kept(2), GENERAL)
        assert torch.allclose(pooled.rotation[0], R @ turn_y(40), atol=1e-12)
        assert pooled.mode_shares == ((0.5, 0.5),)

    def test_the_pooled_mean_of_axisymmetric_objects_has_a_pinned_yaw(self):
        rotation = around(R, 10)[None]
        pooled = pool_mean(rotation, torch.zeros(1, 10, 3).double(), all_kept(10), AXISYMMETRIC)
        assert torch.allclose(pooled.rotation, pin_yaw(pooled.rotation), atol=1e-12)
        assert rotation_error_deg(pooled.rotation[0], R, "can") < 3


class TestPoolModes:
    def test_pooling_by_modes_averages_the_largest_mode_only(self):
        rotation = torch.cat((around(R @ turn_y(80), 9), around(R, 18, seed=1)))[None]
        translation = torch.cat((torch.ones(9, 3), torch.zeros(18, 3))).double()[None]
        pooled = pool_modes(rotation, translation, all_kept(27), GENERAL, 1.0)
        expected = Rotation.from_matrix(rotation[0, 9:].numpy()).mean().as_matrix()
        assert torch.allclose(pooled.rotation[0], torch.from_numpy(expected), atol=1e-12)
        assert torch.equal(pooled.translation[0], torch.zeros(3).double())
        assert pooled.members[0].tolist() == [False] * 9 + [True] * 18
        assert pooled.mode_shares == ((18 / 27, 9 / 27),)

    def test_of_equally_large_modes_the_better_ranked_one_wins(self):
        rotation = torch.cat((around(R, 10), around(R @ turn_y(90), 10)))[None]
        energy = torch.cat((torch.zeros(10, 2), torch.ones(10, 2)))[None]
        ranking = rank_candidates(energy, torch.ones(1, 20, dtype=torch.bool), 1.0)
        pooled = pool_modes(rotation, torch.zeros(1, 20, 3).double(), ranking, GENERAL, 1.0)
        assert geodesic_angle(pooled.rotation[0], R @ turn_y(90)) < 0.1

    def test_the_pooled_translation_is_the_mean_of_the_members_best(self):
        rotation = torch.cat((around(R, 10), around(R @ turn_y(90), 4)))[None]
        translation = torch.arange(14.0).double()[None, :, None].expand(1, 14, 3)
        energy = torch.stack((torch.zeros(14), torch.arange(14.0)), dim=-1)[None]
        ranking = rank_candidates(energy, torch.ones(1, 14, dtype=torch.bool), 1.0)
        pooled = pool_modes(rotation, translation, ranking, GENERAL, 0.4)
        # Members 0 to 9, the best four by energy are 6 to 9.
        assert pooled.translation[0, 0] == pytest.approx(7.5)

    def test_candidates_without_any_mode_are_all_averaged(self):
        rotation = torch.stack([R @ turn_y(40.0 * i) for i in range(9)])[None]
        translation = torch.arange(9.0).double()[None, :, None].expand(1, 9, 3)
        pooled = pool_modes(rotation, translation, all_kept(9), GENERAL, 1.0)
        assert pooled.mode_shares == ((),)
        assert pooled.members.all()
        assert pooled.translation[0, 0] == pytest.approx(4.0)
        assert pooled.rotation.isfinite().all()

    def test_axisymmetric_objects_get_the_mean_axis_and_a_yaw_that_does_not_jump(self):
        generator = torch.Generator().manual_seed(0)
        yaws = 360 * torch.rand(40, generator=generator)
        poses = [around(R, 40) @ torch.stack([turn_y(float(a + s)) for a in yaws]) for s in (0, 77)]
        zeros = torch.zeros(1, 40, 3).double()
        first, second = (pool_modes(p[None], zeros, all_kept(40), AXISYMMETRIC, 1.0) for p in poses)
        mean_axis = poses[0][..., 1].mean(dim=0)
        assert torch.allclose(first.rotation[0, :, 1], mean_axis / mean_axis.norm(), atol=1e-12)
        assert torch.allclose(first.rotation, second.rotation, atol=1e-12)
        assert first.mode_shares == ((1.0,),)

    def test_an_upside_down_minority_does_not_pull_the_pose(self):
        flipped = R @ so3_exp(torch.tensor([math.pi, 0, 0]).double())
        rotation = torch.cat((around(R, 20), around(flipped, 10)))[None]
        pooled = pool_modes(
            rotation, torch.zeros(1, 30, 3).double(), all_kept(30), AXISYMMETRIC, 1.0
        )
        assert rotation_error_deg(pooled.rotation[0], R, "bottle") < 2
        assert pooled.mode_shares == ((2 / 3, 1 / 3),)

    @pytest.mark.parametrize("k", [1, 2, 1000])
    def test_any_number_of_candidates_can_be_pooled(self, k):
        rotation, translation = around(R, k)[None], torch.zeros(1, k, 3).double()
        for symmetry in (GENERAL, AXISYMMETRIC, BOX, ROD):
            pooled = pool_modes(rotation, translation, all_kept(k), symmetry, 0.6)
            assert torch.rad2deg(symmetry.angle_rad(pooled.rotation, R)) < 10
            assert pooled.mode_shares == ((1.0,),)


class TestFiniteGroups:
    """Candidates spread over the members of a group are one pose."""

    def spread(self, n: int, deviation: float = 0.05) -> torch.Tensor:
        """Candidates (n, 3, 3) around `R`, every one turned by the next of a box's half turns."""
        return around(R, n, deviation) @ BOX.rotations[0].repeat(n // 4, 1, 1)

    def test_members_of_a_group_are_one_mode(self):
        rotation = self.spread(24)[None]
        assert find_modes(rotation, BOX)[0].tolist() == [0] * 24
        assert find_modes(rotation, GENERAL)[0].tolist() == [0, 1, 2, 3] * 6

    def test_a_mode_half_way_between_two_members_is_one_mode_still(self):
        # As far from the first candidate as from its half turn: some are nearer to either.
        far = around(R @ turn_y(90), 12, seed=1)
        rotation = torch.cat((self.spread(20), far))[None]
        modes = find_modes(rotation, BOX)[0]
        assert modes.tolist() == [0] * 20 + [20] * 12

    @pytest.mark.parametrize("pooling", ["mean", "modes"])
    def test_candidates_are_turned_to_one_member_before_they_are_averaged(self, pooling):
        rotation = self.spread(40)[None]
        translation = torch.zeros(1, 40, 3).double()
        args = (rotation, translation, all_kept(40), BOX)
        pooled = pool_mean(*args) if pooling == "mean" else pool_modes(*args, 1.0)
        expected = Rotation.from_matrix(around(R, 40).numpy()).mean().as_matrix()
        expected = BOX.nearest(torch.from_numpy(expected)[None], pooled.rotation)
        assert torch.allclose(pooled.rotation, expected, atol=1e-12)
        assert pooled.mode_shares == ((1.0,),)

    @pytest.mark.parametrize("member", range(4))
    def test_the_pooled_pose_is_the_member_nearest_to_a_known_pose(self, member):
        near = R @ BOX.rotations[0, member]
        args = (self.spread(40)[None], torch.zeros(1, 40, 3).double(), all_kept(40), BOX)
        for pooled in (pool_mean(*args, near=near[None]), pool_modes(*args, 1.0, near=near[None])):
            assert geodesic_angle(pooled.rotation[0], near) < 0.05

    def test_the_pooled_pose_does_not_depend_on_which_members_were_drawn(self):
        poses = [self.spread(40)[None] @ BOX.rotations[0, member] for member in range(4)]
        zeros = torch.zeros(1, 40, 3).double()
        found = [pool_modes(p, zeros, all_kept(40), BOX, 1.0).rotation for p in poses]
        for rotation in found[1:]:
            assert torch.allclose(rotation, found[0], atol=1e-12)

    def test_a_rod_of_two_equal_ends_has_one_axis_with_the_yaw_pinned(self):
        flips = ROD.rotations[0].repeat(20, 1, 1)
        yaws = torch.stack([turn_y(9.0 * i) for i in range(40)])
        rotation = (around(R, 40) @ yaws @ flips)[None]
        pooled = pool_modes(rotation, torch.zeros(1, 40, 3).double(), all_kept(40), ROD, 1.0)
        axis = around(R, 40)[..., 1].mean(dim=0)
        axis = axis / axis.norm()
        up = -torch.sign(axis[1])  # of the two ends the one that is up: against y of the camera
        assert torch.allclose(pooled.rotation[0, :, 1], up * axis, atol=1e-12)
        assert torch.allclose(pooled.rotation, pin_yaw(pooled.rotation), atol=1e-9)
        assert pooled.mode_shares == ((1.0,),)


class TestOtherMode:
    rotation = torch.cat((around(R, 12), around(R @ turn_y(90), 6)))[None]
    translation = torch.cat((torch.zeros(12, 3), torch.ones(6, 3)))[None].double()

    def pooled(self, rows: slice = slice(None), near: torch.Tensor | None = None):
        rotation, translation = self.rotation[:, rows], self.translation[:, rows]
        ranking = all_kept(rotation.shape[1])
        return pool_modes(rotation, translation, ranking, GENERAL, 1.0, near=near)

    def test_the_second_mode_has_a_pose_of_its_own(self):
        found = self.pooled()
        assert found.has_other.tolist() == [True]
        assert geodesic_angle(found.other_rotation[0], R @ turn_y(90)) < math.radians(5)
        assert found.other_translation.tolist() == [[1.0, 1.0, 1.0]]

    def test_the_largest_mode_is_the_other_one_where_another_is_nearer(self):
        found = self.pooled(near=(R @ turn_y(80))[None])
        assert geodesic_angle(found.rotation[0], R @ turn_y(90)) < math.radians(5)
        assert geodesic_angle(found.other_rotation[0], R) < math.radians(5)

    def test_one_mode_has_no_other(self):
        found = self.pooled(slice(12))
        assert found.has_other.tolist() == [False]
        assert torch.equal(found.other_rotation, found.rotation)

    def test_a_mean_of_all_leaves_no_other(self):
        ranking = all_kept(18)
        found = pool_mean(self.rotation, self.translation, ranking, GENERAL)
        assert found.has_other.tolist() == [False]
