# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Timing of the stages of a frame."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["StageTimer"]


class StageTimer:
    """Timer that adds up milliseconds per stage and waits for the GPU where there is one.

    Attributes:
        timings_ms: stage name -> milliseconds so far, in the order of the first use.

    Args:
        device: of the network.
        stages: names that are there from the start, with 0.
    """

    def __init__(self, device: torch.device, stages: tuple[str, ...] = ()) -> None:
        self.timings_ms: dict[str, float] = dict.fromkeys(stages, 0.0)
        self._device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        start = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elapsed_ms = 1e3 * (time.perf_counter() - start)
        self.timings_ms[name] = self.timings_ms.get(name, 0.0) + elapsed_ms
