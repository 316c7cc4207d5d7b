# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation of the estimator: recorded frames, NOCS, synthetic views; errors and precision."""

from genpose_ros.evaluation.average_precision import (
    CategoryPrecision,
    DetectedPoses,
    PosePrecision,
    PrecisionCurves,
    TruePoses,
    box_overlap,
    box_overlap_3d,
    pose_average_precision,
    pose_precision_curves,
    precision_recall_area,
)
from genpose_ros.evaluation.metrics import (
    THRESHOLDS,
    pose_errors,
    share_within,
    summarise,
)
from genpose_ros.evaluation.nocs import NocsReport, evaluate_nocs
from genpose_ros.evaluation.provenance import shown_command, write_results
from genpose_ros.evaluation.recorded_frames import (
    WELL_DEFINED,
    FramesReport,
    InstanceReport,
    evaluate_frames,
)
from genpose_ros.evaluation.synthetic import (
    SyntheticReport,
    evaluate_synthetic,
    synthetic_views,
    told_up,
)

__all__ = [
    "THRESHOLDS",
    "WELL_DEFINED",
    "CategoryPrecision",
    "DetectedPoses",
    "FramesReport",
    "InstanceReport",
    "NocsReport",
    "PosePrecision",
    "PrecisionCurves",
    "SyntheticReport",
    "TruePoses",
    "box_overlap",
    "box_overlap_3d",
    "evaluate_frames",
    "evaluate_nocs",
    "evaluate_synthetic",
    "pose_average_precision",
    "pose_errors",
    "pose_precision_curves",
    "precision_recall_area",
    "share_within",
    "shown_command",
    "summarise",
    "synthetic_views",
    "told_up",
    "write_results",
]
