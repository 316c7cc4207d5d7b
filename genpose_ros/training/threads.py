# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Gradients on several processor cores: each thread takes a part of the batch, and one core.

PyTorch's own threads meet at the end of every operation. Where batches are small, or something else
runs on the machine, they mostly wait for each other; these meet once a step.
"""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

__all__ = ["ThreadedLosses", "can_be_threaded"]

#: Between operations Python runs one thread at a time, so that more of them would gain little.
_MOST = 4

#: Losses (n,) of a part, and the gradients of their sum; None where they do not depend on it.
_Part = tuple[Tensor, Sequence[Tensor | None]]


def can_be_threaded(module: nn.Module) -> bool:
    """Whether the parts of a batch give what the whole one gives: nothing is normalised over it."""
    return not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())


class ThreadedLosses:
    """Losses of a module and their gradients, computed in parts of the batch at the same time.

    Args:
        module: on the CPU; takes tensors of B rows each and returns means over them, (n,).
        threads: processor cores to use; up to four compute a part each, with more the parts get
            some each.
    """

    def __init__(self, module: nn.Module, threads: int) -> None:
        count = min(threads, _MOST)
        self._replicas = [module, *(_replica(module) for _ in range(count - 1))]
        self._trained = [[p for p in m.parameters() if p.requires_grad] for m in self._replicas]
        self._gradients: list[Tensor | None] = []
        self._pool = ThreadPoolExecutor(
            count, "losses", torch.set_num_threads, (max(threads // count, 1),)
        )

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The losses (n,) of a batch; `backward` then gives the gradients of their sum."""
        rows = len(inputs[0])
        count = min(len(self._replicas), rows)
        begun = [
            self._pool.submit(self._part, i, [x[i::count] for x in inputs]) for i in range(count)
        ]
        parts = [part.result() for part in begun]
        shares = [len(range(i, rows, count)) / rows for i in range(count)]
        self._gradients = [
            _mean(shares, gradients)
            for gradients in zip(*(gradients for _, gradients in parts), strict=True)
        ]
        weighted = [share * losses for share, (losses, _) in zip(shares, parts, strict=True)]
        return torch.stack(weighted).sum(0)

    def backward(self) -> None:
        """Give the latest gradients to the module's parameters."""
        for parameter, gradient in zip(self._trained[0], self._gradients, strict=True):
            parameter.grad = gradient
        self._gradients = []

    def _part(self, number: int, inputs: Sequence[Tensor]) -> _Part:
        """Losses and gradients of one part, by one thread."""
        losses = self._replicas[number](*inputs)
        return losses.detach(), torch.autograd.grad(
            losses.sum(), self._trained[number], allow_unused=True
        )


def _replica(module: nn.Module) -> nn.Module:
    """A module of the same weights: what changes them there changes them here."""
    same = copy.deepcopy(module)
    pairs = ((module.parameters(), same.parameters()), (module.buffers(), same.buffers()))
    for originals, copies in pairs:
        for original, ours in zip(originals, copies, strict=True):
            ours.data = original.data
    return same


def _mean(shares: Sequence[float], gradients: Sequence[Tensor | None]) -> Tensor | None:
    """The mean of the parts' gradients; None where there are none."""
    there = [s * g for s, g in zip(shares, gradients, strict=True) if g is not None]
    return torch.stack(there).sum(0) if there else None
