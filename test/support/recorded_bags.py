# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags to test with, written without ROS: a camera and a segmenter, two boxes on a wall."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from genpose_ros.ros.replay.bag import known_types

BEGIN_NS = 1_700_000_000_000_000_000
FRAME = "camera_color_optical_frame"
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/camera/aligned_depth_to_color/camera_info"
LABELS, DETECTIONS = "/segmentation/label_image", "/segmentation/detections"
#: Of a camera whose depth is not aligned.
RAW_DEPTH = "/camera/camera/depth/image_rect_raw"
RAW_INFO, COLOUR_INFO = "/camera/camera/depth/camera_info", "/camera/camera/color/camera_info"
EXTRINSICS, IMU = "/camera/camera/extrinsics/depth_to_color", "/camera/camera/imu"
COLOUR_FRAME = "camera_other_optical_frame"
#: Messages of other packages, shortened.
OTHERS = {
    "yolo_msgs/msg/Point2D": "float64 x\nfloat64 y\n",
    "yolo_msgs/msg/Mask": "int32 height\nint32 width\nyolo_msgs/Point2D[] data\n",
    "yolo_msgs/msg/Detection": (
        "int32 class_id\nstring class_name\nfloat64 score\nstring id\nyolo_msgs/Mask mask\n"
    ),
    "yolo_msgs/msg/DetectionArray": "std_msgs/Header header\nyolo_msgs/Detection[] detections\n",
    "mask_rcnn_msgs/msg/Result": (
        "std_msgs/Header header\nstring[] class_names\nfloat32[] scores\n"
        "sensor_msgs/Image[] masks\n"
    ),
}
TYPES = known_types()
for _kind, _text in OTHERS.items():
    TYPES.register(get_types_from_msg(_text, _kind))


def make(kind: str, **values: Any) -> Any:
    """A message; fields that are not given are empty."""
    for name, (node, of) in TYPES.fielddefs[kind][1]:
        if name in values:
            continue
        if node is Nodetype.NAME:
            values[name] = make(str(of))
        elif node is Nodetype.BASE:
            values[name] = {"string": "", "bool": False}.get(str(of[0]), 0)
        elif node is Nodetype.ARRAY:
            values[name] = np.zeros(of[1])
        else:
            base = of[0][0] == Nodetype.BASE and of[0][1][0] != "string"
            values[name] = np.zeros(0, dtype=of[0][1][0]) if base else []
    return TYPES.types[kind](**values)


def header(stamp_ns: int, frame_id: str = FRAME) -> Any:
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return make(
        "std_msgs/msg/Header",
        stamp=make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec),
        frame_id=frame_id,
    )


def image(pixels: np.ndarray, stamp_ns: int) -> Any:
    encoding = {"u1": "mono8", "u2": "16UC1", "f4": "32FC1"}[pixels.dtype.str[1:]]
    return make(
        "sensor_msgs/msg/Image",
        header=header(stamp_ns),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.strides[0],
        data=np.frombuffer(pixels.tobytes(), dtype=np.uint8),
    )


def camera_info(stamp_ns: int) -> Any:
    k = np.array([60.0, 0, 32, 0, 60, 24, 0, 0, 1])
    p = np.array([60.0, 0, 32, 0, 0, 60, 24, 0, 0, 0, 1, 0])
    return make(
        "sensor_msgs/msg/CameraInfo", header=header(stamp_ns), height=48, width=64, k=k, p=p
    )


def colour_info(stamp_ns: int) -> Any:
    """Of a camera twice as fine, which sees everything as the depth camera does, 6 cm beside it."""
    k = np.array([120.0, 0, 64, 0, 120, 48, 0, 0, 1])
    p = np.array([120.0, 0, 64, 0, 0, 120, 48, 0, 0, 0, 1, 0])
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp_ns, COLOUR_FRAME),
        height=96,
        width=128,
        k=k,
        p=p,
    )


def colour_labels() -> np.ndarray:
    """The boxes as that camera sees them: 9 and 8 pixels to the left."""
    pixels = np.zeros((96, 128), dtype=np.uint8)
    pixels[20:40, 11:41], pixels[60:80, 72:112] = 3, 7
    return pixels


def extrinsics() -> Any:
    """From the depth camera to that one."""
    return make(
        "realsense2_camera_msgs/msg/Extrinsics",
        rotation=np.eye(3).ravel(),
        translation=np.array([-0.06, 0.0, 0.0]),
    )


