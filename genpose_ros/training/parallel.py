# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parallel training: one process, in threads on a CPU, or several with DDP of Lightning Fabric."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from genpose_ros.networks.devices import torch_device
from genpose_ros.training.threads import ThreadedLosses, can_be_threaded

__all__ = ["Losses", "Workers", "connect"]

#: Gives the losses (n,) of a batch's tensors.
Losses = Callable[..., torch.Tensor]


class Workers:
    """Process that trains alone: the first of one. On a CPU its threads share each batch.

    Attributes:
        rank: number of this process; the first, 0, is the one that writes.
        count: how many processes there are.
        device: where this one trains.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count, self.device = 0, 1, device
        self._threaded: ThreadedLosses | None = None

    def share(self, module: nn.Module, *, threads: int = 1) -> Losses:
        """The module's losses, such that gradients are the mean over processes and threads.

        Args:
            module: takes tensors of B rows each and returns means over them, (n,).
            threads: that each take a part of a batch, on a CPU.
        """
        module = module.to(self.device)
        if self.device.type != "cpu" or threads == 1 or not can_be_threaded(module):
            return module
        self._threaded = ThreadedLosses(module, threads)
        return self._threaded

    def backward(self, losses: torch.Tensor) -> None:
        """Compute the gradients of the latest losses' sum."""
        if self._threaded is not None:
            self._threaded.backward()
        else:
            losses.sum().backward()

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes."""
        return list(values)


class _FabricWorkers(Workers):
    """Processes that torchrun has started, on one machine or several."""

    def __init__(self, fabric: Any) -> None:
        super().__init__(fabric.device)
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self._fabric = fabric

    def share(self, module: nn.Module, *, threads: int = 1) -> Losses:
        return self._fabric.setup_module(module)

    def backward(self, losses: torch.Tensor) -> None:
        self._fabric.backward(losses.sum())

    def total(self, values: Sequence[float]) -> list[float]:
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        return self._fabric.all_reduce(tensor, reduce_op="sum").tolist()


def connect(device: str) -> Workers:
    """Join the other processes of a torchrun; alone without one.

    Args:
        device: see `TrainingSettings.device`. Of several processes each takes its own GPU; cpu
            keeps them on the CPU.

    Raises:
        ValueError: no such device, or one GPU named for several processes.
        ModuleNotFoundError: Lightning Fabric is not installed.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = torch_device(device)
    if count == 1:
        return Workers(chosen)
    if device not in {"auto", "cpu", "cuda"}:
        raise ValueError(f"each of several processes takes its own GPU: cuda, not {device}")
    try:
        from lightning_fabric import Fabric
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "several processes need Lightning Fabric: pip install lightning-fabric"
        ) from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    fabric = Fabric(
        accelerator=chosen.type,
        devices=local,
        num_nodes=count // local,
        strategy="ddp",
    )
    fabric.launch()
    return _FabricWorkers(fabric)
