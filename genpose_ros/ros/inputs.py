# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inputs of the node: subscriptions that check, store and match messages, and compute nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from genpose_ros.estimation.label_images import read_label_image
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.accounting import Drop, FrameAccount
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.frozen_depth import FrozenDepth
from genpose_ros.ros.input_reader import IMAGE_SOURCES, InputReader
from genpose_ros.ros.input_watchdog import InputWatchdog
from genpose_ros.ros.mask_arrays import message_header
from genpose_ros.ros.mask_camera import MaskCameraSource
from genpose_ros.ros.matching import FrameMatcher, MaskInput, Matched
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.subscriptions import AdaptiveSubscription
from genpose_ros.ros.throttled_log import ThrottledLog
from genpose_ros.ros.transforms import TransformBuffer

__all__ = ["Inputs"]

_POLL_S = 0.05
_WATCHDOG_S = 1.0
_ADAPT_S = 0.5
_BOXES = (
    "masks are guessed from boxes and depth (segmentation.mask_source: boxes): poses are less "
    "accurate than with masks"
)
#: Characters of a frame's name that are shown.
_NAME_LENGTH = 64


@dataclass(frozen=True)
class _Topic:
    """Topic: the messages understood on it, none: any; who takes them; whether they must come."""

    kinds: tuple[Any, ...]
    callback: Callable[[Any], None]
    required: bool = True


