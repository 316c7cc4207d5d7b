import math

import pytest
import torch

from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool
from genpose_ros.training.objectives import draw_noise_levels, energy_loss, score_loss

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


def test_noise_levels_are_centred_where_poses_are_decided(generator: torch.Generator) -> None:
    sigma = draw_noise_levels(400, 100, 20.0, generator)
    assert sigma.shape == (400, 100, 1)
    assert sigma.min() >= 0.008 - 1e-6
    assert sigma.max() <= 20
    assert (sigma > 3).float().mean() > 0.05
    assert sigma.log().median().item() == pytest.approx(math.log(0.2), abs=0.2)


def test_an_energy_head_that_knows_nothing_gets_nine(
    pool: CloudPool, generator: torch.Generator
) -> None:
    loss = energy_loss(LightPoseModel(SMALL), pool.draw(32, generator), 64, generator, bf16=False)
    assert loss.item() == pytest.approx(9, rel=0.05)


def test_a_score_head_that_knows_nothing_gets_the_variance_of_its_target(
    pool: CloudPool, generator: torch.Generator
) -> None:
    # Zero head: D(x) = skip x, whose weighted error is |data (x0 sigma/data^2 - z) |^2 / total.
    loss, _ = score_loss(LightPoseModel(SMALL), pool.draw(32, generator), 64, generator, bf16=False)
    assert 7.5 < loss.item() < 11


def test_energy_training_touches_the_energy_head_alone(
    pool: CloudPool, generator: torch.Generator
) -> None:
    model = LightPoseModel(SMALL)
    energy_loss(model, pool.draw(4, generator), 4, generator, bf16=False).backward()
    touched = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {"energy_head"}


def test_bfloat16_changes_little(pool: CloudPool) -> None:
    torch.manual_seed(0)
    model = LightPoseModel(SMALL)
    torch.nn.init.normal_(model.score_head.leave.weight, std=0.05)
    losses = []
    for bf16 in (False, True):
        generator = torch.Generator().manual_seed(1)
        losses.append(score_loss(model, pool.draw(16, generator), 16, generator, bf16=bf16)[0])
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=0.02)
    assert losses[0] != losses[1]
