# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmenter node: colour images in, masks with classes out, by Mask R-CNN."""

if __name__ == "__main__":
    from genpose_ros.stopping import exit_at_once

    exit_at_once(0)  # until the node, whose imports take seconds, answers signals itself

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.color_images import color_pixels
from genpose_ros.ros.diagnostics import Diagnostics, status
from genpose_ros.ros.image_messages import detection, image_message, instance_mask
from genpose_ros.ros.program import run_program, spin_through_errors
from genpose_ros.ros.settings_parameters import SettingsParameters
from genpose_ros.ros.subscriptions import AdaptiveSubscription
from genpose_ros.ros.throttled_log import ThrottledLog
from genpose_ros.ros.worker import Worker
from genpose_ros.segmentation.mask_rcnn import MaskRcnn, load_mask_rcnn
from genpose_ros.segmentation.segments import Segment, label_image_of
from genpose_ros.segmentation.settings import SegmenterSettings

__all__ = ["MaskRcnnNode", "main", "mask_messages"]

#: Default name of the node, whose topics estimate.launch.py expects.
_NAME = "segmentation"
_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_LOG_PERIOD_S, _ADAPT_S, _TIMES = 5.0, 1.0, 64


class MaskRcnnNode(Node):
    """Node that segments the newest colour image and publishes its objects, with its stamp.

    The callback only stores; one worker thread segments.

    Attributes:
        counts: images that came, were segmented, replaced by newer ones or refused.

    Args:
        make_segmenter: loads the network for given settings.
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter or the weights cannot be used.
        OSError: the weights cannot be read or fetched.
        ModuleNotFoundError: torchvision is not installed.
    """

    def __init__(
        self,
        *,
        node_name: str = _NAME,
        make_segmenter: Callable[[SegmenterSettings], MaskRcnn] = load_mask_rcnn,
        **node_options: Any,
    ) -> None:
        super().__init__(node_name, **node_options)
        self.counts: Counter[str] = Counter()
        self._in_force = SettingsParameters(self, SegmenterSettings(), self._take)
        self._log = ThrottledLog(self, lambda: _LOG_PERIOD_S)
        self._segmenter: MaskRcnn | None = None
        self._segmenter = make_segmenter(self._in_force.current)
        known = self._segmenter.known_classes
        self.get_logger().info(
            f"classes with poses: {', '.join(f'{n} ({c})' for n, c in known.items()) or 'none'}"
        )
        self._times_ms: deque[float] = deque(maxlen=_TIMES)
        self._taken_s = -np.inf
        self._outputs = {
            name: self.create_publisher(
                kind,
                f"~/{name}",
                _QOS,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, kind in (
                ("label_image", Image),
                ("detections", Detection2DArray),
                ("instance_masks", InstanceMasks),
            )
        }
        self._images = AdaptiveSubscription(self, (Image, CompressedImage), "image", self._on_image)
        self.create_timer(_ADAPT_S, self._images.adapt)
        self._diagnostics = Diagnostics(self, lambda: [self._status()])
        self._worker: Worker[Any] = Worker(
            # One core stays for the node's callbacks.
            prepare=lambda: torch.set_num_threads(max(torch.get_num_threads() - 1, 1)),
            handle=self._segment,
            on_error=self._on_error,
            on_death=lambda error, _: self.get_logger().fatal(f"the segmenter has ended: {error}"),
        )
        self._worker.start()

    def report_error(self, error: BaseException) -> None:
        """Log what was raised while spinning; the node goes on."""
        self.get_logger().error(f"{type(error).__name__}: {error}", throttle_duration_sec=5)

    def destroy_node(self) -> None:
        """Let the worker finish its image, then free everything."""
        self._worker.stop()
        super().destroy_node()

    def _take(self, settings: SegmenterSettings) -> None:
        if self._segmenter is not None:
            self._segmenter.settings = settings

    def _on_image(self, message: Image | CompressedImage) -> None:
        self.counts["came"] += 1
        rate_hz, now_s = self._in_force.current.max_rate_hz, time.monotonic()
        if rate_hz > 0 and now_s - self._taken_s < 1.0 / rate_hz:
            self.counts["left out for max_rate_hz"] += 1
            return
        self._taken_s = now_s
        self.counts["replaced by newer ones"] += self._worker.mailbox.put(message)

    def _segment(self, message: Image | CompressedImage) -> None:
        begin_s = time.perf_counter()
        pixels = color_pixels(message)
        if isinstance(pixels, Rejection):
            self.counts["refused"] += 1
            self._log.warn_about(pixels.reason.value, pixels.detail)
            return
        assert self._segmenter is not None  # noqa: S101 - the worker starts after it was made
        segments = self._segmenter.segment(pixels)
        messages = mask_messages(segments, pixels.shape[:2], message.header)
        for name, content in messages.items():
            self._outputs[name].publish(content)
        self.counts["segmented"] += 1
        self._times_ms.append(1000 * (time.perf_counter() - begin_s))

    def _on_error(self, error: Exception, _message: Any) -> None:
        if not self.context.ok():  # nothing can be published any more
            return
        self.counts["failed"] += 1
        self._log.warn_about("segmenter", f"an image failed: {type(error).__name__}: {error}")

    def _status(self) -> DiagnosticStatus:
        times = list(self._times_ms)
        values: dict[str, object] = {**self.counts}
        if times:
            values["ms (p50, p95)"] = "{:.0f}, {:.0f}".format(*np.percentile(times, (50, 95)))
        problem = self._images.problem
        if self._worker.died:
            return status("segmenter", "its thread has ended", values, warn=True, error=True)
        if problem or not self.counts["came"]:
            return status("segmenter", problem or "no image yet", values, warn=True)
        return status("segmenter", "segmenting", values, warn=False)


def mask_messages(
    segments: Sequence[Segment], shape: tuple[int, int], header: Header
) -> dict[str, Any]:
    """Return the messages about an image's objects by topic, all with its header.

    Args:
        segments: at most 254.
        shape: (H, W) of the image.
        header: of the colour image.
    """
    labels, numbers = label_image_of(segments, shape)
    numbered = list(zip(numbers, segments, strict=True))
    # What others cover whole has no pixel in the label image, and no box.
    visible = [(number, item, labels == number) for number, item in numbered]
    return {
        "detections": Detection2DArray(
            header=header,
            detections=[
                detection(number, item.category, item.score, mask, header)
                for number, item, mask in visible
                if mask.any()
            ],
        ),
        "instance_masks": InstanceMasks(
            header=header,
            height=shape[0],
            width=shape[1],
            instances=[
                instance_mask(number, item.category, item.score, item.mask)
                for number, item in numbered
            ],
        ),
        "label_image": image_message(labels, "mono8", header),
    }


def main(
    args: Sequence[str] | None = None,
    *,
    make_segmenter: Callable[[SegmenterSettings], MaskRcnn] = load_mask_rcnn,
) -> None:
    """Run the node until it is stopped; arguments as of `rclpy.init`.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """

    def make_node() -> MaskRcnnNode:
        try:
            return MaskRcnnNode(make_segmenter=make_segmenter)
        except ModuleNotFoundError as error:
            raise RuntimeError(str(error)) from error

    run_program(_NAME, make_node, spin_through_errors, args)


if __name__ == "__main__":
    main()
