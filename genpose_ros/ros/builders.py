"""Objects to messages; the only place where quaternions have ROS order (x, y, z, w).

Every function takes the header that the outputs carry: the depth image's stamp, and its frame or
the target frame.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
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
from genpose_ros.geometry.categories import category_id
from genpose_ros.geometry.rotations import quat_wxyz_from_rotation
from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.published import PublishedObject

__all__ = [
    "candidate_array",
    "detection_array",
    "object_array",
    "point_cloud",
    "pose_array",
    "pose_messages",
    "transforms",
]

Objects = Sequence[PublishedObject]

#: One point of `point_cloud`: position in metres and the number of its object.
_POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("instance_id", "<i4")])


def pose_messages(transforms: np.ndarray) -> list[Pose]:
    """Return the poses of transforms (N, 4, 4)."""
    if not len(transforms):
        return []
    matrices = np.asarray(transforms, dtype=np.float64)
    quat_wxyz = quat_wxyz_from_rotation(torch.from_numpy(matrices[:, :3, :3].copy())).numpy()
    quat_xyzw = np.roll(quat_wxyz, -1, axis=-1)
    return [
        Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
        for (x, y, z), (qx, qy, qz, qw) in zip(
            matrices[:, :3, 3].tolist(), quat_xyzw.tolist(), strict=True
        )
    ]


def pose_array(objects: Objects, header: Header) -> PoseArray:
    """Return the poses of all objects."""
    return PoseArray(header=header, poses=_poses(objects))


def detection_array(objects: Objects, header: Header) -> Detection3DArray:
    """Return the objects as detections, parallel to the poses: class, score, covariance, box."""
    detections = []
    for item, pose in zip(objects, _poses(objects), strict=True):
        estimate = item.estimate
        hypothesis = ObjectHypothesisWithPose(
            hypothesis=ObjectHypothesis(class_id=estimate.category, score=float(estimate.score)),
            pose=PoseWithCovariance(pose=pose, covariance=_covariance(estimate)),
        )
        box = BoundingBox3D(center=pose, size=_size(estimate))
        detections.append(Detection3D(header=header, results=[hypothesis], bbox=box, id=item.id))
    return Detection3DArray(header=header, detections=detections)


def object_array(
    objects: Objects,
    rejections: Sequence[Rejection],
    header: Header,
    timings_ms: Mapping[str, float] | None = None,
) -> ObjectPoseArray:
    """Return everything about the objects, why others were refused, and the time per stage."""
    stages = timings_ms or {}
    return ObjectPoseArray(
        header=header,
        objects=[_object(*both) for both in zip(objects, _poses(objects), strict=True)],
        rejection_reasons=[r.reason.value for r in rejections],
        rejection_details=[r.detail for r in rejections],
        rejection_instance_ids=[-1 if r.instance_id is None else r.instance_id for r in rejections],
        stage_names=list(stages),
        stage_ms=[float(ms) for ms in stages.values()],
    )


def transforms(objects: Objects, header: Header, prefix: str = "") -> list[TransformStamped]:
    """Return one transform per object, from the header's frame to `<prefix><class>_<number>`."""
    return [
        TransformStamped(
            header=header,
            child_frame_id=f"{prefix}{item.frame}",
            transform=Transform(
                translation=Vector3(x=pose.position.x, y=pose.position.y, z=pose.position.z),
                rotation=pose.orientation,
            ),
        )
        for item, pose in zip(objects, _poses(objects), strict=True)
    ]


def candidate_array(objects: Objects, header: Header) -> PoseArray:
    """Return the candidate poses of all objects, one object after the other."""
    poses = [pose for o in objects for pose in pose_messages(o.estimate.T_cam_candidates)]
    return PoseArray(header=header, poses=poses)


def point_cloud(objects: Objects, header: Header) -> PointCloud2:
    """Return the points that the poses were estimated from: x, y, z and the object's number.

    The number is in the field instance_id; of tracked objects it is the track's.
    """
    parts = []
    for item in objects:
        part = np.empty(len(item.estimate.points_cam), dtype=_POINT)
        part["x"], part["y"], part["z"] = item.estimate.points_cam.T
        part["instance_id"] = item.number
        parts.append(part)
    points = np.concatenate(parts) if parts else np.empty(0, dtype=_POINT)
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=list(_point_fields()),
        is_bigendian=False,
        point_step=_POINT.itemsize,
        row_step=_POINT.itemsize * len(points),
        data=points.tobytes(),
        is_dense=True,
    )


def _point_fields() -> Iterable[PointField]:
    kinds = {"<f4": PointField.FLOAT32, "<i4": PointField.INT32}
    for name in _POINT.names or ():
        dtype, offset = _POINT.fields[name][:2]  # type: ignore[index]
        yield PointField(name=name, offset=offset, datatype=kinds[dtype.str], count=1)


def _object(item: PublishedObject, pose: Pose) -> ObjectPose:
    estimate = item.estimate
    has_energies = estimate.energy_rotation is not None and estimate.energy_translation is not None
    return ObjectPose(
        id=item.id,
        instance_id=estimate.instance_id,
        class_name=estimate.category,
        class_id=category_id(estimate.category),
        pose=pose,
        covariance=_covariance(estimate),
        size=_size(estimate),
        score=float(estimate.score),
        detection_score=float(estimate.detection_score),
        has_energies=has_energies,
        energy_rotation=float(estimate.energy_rotation or 0.0),
        energy_translation=float(estimate.energy_translation or 0.0),
        n_points=int(estimate.n_points),
        mode_shares=[float(share) for share in estimate.mode_shares],
        tracking_state=item.state,
        velocity=_twist(item.velocity),
        age=float(item.age_s),
        unseen=float(item.unseen_s),
    )


def _poses(objects: Objects) -> list[Pose]:
    return pose_messages(np.array([o.estimate.T_cam_obj for o in objects]).reshape(-1, 4, 4))


def _twist(velocity: np.ndarray) -> Twist:
    x, y, z, rx, ry, rz = (float(value) for value in velocity)
    return Twist(linear=Vector3(x=x, y=y, z=z), angular=Vector3(x=rx, y=ry, z=rz))


def _covariance(estimate: ObjectEstimate) -> list[float]:
    return [float(value) for value in np.asarray(estimate.covariance).ravel()]


def _size(estimate: ObjectEstimate) -> Vector3:
    x, y, z = (float(edge) for edge in estimate.size_m)
    return Vector3(x=x, y=y, z=z)
