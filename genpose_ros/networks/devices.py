# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Devices that networks run on, and what they can do."""

import os
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["emulates_bf16", "prefers_bf16", "torch_device", "usable_cores"]


def torch_device(name: str) -> torch.device:
    """Return the device of a name.

    Args:
        name: auto (CUDA where there is one), cpu, cuda or cuda:N.

    Raises:
        ValueError: another name, or a CUDA device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wrong = f"device must be auto, cpu, cuda or cuda:N, got {name!r}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(wrong) from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(wrong)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name}: this machine has {torch.cuda.device_count()} CUDA devices"
        )
    return device


def prefers_bf16(device: torch.device) -> bool:
    """Return whether a device is known to multiply bfloat16 faster than float32: some CPUs do.

    Args:
        device: of the network.
    """
    if device.type != "cpu":
        return False
    # Older PyTorch cannot tell.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def emulates_bf16(device: torch.device) -> bool:
    """Return whether a device has no bfloat16 of its own: CPUs without it are ten times slower.

    Args:
        device: of the network.
    """
    return device.type == "cpu" and not prefers_bf16(device)


def usable_cores() -> int:
    """Return how many processors this process may use."""
    # Containers and taskset leave fewer than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
