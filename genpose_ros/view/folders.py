# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded frames in the view: estimated when they are looked at, again when a setting changes."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.frame_folders import RecordedFrame, load_frame
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.result import FrameResult
from genpose_ros.geometry.categories import Category, CategorySet
from genpose_ros.settings import parameter_name
from genpose_ros.view.content import ViewedFrame, cloud_of, picture_of, viewed_object
from genpose_ros.view.lazy_frames import LazyFrames
from genpose_ros.view.page import Adjustable

__all__ = ["FolderFrames", "adjustable", "viewed_result"]


class FolderFrames(LazyFrames):
    """Frames of folders, each estimated once for the settings there are.

    Args:
        folders: of the frames.
        estimator: with its settings to begin with.
        make: builds an estimator of other settings with the same networks.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        estimator: PoseEstimator,
        make: Callable[[PoseEstimator, Any], PoseEstimator] | None = None,
    ) -> None:
        super().__init__()
        self._folders, self._estimator = tuple(folders), estimator
        self._make_estimator = make or (lambda old, new: PoseEstimator(old.models, new, old.stop))

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self._folders)

    def _make(self, number: int) -> ViewedFrame:
        """Estimate a frame.

        Raises:
            OSError: a file cannot be read.
            ValueError: the folder holds no frame.
        """
        return self._estimated(load_frame(self._folders[number], self._estimator.categories))

    @property
    def settings(self) -> list[Adjustable]:
        """What can be changed, as it is."""
        return adjustable(self._estimator.settings)

    def change(self, name: str, value: Any) -> str:
        """Take another value of a setting, by its parameter's name; return why not, or nothing."""
        old = self._estimator.settings
        field = next((f.name for f in fields(old) if parameter_name(f) == name), "")
        if not field:
            return f"there is no setting {name}"
        try:
            settings = replace(old, **{field: value})
        except ValueError as error:
            return str(error)
        self._estimator = self._make_estimator(self._estimator, settings)
        self._forget()
        return ""

    def _estimated(self, recorded: RecordedFrame) -> ViewedFrame:
        frame = recorded.to_frame()
        result = self._estimator.estimate(frame)
        return viewed_result(
            frame, result, self._estimator.categories, recorded.name, recorded.color
        )


def adjustable(settings: Any) -> list[Adjustable]:
    """Return what may change of a settings dataclass, by the parameters' names.

    Args:
        settings: made of `setting`s.
    """
    return [
        Adjustable(
            name=parameter_name(item),
            value=getattr(settings, item.name),
            description=item.metadata["description"],
            low=item.metadata["low"],
            high=item.metadata["high"],
            choices=item.metadata["choices"],
            group=item.metadata["group"],
        )
        for item in fields(settings)
        if not item.metadata["fixed"]
    ]


def viewed_result(
    frame: Frame,
    result: FrameResult,
    categories: CategorySet,
    name: str,
    color: np.ndarray | None = None,
) -> ViewedFrame:
    """Return a frame and its estimates as they are shown, in the camera's frame.

    Args:
        frame: that was estimated.
        result: of it.
        categories: that the estimator knows.
        name: of the frame.
        color: (H, W, 3) uint8, RGB, of the same pixels; None: there is none.
    """
    tints = [
        (i.mask, (categories.find(i.category) or Category(name=i.category)).rgb)
        for i in frame.instances
    ]
    return ViewedFrame(
        name=name,
        frame_id="the camera's optical frame (x right, y down, z forward)",
        stamp_ns=frame.stamp_ns,
        objects=tuple(
            viewed_object(e, f"{e.category}_{e.instance_id}", categories, np.eye(4))
            for e in result.estimates
        ),
        cloud=cloud_of(frame.depth_m, frame.camera, color, tints),
        image=picture_of(frame.depth_m, frame.camera, color, np.eye(4)),
        up=result.up_cam,
        refused=tuple(f"{r.instance_id}: {r.reason.value}, {r.detail}" for r in result.rejections),
        timings_ms=result.timings_ms,
    )
