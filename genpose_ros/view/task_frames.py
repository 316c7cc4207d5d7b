# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Task frames of what is viewed, where nobody publishes them: of folders, bags and kept frames."""

from dataclasses import replace

import numpy as np

from genpose_ros.estimation.frame import Remark
from genpose_ros.geometry.categories import NOCS, Category
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.robot.reasons import FrameReason
from genpose_ros.robot.task_frames import SeenObject, task_frames
from genpose_ros.view.content import ViewedFrame, ViewedObject

__all__ = ["with_task_frames"]

#: States of tracks that are trusted; of what is not tracked the state is empty.
_TRUSTED = ("", "confirmed", "coasting")


def with_task_frames(frame: ViewedFrame, table: GraspTable) -> ViewedFrame:
    """Return a frame with the task frames of its objects, and why others are missing.

    Which of a ring an arm reaches is not known here: the first one stands for it.

    Args:
        frame: without task frames.
        table: frames of the categories.
    """
    poses: dict[str, np.ndarray] = {}
    objects = []
    for item in frame.objects:
        found = task_frames(_seen(item), table)
        for made in found.frames:
            poses[f"{item.name}_{made.name}"] = item.T_view_obj @ made.T_obj_frame
        # That a hand is missing is no news where nobody looks for one.
        refused = [r for r in found.refusals if r.reason is not FrameReason.NO_HAND]
        why = tuple(f"no {r.frame or 'task frame'}: {r.detail}" for r in refused)
        objects.append(replace(item, without_frames=why))
    return replace(frame, objects=tuple(objects), task_frames=poses)


def _seen(item: ViewedObject) -> SeenObject:
    return SeenObject(
        name=item.name,
        category=NOCS.find(item.category) or Category(name=item.category),
        T_out_obj=item.T_view_obj,
        size_m=item.size_m,
        score=item.score,
        score_axis=item.score_axis,
        T_out_other=item.T_view_other,
        other_share=item.mode_shares[1] if len(item.mode_shares) > 1 else 0.0,
        confirmed=item.state in _TRUSTED,
        coasting=item.state == "coasting",
        age_s=item.unseen_s,
        unusual_size=Remark.UNUSUAL_SIZE.text in item.remarks,
    )
