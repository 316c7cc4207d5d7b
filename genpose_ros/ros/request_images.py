# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Images and masks that come with a request, as the messages of one frame."""

from sensor_msgs.msg import Image

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.srv import EstimatePoses

__all__ = ["has_images", "matched_images"]


def has_images(request: EstimatePoses.Request) -> bool:
    """Return whether a request brings anything to estimate."""
    return any(map(_given, (request.depth, request.label_image, request.instance_masks)))


def matched_images(request: EstimatePoses.Request) -> Matched | Rejection:
    """Return the images of a request, or why they are no frame."""
    depth = request.depth
    if not _given(depth):
        detail = "the request has masks and no depth image; leave both empty for the next frame"
        return Rejection(Reason.BAD_REQUEST, detail)
    if not depth.header.frame_id:
        return Rejection(Reason.EMPTY_FRAME_ID, "the depth image of the request has no frame_id")
    masks = _masks(request)
    if isinstance(masks, Rejection):
        return masks
    pixels = depth_pixels(depth)
    if isinstance(pixels, Rejection):
        return pixels
    return Matched(
        DepthMessage(depth.header, pixels), masks, calibration_from_info(request.camera_info)
    )


def _masks(request: EstimatePoses.Request) -> MaskInput | Rejection:
    labels, instances = request.label_image, request.instance_masks
    if _given(labels) == _given(instances):
        found = "both" if _given(labels) else "none"
        detail = (
            f"a depth image needs label_image or instance_masks with it, the request has {found}"
        )
        return Rejection(Reason.BAD_REQUEST, detail)
    if _given(instances):
        return MaskInput(instances, source="instance_masks", header=instances.header)
    pixels = label_pixels(labels)
    if isinstance(pixels, Rejection):
        return pixels
    return MaskInput(pixels, header=labels.header)


def _given(message: Image | InstanceMasks) -> bool:
    """Whether a message was filled in."""
    content = message.data if isinstance(message, Image) else message.instances
    return bool(message.height or message.width or len(content))
