# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Graphs of a frame's program on a GPU: captured once per plan and batch size, then replayed.

A frame has hundreds of small kernels; launching each of them takes the host longer than the GPU
needs for all. The program as it is, eager, is the reference, and what is left where a capture
fails.
"""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.accelerator_errors import is_out_of_memory
from genpose_ros.estimation.object_rows import KnownObjects
from genpose_ros.estimation.packing import Layout
from genpose_ros.estimation.program import FrameProgram, Plan

__all__ = ["FrameGraphs", "GraphCache"]

_log = logging.getLogger(__name__)

#: Graphs kept at once, least recently used ones go first: each holds its batch's memory.
_MOST_GRAPHS = 24
#: Eager runs before a capture, as libraries set themselves up in the first ones.
_WARM_UPS = 2

#: Plan, shapes of points and of what is known.
_Key = tuple[Plan, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class _Graph:
    """Captured function: its inputs are written to and its result is read where they lie."""

    graph: Any
    inputs: tuple[Tensor, ...]
    result: Tensor


class GraphCache:
    """Graphs of functions of tensors, captured when they are first asked for.

    Attributes:
        given_up: a capture has failed: there are no graphs any more.
    """

    def __init__(self) -> None:
        self.given_up = False
        self._graphs: dict[Hashable, _Graph] = {}
        self._pool: Any = None

    def replayed(
        self,
        key: Hashable,
        run: Callable[..., Tensor],
        inputs: tuple[Tensor, ...],
        device: torch.device,
    ) -> np.ndarray | None:
        """Return the result of a function, on the host; None: it has to run eagerly.

        Args:
            key: of the function and the shapes of its inputs.
            run: the function, of inputs on the device; looks at no number.
            inputs: on the host.
            device: a GPU.

        Raises:
            RuntimeError: the GPU cannot be used any more, or has too little memory.
        """
        graph = self._graphs.pop(key, None)
        try:
            if graph is None:
                graph = self._captured(run, inputs, device)
            self._graphs[key] = graph  # the newest last
            for place, values in zip(graph.inputs, inputs, strict=True):
                place.copy_(values)
            graph.graph.replay()
            return graph.result.cpu().numpy()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # What a capture does not allow is called a CUDA error too; only where the GPU is
            # lost does this raise.
            torch.cuda.synchronize(device)
            self.given_up = True
            self._graphs.clear()
            _log.warning("frames run without CUDA graphs, and slower: %s", str(error)[:200])
            return None

    def forget(self, whose: Callable[[Any], bool]) -> None:
        """Drop the graphs whose key is so."""
        self._graphs = {key: graph for key, graph in self._graphs.items() if not whose(key)}

    def _captured(
        self, run: Callable[..., Tensor], inputs: tuple[Tensor, ...], device: torch.device
    ) -> _Graph:
        if len(self._graphs) >= _MOST_GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        places = tuple(values.to(device) for values in inputs)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                run(*places)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            result = run(*places)
        self._pool = graph.pool()
        return _Graph(graph, places, result)


class FrameGraphs:
    """Graphs of one model's programs, captured when they are first asked for."""

    def __init__(self) -> None:
        self._cache = GraphCache()
        self._layouts: dict[_Key, Layout] = {}

    def serve(self, program: FrameProgram) -> bool:
        """Whether a program can be replayed: on a GPU, and unless a capture has failed."""
        on_gpu = program.model.device.type == "cuda"
        return on_gpu and program.replayable and not self._cache.given_up

    def replayed(
        self, program: FrameProgram, points_cam: Tensor, known: Tensor, layout: Layout
    ) -> tuple[np.ndarray, Layout] | None:
        """Return the packed numbers of a program and their layout; None: it has to run eagerly.

        Args:
            program: to be replayed.
            points_cam: (B, N, 3) float32, on the host.
            known: (B, W) float64 as of `object_rows`, on the host.
            layout: of `known`.

        Raises:
            RuntimeError: the GPU cannot be used any more, or has too little memory.
        """
        key = program.plan, tuple(points_cam.shape), tuple(known.shape)

        def run(points: Tensor, rows: Tensor) -> Tensor:
            packed, self._layouts[key] = program(points, KnownObjects.of(rows, layout))
            return packed

        packed = self._cache.replayed(key, run, (points_cam, known), program.model.device)
        return None if packed is None else (packed, self._layouts[key])

    def forget(self, program: FrameProgram) -> None:
        """Drop the graphs of a program."""
        self._cache.forget(lambda key: key[0] == program.plan)
        self._layouts = {key: own for key, own in self._layouts.items() if key[0] != program.plan}

    def give_up(self) -> None:
        """Run all programs operation by operation from now on."""
        self._cache.given_up = True
