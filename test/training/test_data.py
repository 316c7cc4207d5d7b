# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from genpose_ros.geometry import NOCS, CategorySet
from genpose_ros.synthesis import read_shard
from genpose_ros.training import CloudPool, TrainingSettings
from genpose_ros.training.data import Batch, augment, reordered, step_generator

UNCHANGED: dict[str, Any] = {"mirror_share": 0.0, "roll_deg": 0.0, "scale_range": 0.0}

#: The true direction up and level for every cloud.
EXACT: dict[str, Any] = {
    "up_share": 1.0,
    "up_noise_deg": 0.0,
    "up_wrong_share": 0.0,
    "level_share": 1.0,
    "level_noise_m": 0.0,
}


def settings(batch: int, **changes: Any) -> TrainingSettings:
    return TrainingSettings(batch=batch, **{**UNCHANGED, **changes})


def in_object_frame(batch: Batch) -> Tensor:
    return (batch.points_cam - batch.translation.unsqueeze(1)) @ batch.rotation


class TestDraw:
    def test_drawn_clouds_belong_to_their_truth(self, pool: CloudPool) -> None:
        batch = pool.draw(0, settings(50))
        inside = in_object_frame(batch).abs() <= batch.size_m.unsqueeze(1) / 2 + 2e-4
        assert inside.all()

    def test_a_draw_follows_from_seed_and_step(self, pool: CloudPool) -> None:
        first = pool.draw(3, settings(8))
        pool.draw(4, settings(8))
        assert torch.equal(pool.draw(3, settings(8)).points_cam, first.points_cam)
        for other in (pool.draw(4, settings(8)), pool.draw(3, settings(8, seed=1))):
            assert not torch.equal(other.translation, first.translation)

    def test_points_come_in_a_new_order_each_time(self, pool: CloudPool) -> None:
        first = pool.draw(0, settings(200))
        same = (first.translation[:, None] == first.translation[None]).all(-1).fill_diagonal_(False)
        i, j = same.nonzero()[0]
        a, b = first.points_cam[i], first.points_cam[j]
        assert not torch.allclose(a, b)
        # The same points, whatever their order.
        torch.testing.assert_close(a.sort(0).values, b.sort(0).values)

    def test_every_part_of_a_cloud_comes_first_as_often(self, pool: CloudPool) -> None:
        # The encoder looks at the first half alone: of many draws every point is in it as often.
        points = torch.arange(96.0).expand(4000, 96).unsqueeze(-1).expand(-1, -1, 3)
        chance = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0))
        first = reordered(points, chance)[:, :48, 0].flatten().long().bincount(minlength=96)
        # Five standard deviations of a binomial count.
        assert (first - 2000).abs().max() < 5 * math.sqrt(4000 / 4)

    def test_rare_categories_are_drawn_as_often_as_others(
        self, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        write_shard(tmp_path / "shard-00000.safetensors", count=64, rare=4)
        pool = CloudPool(tmp_path)

        def share(**changes: Any) -> float:
            size = pool.draw(0, settings(600, **changes)).size_m
            return (size[:, 0] > 1).float().mean().item()

        # Four standard deviations of a share of 600 draws.
        assert share() == pytest.approx(1 / 2, abs=4 * math.sqrt(0.25 / 600))
        assert share(balanced=False) == pytest.approx(1 / 16, abs=4 * math.sqrt(1 / 16 / 600))

    def test_processes_share_out_the_draw_of_one(
        self, pool: CloudPool, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        write_shard(tmp_path / "set" / "shard-00001.safetensors", seed=1)
        together = CloudPool(tmp_path / "set")
        changed = TrainingSettings(batch=12)
        for step in range(3):
            whole = together.draw(step, changed)
            for rank in range(3):
                part = together.draw(step, changed, rank=rank, ranks=3)
                for name in vars(whole):
                    both = vars(whole)[name][rank::3], vars(part)[name]
                    torch.testing.assert_close(*both, rtol=0, atol=0, equal_nan=True)

    def test_each_process_reads_its_own_shards(
        self, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        for number in range(4):
            write_shard(tmp_path / f"shard-0000{number}.safetensors", seed=number)
        pool = CloudPool(tmp_path)
        for step in range(4):
            pool.draw(step, settings(8), rank=1, ranks=2)
        assert [path.stem for path in sorted(pool._read)] == ["shard-00001", "shard-00003"]


def test_generators_differ_by_seed_step_and_stream() -> None:
    firsts = {
        torch.rand((), generator=step_generator(seed, step, stream)).item()
        for seed in (0, 1, 2**30)
        for step in (0, 1, 2)
        for stream in (0, 1)
    }
    assert len(firsts) == 18


class TestAugment:
    def test_augmentation_changes_scale_and_mirrored_sign_alone(
        self, pool: CloudPool, generator: torch.Generator
    ) -> None:
        # In the object's frame only a scale and, for mirrored scenes, the sign of z remain.
        batch = pool.draw(0, settings(64))
        chance = torch.rand(64, 5, generator=generator)
        changed = augment(batch, chance, TrainingSettings(any_roll_share=0.3))
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

    def test_surfaces_change_as_their_clouds_do(
        self, pool: CloudPool, generator: torch.Generator
    ) -> None:
        # Its own points in place of an object's surface: they stay the same points.
        batch = pool.draw(0, settings(64))
        batch = replace(batch, surface_obj=in_object_frame(batch))
        chance = torch.rand(64, 5, generator=generator)
        changed = augment(batch, chance, TrainingSettings(any_roll_share=0.3))
        assert not torch.allclose(changed.surface_obj, batch.surface_obj, atol=1e-3)
        torch.testing.assert_close(changed.surface_obj, in_object_frame(changed), atol=1e-5, rtol=0)

    def test_augmented_rotations_are_orthonormal(
        self, pool: CloudPool, generator: torch.Generator
    ) -> None:
        chance = torch.rand(64, 5, generator=generator)
        rotation = augment(pool.draw(0, settings(64)), chance, TrainingSettings()).rotation
        torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(64))
        identity = torch.eye(3).expand(64, 3, 3)
        torch.testing.assert_close(rotation @ rotation.mT, identity, atol=1e-5, rtol=0)

    def test_augmentation_rolls_by_the_given_angles(
        self, pool: CloudPool, generator: torch.Generator
    ) -> None:
        batch = pool.draw(0, settings(2000))
        chance = torch.rand(2000, 5, generator=generator)

        def angles_deg(**changes: Any) -> Tensor:
            turn = augment(batch, chance, settings(1, **changes)).rotation @ batch.rotation.mT
            return torch.rad2deg(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]))

        assert angles_deg(roll_deg=6.0).std().item() == pytest.approx(6, rel=0.1)
        # Of a uniform angle the standard deviation is 360 / sqrt(12).
        assert angles_deg(any_roll_share=1.0).std().item() == pytest.approx(103.9, rel=0.05)

    def test_only_clouds_of_categories_with_a_mirror_plane_are_mirrored(
        self, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        write_shard(tmp_path / "shard-00000.safetensors", count=64, rare=32)
        categories = CategorySet((NOCS["mug"], replace(NOCS["can"], mirror=False)))
        recipe = {"categories": json.loads(categories.to_text())}
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
        pool = CloudPool(tmp_path)
        assert pool.categories == categories

        def turned(**changes: Any) -> tuple[Tensor, Tensor]:
            batch = pool.draw(0, settings(400, **changes))
            return batch.rotation, batch.size_m[:, 0] > 1

        (plain, long), (mirrored, _) = turned(), turned(mirror_share=0.5)
        changed = (plain - mirrored).abs().amax((1, 2)) > 1e-6
        assert not changed[long].any()
        assert 0.35 < changed[~long].float().mean() < 0.65

    def test_a_shard_of_another_set_is_refused(
        self, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        write_shard(tmp_path / "shard-00000.safetensors", count=8, rare=4)
        recipe = {"categories": json.loads(CategorySet((NOCS["mug"],)).to_text())}
        (tmp_path / "recipe.json").write_text(json.dumps(recipe))
        with pytest.raises(ValueError, match="category number 1, but its folder is of 1 cat"):
            CloudPool(tmp_path).draw(0, settings(4))

    def test_augmentation_can_be_left_out(
        self, pool: CloudPool, generator: torch.Generator
    ) -> None:
        batch = pool.draw(0, settings(16))
        same = augment(batch, torch.rand(16, 5, generator=generator), settings(16))
        for name in vars(batch):
            torch.testing.assert_close(vars(same)[name], vars(batch)[name], equal_nan=True)


class TestShards:
    def test_new_shards_join_the_pool(self, pool: CloudPool, tmp_path: Path) -> None:
        first = tmp_path / "set" / "shard-00000.safetensors"
        (tmp_path / "set" / "shard-00001.safetensors").write_bytes(first.read_bytes())
        assert pool.refresh() == 2
        assert len(pool) == 128

    def test_no_more_shards_join_than_the_first_process_has_found(
        self, pool: CloudPool, tmp_path: Path
    ) -> None:
        first = tmp_path / "set" / "shard-00000.safetensors"
        for number in (1, 2):
            (tmp_path / "set" / f"shard-0000{number}.safetensors").write_bytes(first.read_bytes())
        assert pool.refresh(limit=2) == 2

    def test_a_folder_without_shards_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="genpose synthesize"):
            CloudPool(tmp_path)

    def test_a_damaged_shard_of_a_pool_is_named(self, pool: CloudPool, tmp_path: Path) -> None:
        good = (tmp_path / "set" / "shard-00000.safetensors").read_bytes()
        for content in (b"not one", good[: len(good) // 2]):
            (tmp_path / "set" / "shard-00007.safetensors").write_bytes(content)
            with pytest.raises(ValueError, match=r"shard-00007\.safetensors is damaged"):
                pool.refresh()


class TestUp:
    """What is told of the direction up; the boxes of the pool stand, their y axes are up."""

    def test_it_belongs_to_the_augmented_cloud(self, pool: CloudPool) -> None:
        chosen = settings(64, any_roll_share=1.0, **EXACT)
        batch = pool.draw(3, chosen)
        assert torch.allclose(batch.up, batch.rotation[..., 1], atol=1e-5)
        height = (batch.up * batch.translation).sum(-1) - batch.level_m
        assert torch.allclose(height, batch.size_m[:, 1] / 2, atol=1e-4)

    def test_it_is_told_of_a_share_and_its_level_of_a_share_of_these(self, pool: CloudPool) -> None:
        batch = pool.draw(0, settings(batch=4096, up_share=0.5, level_share=0.6))
        known = (batch.up != 0).any(-1)
        assert known.float().mean() == pytest.approx(0.5, abs=0.03)
        assert not batch.level_m[~known].isfinite().any()
        assert batch.level_m[known].isfinite().float().mean() == pytest.approx(0.6, abs=0.03)

    def test_it_leans_by_the_given_deviation_about_its_support(self, pool: CloudPool) -> None:
        chosen = settings(4096, **EXACT | {"up_noise_deg": 2.0})
        batch = pool.draw(0, chosen)
        assert torch.allclose(batch.up.norm(dim=-1), torch.ones(4096), atol=1e-5)
        angle = (batch.up * batch.rotation[..., 1]).sum(-1).clamp(-1, 1).acos().rad2deg()
        # Two components of two degrees each.
        assert angle.square().mean().sqrt() == pytest.approx(2.0 * 2**0.5, rel=0.05)
        # Below the cloud's centre the support is where it was: 5 cm below the box's centre.
        centre = batch.points_cam.mean(1)
        height = (batch.up * centre).sum(-1) - batch.level_m
        above = (batch.rotation[..., 1] * (centre - batch.translation)).sum(-1) + 0.05
        assert torch.allclose(height, above, atol=1e-4)

    def test_a_share_of_the_directions_is_of_another_plane(self, pool: CloudPool) -> None:
        chosen = settings(4096, **EXACT | {"up_wrong_share": 0.3})
        batch = pool.draw(0, chosen)
        wrong = (batch.up * batch.rotation[..., 1]).sum(-1) < 0.999
        assert wrong.float().mean() == pytest.approx(0.3, abs=0.03)

    def test_sets_from_before_tell_nothing(self, pool: CloudPool, tmp_path: Path) -> None:
        path = tmp_path / "set" / "shard-00000.safetensors"
        parts = load_file(path)
        save_file({k: v for k, v in parts.items() if k not in ("up", "level_m")}, path)
        batch = CloudPool(tmp_path / "set").draw(0, settings(8, up_share=1.0))
        assert not batch.up.any()
        assert batch.level_m.isnan().all()
        assert np.isnan(read_shard(path).level_m).all()
