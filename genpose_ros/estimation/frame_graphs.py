# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Graphs of a frame's program on a GPU: captured once per plan and batch size, then replayed.

A frame has hundreds of small kernels; launching each of them takes the host longer than the GPU
needs for all. The program as it is, eager, is the reference, and what is left where a capture
fails.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.accelerator_errors import is_out_of_memory
from genpose_ros.estimation.object_rows import KnownObjects
from genpose_ros.estimation.packing import Layout
from genpose_ros.estimation.program import FrameProgram, Plan

__all__ = ["FrameGraphs"]

_log = logging.getLogger(__name__)

#: Graphs kept at once, least recently used ones go first: each holds its batch's memory.
_MOST_GRAPHS = 24
#: Eager runs before a capture, as libraries set themselves up in the first ones.
_WARM_UPS = 2

#: Plan, shapes of points and of what is known.
_Key = tuple[Plan, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class _Graph:
    """Captured program: its inputs are written to and its output is read where they lie."""

    graph: Any
    points_cam: Tensor
    known: Tensor
    packed: Tensor
    layout: Layout


class FrameGraphs:
    """Graphs of one model's programs, captured when they are first asked for."""

    def __init__(self) -> None:
        self._graphs: dict[_Key, _Graph] = {}
        self._pool: Any = None
        self._given_up = False

    def serve(self, program: FrameProgram) -> bool:
        """Whether a program can be replayed: on a GPU, and unless a capture has failed."""
        on_gpu = program.model.device.type == "cuda"
        return on_gpu and program.replayable and not self._given_up

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
        graph = self._graphs.pop(key, None)
        try:
            if graph is None:
                graph = self._captured(program, points_cam, known, layout)
            self._graphs[key] = graph  # the newest last
            graph.points_cam.copy_(points_cam)
            graph.known.copy_(known)
            graph.graph.replay()
            return graph.packed.cpu().numpy(), graph.layout
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # What a capture does not allow is called a CUDA error too; only where the GPU is
            # lost does this raise.
            torch.cuda.synchronize(program.model.device)
            self._given_up = True
            self._graphs.clear()
            _log.warning("frames run without CUDA graphs, and slower: %s", str(error)[:200])
            return None

    def forget(self, program: FrameProgram) -> None:
        """Drop the graphs of a program."""
        self._graphs = {key: g for key, g in self._graphs.items() if key[0] != program.plan}

    def _captured(
        self, program: FrameProgram, points_cam: Tensor, known: Tensor, layout: Layout
    ) -> _Graph:
        if len(self._graphs) >= _MOST_GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        device = program.model.device
        points, rows = points_cam.to(device), known.to(device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                program(points, KnownObjects.of(rows, layout))
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            packed, parts = program(points, KnownObjects.of(rows, layout))
        self._pool = graph.pool()
        return _Graph(graph, points, rows, packed, parts)
