# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Roofline of a frame on a CPU: operations and bytes counted, ceilings measured, stage by stage.

`.venv/bin/python -m benchmarks.roofline --json FILE` runs the program of a frame of upright cans
(`benchmarks.gpu_check.cans`) on one thread. A stage cannot take less than its products at the
fastest product measured, its bytes at the fastest copy, and its calls at the cheapest one; the sum
is what is left if nothing overlaps. Times are of the process, so that other programs do not count.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_check import cans
from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.estimation.object_rows import CategoryRows, KnownObjects, object_rows
from genpose_ros.estimation.program import FrameProgram, Plan

#: Parts of an operation's name that only look at a tensor in another way.
_VIEWS = ("view", "expand", "select", "slice", "squeeze", "transpose", "permute", "alias", "detach",
          "as_strided", "split", "unbind", "mT")  # fmt: skip


def _linear_flop(
    x_shape: Sequence[int], weight_shape: Sequence[int], *others: Any, out_shape: Any, **named: Any
) -> int:
    """Operations of a linear layer whose weights are laid out: PyTorch's counter knows none."""
    return 2 * math.prod(x_shape) * int(out_shape[-1])


_LAID_OUT: dict[Any, Any] = {torch.ops.mkldnn._linear_pointwise: _linear_flop}


class Counting(TorchDispatchMode):
    """Counts operations that compute, and the bytes of the tensors that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # as the base class has it
        answer = func(*args, **(kwargs or {}))
        if not any(name in str(func) for name in _VIEWS):
            self.operations += 1
            told = torch.utils._pytree.tree_leaves((args, kwargs, answer))
            self.bytes += sum(t.nbytes for t in told if isinstance(t, Tensor))
        return answer


def cpu_ms(run: Callable[[], Any], times: int) -> float:
    """Median milliseconds of the process that a call takes."""
    run()
    taken = []
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(1e3 * (time.process_time() - started))
    return median(taken)


def ceilings(times: int) -> dict[str, float]:
    """The fastest product in bfloat16 and copy, and the cheapest call, of one thread."""
    tokens, weights = torch.randn(4096, 192).bfloat16(), torch.randn(768, 192).bfloat16()
    product_ms = cpu_ms(lambda: torch.nn.functional.linear(tokens, weights), times)
    source, target = torch.ones(2**22), torch.ones(2**22)
    copy_ms = cpu_ms(lambda: target.copy_(source), times)
    small, count = torch.ones(8), 1000

    def calls() -> None:
        for _ in range(count):
            torch.add(small, small)

    return {
        "gflop_per_s": 2e-6 * 4096 * 192 * 768 / product_ms,
        "gb_per_s": 2e-6 * source.nbytes / copy_ms,
        "call_us": 1e3 * cpu_ms(calls, max(times // 4, 3)) / count,
    }


def stages(estimator: PoseEstimator, count: int) -> dict[str, Callable[[], Any]]:
    """The stages of a frame's program, each with what comes before it done."""
    clouds, _ = estimator.object_clouds(cans(count))
    model = estimator.model
    program = FrameProgram(model, Plan(estimator.settings), model.score_calibration)
    sizes = {} if model.score_calibration is None else dict(model.score_calibration.sizes)
    categories = [model.categories[cloud.instance.category] for cloud in clouds]
    rows = CategoryRows(model.categories.max_members, sizes)
    numbers, layout = object_rows(clouds, categories, rows)
    known = KnownObjects.of(torch.from_numpy(numbers), layout)
    points = torch.from_numpy(np.stack([cloud.points_cam for cloud in clouds]))
    encoding = program.encode(points, known)
    pose, seen = program.sample(encoding, known), program.seen(points, known)
    ranked = program.rank(pose, encoding, known, seen)
    return {
        "encode": lambda: program.encode(points, known),
        "sample": lambda: program.sample(encoding, known),
        "rank": lambda: program.rank(pose, encoding, known, seen),
        "pool": lambda: program.conclude(*ranked, encoding, known, seen),
    }


@torch.inference_mode()
def measure(estimator: PoseEstimator, count: int, times: int) -> dict[str, Any]:
    """Counts, time and the least time of each stage of a frame with some objects."""
    found = {}
    for name, run in stages(estimator, count).items():
        with FlopCounterMode(display=False, custom_mapping=_LAID_OUT) as flops:
            run()
        with Counting() as counted:
            run()
        found[name] = {
            "mflop": flops.get_total_flops() / 1e6,
            "mbyte": counted.bytes / 1e6,
            "operations": counted.operations,
            "ms": cpu_ms(run, times),
        }
    return found


def least(stage: dict[str, float], limits: dict[str, float]) -> dict[str, float]:
    """Milliseconds that a stage's products, bytes and calls take at the ceilings."""
    return {
        "products_ms": stage["mflop"] / limits["gflop_per_s"],
        "bytes_ms": stage["mbyte"] / limits["gb_per_s"],
        "calls_ms": stage["operations"] * limits["call_us"] / 1e3,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a line per number of objects and stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 6, 20])
    parser.add_argument("--times", type=int, default=30, help="calls of each stage")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    limits = ceilings(options.times)
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    report: dict[str, Any] = {"ceilings": limits, "objects": {}}
    sys.stdout.write(f"{json.dumps(limits)}\n")
    for count in options.objects:
        found = measure(estimator, count, options.times)
        rows = {name: {**stage, **least(stage, limits)} for name, stage in found.items()}
        report["objects"][str(count)] = rows
        for name, row in rows.items():
            shown = json.dumps({key: round(value, 2) for key, value in row.items()})
            sys.stdout.write(f"{count} {name}: {shown}\n")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
