import pytest
import torch

from genpose_ros.estimation.tta import (
    clouds_of_looks,
    looks_to_objects,
    poses_of_looks,
    share_out,
)
from genpose_ros.geometry import random_rotations


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


class TestCloudsOfLooks:
    def test_one_look_is_the_cloud(self, generator):
        clouds = torch.randn(2, 16, 3, generator=generator)
        assert torch.equal(clouds_of_looks(clouds, 1), clouds)

    def test_each_begins_at_other_points(self, generator):
        clouds = torch.randn(2, 16, 3, generator=generator)
        first, second, third, fourth = clouds_of_looks(clouds, 4).chunk(4)
        assert torch.equal(first, clouds)
        assert torch.equal(third[:, :4], clouds[:, 8:12])
        mirror = torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(second[:, :4], clouds[:, 4:8] * mirror)
        assert torch.equal(fourth[:, :4], clouds[:, 12:] * mirror)

    def test_all_points_stay(self, generator):
        clouds = torch.randn(1, 7, 3, generator=generator)
        looks = clouds_of_looks(clouds, 3)
        for look in looks:
            assert torch.equal(look[:, 1].sort().values, clouds[0, :, 1].sort().values)


class TestPosesOfLooks:
    def test_a_mirrored_object_lies_in_the_mirrored_cloud(self, generator):
        # The points of an object that is its own mirror image in z = 0 must fit in every look.
        half = torch.randn(50, 3, generator=generator, dtype=torch.float64)
        points_obj = torch.cat((half, half * half.new_tensor([1.0, 1.0, -1.0])))
        rotation = random_rotations(3, generator)
        translation = torch.randn(3, 3, generator=generator, dtype=rotation.dtype)
        cloud = points_obj @ rotation.mT + translation.unsqueeze(1)
        looks = 2
        seen = clouds_of_looks(cloud, looks)
        R, t = poses_of_looks(rotation.repeat(looks, 1, 1), translation.repeat(looks, 1), looks)
        back = (seen - t.unsqueeze(1)) @ R
        for row in back:
            distance = torch.cdist(row, points_obj).amin(1)
            assert distance.max() < 1e-6

    def test_rotations_stay_rotations(self, generator):
        rotation = random_rotations(4, generator).view(4, 1, 3, 3).expand(4, 5, 3, 3)
        R, _ = poses_of_looks(rotation, torch.zeros(4, 5, 3), 4)
        torch.testing.assert_close(torch.linalg.det(R), torch.ones(4, 5, dtype=R.dtype))

    def test_twice_changes_nothing(self, generator):
        rotation = random_rotations(6, generator).view(6, 1, 3, 3)
        translation = torch.randn(6, 1, 3, generator=generator)
        once = poses_of_looks(rotation, translation, 3)
        back = poses_of_looks(*once, 3)
        assert not torch.equal(once[1], translation)
        assert torch.equal(back[0], rotation)
        assert torch.equal(back[1], translation)


class TestSharing:
    @pytest.mark.parametrize(("candidates", "looks"), [(50, 1), (50, 2), (50, 4), (5, 3), (1, 2)])
    def test_comes_back_in_order(self, candidates, looks):
        dealt = share_out(torch.arange(candidates), looks)
        assert dealt.shape == (looks, -(-candidates // looks))
        objects = 3
        values = dealt.repeat_interleave(objects, 0)  # look after look, as the clouds are
        gathered = looks_to_objects(values, looks, candidates)
        assert torch.equal(gathered, torch.arange(candidates).expand(objects, -1))

    def test_keeps_the_objects_apart(self):
        objects, looks = 2, 2
        values = torch.tensor([0, 1]).repeat(looks)[:, None].expand(-1, 4)
        assert torch.equal(
            looks_to_objects(values, looks, 8), torch.tensor([[0] * 8, [1] * 8])[:objects]
        )
