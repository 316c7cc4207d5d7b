# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames of a bag: its messages matched as the node matches them, and located by its transforms."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.input_reader import InputReader
from genpose_ros.ros.mask_arrays import message_header
from genpose_ros.ros.mask_camera import MaskCameraSource
from genpose_ros.ros.matching import FrameMatcher, Matched
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.replay.bag import Bag
from genpose_ros.ros.replay.topics import BagTopics
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.transform_tree import TransformTree
from genpose_ros.ros.up_sources import UpSources

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
    recording, so that no frame waits for them. Where masks are of another camera's image, or an IMU
    tells which way is up, they are taken as the node takes them.

    Args:
        topics: where the messages are.
        settings: of the node.
        transforms: where the camera was.
    """

    def __init__(self, topics: BagTopics, settings: Settings, transforms: TransformTree) -> None:
        self._topics, self._settings, self._transforms = topics, settings.node, transforms
        node, track = settings.node, settings.node.mode == "track"
        named = (node.target_frame, node.up_frame, node.fixed_frame if track else "")
        self._frames = [name for name in named if name]
        self._between_masks = track and settings.tracker.track_without_masks
        self._now_s = 0.0
        self._matcher = FrameMatcher(
            node.depth_history_s, node.sync_slop_s, node.sync_wait_s, clock=lambda: self._now_s
        )
        self._matcher.most_bytes = node.limits_held_mb * MB
        self._reader = InputReader(lambda: node, lambda: bool(topics.detections))
        self._mask_camera = None if node.aligned else MaskCameraSource(transforms)
        self._up = UpSources(transforms, settings)
        self._refused: list[RefusedFrame] = []
        self._callbacks: Mapping[str, Callable[[Any], None]] = {
            topics.mask_camera_info: self._on_mask_camera_info,
            topics.extrinsics: self._on_extrinsics,
            topics.imu: self._on_imu,
            topics.label_info: self._on_label_info,
            topics.detections: self._on_detections,
            topics.masks: self._on_masks,
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
            yield self._located(self._with_mask_camera(matched))
        alone = self._matcher.poll_depth() if self._between_masks else None
        if alone is not None:
            yield self._located(alone)

    def _with_mask_camera(self, matched: Matched) -> Matched | RefusedFrame:
        """A match with the camera of its masks, where that is another one."""
        if self._mask_camera is None:
            return matched
        header = matched.depth.header
        camera = self._mask_camera.find(header)
        if isinstance(camera, Rejection):
            return RefusedFrame(camera, header)
        return replace(matched, mask_camera=camera)

    def _located(self, matched: Matched | RefusedFrame) -> LocatedFrame | RefusedFrame:
        if isinstance(matched, RefusedFrame):
            return matched
        poses = {}
        for frame in self._frames:
            pose = self._transforms.camera_in(frame, matched.depth.header)
            if isinstance(pose, Rejection):
                return RefusedFrame(pose, matched.depth.header)
            poses[frame] = pose
        return self._up.told(LocatedFrame(matched, poses))

    def _on_depth(self, message: Any) -> None:
        depth = self._reader.depth(message)
        if isinstance(depth, Rejection):
            self._refuse(depth, message.header)
        else:
            rejection = self._matcher.add_depth(stamp_ns(depth.header), depth).rejection
            self._refuse(rejection, depth.header)

    def _on_camera_info(self, message: Any) -> None:
        self._matcher.add_calibration(stamp_ns(message.header), calibration_from_info(message))

    def _on_mask_camera_info(self, message: Any) -> None:
        if self._mask_camera is not None:
            self._mask_camera.take_camera_info(message)

    def _on_extrinsics(self, message: Any) -> None:
        if self._mask_camera is not None:
            self._mask_camera.take_extrinsics(message)

    def _on_imu(self, message: Any) -> None:
        self._up.hear(message)

    def _on_masks(self, message: Any) -> None:
        masks = self._reader.masks(message)
        if isinstance(masks, Rejection):
            self._refuse(masks, message_header(message))
            return
        refused = self._matcher.add_masks(stamp_ns(masks.header), masks)
        if refused is not None:
            self._refuse(refused.rejection, refused.masks.header)

    def _on_label_info(self, message: Any) -> None:
        self._refuse(self._reader.take_label_info(message), message.header)

    def _on_detections(self, message: Any) -> None:
        detections = self._reader.detections(message)
        if isinstance(detections, Rejection):
            self._refuse(detections, message.header)
            return
        rejection = self._matcher.add_detections(stamp_ns(message.header), detections)
        self._refuse(rejection, message.header)

    def _refuse(self, rejection: Rejection | None, header: Any) -> None:
        if rejection is not None:
            self._refused.append(RefusedFrame(rejection, header))


def read_transforms(bag: Bag) -> TransformTree:
    """Return all transforms of a bag."""
    tree = TransformTree()
    topics = [name for name, kind in bag.types.items() if kind == _TRANSFORMS]
    for topic, _, message in bag.messages(topics):
        tree.add(message.transforms, static=topic.endswith("static"))
    return tree
