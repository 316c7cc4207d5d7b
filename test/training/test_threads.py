# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Threads that each take a part of the batch: the gradients of the whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool, TrainingSettings, train
from genpose_ros.training.parallel import connect
from genpose_ros.training.threads import ThreadedLosses, can_be_threaded


class TwoLosses(nn.Module):
    """Mean squares of what a small network makes of its inputs, and of one parameter alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
        self.alone, self.unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.full((3,), 0.5))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        if x.isnan().any():
            raise ValueError("no number")
        found = self.network(x) + self.offset
        return torch.stack(((found - target).square().mean(), (target * self.alone).mean()))


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def batch(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 5), torch.randn(rows, 3)


def gradients(module: nn.Module) -> list[Tensor | None]:
    return [p.grad for p in module.parameters()]


@pytest.mark.parametrize("rows", [1, 3, 7, 8])
@pytest.mark.parametrize("count", [2, 3, 9])
def test_parts_give_losses_and_gradients_of_the_whole(rows: int, count: int) -> None:
    module, inputs = TwoLosses(), batch(rows)
    threaded = ThreadedLosses(module, count)
    losses = threaded(*inputs)
    threaded.backward()
    in_parts = gradients(module)
    module.zero_grad()
    whole = module(*inputs)
    whole.sum().backward()
    torch.testing.assert_close(losses, whole.detach(), rtol=1e-6, atol=1e-7)
    for ours, theirs in zip(in_parts, gradients(module), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_every_thread_sees_a_step_of_the_optimizer() -> None:
    module, inputs = TwoLosses(), batch(6)
    threaded = ThreadedLosses(module, 3)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    threaded(*inputs)
    threaded.backward()
    optimizer.step()
    module.offset.fill_(2.0)
    torch.testing.assert_close(threaded(*inputs), module(*inputs).detach(), rtol=1e-6, atol=1e-7)


def test_an_error_in_a_thread_is_the_callers() -> None:
    inputs = batch(4)
    inputs[0][3] = float("nan")
    with pytest.raises(ValueError, match="no number"):
        ThreadedLosses(TwoLosses(), 2)(*inputs)


def test_the_callers_threads_stay(threads: int) -> None:
    ThreadedLosses(TwoLosses(), 2)(*batch(4))
    assert torch.get_num_threads() == threads


def test_what_is_normalised_over_the_batch_is_not_divided() -> None:
    normalised = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8))
    assert can_be_threaded(TwoLosses())
    assert not can_be_threaded(normalised)
    assert connect("cpu").share(normalised, threads=2) is normalised


@pytest.mark.parametrize("target", ["score", "energy"])
def test_a_training_in_threads_takes_the_same_steps(
    pool: CloudPool, tmp_path: Path, small_config: LightConfig, threads: int, target: str
) -> None:
    settings = TrainingSettings(
        target=target,
        steps=5,
        minutes=1e4,
        device="cpu",
        batch=5,
        draws=4,
        bf16=False,
        validate_every_min=0.0,
    )
    ends = []
    for count in (1, threads):
        torch.set_num_threads(count)
        torch.manual_seed(0)
        model = LightPoseModel(small_config)
        train(pool, tmp_path / f"{count}.pt", settings, model)
        ends.append(torch.cat([p.flatten() for p in model.parameters()]))
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-4, atol=1e-5)
