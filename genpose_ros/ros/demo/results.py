# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of `~/objects` back to a `FrameResult`, for programs that receive it."""

from collections.abc import Sequence

import numpy as np
import torch
from geometry_msgs.msg import Pose

from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz
from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.msg import Rejection as RejectionMessage

__all__ = ["result_from_message", "transform_from_pose"]


def result_from_message(message: ObjectPoseArray) -> FrameResult:
    """Return what the node estimated; candidates and points are not in the message, so empty.

    Args:
        message: in the camera's frame, as the node publishes it without `target_frame`.

    Raises:
        ValueError: the message holds a reason that is not one of `Reason`.
    """
    return FrameResult(
        estimates=tuple(_estimate(item) for item in message.objects),
        rejections=tuple(_rejection(item) for item in message.rejections),
        timings_ms={timing.stage: float(timing.duration_ms) for timing in message.timings},
    )


def transform_from_pose(pose: Pose) -> np.ndarray:
    """Return a pose as a transform (4, 4) float64."""
    q = pose.orientation
    T = np.eye(4)
    T[:3, :3] = rotation_from_quat_wxyz(torch.tensor([q.w, q.x, q.y, q.z]).double()).numpy()
    T[:3, 3] = pose.position.x, pose.position.y, pose.position.z
    return T


def _rejection(item: RejectionMessage) -> Rejection:
    whole_frame = item.instance_id == RejectionMessage.WHOLE_FRAME
    return Rejection(Reason(item.reason), item.detail, None if whole_frame else item.instance_id)


def _estimate(item: ObjectPose) -> ObjectEstimate:
    energies: Sequence[float | None] = (None, None)
    if item.has_energies:
        energies = (item.energy_rotation, item.energy_translation)
    return ObjectEstimate(
        instance_id=item.instance_id,
        category=item.class_name,
        T_cam_obj=transform_from_pose(item.pose.pose),
        covariance=np.array(item.pose.covariance, dtype=np.float64).reshape(6, 6),
        score=float(item.score),
        score_axis=float(item.score_axis),
        energy_rotation=energies[0],
        energy_translation=energies[1],
        size_m=np.array([item.size.x, item.size.y, item.size.z]),
        n_points=int(item.n_points),
        mode_shares=tuple(float(share) for share in item.mode_shares),
        T_cam_candidates=np.empty((0, 4, 4)),
        points_cam=np.empty((0, 3), dtype=np.float32),
        detection_score=float(item.detection_score),
        rests=item.rests,
        up_turn_rad=float(item.up_turn),
        remarks=tuple(map(Remark, item.remarks)),
        T_cam_other=transform_from_pose(item.second_mode) if item.has_second_mode else None,
    )
