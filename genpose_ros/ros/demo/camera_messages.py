# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of realsense-ros and a segmenter, made from a recorded or simulated frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.drawing import depth_picture
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.image_messages import camera_info, detection, image_message, instance_mask

__all__ = ["FrameMessages", "color_message", "frame_messages"]


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
        depth=image_message(depth_mm, "16UC1", header),
        camera_info=camera_info(frame.camera, header),
        label=image_message(label, "mono8", header),
        detections=Detection2DArray(
            header=header,
            detections=[
                detection(item.id, item.category, 1.0, item.mask, header) for item in visible
            ],
        ),
        instance_masks=InstanceMasks(
            header=header,
            height=frame.camera.height,
            width=frame.camera.width,
            instances=[instance_mask(item.id, item.category, 1.0, item.mask) for item in visible],
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
    return image_message(color, "rgb8", header)


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
