"""The estimator on CAMERA and REAL275, scored as their benchmark does."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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
from genpose_ros.estimation.result import FrameResult
from genpose_ros.evaluation.average_precision import (
    DetectedPoses,
    PosePrecision,
    TruePoses,
    pose_average_precision,
)
from genpose_ros.geometry.categories import CATEGORIES

__all__ = ["NocsReport", "evaluate_nocs"]


@dataclass(frozen=True)
class NocsReport:
    """The scores of one split and what they rest on.

    Attributes:
        split: its name.
        frames: how many were estimated.
        every: each how-manieth frame of the split that was.
        listed: whether the frames are those of the data set's list, else all complete ones.
        masks: what gave the objects' masks: `detector` or `ground truth`.
        pose_sources: how many frames' true poses come from where.
        mug_origin: where the poses of mugs have their origin.
        unknown_handles: mugs of which no file tells whether the handle is seen; taken as seen.
        rejected: detections without an estimate; they count as wrong.
        precision: average precisions.
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
    precision: PosePrecision

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
            **self.precision.to_json(),
        }


def evaluate_nocs(
    root: Path,
    split: str,
    estimator: PoseEstimator,
    *,
    every: int = 1,
    mug_origin: MugOrigin = MugOrigin.BOX,
    on_frame: Callable[[NocsFrame, FrameResult, int], None] | None = None,
) -> NocsReport:
    """Estimate the frames of a split and score the poses.

    Masks are the detector's where there is a folder of its results, else those of the true objects.

    Args:
        root: folder of the data sets, see `genpose_ros.datasets.nocs`.
        split: `real_test`, `val`, `real_train` or `camera_train`.
        estimator: model and settings.
        every: take only each how-manieth frame.
        mug_origin: what the model was trained to find, see `MugOrigin`.
        on_frame: called after each frame with it, the result and how many frames there are in all.

    Raises:
        FileNotFoundError: no frame, or a file of one is missing.
        ValueError: unknown split, `every` below 1, no true object at all, or a damaged file.
    """
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    names = find_nocs_frames(root, split)[::every]
    true: list[tuple[int, NocsObject]] = []
    found: list[tuple[int, NocsDetection, np.ndarray]] = []
    sources: Counter[str] = Counter()
    for index, name in enumerate(names):
        frame = load_nocs_frame(root, split, name, mug_origin=mug_origin)
        result = estimator.estimate(frame.to_frame())
        sources[frame.pose_source.value] += 1
        true += [(index, item) for item in frame.objects]
        found += [(index, *pair) for pair in _with_poses(frame, result)]
        if on_frame is not None:
            on_frame(frame, result, len(names))
    if not true:
        raise ValueError(f"the {len(names)} frames of {split} in {root} have no object to estimate")
    return NocsReport(
        split=split,
        frames=len(names),
        every=every,
        listed=has_list(root, split),
        masks="detector" if has_detections(root, split) else "ground truth",
        pose_sources=dict(sources),
        mug_origin=mug_origin,
        unknown_handles=sum(o.category == "mug" and o.handle_visible is None for _, o in true),
        rejected=sum(not np.isfinite(T).all() for _, _, T in found),
        precision=pose_average_precision(_detected_poses(found), _true_poses(true)),
    )


def _with_poses(frame: NocsFrame, result: FrameResult) -> list[tuple[NocsDetection, np.ndarray]]:
    """The detections that were estimated, with their poses; NaN for those refused."""
    poses = {e.instance_id: e.T_cam_obj for e in result.estimates}
    detections = frame.true_detections() if frame.detections is None else frame.detections
    return [(d, poses.get(d.instance.id, np.full((4, 4), np.nan))) for d in detections]


def _detected_poses(found: list[tuple[int, NocsDetection, np.ndarray]]) -> DetectedPoses:
    return DetectedPoses(
        image=np.array([index for index, _, _ in found], dtype=np.int64),
        category=np.array([CATEGORIES.index(d.instance.category) for _, d, _ in found], np.int64),
        T_cam_obj=np.array([T for _, _, T in found], dtype=np.float64).reshape(-1, 4, 4),
        box=np.array([d.box for _, d, _ in found], dtype=np.float64).reshape(-1, 4),
        score=np.array([d.instance.detection_score for _, d, _ in found], dtype=np.float64),
    )


def _true_poses(true: list[tuple[int, NocsObject]]) -> TruePoses:
    return TruePoses(
        image=np.array([index for index, _ in true], dtype=np.int64),
        category=np.array([CATEGORIES.index(o.category) for _, o in true], dtype=np.int64),
        T_cam_obj=np.array([o.T_cam_obj for _, o in true], dtype=np.float64).reshape(-1, 4, 4),
        box=np.array([o.box for _, o in true], dtype=np.float64).reshape(-1, 4),
        handle_visible=np.array([o.handle_visible is not False for _, o in true], dtype=bool),
    )
