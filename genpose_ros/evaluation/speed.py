# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Speed of an estimator on this machine: milliseconds per stage of a simulated table's frame."""

import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from genpose_ros.estimation.estimator import STAGES, PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.synthesis.scenes import table_scene

__all__ = ["demo_frame", "measure", "speed_rows", "with_objects"]


def demo_frame(seed: int = 0) -> Frame:
    """Return the simulated table of the demo as a frame.

    Args:
        seed: of the scene.
    """
    scene = table_scene(seed)
    return Frame(
        depth_m=scene.depth_mm.astype(np.float32) / 1000,
        camera=scene.camera,
        instances=tuple(
            Instance(item.instance_id, item.category, scene.label == item.instance_id)
            for item in scene.objects
        ),
        frame_id="camera",
    )


def with_objects(frame: Frame, n: int) -> Frame:
    """Return the frame with n objects, its own ones in turn under new ids."""
    own = frame.instances
    chosen = tuple(replace(own[i % len(own)], id=i + 1) for i in range(n))
    return replace(frame, instances=chosen)


def measure(estimator: PoseEstimator, frame: Frame, repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each stage and of the whole frame.

    On a GPU that replays graphs, `program` is what would be encode, sample, rank and pool.

    Args:
        estimator: warmed up.
        frame: that is estimated.
        repeats: how often.
    """
    runs, totals = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        runs.append(estimator.estimate(frame).timings_ms)
        totals.append(1e3 * (time.perf_counter() - start))
    stages = dict.fromkeys([*STAGES, *(name for run in runs for name in run)])
    medians = {stage: median(run.get(stage, 0.0) for run in runs) for stage in stages}
    return {**medians, "total": median(totals)}


def speed_rows(
    estimator: PoseEstimator, counts: Sequence[int], repeats: int, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Return `measure` by the number of objects in a frame, as text.

    Args:
        estimator: any.
        counts: numbers of objects.
        repeats: frames per row.
        seed: of the scene.
    """
    frame = demo_frame(seed)
    estimator.warm_up()
    rows = {}
    for count in counts:
        shown = with_objects(frame, count)
        estimator.estimate(shown)  # batches of this size for the first time
        rows[str(count)] = measure(estimator, shown, repeats)
    return rows
