# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cache of graphs, by graphs that run on a CPU: what is captured, copied, and given up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from genpose_ros.estimation import frame_graphs
from genpose_ros.estimation.frame_graphs import GraphCache

CPU = torch.device("cpu")


@dataclass
class OnCpu:
    """Graph that runs its function again."""

    run: Callable[..., Tensor]
    places: tuple[Tensor, ...]
    result: Tensor

    def replay(self) -> None:
        self.result.copy_(self.run(*self.places))


@pytest.fixture
def captured(monkeypatch) -> list[int]:
    """Captures on a CPU; the list grows by the length of each one's first input."""
    lengths: list[int] = []

    def capture(self, run, inputs, device):
        lengths.append(len(inputs[0]))
        places = tuple(values.clone() for values in inputs)
        result = torch.zeros_like(run(*places))
        return frame_graphs._Graph(OnCpu(run, places, result), places, result)

    monkeypatch.setattr(GraphCache, "_captured", capture)
    return lengths


def doubled(x: Tensor, y: Tensor) -> Tensor:
    return 2 * x + y


def test_a_graph_is_captured_once_for_each_key_and_takes_the_inputs_of_each_call(captured):
    cache = GraphCache()
    for value in (1.0, 5.0):
        for count in (2, 3):
            x, y = torch.full((count,), value), torch.ones(count)
            found = cache.replayed(count, doubled, (x, y), CPU)
            assert found.tolist() == [2 * value + 1] * count
    assert captured == [2, 3]
    cache.forget(lambda key: key == 2)
    cache.replayed(3, doubled, (torch.zeros(3), torch.zeros(3)), CPU)
    cache.replayed(2, doubled, (torch.zeros(2), torch.zeros(2)), CPU)
    assert captured == [2, 3, 2]


def test_where_a_capture_fails_functions_run_without_graphs_and_one_line_says_so(
    monkeypatch, caplog
):
    def capture(self, run, inputs, device):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(GraphCache, "_captured", capture)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    cache = GraphCache()
    with caplog.at_level(logging.WARNING):
        assert cache.replayed(1, doubled, (torch.zeros(1), torch.zeros(1)), CPU) is None
    assert cache.given_up
    assert "without CUDA graphs" in caplog.text


def test_too_little_memory_is_the_callers_to_mend(monkeypatch):
    def capture(self, run, inputs, device):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(GraphCache, "_captured", capture)
    cache = GraphCache()
    with pytest.raises(RuntimeError, match="out of memory"):
        cache.replayed(1, doubled, (torch.zeros(1), torch.zeros(1)), CPU)
    assert not cache.given_up
