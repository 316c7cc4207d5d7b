# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects of `~/objects` messages as task frames need them."""

import numpy as np
import torch
from geometry_msgs.msg import Pose

from genpose_ros.estimation.frame import Remark
from genpose_ros.geometry.categories import NOCS, Category
from genpose_ros.geometry.rotations import rotation_from_quat_wxyz
from genpose_ros.msg import ObjectPose
from genpose_ros.robot.task_frames import SeenObject

__all__ = ["object_frame", "pose_matrix", "seen_object"]

_TRUSTED = (ObjectPose.STATE_UNTRACKED, ObjectPose.STATE_CONFIRMED, ObjectPose.STATE_COASTING)


def object_frame(item: ObjectPose) -> str:
    """Return the name of an object's frame on /tf, without a prefix."""
    return item.id or f"{item.class_name}_{item.instance_id}"


def pose_matrix(pose: Pose) -> np.ndarray:
    """Return a pose as a transform, (4, 4).

    Raises:
        ValueError: it is not finite, or its quaternion no rotation.
    """
    q, p = pose.orientation, pose.position
    quat_wxyz = torch.tensor([q.w, q.x, q.y, q.z], dtype=torch.float64)
    length = float(quat_wxyz.norm())
    T = np.eye(4)
    T[:3, 3] = p.x, p.y, p.z
    if not np.isfinite(T).all() or not 0.99 < length < 1.01:
        raise ValueError(f"the pose is not finite or its quaternion has the length {length:g}")
    T[:3, :3] = rotation_from_quat_wxyz(quat_wxyz / length).numpy()
    return T


def seen_object(item: ObjectPose) -> SeenObject:
    """Return an object as task frames need it, in the frame of its message.

    Raises:
        ValueError: its pose is no rigid transform.
    """
    name = item.class_name
    since = item.time_since_seen
    other = pose_matrix(item.second_mode) if item.has_second_mode else None
    return SeenObject(
        name=object_frame(item),
        category=NOCS[name] if name in NOCS else Category(name=name),
        T_out_obj=pose_matrix(item.pose.pose),
        size_m=np.array([item.size.x, item.size.y, item.size.z]),
        score=float(item.score),
        score_axis=float(item.score_axis),
        T_out_other=other,
        other_share=float(item.mode_shares[1]) if len(item.mode_shares) > 1 else 0.0,
        confirmed=item.tracking_state in _TRUSTED,
        coasting=item.tracking_state == ObjectPose.STATE_COASTING,
        age_s=since.sec + 1e-9 * since.nanosec,
        unusual_size=Remark.UNUSUAL_SIZE.value in item.remarks,
    )
