# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames of a bag: its messages matched as the node matches them, and located by its transforms."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.mask_arrays import message_header
from genpose_ros.ros.matching import DepthMessage, FrameMatcher, MaskInput, Matched
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.replay.bag import Bag
from genpose_ros.ros.replay.topics import BagTopics
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.transform_tree import TransformTree

__all__ = ["BagFrames", "RefusedFrame", "read_transforms"]

_TRANSFORMS = "tf2_msgs/msg/TFMessage"


@dataclass(frozen=True)
class RefusedFrame:
    """Masks or a message that became no frame, and why; its header, None: it has none."""

    rejection: Rejection
    header: Any


class BagFrames:
    """Frames of a bag, in the order that the node would get them in.

    The time that masks wait for depth is the bag's; poses of the camera are those of the whole
    recording, so that no frame waits for them.

    Args:
        topics: where the messages are.
        settings: of the node.
        transforms: where the camera was.
    """

    def __init__(self, topics: BagTopics, settings: Settings, transforms: TransformTree) -> None:
        self._topics, self._settings, self._transforms = topics, settings.node, transforms
        node, track = settings.node, settings.node.mode == "track"
        self._frames = [n for n in (node.target_frame, node.fixed_frame if track else "") if n]
        self._between_masks = track and settings.tracker.track_without_masks
        self._now_s = 0.0
        self._matcher = FrameMatcher(
            node.depth_history_s, node.sync_slop_s, node.sync_wait_s, clock=lambda: self._now_s
        )
        self._matcher.most_bytes = node.limits_held_mb * MB
        self._label_names: dict[int, str] = {}
        self._refused: list[RefusedFrame] = []
        on_masks = self._on_labels if topics.mask_source in _IMAGES else self._on_message
        self._callbacks: Mapping[str, Callable[[Any], None]] = {
            topics.label_info: self._on_label_info,
            topics.detections: self._on_detections,
            topics.masks: on_masks,
            topics.camera_info: self._on_camera_info,
            topics.depth: self._on_depth,
        }

    def of(self, bag: Bag) -> Iterator[tuple[int, LocatedFrame | RefusedFrame | None]]:
        """Yield, after each message, its number and each frame that is complete; or None."""
        number = 0
        for number, (topic, time_ns, message) in enumerate(bag.messages(self._topics.all), 1):
            self._now_s = time_ns / 1e9
            self._callbacks[topic](message)
            yield number, None
            for frame in self._complete():
                yield number, frame
        # Nothing more comes: what waits is matched with what is there.
        self._now_s += self._settings.sync_wait_s + 1.0
        for frame in self._complete():
            yield number, frame

    def _complete(self) -> Iterator[LocatedFrame | RefusedFrame]:
        outcome = self._matcher.poll()
        refused, self._refused = self._refused, []
        yield from refused
        for item in outcome.refused:
            yield RefusedFrame(item.rejection, item.masks.header)
        for matched in outcome.matched:
            yield self._located(matched)
        alone = self._matcher.poll_depth() if self._between_masks else None
        if alone is not None:
            yield self._located(alone)

    def _located(self, matched: Matched) -> LocatedFrame | RefusedFrame:
        poses = {}
        for frame in self._frames:
            pose = self._transforms.camera_in(frame, matched.depth.header)
            if isinstance(pose, Rejection):
                return RefusedFrame(pose, matched.depth.header)
            poses[frame] = pose
        return LocatedFrame(matched, poses)

    def _on_depth(self, message: Any) -> None:
        header = message.header
        header.frame_id = header.frame_id.lstrip("/")
        pixels = depth_pixels(message, self._settings.limits_pixels)
        if isinstance(pixels, Rejection):
            self._refuse(pixels, header)
            return
        depth = DepthMessage(header, pixels, len(message.data))
        self._refuse(self._matcher.add_depth(stamp_ns(header), depth).rejection, header)

    def _on_camera_info(self, message: Any) -> None:
        self._matcher.add_calibration(stamp_ns(message.header), calibration_from_info(message))

    def _on_labels(self, message: Any) -> None:
        pixels = label_pixels(message, self._settings.limits_pixels)
        if isinstance(pixels, Rejection):
            self._refuse(pixels, message.header)
            return
        masks = MaskInput(
            pixels,
            needs_detections=bool(self._topics.detections) and bool(pixels.any()),
            source=self._topics.mask_source,
            header=message.header,
            label_names=self._label_names,
            n_bytes=pixels.nbytes,
        )
        self._add(masks)

    def _on_message(self, message: Any) -> None:
        header = message_header(message)
        if header is None:
            name = str(getattr(message, "__msgtype__", type(message).__name__))
            detail = f"{name} has no header, so nothing tells its image"
            self._refuse(Rejection(Reason.BAD_MASK_MESSAGE, detail), None)
            return
        self._add(MaskInput(message, source=self._topics.mask_source, header=header))

    def _on_label_info(self, message: Any) -> None:
        self._label_names = {int(c.class_id): str(c.class_name) for c in message.class_map}

    def _on_detections(self, message: Any) -> None:
        stamp, detections = stamp_ns(message.header), tuple(message.detections)
        self._refuse(self._matcher.add_detections(stamp, detections), message.header)

    def _add(self, masks: MaskInput) -> None:
        refused = self._matcher.add_masks(stamp_ns(masks.header), masks)
        if refused is not None:
            self._refuse(refused.rejection, refused.masks.header)

    def _refuse(self, rejection: Rejection | None, header: Any) -> None:
        if rejection is not None:
            self._refused.append(RefusedFrame(rejection, header))


#: Mask sources whose messages are images.
_IMAGES = ("label_image", "semantic")


def read_transforms(bag: Bag) -> TransformTree:
    """Return all transforms of a bag."""
    tree = TransformTree()
    topics = [name for name, kind in bag.types.items() if kind == _TRANSFORMS]
    for topic, _, message in bag.messages(topics):
        tree.add(message.transforms, static=topic.endswith("static"))
    return tree
