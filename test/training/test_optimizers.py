# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool, TrainingSettings, train
from genpose_ros.training.optimizers import Optimizer


def settings(kind: str, **changes: float) -> TrainingSettings:
    options = {"learning_rate": 1e-3, "weight_decay": 0.0, **changes}
    return TrainingSettings(optimizer=kind, **options)  # type: ignore[arg-type]


def moved(parameter: Tensor, kind: str) -> Tensor:
    """By how much one step moves a parameter along a gradient of very unequal directions."""
    torch.manual_seed(0)
    before = parameter.detach().clone()
    parameter.grad = torch.randn_like(parameter) * torch.logspace(0, -1, parameter.shape[-1])
    Optimizer([parameter], settings(kind)).step()
    return parameter.detach() - before


def test_muon_moves_hidden_matrices_alike_in_all_directions() -> None:
    weight = nn.Parameter(torch.randn(128, 64))
    step = moved(weight, "muon")
    assert weight.grad is not None
    given, taken = torch.linalg.svdvals(weight.grad), torch.linalg.svdvals(step)
    assert given.max() > 20 * given.min()
    assert taken.max() < 3 * taken.min()
    # As large as a step of AdamW usually is.
    assert step.square().mean().sqrt() == pytest.approx(0.2 * 1e-3, rel=0.2)


@pytest.mark.parametrize("shape", [(128, 64), (64, 200)])
def test_muon_in_float32_goes_where_pytorchs_in_bfloat16_goes(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    start, gradients = torch.randn(shape), torch.randn(6, *shape)
    ways = []
    for native in (True, False):
        monkeypatch.setattr(
            "genpose_ros.training.optimizers.emulates_bf16", lambda device, n=native: not n
        )
        weight = nn.Parameter(start.clone())
        optimizer = Optimizer([weight], settings("muon", weight_decay=0.1))
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
        ways.append(weight.detach() - start)
    # bfloat16 has three digits.
    assert (ways[0] - ways[1]).norm() < 0.02 * ways[0].norm()


def test_muon_leaves_vectors_and_outer_layers_to_adamw() -> None:
    for shape in [(64,), (9, 128), (128, 33), (64, 32, 1)]:
        start = torch.randn(shape)
        steps = [moved(nn.Parameter(start.clone()), kind) for kind in ("muon", "adamw")]
        assert torch.equal(*steps)
        # AdamW's first step goes by the gradient's signs.
        assert steps[0].abs() == pytest.approx(1e-3 * torch.ones(shape).numpy(), rel=0.01)


def test_both_optimizers_take_the_learning_rate() -> None:
    weights = [nn.Parameter(torch.randn(64, 64)), nn.Parameter(torch.randn(64))]
    optimizer = Optimizer(weights, settings("muon"))
    optimizer.learning_rate = 0.0
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert optimizer.learning_rate == 0.0
    assert all(torch.equal(a, b) for a, b in zip(weights, before, strict=True))
    optimizer.zero_grad()
    assert all(weight.grad is None for weight in weights)


def test_a_run_in_parts_gives_the_same_weights_with_muon(pool: CloudPool, tmp_path: Path) -> None:
    def run(name: str, steps: int) -> nn.Module:
        torch.manual_seed(0)
        model = LightPoseModel(LightConfig(patches=8, subset=64, width=64, layers=1))
        chosen = TrainingSettings(
            optimizer="muon", steps=steps, minutes=1e4, batch=8, draws=4, warm_up=1,
            schedule="epochs", bf16=False, validate_every_min=0.0, device="cpu",
        )  # fmt: skip
        return train(pool, tmp_path / name, chosen, model).model

    run("parts.pt", 3)
    there = dict(run("parts.pt", 6).named_parameters())
    for name, weight in run("whole.pt", 6).named_parameters():
        assert torch.allclose(weight, there[name], atol=1e-6), name


def test_the_state_of_another_optimizer_is_refused() -> None:
    weights = [nn.Parameter(torch.randn(64, 64)), nn.Parameter(torch.randn(64))]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    ours, theirs = (Optimizer(weights, settings(kind)) for kind in ("muon", "adamw"))
    theirs.step()
    with pytest.raises(ValueError, match="begun with adamw, this recipe asks for adamw and muon"):
        ours.load_state_dict(theirs.state_dict())


def test_states_without_a_choice_of_optimizer_are_read() -> None:
    weight = nn.Parameter(torch.randn(64))
    weight.grad = torch.ones_like(weight)
    old = torch.optim.AdamW([weight], 1e-3, (0.9, 0.99), fused=True)
    old.step()
    ours = Optimizer([weight], settings("adamw"))
    ours.load_state_dict(old.state_dict())
    (state,) = ours.state_dict()["adamw"]["state"].values()
    assert state["step"] == 1
    assert math.isclose(float(state["exp_avg"][0]), 0.1, rel_tol=1e-5)
