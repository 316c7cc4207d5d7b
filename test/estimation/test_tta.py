# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Test-time augmentation: views of a cloud, and candidates shared out among them."""

import pytest
import torch

from genpose_ros.estimation.tta import (
    augmented_clouds,
    augmented_poses,
    merge_augmentations,
    share_out,
)
from genpose_ros.geometry import random_rotations


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


class TestAugmentedClouds:
    def test_a_single_view_is_the_cloud_itself(self, generator):
        clouds = torch.randn(2, 16, 3, generator=generator)
        assert torch.equal(augmented_clouds(clouds, 1), clouds)

    def test_each_view_begins_at_other_points(self, generator):
        clouds = torch.randn(2, 16, 3, generator=generator)
        first, second, third, fourth = augmented_clouds(clouds, 4).chunk(4)
        assert torch.equal(first, clouds)
        assert torch.equal(third[:, :4], clouds[:, 8:12])
        mirror = torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(second[:, :4], clouds[:, 4:8] * mirror)
        assert torch.equal(fourth[:, :4], clouds[:, 12:] * mirror)

    def test_every_view_holds_all_points(self, generator):
        clouds = torch.randn(1, 7, 3, generator=generator)
        for view in augmented_clouds(clouds, 3):
            assert torch.equal(view[:, 1].sort().values, clouds[0, :, 1].sort().values)


class TestAugmentedPoses:
    def test_a_mirrored_pose_fits_the_mirrored_cloud(self, generator):
        # The points of an object that is its own mirror image in z = 0 must fit in every view.
        half = torch.randn(50, 3, generator=generator, dtype=torch.float64)
        points_obj = torch.cat((half, half * half.new_tensor([1.0, 1.0, -1.0])))
        rotation = random_rotations(3, generator)
        translation = torch.randn(3, 3, generator=generator, dtype=rotation.dtype)
        cloud = points_obj @ rotation.mT + translation.unsqueeze(1)
        tta_views = 2
        seen = augmented_clouds(cloud, tta_views)
        R, t = augmented_poses(
            rotation.repeat(tta_views, 1, 1), translation.repeat(tta_views, 1), tta_views
        )
        back = (seen - t.unsqueeze(1)) @ R
        for row in back:
            distance = torch.cdist(row, points_obj).amin(1)
            assert distance.max() < 1e-6

    def test_mirrored_rotations_are_rotations(self, generator):
        rotation = random_rotations(4, generator).view(4, 1, 3, 3).expand(4, 5, 3, 3)
        R, _ = augmented_poses(rotation, torch.zeros(4, 5, 3), 4)
        torch.testing.assert_close(torch.linalg.det(R), torch.ones(4, 5, dtype=R.dtype))

    def test_poses_mirrored_twice_are_the_same(self, generator):
        rotation = random_rotations(6, generator).view(6, 1, 3, 3)
        translation = torch.randn(6, 1, 3, generator=generator)
        once = augmented_poses(rotation, translation, 3)
        back = augmented_poses(*once, 3)
        assert not torch.equal(once[1], translation)
        assert torch.equal(back[0], rotation)
        assert torch.equal(back[1], translation)


class TestSharing:
    @pytest.mark.parametrize(
        ("candidates", "tta_views"), [(50, 1), (50, 2), (50, 4), (5, 3), (1, 2)]
    )
    def test_shared_out_candidates_are_merged_in_their_order(self, candidates, tta_views):
        dealt = share_out(torch.arange(candidates), tta_views)
        assert dealt.shape == (tta_views, -(-candidates // tta_views))
        objects = 3
        values = dealt.repeat_interleave(objects, 0)  # view after view, as the clouds are
        gathered = merge_augmentations(values, tta_views, candidates)
        assert torch.equal(gathered, torch.arange(candidates).expand(objects, -1))

    def test_merging_keeps_the_objects_apart(self):
        objects, tta_views = 2, 2
        values = torch.tensor([0, 1]).repeat(tta_views)[:, None].expand(-1, 4)
        assert torch.equal(
            merge_augmentations(values, tta_views, 8), torch.tensor([[0] * 8, [1] * 8])[:objects]
        )


def test_only_objects_that_may_be_mirrored_have_mirrored_views():
    generator = torch.Generator().manual_seed(5)
    clouds = torch.randn(3, 8, 3, generator=generator)
    mirrored = torch.tensor([True, False, True])
    views = augmented_clouds(clouds, 4, mirrored).view(4, 3, 8, 3)
    usual = augmented_clouds(clouds, 4).view(4, 3, 8, 3)
    assert torch.equal(views[:, mirrored], usual[:, mirrored])
    for view in range(4):
        assert torch.equal(views[view, 1], clouds[1].roll(-2 * view, 0))
    rotation, translation = random_rotations(12, generator), torch.randn(12, 3).double()
    R, t = augmented_poses(rotation, translation, 4, mirrored)
    R_usual, t_usual = augmented_poses(rotation, translation, 4)
    kept = mirrored.repeat(4)
    assert torch.equal(R[kept], R_usual[kept])
    assert torch.equal(t[kept], t_usual[kept])
    assert torch.equal(R[~kept], rotation[~kept])
    assert torch.equal(t[~kept], translation[~kept])
