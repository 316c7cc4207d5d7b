"""Back from `~/objects` to the estimator's result, for programs that listen to the node."""

from collections.abc import Sequence

import numpy as np
import torch
from geometry_msgs.msg import Pose

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz
from genpose_ros.msg import ObjectPose, ObjectPoseArray

__all__ = ["result_from_message", "transform_from_pose"]


def result_from_message(message: ObjectPoseArray) -> FrameResult:
    """Return what the node estimated; candidates and points are not in the message, so empty."""
    rejections = zip(
        message.rejection_reasons,
        message.rejection_details,
        message.rejection_instance_ids,
        strict=True,
    )
    return FrameResult(
        estimates=tuple(_estimate(item) for item in message.objects),
        rejections=tuple(
            Rejection(Reason(reason), detail, None if instance_id < 0 else instance_id)
            for reason, detail, instance_id in rejections
        ),
        timings_ms=dict(zip(message.stage_names, map(float, message.stage_ms), strict=True)),
    )


def transform_from_pose(pose: Pose) -> np.ndarray:
    """Return a pose as a transform (4, 4) float64."""
    q = pose.orientation
    T = np.eye(4)
    T[:3, :3] = rotation_from_quat_wxyz(torch.tensor([q.w, q.x, q.y, q.z]).double()).numpy()
    T[:3, 3] = pose.position.x, pose.position.y, pose.position.z
    return T


def _estimate(item: ObjectPose) -> ObjectEstimate:
    energies: Sequence[float | None] = (None, None)
    if item.has_energies:
        energies = (item.energy_rotation, item.energy_translation)
    return ObjectEstimate(
        instance_id=item.instance_id,
        category=item.class_name,
        T_cam_obj=transform_from_pose(item.pose),
        covariance=np.array(item.covariance, dtype=np.float64).reshape(6, 6),
        score=float(item.score),
        energy_rotation=energies[0],
        energy_translation=energies[1],
        size_m=np.array([item.size.x, item.size.y, item.size.z]),
        n_points=int(item.n_points),
        mode_shares=tuple(float(share) for share in item.mode_shares),
        T_cam_candidates=np.empty((0, 4, 4)),
        points_cam=np.empty((0, 3), dtype=np.float32),
        detection_score=float(item.detection_score),
    )
