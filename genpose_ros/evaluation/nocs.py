# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation on CAMERA and REAL275, scored as the NOCS benchmark does."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.datasets.nocs import (
    NocsDetection,
    NocsFrame,
    find_nocs_frames,
    has_detections,
    has_list,
    load_nocs_frame,
)
from genpose_ros.datasets.nocs_truth import MugOrigin, NocsObject
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.evaluation.average_precision import (
    DetectedPoses,
    PosePrecision,
    PrecisionCurves,
    TruePoses,
    pose_average_precision,
    pose_precision_curves,
)
from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["NocsReport", "evaluate_nocs"]


@dataclass(frozen=True)
class NocsReport:
    """Scores of one split, and the frames and files that they come from.

    Attributes:
        split: its name.
        frames: how many were estimated.
        every: n, where every n-th frame of the split was.
        listed: whether the frames are those of the data set's list, else all complete ones.
        masks: what gave the objects' masks: `detector` or `ground truth`.
        pose_sources: how many frames' true poses come from where.
        mug_origin: where the poses of mugs have their origin.
        unknown_handles: mugs whose handle no file says to be visible or not; taken as visible.
        rejected: detections without an estimate; they count as wrong.
        boxes: what detections and objects are matched by, `2d` or `3d`.
        unknown_sizes: objects of which no file tells the size; matched by `2d` boxes always.
        precision: average precisions.
        curves: the same over single limits.
    """

    split: str
    frames: int
    every: int
    listed: bool
    masks: str
    pose_sources: dict[str, int]
    mug_origin: MugOrigin
    unknown_handles: int
    rejected: int
    boxes: str
    unknown_sizes: int
    precision: PosePrecision
    curves: PrecisionCurves

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; average precisions in per cent."""
        return {
            "split": self.split,
            "frames": self.frames,
            "every": self.every,
            "listed": self.listed,
            "masks": self.masks,
            "pose_sources": self.pose_sources,
            "mug_origin": self.mug_origin.value,
            "mugs_of_unknown_handle": self.unknown_handles,
            "rejected": self.rejected,
            "boxes": self.boxes,
            "objects_of_unknown_size": self.unknown_sizes,
            **self.precision.to_json(),
        }


def evaluate_nocs(
    root: Path,
    split: str,
    estimator: PoseEstimator,
    *,
    every: int = 1,
    mug_origin: MugOrigin = MugOrigin.BOX,
    boxes: str = "2d",
    on_frame: Callable[[NocsFrame, FrameResult, int], None] | None = None,
) -> NocsReport:
    """Estimate the frames of a split and score the poses.

    Masks are the detector's where there is a folder of its results, else those of the true objects.

    Args:
        root: folder of the data sets, see `genpose_ros.datasets.nocs`.
        split: `real_test`, `val`, `real_train` or `camera_train`.
        estimator: model and settings.
        every: n, to take every n-th frame only.
        mug_origin: what the model was trained to find, see `MugOrigin`.
        boxes: what detections and objects are matched by: `2d`, the image's, as the paper does, or
            `3d`, as most other papers do, where the true object's size is known.
        on_frame: called after each frame with it, the result and how many frames there are in all.

    Raises:
        FileNotFoundError: no frame, or a file of one is missing.
        ValueError: unknown split or `boxes`, `every` below 1, no true object at all, or a damaged
            file.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    if boxes not in ("2d", "3d"):
        raise ValueError(f"boxes must be 2d or 3d, got {boxes!r}")
    names = find_nocs_frames(root, split)[::every]
    outcome = _Outcome()
    for name in names:
        frame = load_nocs_frame(root, split, name, mug_origin=mug_origin)
        result = estimator.estimate(frame.to_frame())
        outcome.add(frame, result)
        if on_frame is not None:
            on_frame(frame, result, len(names))
    if not outcome.true:
        raise ValueError(f"the {len(names)} frames of {split} in {root} have no object to estimate")
    poses = _detected_poses(outcome.found, boxes), _true_poses(outcome.true, boxes)
    return NocsReport(
        split=split,
        frames=len(names),
        every=every,
        listed=has_list(root, split),
        masks="detector" if has_detections(root, split) else "ground truth",
        pose_sources=dict(outcome.sources),
        mug_origin=mug_origin,
        unknown_handles=outcome.unknown_handles,
        rejected=outcome.rejected,
        boxes=boxes,
        unknown_sizes=outcome.unknown_sizes,
        precision=pose_average_precision(*poses, boxes=boxes),
        curves=pose_precision_curves(*poses, boxes=boxes),
    )


