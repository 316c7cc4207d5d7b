# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of realsense-ros and a segmenter, made from a recorded or simulated frame."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    BoundingBox3D,
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.drawing import depth_picture
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.builders import pose_messages

__all__ = ["FrameMessages", "camera_info", "color_message", "frame_messages"]


@dataclass(frozen=True)
class FrameMessages:
    """Messages of one frame, under one header; `color` may be left out."""

    color: Image | None
    depth: Image
    camera_info: CameraInfo
    label: Image
    detections: Detection2DArray
    instance_masks: InstanceMasks
    ground_truth: Detection3DArray

    def stamped(self, header: Header) -> "FrameMessages":
        """Set another header in all messages and return them; no copies are made."""
        for message in vars(self).values():
            if message is not None:
                message.header = header
        for item in (*self.detections.detections, *self.ground_truth.detections):
            item.header = header
        return self


def frame_messages(
    frame: RecordedFrame,
    header: Header,
    *,
    truths: Sequence[RecordedInstance] | None = None,
    with_color: bool = True,
) -> FrameMessages:
    """Return a frame as messages: rgb8 colour, 16UC1 millimetres, mono8 labels, detections.

    Masks are given twice, as a label image with detections and as instance masks.

    Ground truth has one detection per instance, without a hypothesis where the pose is not known;
    the score of a hypothesis is 1, of pseudo truth 0.5.

    Args:
        frame: to be converted.
        header: of all messages.
        truths: the objects of the ground truth; None: those of the frame.
        with_color: whether to make the colour image.

    Raises:
        ValueError: an instance id is not in 1 to 254, so that mono8 cannot hold it.
    """
    bad = [item.id for item in frame.instances if not 1 <= item.id <= 254]
    if bad:
        raise ValueError(f"{frame.name}: mono8 labels hold ids 1 to 254, got {bad}")
    label = np.zeros(frame.depth_m.shape, dtype=np.uint8)
    for item in frame.instances:
        label[item.mask] = item.id
    depth_mm = np.clip(np.round(frame.depth_m * 1000), 0, 65535).astype("<u2")
    visible = [item for item in frame.instances if item.mask.any()]
    return FrameMessages(
        color=color_message(frame, header) if with_color else None,
        depth=_image(depth_mm, "16UC1", header),
        camera_info=camera_info(frame.camera, header),
        label=_image(label, "mono8", header),
        detections=Detection2DArray(
            header=header, detections=[_detection(item, header) for item in visible]
        ),
        instance_masks=InstanceMasks(
            header=header,
            height=frame.camera.height,
            width=frame.camera.width,
            instances=[_instance_mask(item) for item in visible],
        ),
        ground_truth=Detection3DArray(
            header=header,
            detections=[
                _truth(item, header) for item in (frame.instances if truths is None else truths)
            ],
        ),
    )


def color_message(frame: RecordedFrame, header: Header) -> Image:
    """Return the colour image; where there is none, the depth image as grey."""
    color = depth_picture(frame.depth_m) if frame.color is None else frame.color
    return _image(color, "rgb8", header)


def camera_info(camera: PinholeCamera, header: Header) -> CameraInfo:
    """Return the intrinsics of an image without distortion."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def _image(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    pixels = np.ascontiguousarray(pixels)
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=array("B", pixels.tobytes()),
    )


def _detection(item: RecordedInstance, header: Header) -> Detection2D:
    left, top, right, bottom = _bounds(item.mask)
    box = BoundingBox2D(size_x=float(right - left), size_y=float(bottom - top))
    box.center.position.x, box.center.position.y = (left + right) / 2, (top + bottom) / 2
    hypothesis = ObjectHypothesis(class_id=item.category, score=1.0)
    return Detection2D(
        header=header,
        results=[ObjectHypothesisWithPose(hypothesis=hypothesis)],
        bbox=box,
        id=str(item.id),
    )


def _instance_mask(item: RecordedInstance) -> InstanceMask:
    left, top, right, bottom = _bounds(item.mask)
    region = RegionOfInterest(
        x_offset=left, y_offset=top, width=right - left, height=bottom - top, do_rectify=False
    )
    pixels = item.mask[top:bottom, left:right].astype(np.uint8)
    return InstanceMask(
        id=item.id,
        class_name=item.category,
        score=1.0,
        roi=region,
        mask=array("B", pixels.tobytes()),
    )


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a mask that is not empty, the last two exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _truth(item: RecordedInstance, header: Header) -> Detection3D:
    detection = Detection3D(header=header, id=str(item.id))
    if item.T_cam_obj is None:
        return detection
    (pose,) = pose_messages(item.T_cam_obj[None])
    score = 1.0 if item.truth is Truth.DATASET else 0.5
    result = ObjectHypothesisWithPose(
        hypothesis=ObjectHypothesis(class_id=item.category, score=score)
    )
    result.pose.pose = pose
    detection.results, detection.bbox = [result], BoundingBox3D(center=pose)
    if item.size_m is not None:
        size = detection.bbox.size
        size.x, size.y, size.z = (float(edge) for edge in item.size_m)
    return detection
