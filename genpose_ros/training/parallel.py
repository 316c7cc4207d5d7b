# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parallel training: one process, or several that share gradients by DDP of Lightning Fabric."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from genpose_ros.networks.devices import torch_device

__all__ = ["Workers", "connect"]


class Workers:
    """Process that trains alone: the first of one, sharing nothing.

    Attributes:
        rank: number of this process; the first, 0, is the one that writes.
        count: how many processes there are.
        device: where this one trains.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count, self.device = 0, 1, device

    def share(self, module: nn.Module) -> nn.Module:
        """The module, such that gradients are the mean over the processes."""
        return module.to(self.device)

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of a loss."""
        loss.backward()

    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes."""
        return list(values)


class _FabricWorkers(Workers):
    """Processes that torchrun has started, on one machine or several."""

    def __init__(self, fabric: Any) -> None:
        super().__init__(fabric.device)
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self._fabric = fabric

    def share(self, module: nn.Module) -> nn.Module:
        return self._fabric.setup_module(module)

    def backward(self, loss: torch.Tensor) -> None:
        self._fabric.backward(loss)

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
