# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Inputs of the node: subscriptions that check, store and match messages, and compute nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.input_watchdog import InputWatchdog
from genpose_ros.ros.matching import DepthMessage, FrameMatcher, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.subscriptions import AdaptiveSubscription
from genpose_ros.ros.throttled_log import ThrottledLog

__all__ = ["Inputs"]

_POLL_S = 0.05
_WATCHDOG_S = 1.0
_ADAPT_S = 0.5
#: Characters of a frame's name that are shown.
_NAME_LENGTH = 64


class _Stamped(Protocol):
    """Message with a header."""

    header: Header


@dataclass(frozen=True)
class _Topic:
    kind: Any
    callback: Callable[[Any], None]
    required: bool = True


class Inputs:
    """Subscriptions to depth, camera_info and the masks; matches of them are delivered.

    Attributes:
        enabled: when false, nothing is delivered.
        topic_names: resolved names of the topics, by the names that the node gives them.
        watchdog: counts the messages of each topic.
        matched: number of masks that were matched with their depth image so far.

    Args:
        node: subscribes here.
        settings: gives the settings in force.
        deliver: called with each match, in the executor's thread.
        reject: called with each rejection.
        jumped_back: called when the clock of the depth images was set back; returns what else the
            log line shall say.
        between_masks: says whether depth images without masks are to be delivered too.
    """

    def __init__(
        self,
        node: Node,
        *,
        settings: Callable[[], NodeSettings],
        deliver: Callable[[Matched], None],
        reject: Callable[[Rejection], None],
        jumped_back: Callable[[], str],
        between_masks: Callable[[], bool],
    ) -> None:
        self.enabled = True
        self.matched = 0
        self._node, self._settings = node, settings
        self._deliver, self._reject = deliver, reject
        self._jumped_back, self._between_masks = jumped_back, between_masks
        self._info_frame = ""
        self._looked_at: tuple[Calibration, bool] | None = None
        self._reported_frames: tuple[str, str] | None = None
        self._log = ThrottledLog(node, lambda: settings().log_period_s)
        now = settings()
        self._matcher = FrameMatcher(now.depth_history_s, now.sync_slop_s, now.sync_wait_s)
        topics = self._topics(now.mask_source)
        self.topic_names = {name: node.resolve_topic_name(name) for name in topics}
        self._subscriptions: list[AdaptiveSubscription] = []
        for name, topic in topics.items():
            self._subscriptions.append(
                AdaptiveSubscription(node, topic.kinds, name, topic.callback, now.input_reliability)
            )
        optional = [self.topic_names[name] for name, topic in topics.items() if not topic.required]
        self.watchdog = InputWatchdog(self.topic_names.values(), node.count_publishers, optional)
        # Steady: a simulated clock that stands still must not stop them.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(_POLL_S, self._poll, clock=steady)
        node.create_timer(_WATCHDOG_S, self._report_silence, clock=steady)
        node.create_timer(_ADAPT_S, self._adapt, clock=steady)

    def configure(self, settings: NodeSettings) -> None:
        """Take other waiting times and slop from now on."""
        self._matcher.configure(
            settings.depth_history_s, settings.sync_slop_s, settings.sync_wait_s
        )

    def _topics(self, mask_source: str) -> dict[str, _Topic]:
        topics = {
            "depth": _Topic(Image, self._on_depth),
            "camera_info": _Topic(CameraInfo, self._on_camera_info),
        }
        if mask_source == "instance_masks":
            topics["instance_masks"] = _Topic(InstanceMasks, self._on_instance_masks)
        else:
            topics["masks"] = _Topic(Image, self._on_labels)
            topics["mask_detections"] = _Topic(
                Detection2DArray, self._on_detections, required=False
            )
        return topics

    def _on_depth(self, message: Image) -> None:
        stamp = self._note("depth", message)
        if not message.header.frame_id:
            detail = "the depth image has no frame_id, so nobody could use its poses"
            self._reject(Rejection(Reason.EMPTY_FRAME_ID, detail))
            return
        pixels = depth_pixels(message)
        if isinstance(pixels, Rejection):
            self._reject(pixels)
            return
        self._compare_frames(message.header.frame_id)
        added = self._matcher.add_depth(stamp, DepthMessage(message.header, pixels))
        if added.jumped_back:
            line = "the clock of the depth images jumped back; starting again"
            self._log.warn_about("clock", f"{line}{self._jumped_back()}")
        self._accept(added.rejection)

    def _on_camera_info(self, message: CameraInfo) -> None:
        stamp = self._note("camera_info", message)
        self._info_frame = message.header.frame_id
        calibration = calibration_from_info(message)
        self._tell_doubts(calibration)
        self._matcher.add_calibration(stamp, calibration)
        self._accept(None)

    def _tell_doubts(self, calibration: Calibration) -> None:
        """Warn, once for each calibration, of what may make the poses wrong."""
        rectified = self._settings().rectified
        if (calibration, rectified) == self._looked_at:
            return
        self._looked_at = (calibration, rectified)
        for doubt in calibration.doubts(rectified=rectified):
            self._log.warn_about("calibration", f"camera_info {doubt} (depth.rectified)")

    def _on_labels(self, message: Image) -> None:
        stamp = self._note("masks", message)
        pixels = label_pixels(message)
        if isinstance(pixels, Rejection):
            self._reject(pixels)
            return
        wanted = not self._settings().names_classes or self._has_detector()
        self._add_masks(stamp, MaskInput(pixels, needs_detections=wanted and bool(pixels.any())))

    def _on_instance_masks(self, message: InstanceMasks) -> None:
        self._add_masks(self._note("instance_masks", message), MaskInput(message))

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = self._note("mask_detections", message)
        self._accept(self._matcher.add_detections(stamp, tuple(message.detections)))

    def _has_detector(self) -> bool:
        return bool(self._node.count_publishers(self.topic_names["mask_detections"]) > 0)

    def _add_masks(self, stamp: int, masks: MaskInput) -> None:
        if self.enabled:
            self._accept(self._matcher.add_masks(stamp, masks))

    def _accept(self, rejection: Rejection | None) -> None:
        if rejection is not None:
            self._reject(rejection)
        self._poll()

    def _poll(self) -> None:
        outcome = self._matcher.poll()
        self.matched += len(outcome.matched)
        for rejection in outcome.rejections:
            self._reject(rejection)
        if not self.enabled:
            return
        for matched in outcome.matched:
            self._deliver(matched)
        alone = self._matcher.poll_depth() if self._between_masks() else None
        if alone is not None:
            self._deliver(alone)

    def _note(self, name: str, message: _Stamped) -> int:
        """Note that a message came; returns its stamp in nanoseconds."""
        stamp = stamp_ns(message.header)
        self.watchdog.note_message(self.topic_names[name], stamp)
        return stamp

    def _compare_frames(self, depth_frame: str) -> None:
        """Warn, once, when depth and intrinsics are of two cameras; equal sizes would hide it."""
        frames = (self._info_frame, depth_frame)
        if self._info_frame not in ("", depth_frame) and frames != self._reported_frames:
            self._reported_frames = frames
            info, depth = (frame[:_NAME_LENGTH] for frame in frames)
            line = f"camera_info is of frame {info!r} and depth of {depth!r}"
            self._log.warn_about("frames", f"{line}; is the depth image aligned?")

    def _adapt(self) -> None:
        for subscription in self._subscriptions:
            subscription.adapt()

    def _report_silence(self) -> None:
        for line in self.watchdog.report(self._settings().input_timeout_s):
            self._node.get_logger().warning(line)
