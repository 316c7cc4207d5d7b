# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Builders of the output messages; the only place where quaternions have ROS order (x, y, z, w).

Estimates are in the camera's frame. Here they are converted to the frame of the outputs, which is
the header's: the camera's, or the target frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseArray,
    PoseWithCovariance,
    Quaternion,
    Transform,
    TransformStamped,
    Twist,
    Vector3,
)
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.geometry.single_rotations import quat_wxyz_of
from genpose_ros.geometry.transforms import rotate_covariance
from genpose_ros.msg import ObjectPose, ObjectPoseArray, StageTiming
from genpose_ros.msg import Rejection as RejectionMessage
from genpose_ros.msg import UpDirection as UpMessage
from genpose_ros.ros.published import PublishedObject, up_fields

__all__ = [
    "PosedObject",
    "candidate_array",
    "candidate_energies",
    "detection_array",
    "object_array",
    "point_cloud",
    "pose_array",
    "pose_messages",
    "posed_objects",
    "transforms",
    "up_message",
]

#: One point of `point_cloud`: position in metres and the number of its object.
_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("instance_id", "<i4")])
#: One of `candidate_energies`: the same, with both energies of a candidate.
_ENERGY = np.dtype([*_POINT.descr, ("energy_rotation", "<f4"), ("energy_translation", "<f4")])


@dataclass(frozen=True)
class PosedObject:
    """Published object with its pose in the frame of the outputs.

    Attributes:
        item: the object; its own numbers are in the camera's frame.
        pose: pose and covariance in the frame of the outputs.
        velocity: along the axes of that frame, m/s and rad/s.
        second_mode: pose of the second mode in that frame; None: there is none.
    """

    item: PublishedObject
    pose: PoseWithCovariance
    velocity: Twist
    second_mode: Pose | None = None


def posed_objects(objects: Sequence[PublishedObject], T_out_cam: np.ndarray) -> list[PosedObject]:
    """Return the objects with their poses in the frame of the outputs, once for all messages.

    Args:
        objects: in the camera's frame.
        T_out_cam: (4, 4), camera to the frame of the outputs.
    """
    T_cam_obj = np.array([item.estimate.T_cam_obj for item in objects]).reshape(-1, 4, 4)
    poses = pose_messages(T_out_cam @ T_cam_obj)
    R_out_cam = T_out_cam[:3, :3]
    velocities = np.array([item.velocity for item in objects]).reshape(-1, 2, 3) @ R_out_cam.T
    return [
        PosedObject(
            item,
            PoseWithCovariance(pose=pose, covariance=_covariance(item.estimate, R_out_cam)),
            _twist(*velocity),
            _second_mode(item.estimate, T_out_cam),
        )
        for item, pose, velocity in zip(objects, poses, velocities.tolist(), strict=True)
    ]


def _second_mode(estimate: ObjectEstimate, T_out_cam: np.ndarray) -> Pose | None:
    if estimate.T_cam_other is None:
        return None
    (pose,) = pose_messages((T_out_cam @ estimate.T_cam_other)[None])
    return pose


def pose_messages(transforms: np.ndarray) -> list[Pose]:
    """Return the poses of transforms (N, 4, 4)."""
    return [
        Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
        for T in transforms
        for (qw, qx, qy, qz), (x, y, z) in [(quat_wxyz_of(T[:3, :3]), T[:3, 3].tolist())]
    ]


def pose_array(objects: Sequence[PosedObject], header: Header) -> PoseArray:
    """Return the poses of all objects."""
    return PoseArray(header=header, poses=[o.pose.pose for o in objects])


def detection_array(objects: Sequence[PosedObject], header: Header) -> Detection3DArray:
    """Return the objects as detections, parallel to the poses: class, score, covariance, box.

    Objects that were not seen in this frame, whose poses are predicted, have the score 0.
    """
    detections = []
    for posed in objects:
        estimate = posed.item.estimate
        score = float(estimate.score) if posed.item.seen else 0.0
        hypothesis = ObjectHypothesisWithPose(
            hypothesis=ObjectHypothesis(class_id=estimate.category, score=score),
            pose=posed.pose,
        )
        box = BoundingBox3D(center=posed.pose.pose, size=_size(estimate))
        detections.append(
            Detection3D(header=header, results=[hypothesis], bbox=box, id=posed.item.id)
        )
    return Detection3DArray(header=header, detections=detections)


def object_array(
    objects: Sequence[PosedObject],
    rejections: Sequence[Rejection],
    header: Header,
    timings_ms: Mapping[str, float] | None = None,
    up: UpMessage | None = None,
) -> ObjectPoseArray:
    """Return everything about the objects, why others were refused, and the time per stage."""
    return ObjectPoseArray(
        header=header,
        objects=[_object(posed) for posed in objects],
        rejections=[_rejection(rejection) for rejection in rejections],
        up=up or UpMessage(),
        timings=[
            StageTiming(stage=stage, duration_ms=float(ms))
            for stage, ms in (timings_ms or {}).items()
        ],
    )


def up_message(up_cam: UpDirection | None, T_out_cam: np.ndarray) -> UpMessage:
    """Return the direction up as a message; empty where it is not known.

    Args:
        up_cam: in the camera's frame.
        T_out_cam: (4, 4), camera to the frame of the outputs.
    """
    if up_cam is None:
        return UpMessage()
    fields, direction = up_fields(up_cam, T_out_cam)
    x, y, z = direction.tolist()
    return UpMessage(**fields, direction=Vector3(x=x, y=y, z=z))


