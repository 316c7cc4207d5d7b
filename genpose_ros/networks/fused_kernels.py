# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fused kernels for GPUs, where Triton is installed and compiles; None elsewhere."""

import importlib
import logging
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor

__all__ = ["fused_kernels"]

_log = logging.getLogger(__name__)


def fused_kernels(tensor: Tensor) -> ModuleType | None:
    """Return the module of the kernels for a tensor; None: its plain operations are to be used.

    The first call on each GPU tries them. Triton comes with PyTorch's builds for CUDA, and needs a
    C compiler.
    """
    return _tried(tensor.device) if tensor.is_cuda else None


@lru_cache(maxsize=16)
def _tried(device: torch.device) -> ModuleType | None:
    try:
        kernels = importlib.import_module("genpose_ros.networks.triton_kernels")
        _check(kernels, device)
    except Exception as error:
        # Whatever a compiler says: the plain operations give the same.
        told = f"{type(error).__name__}: {str(error)[:200]}"
        _log.info("farthest and nearest points without fused kernels: %s", told)
        return None
    return kernels


def _check(kernels: ModuleType, device: torch.device) -> None:
    """Try the kernels on points of a line, whose answers are known.

    Raises:
        ArithmeticError: an answer is another one.
    """
    along = torch.tensor([0.0, 1.0, 5.0, 2.0], device=device)
    points = torch.stack((along, 0 * along, 0 * along), -1)[None]
    order, distances2 = kernels.farthest_points(points, 3)
    nearest = kernels.nearest_points(distances2[:, 1], 3)
    found = order[0].tolist(), distances2[0, 1].tolist(), nearest[0].tolist()
    if found != ([0, 2, 3], [25.0, 16.0, 0.0, 9.0], [2, 3, 1]):
        raise ArithmeticError(f"the kernels answer {found}")
