# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reading of the messages on the inputs into what is matched, from topics and bags alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.mask_arrays import message_header
from genpose_ros.ros.matching import DepthMessage, MaskInput
from genpose_ros.ros.message_sizes import check_bytes, message_bytes
from genpose_ros.ros.node_settings import NodeSettings

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image
    from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo

__all__ = ["IMAGE_SOURCES", "InputReader"]

#: Mask sources whose messages are images.
IMAGE_SOURCES = ("label_image", "semantic")
#: What is taken of one message that lists classes or detections.
_MOST_CLASSES, _MOST_DETECTIONS, _LIST_BYTES = 20_000, 5_000, 16_000_000


class InputReader:
    """Reader of messages, as the node has them or a bag's; says of each why it is not taken.

    Attributes:
        label_names: class names of label values, as the segmenter has told them.

    Args:
        settings: gives the settings in force.
        has_detector: says whether somebody tells the classes of label images.
    """

    def __init__(
        self, settings: Callable[[], NodeSettings], has_detector: Callable[[], bool]
    ) -> None:
        self._settings, self._has_detector = settings, has_detector
        self.label_names: Mapping[int, str] = {}

    def depth(self, message: "Image | CompressedImage") -> DepthMessage | Rejection:
        """Return a depth image; its frame loses a leading slash, as names have none since tf2."""
        header, settings = message.header, self._settings()
        header.frame_id = header.frame_id.lstrip("/")
        if not header.frame_id:
            detail = "the depth image has no frame_id, so nobody could use its poses"
            return Rejection(Reason.EMPTY_FRAME_ID, detail)
        n_bytes = message_bytes(message)
        refused = check_bytes(n_bytes, settings.limits_held_mb, "the depth image")
        pixels = refused or depth_pixels(message, settings.limits_pixels)
        if isinstance(pixels, Rejection):
            return pixels
        return DepthMessage(header, pixels, n_bytes)

    def masks(self, message: Any) -> MaskInput | Rejection:
        """Return the masks of a message of the mask source's kind, or boxes that stand for them."""
        if self._settings().mask_source in IMAGE_SOURCES:
            return self._labels(message)
        header, source = message_header(message), self._settings().mask_source
        if header is None:
            detail = f"{_kind(message)} has no header, so nothing tells its image"
            return Rejection(Reason.BAD_MASK_MESSAGE, detail)
        n_bytes = message_bytes(message)
        refused = check_bytes(n_bytes, self._settings().limits_held_mb, "the message with masks")
        return refused or MaskInput(message, source=source, header=header, n_bytes=n_bytes)

    def detections(self, message: "Detection2DArray") -> "tuple[Detection2D, ...] | Rejection":
        """Return the classes of a label image's values."""
        refused = _refuse_long(message.detections, _MOST_DETECTIONS, "detections")
        return refused or tuple(message.detections)

    def take_label_info(self, message: "LabelInfo") -> Rejection | None:
        """Take the class names of label values, for the masks that come from now on."""
        refused = _refuse_long(message.class_map, _MOST_CLASSES, "classes")
        if refused is None:
            self.label_names = {int(c.class_id): str(c.class_name) for c in message.class_map}
        return refused

    def _labels(self, message: "Image | CompressedImage") -> MaskInput | Rejection:
        settings, n_bytes = self._settings(), message_bytes(message)
        refused = check_bytes(n_bytes, settings.limits_held_mb, "the label image")
        pixels = refused or label_pixels(message, settings.limits_pixels)
        if isinstance(pixels, Rejection):
            return pixels
        waits = settings.mask_source == "label_image" and (
            not (settings.names_classes or self.label_names) or self._has_detector()
        )
        return MaskInput(
            pixels,
            needs_detections=waits and bool(pixels.any()),
            source=settings.mask_source,
            header=message.header,
            label_names=self.label_names,
            n_bytes=max(n_bytes, pixels.nbytes),
        )


def _refuse_long(items: Sequence[Any], most: int, what: str) -> Rejection | None:
    """Refuse a message with too many items, or megabytes of text in them."""
    if len(items) <= most and message_bytes(items) <= _LIST_BYTES:
        return None
    detail = f"{len(items)} {what} in one message; {most} in {_LIST_BYTES} bytes are taken"
    return Rejection(Reason.TOO_LARGE, detail)


def _kind(message: Any) -> str:
    """The name of a message's class, of one from a bag with its package."""
    return str(getattr(message, "__msgtype__", type(message).__name__))
