# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames without motion for the simulated camera: one simulated table, or recorded frames."""

from pathlib import Path

import numpy as np

from genpose_ros.datasets.frame_folders import (
    RecordedFrame,
    RecordedInstance,
    Truth,
    find_frames,
    load_frame,
)
from genpose_ros.networks.model_set import known_categories

__all__ = ["frames_to_show", "simulated_frame"]


def frames_to_show(seed: int, folder: str | Path = "", weights: str = "") -> list[RecordedFrame]:
    """Return the recorded frames at or below a folder; without a folder the table of a seed.

    Args:
        seed: of the table.
        folder: of recorded frames.
        weights: checkpoints, with commas between, that say what objects there are; empty: the
            released one.

    Raises:
        FileNotFoundError: the folder holds no frame, or there is no such checkpoint.
        ValueError: a frame or checkpoint is damaged, the seed is negative, or there are no shapes
            of a category.
    """
    if str(folder):
        categories = known_categories(weights)
        return [load_frame(path, categories) for path in find_frames(Path(folder))]
    return [simulated_frame(seed, weights)]


def simulated_frame(seed: int, weights: str = "") -> RecordedFrame:
    """Return a simulated table in the form of a recorded frame, its truth complete.

    Args:
        seed: of the table.
        weights: as of `frames_to_show`.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the seed is negative, or there are no shapes of a category.
    """
    from genpose_ros.synthesis.library import library_of
    from genpose_ros.synthesis.scenes import table_scene

    scene = table_scene(seed, library=library_of(weights))
    instances = tuple(
        RecordedInstance(
            id=item.instance_id,
            category=item.category,
            mask=scene.label == item.instance_id,
            truth=Truth.DATASET,
            T_cam_obj=item.T_cam_obj,
            size_m=item.size_m,
        )
        for item in scene.objects
    )
    depth_m = scene.depth_mm.astype(np.float32) / np.float32(1000)
    return RecordedFrame(f"table_{seed}", depth_m, scene.camera, instances, scene.color)
