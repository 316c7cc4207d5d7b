# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bag of poses, as the node would have published them: poses, objects and transforms.

The messages are those of `genpose_ros.ros.builders`, which needs ROS for their classes.
"""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from rosbags.interfaces import Nodetype
from rosbags.rosbag2 import Writer
from rosbags.rosbag2.enums import StoragePlugin
from rosbags.typesys.store import Typestore

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.files import remove_unfinished
from genpose_ros.geometry.rotations import quat_wxyz_from_rotation
from genpose_ros.geometry.transforms import rotate_covariance
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.published import PublishedFrame, PublishedObject, up_fields
from genpose_ros.ros.replay.bag import finish_bag, known_types

__all__ = ["PoseBag", "pose_messages_of"]

_POSES, _OBJECTS, _TF = "/genpose/poses", "/genpose/objects", "/tf"
_TYPES = {
    _POSES: "geometry_msgs/msg/PoseArray",
    _OBJECTS: "genpose_ros/msg/ObjectPoseArray",
    _TF: "tf2_msgs/msg/TFMessage",
}


class PoseBag:
    """Writer of a bag of poses, sqlite3, which every rosbag2 plays.

    Used as a context: the bag is there once the block has ended well.

    Args:
        path: folder to be made.
        tf_prefix: stands before the names of the objects' frames.

    Raises:
        ValueError: there is something of that name.
    """

    def __init__(self, path: Path, tf_prefix: str = "") -> None:
        if path.exists():
            raise ValueError(f"{path} is there already: name a bag that is not")
        # Automatic is the namespace, of which there is none here.
        self._path, self._prefix = path, "" if tf_prefix == "auto" else tf_prefix
        # Written under another name, so that no part of a bag is taken for one.
        self._partial = path.with_name(f".{path.name}.partial")
        self._types = known_types()

    def __enter__(self) -> "PoseBag":
        remove_unfinished(self._partial.parent)
        shutil.rmtree(self._partial, ignore_errors=True)
        self._writer = Writer(self._partial, version=8, storage_plugin=StoragePlugin.SQLITE3)
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(topic, kind, typestore=self._types)
            for topic, kind in _TYPES.items()
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
        if error is None:
            finish_bag(self._partial, self._path)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)

    def write(self, frame: PublishedFrame) -> None:
        """Write the messages about a frame, at the time of its image."""
        for topic, message in pose_messages_of(frame, self._types, self._prefix).items():
            content = self._types.serialize_cdr(message, _TYPES[topic])
            self._writer.write(self._connections[topic], stamp_ns(frame.header), content)


def pose_messages_of(
    frame: PublishedFrame, types: Typestore, tf_prefix: str = ""
) -> dict[str, Any]:
    """Return the messages about a frame, by their topics: all of them empty where it is."""
    make = _Maker(types)
    header = make.header(frame.header)
    objects = [make.object(item, frame.T_out_cam) for item in frame.objects]
    pairs = sorted(zip(frame.objects, objects, strict=True), key=lambda pair: not pair[0].trusted)
    trusted = [(item, message) for item, message in pairs if item.trusted]
    timings = [
        make("genpose_ros/msg/StageTiming", stage=stage, duration_ms=float(ms))
        for stage, ms in frame.timings_ms.items()
    ]
    transforms = [
        make(
            "geometry_msgs/msg/TransformStamped",
            header=header,
            child_frame_id=f"{tf_prefix}{item.frame}",
            transform=make.transform(message.pose.pose),
        )
        for item, message in trusted
    ]
    return {
        _POSES: make(_TYPES[_POSES], header=header, poses=[m.pose.pose for _, m in trusted]),
        _OBJECTS: make(
            _TYPES[_OBJECTS],
            header=header,
            objects=[message for _, message in pairs],
            rejections=[make.rejection(r) for r in frame.rejections],
            up=make.up(frame.up_cam, frame.T_out_cam),
            timings=timings,
        ),
        _TF: make(_TYPES[_TF], transforms=transforms),
    }


class _Maker:
    """Maker of messages of a typestore's classes; fields that are not given are empty."""

    def __init__(self, types: Typestore) -> None:
        self._types = types

    def __call__(self, kind: str, **values: Any) -> Any:
        empty = {
            name: self._empty(node, of)
            for name, (node, of) in self._types.fielddefs[kind][1]
            if name not in values
        }
        return self._types.types[kind](**values, **empty)

    def header(self, header: Any) -> Any:
        stamp = header.stamp
        time = self("builtin_interfaces/msg/Time", sec=int(stamp.sec), nanosec=int(stamp.nanosec))
        return self("std_msgs/msg/Header", stamp=time, frame_id=str(header.frame_id))

    def object(self, item: PublishedObject, T_out_cam: np.ndarray) -> Any:
        e = item.estimate
        covariance = rotate_covariance(e.covariance, T_out_cam[:3, :3]).ravel()
        linear, angular = item.velocity.reshape(2, 3) @ T_out_cam[:3, :3].T
        return self(
            "genpose_ros/msg/ObjectPose",
            **item.fields(),
            pose=self(
                "geometry_msgs/msg/PoseWithCovariance",
                pose=self._pose(T_out_cam @ e.T_cam_obj),
                covariance=covariance,
            ),
            size=self._vector("Vector3", e.size_m),
            mode_shares=np.array(e.mode_shares, dtype=np.float32),
            second_mode=self._second_mode(e.T_cam_other, T_out_cam),
            velocity=self(
                "geometry_msgs/msg/Twist",
                linear=self._vector("Vector3", linear),
                angular=self._vector("Vector3", angular),
            ),
            age=self._duration(item.age_s),
            time_since_seen=self._duration(item.unseen_s),
        )

    def transform(self, pose: Any) -> Any:
        p = pose.position
        translation = self._vector("Vector3", np.array([p.x, p.y, p.z]))
        return self(
            "geometry_msgs/msg/Transform", translation=translation, rotation=pose.orientation
        )

    def rejection(self, rejection: Rejection) -> Any:
        number = rejection.instance_id
        return self(
            "genpose_ros/msg/Rejection",
            reason=rejection.reason.value,
            detail=rejection.detail,
            instance_id=-1 if number is None else number,
        )

    def up(self, up_cam: UpDirection | None, T_out_cam: np.ndarray) -> Any:
        kind = "genpose_ros/msg/UpDirection"
        if up_cam is None:
            return self(kind)
        fields, direction = up_fields(up_cam, T_out_cam)
        return self(kind, **fields, direction=self._vector("Vector3", direction))

    def _second_mode(self, T_cam_other: np.ndarray | None, T_out_cam: np.ndarray) -> Any:
        """The pose of the largest other cluster; the identity where there is none."""
        return self._pose(np.eye(4) if T_cam_other is None else T_out_cam @ T_cam_other)

    def _pose(self, T: np.ndarray) -> Any:
        quat_wxyz = quat_wxyz_from_rotation(torch.from_numpy(T[:3, :3].copy())).tolist()
        w, x, y, z = quat_wxyz
        return self(
            "geometry_msgs/msg/Pose",
            position=self._vector("Point", T[:3, 3]),
            orientation=self("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )

    def _vector(self, kind: str, numbers: np.ndarray) -> Any:
        x, y, z = (float(number) for number in numbers)
        return self(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)

    def _duration(self, seconds: float) -> Any:
        sec, nanosec = divmod(round(seconds * 1e9), 1_000_000_000)
        return self("builtin_interfaces/msg/Duration", sec=sec, nanosec=nanosec)

    def _empty(self, node: Nodetype, of: Any) -> Any:
        """The value of a field that nothing was said of."""
        if node is Nodetype.NAME:
            return self(of)
        if node is Nodetype.BASE:
            return {"string": "", "bool": False}.get(of[0], 0)
        return []
