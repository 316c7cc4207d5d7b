from pathlib import Path

import pytest
import torch
from torch import Tensor

from genpose_ros.training import CloudPool
from genpose_ros.training.data import Batch, augment


def in_object_frame(batch: Batch) -> Tensor:
    return (batch.points_cam - batch.translation.unsqueeze(1)) @ batch.rotation


def test_clouds_belong_to_their_truth(pool: CloudPool, generator: torch.Generator) -> None:
    batch = pool.draw(50, generator)
    inside = in_object_frame(batch).abs() <= batch.size_m.unsqueeze(1) / 2 + 2e-4
    assert inside.all()


def test_points_come_in_a_new_order_each_time(pool: CloudPool, generator: torch.Generator) -> None:
    def one() -> Tensor:
        return pool.draw(1, torch.Generator().manual_seed(3)).points_cam

    torch.testing.assert_close(one(), one())
    first = pool.draw(200, generator)
    same = (first.translation[:, None] == first.translation[None]).all(-1).fill_diagonal_(False)
    i, j = same.nonzero()[0]
    a, b = first.points_cam[i], first.points_cam[j]
    assert not torch.allclose(a, b)
    torch.testing.assert_close(a.sort(0).values, b.sort(0).values)


class TestAugment:
    def test_is_exact(self, pool: CloudPool, generator: torch.Generator) -> None:
        # In the object's frame only a scale and, for mirrored scenes, the sign of z remain.
        batch = pool.draw(64, generator)
        changed = augment(batch, generator)
        before, after = in_object_frame(batch), in_object_frame(changed)
        scale = changed.size_m[:, 0] / batch.size_m[:, 0]
        assert ((scale >= 0.9) & (scale <= 1.1)).all()
        assert scale.std() > 0.03
        ratio = after / before
        near = before.abs() > 0.005
        sign = torch.sign((after * before)[..., 2].sum(1))
        expected = scale.view(-1, 1, 1) * torch.stack(
            (torch.ones_like(sign), torch.ones_like(sign), sign), -1
        ).unsqueeze(1)
        torch.testing.assert_close(ratio[near], expected.expand_as(ratio)[near], atol=2e-3, rtol=0)
        assert 10 < (sign < 0).sum() < 54

    def test_keeps_rotations_rotations(self, pool: CloudPool, generator: torch.Generator) -> None:
        rotation = augment(pool.draw(64, generator), generator).rotation
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(64))
        identity = torch.eye(3).expand(64, 3, 3)
        torch.testing.assert_close(rotation @ rotation.mT, identity, atol=1e-5, rtol=0)


def test_new_shards_join(pool: CloudPool, tmp_path: Path) -> None:
    first = tmp_path / "set" / "shard-00000.safetensors"
    (tmp_path / "set" / "shard-00001.safetensors").write_bytes(first.read_bytes())
    pool.refresh()
    assert len(pool) == 128


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="genpose synthesize"):
        CloudPool(tmp_path)


def test_a_damaged_shard_is_named(pool: CloudPool, tmp_path: Path) -> None:
    (tmp_path / "set" / "shard-00007.safetensors").write_bytes(b"not one")
    with pytest.raises(ValueError, match=r"shard-00007\.safetensors is damaged"):
        pool.refresh()
