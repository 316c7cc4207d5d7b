# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clouds made while training: which ones there are follows from the step."""

import json
from pathlib import Path

import pytest
import torch

from genpose_ros.networks import LightConfig, describe_checkpoint
from genpose_ros.synthesis import SetRecipe
from genpose_ros.training import Recipe, TrainingSettings, train_run
from genpose_ros.training.generated import GeneratedPool

SETTINGS = TrainingSettings(
    batch=8, draws=2, pool_clouds=48, pool_chunk=16, pool_draws=1.0, bf16=False, device="cpu"
)


def pool(settings: TrainingSettings = SETTINGS, **more: int) -> GeneratedPool:
    return GeneratedPool(SetRecipe(1, seed=5), settings, torch.device("cpu"), **more)


def test_clouds_are_drawn_as_often_as_the_settings_say() -> None:
    drawn = pool()
    for step in range(7):
        batch = drawn.draw(step, SETTINGS)
        assert batch.points_cam.shape == (8, 1024, 3)
        assert batch.points_cam.isfinite().all()
    # Three chunks of 16 at first, a new one every two steps of 8: at steps 2, 4 and 6.
    assert (len(drawn), drawn.made) == (48, 48 + 3 * 16)


def test_a_step_draws_the_same_clouds_in_a_pool_that_goes_on_from_it() -> None:
    through, later = pool(), pool()
    for step in range(5):
        batch = through.draw(step, SETTINGS)
    again = later.draw(4, SETTINGS)
    assert torch.equal(batch.points_cam, again.points_cam)
    assert torch.equal(batch.rotation, again.rotation)
    assert later.made == 48
    # And back at the beginning.
    assert torch.equal(through.draw(0, SETTINGS).points_cam, pool().draw(0, SETTINGS).points_cam)


def test_each_process_has_clouds_of_its_own() -> None:
    first, second = (pool(rank=rank, ranks=2) for rank in range(2))
    batches = [p.draw(0, SETTINGS, rank=r, ranks=2) for r, p in enumerate((first, second))]
    assert [len(b.points_cam) for b in batches] == [4, 4]
    assert not torch.equal(batches[0].size_m, batches[1].size_m)
    assert len(first) == 16  # one chunk of half the clouds


def test_all_categories_are_drawn() -> None:
    drawn = pool()
    seen = torch.cat([drawn.draw(step, SETTINGS).category for step in range(6)])
    assert seen.unique().tolist() == list(range(6))


@pytest.mark.slow
def test_a_run_without_a_set_repeats_and_says_what_it_was_trained_on(
    tmp_path: Path, small_config: LightConfig
) -> None:
    recipe = Recipe("small", "", "genpose-light", vars(small_config), SETTINGS, SETTINGS)
    recipe = recipe.changed("score", {"steps": 4, "validate_every_min": 0.0})
    hashes = []
    for name, steps in (("whole", (4,)), ("parts", (2, 4))):
        for end in steps:
            # The same budget, ended in between.
            part = recipe if end == 4 else recipe.changed("score", {"steps": 2, "flat": 0.99})
            recipe = recipe.changed("score", {"flat": 0.99})
            result = train_run(
                SetRecipe(1, seed=5),
                tmp_path / name,
                part.changed("score", {"flat": 0.99}),
                "score",
            )
        described = describe_checkpoint(result.checkpoint)
        hashes.append(described["tensor_sha256"])
    made = json.loads(described["training_data"])
    assert (made["made_while_training"], made["seed"]) == (True, 5)
    assert hashes[0] == hashes[1]