def transforms(
    objects: Sequence[PosedObject], header: Header, prefix: str = ""
) -> list[TransformStamped]:
    """Return one transform per object, from the header's frame to `<prefix><class>_<number>`."""
    return [
        TransformStamped(
            header=header,
            child_frame_id=f"{prefix}{posed.item.frame}",
            transform=_transform(posed.pose.pose),
        )
        for posed in objects
    ]


def candidate_array(
    objects: Sequence[PublishedObject], header: Header, T_out_cam: np.ndarray
) -> PoseArray:
    """Return the candidate poses of all objects, one object after the other.

    Args:
        objects: in the camera's frame.
        header: of the outputs.
        T_out_cam: (4, 4), camera to the frame of `header`.
    """
    poses: list[Pose] = []
    for item in objects:
        poses += pose_messages(T_out_cam @ item.estimate.T_cam_candidates)
    return PoseArray(header=header, poses=poses)


def point_cloud(
    objects: Sequence[PublishedObject], header: Header, T_out_cam: np.ndarray
) -> PointCloud2:
    """Return the points that the poses were estimated from: x, y, z and the object's number.

    The number is in the field instance_id; of tracked objects it is the track's.

    Args:
        objects: in the camera's frame.
        header: of the outputs.
        T_out_cam: (4, 4), camera to the frame of `header`.
    """
    parts = [np.empty(0, dtype=_POINT)]
    for item in objects:
        part = np.empty(len(item.estimate.points_cam), dtype=_POINT)
        part["x"], part["y"], part["z"] = transform_points(T_out_cam, item.estimate.points_cam).T
        part["instance_id"] = item.number
        parts.append(part)
    return _cloud(np.concatenate(parts), header)


def candidate_energies(
    objects: Sequence[PublishedObject], header: Header, T_out_cam: np.ndarray
) -> PointCloud2:
    """Return the candidates' places with their energies and the object's number.

    In the order of `candidate_array`. Energies are higher where a candidate is likelier, and NaN
    where candidates were not ranked by them.

    Args:
        objects: in the camera's frame.
        header: of the outputs.
        T_out_cam: (4, 4), camera to the frame of `header`.
    """
    parts = [np.empty(0, dtype=_ENERGY)]
    for item in objects:
        estimate = item.estimate
        part = np.empty(len(estimate.T_cam_candidates), dtype=_ENERGY)
        places = (T_out_cam @ estimate.T_cam_candidates)[:, :3, 3]
        part["x"], part["y"], part["z"] = places.T
        part["instance_id"] = item.number
        energies = estimate.candidate_energies
        if energies is None or len(energies) != len(part):
            energies = np.full((len(part), 2), np.nan)
        part["energy_rotation"], part["energy_translation"] = energies.T
        parts.append(part)
    return _cloud(np.concatenate(parts), header)


def _cloud(points: np.ndarray, header: Header) -> PointCloud2:
    """The message of points with named fields."""
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=list(_point_fields(points.dtype)),
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.itemsize * len(points),
        data=points.tobytes(),
        is_dense=True,
    )


def _point_fields(kind: np.dtype) -> Iterable[PointField]:
    kinds = {"<f4": PointField.FLOAT32, "<i4": PointField.INT32}
    for name in kind.names or ():
        dtype, offset = kind.fields[name][:2]  # type: ignore[index]
        yield PointField(name=name, offset=offset, datatype=kinds[dtype.str], count=1)


def _object(posed: PosedObject) -> ObjectPose:
    item, estimate = posed.item, posed.item.estimate
    return ObjectPose(
        **item.fields(),
        pose=posed.pose,
        size=_size(estimate),
        mode_shares=[float(share) for share in estimate.mode_shares],
        second_mode=posed.second_mode or Pose(),
        velocity=posed.velocity,
        age=_duration(item.age_s),
        time_since_seen=_duration(item.unseen_s),
    )


def _rejection(rejection: Rejection) -> RejectionMessage:
    instance_id = rejection.instance_id
    return RejectionMessage(
        reason=rejection.reason.value,
        detail=rejection.detail,
        instance_id=RejectionMessage.WHOLE_FRAME if instance_id is None else instance_id,
    )


def _transform(pose: Pose) -> Transform:
    position = pose.position
    return Transform(
        translation=Vector3(x=position.x, y=position.y, z=position.z), rotation=pose.orientation
    )


def _duration(seconds: float) -> Duration:
    sec, nanosec = divmod(round(seconds * 1e9), 1_000_000_000)
    return Duration(sec=sec, nanosec=nanosec)


def _twist(linear: Sequence[float], angular: Sequence[float]) -> Twist:
    (x, y, z), (rx, ry, rz) = linear, angular
    return Twist(linear=Vector3(x=x, y=y, z=z), angular=Vector3(x=rx, y=ry, z=rz))


def _covariance(estimate: ObjectEstimate, R_out_cam: np.ndarray) -> np.ndarray:
    """(36,) float64: of a list the message would check each number."""
    return rotate_covariance(estimate.covariance, R_out_cam).ravel().astype(np.float64, copy=False)


def _size(estimate: ObjectEstimate) -> Vector3:
    x, y, z = (float(edge) for edge in estimate.size_m)
    return Vector3(x=x, y=y, z=z)
