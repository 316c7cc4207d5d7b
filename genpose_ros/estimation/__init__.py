# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pose estimation from depth and masks: clouds, candidates, ranking, pooling, estimates."""

from genpose_ros.estimation.back_projection import ObjectCloud, object_cloud
from genpose_ros.estimation.candidates import draw_candidates, draw_noise
from genpose_ros.estimation.estimator import STAGES, PoseEstimator
from genpose_ros.estimation.extent import visible_extent
from genpose_ros.estimation.frame import Frame, Instance, Remark, check_frame
from genpose_ros.estimation.likelihood import pose_log_likelihood
from genpose_ros.estimation.pooling import Pooled, find_modes, pool_mean, pool_modes
from genpose_ros.estimation.ranking import Ranking, candidate_density, rank_candidates
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.settings import PRESETS, EstimatorSettings, describe
from genpose_ros.estimation.uncertainty import agreement, pose_covariance

__all__ = [
    "PRESETS",
    "STAGES",
    "EstimatorSettings",
    "Frame",
    "FrameResult",
    "Instance",
    "ObjectCloud",
    "ObjectEstimate",
    "Pooled",
    "PoseEstimator",
    "Ranking",
    "Reason",
    "Rejection",
    "Remark",
    "agreement",
    "candidate_density",
    "check_frame",
    "describe",
    "draw_candidates",
    "draw_noise",
    "find_modes",
    "object_cloud",
    "pool_mean",
    "pool_modes",
    "pose_covariance",
    "pose_log_likelihood",
    "rank_candidates",
    "visible_extent",
]