class Inputs:
    """Subscriptions to depth, camera_info and the masks; matches of them are delivered.

    Attributes:
        enabled: when false, nothing is delivered but what is asked for.
        topic_names: resolved names of the topics, by the names that the node gives them.
        watchdog: counts the messages of each topic.
        frozen: compares each depth image with the one before.
        matched: number of masks that were matched with their depth image so far.
        mask_camera: what is known of the camera whose image is segmented; None: the depth image is
            aligned to it.

    Args:
        node: subscribes here.
        settings: gives the settings in force.
        account: counts the frames: messages with masks, depth images that go by themselves.
        transforms: tell where the camera of the masks is, where that is another one.
        deliver: called with each match, in the executor's thread.
        refuse: called with each refusal of a message, and the message's header; those of masks are
            in the account already.
        jumped: called when the clock of the depth images jumped; returns what else the
            log line shall say.
        between_masks: says whether depth images without masks are to be delivered too.
        asked: says whether somebody has asked for frames, which are delivered then in any case.
    """

    def __init__(
        self,
        node: Node,
        *,
        settings: Callable[[], NodeSettings],
        account: FrameAccount,
        transforms: TransformBuffer,
        deliver: Callable[[Matched], None],
        refuse: Callable[[Rejection, Header | None], None],
        jumped: Callable[[], str],
        between_masks: Callable[[], bool],
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self.enabled = True
        self._asked = asked
        self.matched = 0
        self.frozen = FrozenDepth()
        self._node, self._settings, self._account = node, settings, account
        self._deliver, self._refuse = deliver, refuse
        self._jumped, self._between_masks = jumped, between_masks
        self._depth_frame = ""
        self._looked_at: tuple[Calibration, bool] | None = None
        self._reported_frames: dict[str, tuple[str, str]] = {}
        self._reader = InputReader(settings, self._has_detector)
        self._look_at_labels_s = 0.0
        self._log = ThrottledLog(node, lambda: settings().log_period_s)
        now = settings()
        self._matcher = FrameMatcher(
            now.depth_history_s, now.sync_slop_s, now.sync_wait_s, account.settle
        )
        self._matcher.most_bytes = now.limits_held_mb * MB
        self.mask_camera = None if now.aligned else MaskCameraSource(transforms)
        if self.mask_camera is not None:
            transforms.listen(node)
        topics = self._topics(now.mask_source)
        self.topic_names = {name: node.resolve_topic_name(name) for name in topics}
        self._subscriptions = {
            self.topic_names[name]: AdaptiveSubscription(
                node, topic.kinds, name, topic.callback, now.input_reliability
            )
            for name, topic in topics.items()
        }
        optional = [self.topic_names[name] for name, topic in topics.items() if not topic.required]
        self.watchdog = InputWatchdog(
            self.topic_names.values(),
            node.count_publishers,
            optional,
            problem=lambda topic: self._subscriptions[topic].problem,
            latched=lambda topic: self._subscriptions[topic].latched,
        )
        # Steady: a simulated clock that stands still must not stop them.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [
            node.create_timer(period_s, callback, clock=steady)
            for period_s, callback in (
                (_POLL_S, self._poll),
                (_WATCHDOG_S, self._report_silence),
                (_ADAPT_S, self._adapt),
            )
        ]

    def close(self) -> int:
        """Unsubscribe; nothing is delivered any more. Returns how many masks still waited."""
        self.enabled = False
        for timer in self._timers:
            self._node.destroy_timer(timer)
        for subscription in self._subscriptions.values():
            subscription.close()
        return self._matcher.waiting

    @property
    def newest(self) -> tuple[int, int | None]:
        """Epoch of the matcher, and stamp of the newest depth image, ns; None: there was none."""
        return self._matcher.newest

    @property
    def let_go(self) -> int:
        """How many depth images went early, as `limits.held_mb` was reached."""
        return self._matcher.let_go

    @property
    def held_bytes(self) -> int:
        """What depth images and waiting masks hold."""
        return self._matcher.held_bytes

    def configure(self, settings: NodeSettings) -> None:
        """Take other waiting times and slop from now on."""
        self._matcher.configure(
            settings.depth_history_s, settings.sync_slop_s, settings.sync_wait_s
        )
        self._matcher.most_bytes = settings.limits_held_mb * MB

    def _topics(self, mask_source: str) -> dict[str, _Topic]:
        images = (Image, CompressedImage)
        other = {
            "mask_camera_info": _Topic((CameraInfo,), self._on_mask_camera_info),
            "extrinsics": _Topic((), self._on_extrinsics, required=False),
        }
        labels = {
            "masks": _Topic(images, self._on_masks),
            "label_info": _Topic((LabelInfo,), self._on_label_info, required=False),
        }
        return {
            "depth": _Topic(images, self._on_depth),
            "camera_info": _Topic((CameraInfo,), self._on_camera_info),
            **({} if self.mask_camera is None else other),
        } | {
            "label_image": {
                **labels,
                "mask_detections": _Topic((Detection2DArray,), self._on_detections, required=False),
            },
            "semantic": labels,
            "instance_masks": {"instance_masks": _Topic((InstanceMasks,), self._on_masks)},
            "mask_array": {"mask_array": _Topic((), self._on_masks)},
            "yolo": {"yolo": _Topic((), self._on_masks)},
            "boxes": {"mask_detections": _Topic((Detection2DArray,), self._on_masks)},
        }[mask_source]

    def _on_depth(self, message: Image | CompressedImage) -> None:
        stamp = self._note("depth", message.header)
        frame = message.header.frame_id
        if frame.startswith("/"):
            name = frame.lstrip("/")[:_NAME_LENGTH]
            line = f"the depth image's frame is /{name}; taken without the slash"
            self._log.warn_about("slash", line)
        depth = self._reader.depth(message)
        if isinstance(depth, Rejection):
            self._refuse(depth, message.header)
            return
        header = depth.header
        self._depth_frame = header.frame_id
        self.frozen.note(stamp, depth.pixels)
        if self.frozen.is_news:
            self._log.warn_about("frozen", self.frozen.doubt)
        added = self._matcher.add_depth(stamp, depth)
        if added.jump_s:
            way = f"{'back' if added.jump_s < 0 else 'ahead'} by {abs(added.jump_s):.3f} s"
            line = f"the clock of the depth images jumped {way}; starting again"
            self._log.warn_about("clock", f"{line}{self._jumped()}")
        self._accept(added.rejection, header)

    def _on_camera_info(self, message: CameraInfo) -> None:
        stamp = self._note("camera_info", message.header)
        self._compare_frames("camera_info is", message.header)
        calibration = calibration_from_info(message)
        self._tell_doubts(calibration)
        self._matcher.add_calibration(stamp, calibration)
        self._poll()

    def _on_mask_camera_info(self, message: CameraInfo) -> None:
        self._note("mask_camera_info", message.header)
        if self.mask_camera is not None:
            self.mask_camera.take_camera_info(message)

    def _on_extrinsics(self, message: Any) -> None:
        self.watchdog.note_message(self.topic_names["extrinsics"], 0)
        if self.mask_camera is not None:
            self.mask_camera.take_extrinsics(message)

    def _tell_doubts(self, calibration: Calibration) -> None:
        """Warn, once for each calibration, of what may make the poses wrong."""
        rectified = self._settings().rectified
        if (calibration, rectified) == self._looked_at:
            return
        self._looked_at = (calibration, rectified)
        for doubt in calibration.doubts(rectified=rectified):
            self._log.warn_about("calibration", f"camera_info {doubt} (depth.rectified)")

    def _on_masks(self, message: Any) -> None:
        """Take masks of the mask source's kind, or boxes that stand for them."""
        self._account.receive()
        source, header = self._settings().mask_source, message_header(message)
        topics = dict.fromkeys(IMAGE_SOURCES, "masks") | {"boxes": "mask_detections"}
        stamp = 0 if header is None else self._note(topics.get(source, source), header)
        masks = self._reader.masks(message)
        if isinstance(masks, Rejection):
            self._refuse_masks(masks, header)
            return
        if source == "boxes":
            self._log.warn_about("boxes", _BOXES)
        if source in IMAGE_SOURCES:
            self._tell_doubt_of(masks.content)
        self._add_masks(stamp, masks)

    def _on_label_info(self, message: LabelInfo) -> None:
        self._note("label_info", message.header)
        refused = self._reader.take_label_info(message)
        if refused is not None:
            self._refuse(refused, message.header)

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = self._note("mask_detections", message.header)
        detections = self._reader.detections(message)
        if isinstance(detections, Rejection):
            self._refuse(detections, message.header)
            return
        self._accept(self._matcher.add_detections(stamp, detections), message.header)

    def _tell_doubt_of(self, labels: np.ndarray) -> None:
        """Warn, now and then, where the values of a label image show another background."""
        now, settings = time.monotonic(), self._settings()
        if now < self._look_at_labels_s:
            return
        self._look_at_labels_s = now + settings.log_period_s
        try:
            doubt = read_label_image(labels, settings.background).doubt
        except ValueError:
            return  # the frame is refused for it
        if doubt:
            self._log.warn_about("labels", doubt)

    def _has_detector(self) -> bool:
        return bool(self._node.count_publishers(self.topic_names["mask_detections"]) > 0)

    def _add_masks(self, stamp: int, masks: MaskInput) -> None:
        if masks.header is not None and self.mask_camera is None:
            self._compare_frames("masks are", masks.header)
        if not (self.enabled or self._asked()):
            self._account.settle(Drop.DISABLED)
            return
        refused = self._matcher.add_masks(stamp, masks)
        if refused is not None:
            self._refuse_masks(refused.rejection, refused.masks.header)
        self._poll()

    def _refuse_masks(self, rejection: Rejection, header: Header | None) -> None:
        self._account.settle(rejection.reason)
        self._refuse(rejection, header)

    def _accept(self, rejection: Rejection | None, header: Header | None) -> None:
        if rejection is not None:
            self._refuse(rejection, header)
        self._poll()

    def _poll(self) -> None:
        outcome = self._matcher.poll()
        self.matched += len(outcome.matched)
        for refused in outcome.refused:
            self._refuse_masks(refused.rejection, refused.masks.header)
        if not (self.enabled or self._asked()):
            self._account.settle(Drop.DISABLED, len(outcome.matched))
            return
        for matched in outcome.matched:
            self._deliver_masks(matched)
        alone = self._matcher.poll_depth() if self._between_masks() else None
        if alone is not None:
            self._account.receive()
            self._deliver(alone)

    def _deliver_masks(self, matched: Matched) -> None:
        """Deliver a match with what is known of its masks' camera; refused where that is needed."""
        if self.mask_camera is None:
            self._deliver(matched)
            return
        header = matched.depth.header
        camera = self.mask_camera.find(header)
        if isinstance(camera, Rejection):
            self._refuse_masks(camera, header)
        else:
            self._deliver(replace(matched, mask_camera=camera))

    def _note(self, name: str, header: Header) -> int:
        """Note that a message came; returns its stamp in nanoseconds."""
        stamp = stamp_ns(header)
        self.watchdog.note_message(self.topic_names[name], stamp)
        return stamp

    def _compare_frames(self, what: str, header: Header) -> None:
        """Warn, once, when something is not of the depth image's frame; equal sizes hide it."""
        frames = (header.frame_id.lstrip("/"), self._depth_frame)
        if "" in frames or frames[0] == frames[1] or self._reported_frames.get(what) == frames:
            return
        self._reported_frames[what] = frames
        other, depth = (frame[:_NAME_LENGTH] for frame in frames)
        line = f"{what} of frame {other!r} and depth of {depth!r}"
        self._log.warn_about(what, f"{line}; is the depth image aligned?")

    def _adapt(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.adapt()

    def _report_silence(self) -> None:
        line = self.watchdog.report(self._settings().input_timeout_s)
        if line:
            self._node.get_logger().warning(line)