def imu(stamp_ns: int, up: tuple[float, float, float]) -> Any:
    """Of an IMU at rest in the camera's own frame."""
    x, y, z = (9.81 * np.array(up)).tolist()
    unknown = np.array([-1.0, *[0.0] * 8])
    return make(
        "sensor_msgs/msg/Imu",
        header=header(stamp_ns),
        linear_acceleration=make("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
        orientation_covariance=unknown,
        angular_velocity_covariance=unknown,
        linear_acceleration_covariance=np.zeros(9),
    )


def depth_mm() -> np.ndarray:
    pixels = np.full((48, 64), 1500, dtype=np.uint16)
    pixels[10:20, 10:25], pixels[30:40, 40:60] = 800, 900
    return pixels


def labels() -> np.ndarray:
    pixels = np.zeros((48, 64), dtype=np.uint8)
    pixels[10:20, 10:25], pixels[30:40, 40:60] = 3, 7
    return pixels


def hypothesis(name: str) -> Any:
    return make(
        "vision_msgs/msg/ObjectHypothesisWithPose",
        hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=name, score=0.75),
    )


def detections(stamp_ns: int, names: Iterable[str] = ("cup", "bowl")) -> Any:
    boxes = ((17.5, 15.0, 15.0, 10.0), (50.0, 35.0, 20.0, 10.0))
    items = []
    for number, name, (x, y, width, height) in zip((3, 7), names, boxes, strict=True):
        centre = make("vision_msgs/msg/Pose2D", position=make("vision_msgs/msg/Point2D", x=x, y=y))
        box = make("vision_msgs/msg/BoundingBox2D", center=centre, size_x=width, size_y=height)
        items.append(
            make(
                "vision_msgs/msg/Detection2D",
                results=[hypothesis(name)],
                bbox=box,
                id=str(number),
            )
        )
    return make("vision_msgs/msg/Detection2DArray", header=header(stamp_ns), detections=items)


def instance_masks(stamp_ns: int) -> Any:
    items = [
        make(
            "genpose_ros/msg/InstanceMask",
            id=number,
            class_name=name,
            score=0.75,
            mask=np.frombuffer((labels() == number).tobytes(), dtype=np.uint8),
        )
        for number, name in ((3, "cup"), (7, "bowl"))
    ]
    return make(
        "genpose_ros/msg/InstanceMasks",
        header=header(stamp_ns),
        height=48,
        width=64,
        instances=items,
    )


def mask_array(stamp_ns: int) -> Any:
    masks = [image((labels() == n).astype(np.uint8) * 255, stamp_ns) for n in (3, 7)]
    return make(
        "mask_rcnn_msgs/msg/Result",
        header=header(stamp_ns),
        class_names=["cup", "bowl"],
        scores=np.array([0.75, 0.75], dtype=np.float32),
        masks=masks,
    )


def polygons(stamp_ns: int) -> Any:
    corners = {"cup": ((10, 10), (24, 19)), "bowl": ((40, 30), (59, 39))}
    items = []
    for number, (name, ((x0, y0), (x1, y1))) in enumerate(corners.items(), 1):
        points = [
            make("yolo_msgs/msg/Point2D", x=float(x), y=float(y))
            for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        ]
        mask = make("yolo_msgs/msg/Mask", height=48, width=64, data=points)
        items.append(
            make(
                "yolo_msgs/msg/Detection",
                class_id=number,
                class_name=name,
                score=0.75,
                mask=mask,
            )
        )
    return make("yolo_msgs/msg/DetectionArray", header=header(stamp_ns), detections=items)


def transform(stamp_ns: int, x: float, *, parent: str = "base", child: str = FRAME) -> Any:
    """A transform by x metres along x, and no turn."""
    motion = make(
        "geometry_msgs/msg/Transform",
        translation=make("geometry_msgs/msg/Vector3", x=x),
        rotation=make("geometry_msgs/msg/Quaternion", w=1.0),
    )
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp_ns, parent),
        child_frame_id=child,
        transform=motion,
    )


def tf(*transforms: Any) -> Any:
    return make("tf2_msgs/msg/TFMessage", transforms=list(transforms))


def frame(stamp_ns: int, **changes: Any) -> list[tuple[int, str, Any]]:
    """Time, topic and message of what belongs to one image; masks come 50 ms later."""
    later = stamp_ns + 50_000_000
    return [
        (stamp_ns, INFO, camera_info(stamp_ns)),
        (stamp_ns, DEPTH, image(depth_mm(), stamp_ns)),
        (later, LABELS, image(labels(), stamp_ns + changes.get("masks_late_ns", 0))),
        (later, DETECTIONS, detections(stamp_ns + changes.get("masks_late_ns", 0))),
    ]


def write_bag(
    path: Path,
    messages: Iterable[tuple[int, str, Any]],
    plugin: StoragePlugin = StoragePlugin.SQLITE3,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write messages (time, topic, message) as a bag."""
    connections: dict[str, Any] = {}
    writer = Writer(path, version=8, storage_plugin=plugin)
    if compression is not CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        for time_ns, topic, message in sorted(messages, key=lambda item: item[0]):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(connections[topic], time_ns, TYPES.serialize_cdr(message, kind))
    return path
