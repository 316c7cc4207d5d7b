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

__all__ = ["frames_to_show", "simulated_frame"]


def frames_to_show(seed: int, folder: str | Path = "") -> list[RecordedFrame]:
    """Return the recorded frames at or below a folder; without a folder the table of a seed.

    Raises:
        FileNotFoundError: the folder holds no frame.
        ValueError: a frame is damaged, or the seed is negative.
    """
    if str(folder):
        return [load_frame(path) for path in find_frames(Path(folder))]
    return [simulated_frame(seed)]


def simulated_frame(seed: int) -> RecordedFrame:
    """Return a simulated table in the form of a recorded frame, its truth complete.

    Raises:
        ValueError: the seed is negative.
    """
    from genpose_ros.synthesis.scenes import table_scene

    scene = table_scene(seed)
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
