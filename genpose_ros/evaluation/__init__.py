"""Pose errors, and the estimator over folders of recorded frames."""

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
from genpose_ros.evaluation.nocs import NocsReport, evaluate_nocs
from genpose_ros.evaluation.provenance import shown_command, write_results
from genpose_ros.evaluation.synthetic import (
    SyntheticReport,
    evaluate_synthetic,
    synthetic_views,
)
from genpose_ros.evaluation.track_metrics import summarise_tracking
from genpose_ros.evaluation.track_records import ObjectRecord, SequenceRecord, record_sequence

__all__ = [
    "THRESHOLDS",
    "WELL_DEFINED",
    "CategoryPrecision",
    "DetectedPoses",
    "FramesReport",
    "InstanceReport",
    "NocsReport",
    "ObjectRecord",
    "PosePrecision",
    "PrecisionCurves",
    "SequenceRecord",
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
    "record_sequence",
    "share_within",
    "shown_command",
    "summarise",
    "summarise_tracking",
    "synthetic_views",
    "write_results",
]
