# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation on a folder of recorded frames, compared with their ground truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpose_ros.datasets.frame_folders import (
    RecordedFrame,
    RecordedInstance,
    Truth,
    find_frames,
    load_frame,
)
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.evaluation.coverage import LEVELS, ellipsoid_probabilities
from genpose_ros.evaluation.metrics import pose_errors, summarise
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.geometry.symmetry import handle_visible

__all__ = [
    "WELL_DEFINED",
    "FramesReport",
    "InstanceReport",
    "evaluate_frames",
    "instance_handle_visible",
]

#: The categories whose pose the depth image of one side determines; summarised together.
WELL_DEFINED = ("bottle", "bowl", "can", "laptop")


@dataclass(frozen=True)
class InstanceReport:
    """Result of one labelled instance of a frame.

    Attributes:
        frame: name of the frame.
        instance_id: the instance's id in the mask.
        category: category name.
        truth: kind of truth it is compared with.
        errors: rotation error in degrees and translation error in centimetres; None without truth
            or estimate.
        handle_visible: of mugs (and others with `symmetry_hidden`) with truth, else None.
        estimate: None where the object was refused.
        rejection: why it was refused, else None.
        ellipsoid: probability of the ellipsoid of its position that the truth lies on, as of
            `coverage.ellipsoid_probabilities`; None without truth or estimate.
    """

    frame: str
    instance_id: int
    category: str
    truth: Truth
    errors: tuple[float, float] | None
    handle_visible: bool | None
    estimate: ObjectEstimate | None
    rejection: str | None
    ellipsoid: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the instance as JSON values."""
        rotation, translation = self.errors or (None, None)
        estimate = self.estimate
        return {
            "frame": self.frame,
            "id": self.instance_id,
            "class": self.category,
            "rotation_error_deg": rotation,
            "translation_error_cm": translation,
            "truth": self.truth.value,
            "handle_visible": self.handle_visible,
            "score": None if estimate is None else estimate.score,
            "n_points": None if estimate is None else estimate.n_points,
            "T_cam_obj": None if estimate is None else estimate.T_cam_obj.tolist(),
            "size_m": None if estimate is None else estimate.size_m.tolist(),
            "rejection": self.rejection,
            "position_ellipsoid": self.ellipsoid,
        }


@dataclass(frozen=True)
class FramesReport:
    """Results of all instances of all frames.

    Attributes:
        instances: of all frames.
        categories: that the model knows.
    """

    instances: tuple[InstanceReport, ...]
    categories: CategorySet = NOCS

    def summary(self, truth: Truth = Truth.DATASET) -> dict[str, Any]:
        """Return medians and shares over the instances with one kind of truth.

        Keys: `all`, each category that occurs, and `bottle+bowl+can+laptop` where all of these are
        known.
        """
        chosen = [i for i in self.instances if i.truth is truth]
        names = self.categories.names
        groups = {"all": names}
        if all(name in names for name in WELL_DEFINED):
            groups["+".join(WELL_DEFINED)] = WELL_DEFINED
        groups |= {name: (name,) for name in names if any(i.category == name for i in chosen)}
        return {
            key: summarise([i.errors for i in chosen if i.category in names])
            for key, names in groups.items()
        }

    def within_ellipsoids(self, truth: Truth = Truth.DATASET) -> dict[str, Any]:
        """Return how many positions lie within the ellipsoids of `LEVELS`, and of how many."""
        found = [
            i.ellipsoid for i in self.instances if i.truth is truth and i.ellipsoid is not None
        ]
        within = {f"{level:g}": sum(value <= level for value in found) for level in LEVELS}
        return {"of": len(found), **within}

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values: instances, and summaries per kind of truth."""
        return {
            "instances": [i.to_json() for i in self.instances],
            "summary": {
                **self.summary(Truth.DATASET),
                "positions_within_ellipsoids": self.within_ellipsoids(),
                "pseudo_truth": self.summary(Truth.PSEUDO),
                "estimated_only": sum(i.truth is Truth.NONE for i in self.instances),
                "rejected": sum(i.rejection is not None for i in self.instances),
            },
        }


def evaluate_frames(
    root: Path,
    estimator: PoseEstimator,
    on_frame: Callable[[Path, RecordedFrame, FrameResult, int], None] | None = None,
    *,
    quarter_turns: int = 0,
) -> FramesReport:
    """Estimate every frame in a folder, at any depth, and compare it with its truth.

    Args:
        root: the folder.
        estimator: model and settings.
        on_frame: called after each frame with its folder, the frame, the result and how many
            frames there are in all; for progress displays and pictures.

    Raises:
        FileNotFoundError: no frame in `root`, or one of its files is missing.
        ValueError: a frame is damaged, or shows a category that the model does not know.
    """
    folders, categories = find_frames(root), estimator.categories
    reports: list[InstanceReport] = []
    for folder in folders:
        frame = load_frame(folder, categories).turned(quarter_turns)
        result = estimator.estimate(frame.to_frame())
        reports += [_report(frame, instance, result, categories) for instance in frame.instances]
        if on_frame is not None:
            on_frame(folder, frame, result, len(folders))
    return FramesReport(tuple(reports), categories)


def _report(
    frame: RecordedFrame,
    instance: RecordedInstance,
    result: FrameResult,
    categories: CategorySet,
) -> InstanceReport:
    estimate = next((e for e in result.estimates if e.instance_id == instance.id), None)
    category = categories[instance.category]
    handle = instance_handle_visible(frame, instance, categories)
    errors = ellipsoid = None
    if estimate is not None and instance.T_cam_obj is not None:
        errors = pose_errors(estimate.T_cam_obj, instance.T_cam_obj, category, handle is not False)
        ellipsoid, _ = ellipsoid_probabilities(
            estimate.T_cam_obj, estimate.covariance, instance.T_cam_obj, category
        )
    rejection = None
    if estimate is None:
        mine = [r for r in result.rejections if r.instance_id in (instance.id, None)]
        rejection = f"{mine[0].reason.value}: {mine[0].detail}" if mine else "not estimated"
    return InstanceReport(
        frame=frame.name,
        instance_id=instance.id,
        category=instance.category,
        truth=instance.truth,
        errors=errors,
        handle_visible=handle,
        estimate=estimate,
        rejection=rejection,
        ellipsoid=ellipsoid,
    )


def instance_handle_visible(
    frame: RecordedFrame, instance: RecordedInstance, categories: CategorySet = NOCS
) -> bool | None:
    """Whether the depth image shows the handle of a mug; None for others and without truth.

    Decided from the mug's points in its true pose; without a known size it is taken as visible. Not
    only of mugs: of every category with `symmetry_hidden`.
    """
    known = categories.find(instance.category)
    if known is None or known.symmetry_hidden is None or instance.T_cam_obj is None:
        return None
    if instance.size_m is None:
        return True
    points_cam = frame.camera.back_project(frame.depth_m, instance.mask)
    return handle_visible(points_cam, instance.T_cam_obj, instance.size_m)
