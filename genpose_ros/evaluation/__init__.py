"""Pose errors, and the estimator over folders of recorded frames."""

from genpose_ros.evaluation.frames import (
    WELL_DEFINED,
    FramesReport,
    InstanceReport,
    evaluate_frames,
)
from genpose_ros.evaluation.metrics import (
    THRESHOLDS,
    pose_errors,
    share_within,
    summarise,
)
from genpose_ros.evaluation.synthetic import (
    SyntheticReport,
    evaluate_synthetic,
    synthetic_views,
)

__all__ = [
    "THRESHOLDS",
    "WELL_DEFINED",
    "FramesReport",
    "InstanceReport",
    "SyntheticReport",
    "evaluate_frames",
    "evaluate_synthetic",
    "pose_errors",
    "share_within",
    "summarise",
    "synthetic_views",
]