@dataclass(frozen=True)
class _Found:
    """Detection in the image of a number, and its estimate, None where it was refused."""

    image: int
    detection: NocsDetection
    estimate: ObjectEstimate | None

    @property
    def T_cam_obj(self) -> np.ndarray:
        return np.full((4, 4), np.nan) if self.estimate is None else self.estimate.T_cam_obj

    @property
    def size_m(self) -> np.ndarray:
        return np.full(3, np.nan) if self.estimate is None else self.estimate.size_m


@dataclass
class _Outcome:
    """Objects of all frames so far, the true and the detected ones, each with its frame's number.

    Attributes:
        true: true objects.
        found: detections that were to be estimated, with their estimates.
        sources: how many frames' true poses come from where.
    """

    true: list[tuple[int, NocsObject]] = field(default_factory=list)
    found: list[_Found] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, frame: NocsFrame, result: FrameResult) -> None:
        """Add a frame and what was estimated in it."""
        image = self.sources.total()
        estimates = {e.instance_id: e for e in result.estimates}
        detections = frame.true_detections() if frame.detections is None else frame.detections
        self.true += [(image, item) for item in frame.objects]
        self.found += [_Found(image, d, estimates.get(d.instance.id)) for d in detections]
        self.sources[frame.pose_source.value] += 1

    @property
    def rejected(self) -> int:
        """Detections without an estimate."""
        return sum(item.estimate is None for item in self.found)

    @property
    def unknown_handles(self) -> int:
        """Mugs of which no file tells whether the handle is visible."""
        return sum(o.category == "mug" and o.handle_visible is None for _, o in self.true)

    @property
    def unknown_sizes(self) -> int:
        """True objects of which no file tells the size."""
        return sum(o.size_m is None for _, o in self.true)


def _detected_poses(found: list[_Found], boxes: str) -> DetectedPoses:
    instances = [item.detection.instance for item in found]
    return DetectedPoses(
        image=np.array([item.image for item in found], dtype=np.int64),
        category=np.array([CATEGORIES.index(i.category) for i in instances], dtype=np.int64),
        T_cam_obj=np.array([item.T_cam_obj for item in found], dtype=np.float64).reshape(-1, 4, 4),
        box=np.array([item.detection.box for item in found], dtype=np.float64).reshape(-1, 4),
        score=np.array([i.detection_score for i in instances], dtype=np.float64),
        size_m=np.array([item.size_m for item in found]).reshape(-1, 3) if boxes == "3d" else None,
    )


def _true_poses(true: list[tuple[int, NocsObject]], boxes: str) -> TruePoses:
    unknown = np.full(3, np.nan)
    sizes = np.array([unknown if o.size_m is None else o.size_m for _, o in true])
    return TruePoses(
        image=np.array([index for index, _ in true], dtype=np.int64),
        category=np.array([CATEGORIES.index(o.category) for _, o in true], dtype=np.int64),
        T_cam_obj=np.array([o.T_cam_obj for _, o in true], dtype=np.float64).reshape(-1, 4, 4),
        box=np.array([o.box for _, o in true], dtype=np.float64).reshape(-1, 4),
        handle_visible=np.array([o.handle_visible is not False for _, o in true], dtype=bool),
        size_m=sizes.reshape(-1, 3) if boxes == "3d" else None,
    )
