"""Pose errors, and the estimator over folders of recorded frames."""

from genpose_ros.evaluation.frames import (
    WELL_DEFINED,
    FramesReport,
    InstanceReport,
    evaluate_frames,
)
from genpose_ros.evaluation.metrics import (
    THRESHOLDS,
    handle_visible,
    pose_errors,
    share_within,
    summarise,
)

__all__ = [
    "THRESHOLDS",
    "WELL_DEFINED",
    "FramesReport",
    "InstanceReport",
    "evaluate_frames",
    "handle_visible",
    "pose_errors",
    "share_within",
    "summarise",
]
