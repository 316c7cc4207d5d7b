# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimator node: depth and masks in, object poses out."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import CategoryArray
from genpose_ros.networks.devices import usable_cores
from genpose_ros.ros.accounting import Drop, FrameAccount, Outcome
from genpose_ros.ros.category_messages import category_array
from genpose_ros.ros.diagnostics import Diagnostics
from genpose_ros.ros.estimate_mode import Estimating, MakeEstimator
from genpose_ros.ros.inputs import Inputs
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.outputs import Outputs
from genpose_ros.ros.parameters import Parameters, Settings
from genpose_ros.ros.program import run_program
from genpose_ros.ros.rejection_log import RejectionLog
from genpose_ros.ros.statuses import (
    AccountStatus,
    EstimatorStatus,
    InputStatus,
    LastFrames,
    RejectionStatus,
    TrackingStatus,
    TransformStatus,
)
from genpose_ros.ros.throttled_log import ThrottledLog
from genpose_ros.ros.track_mode import MakeTracker, Tracking
from genpose_ros.ros.transform_queue import LocatedFrame, TransformQueue
from genpose_ros.ros.transforms import TransformBuffer, header_in
from genpose_ros.ros.worker import Worker
from genpose_ros.tracking.tracker import Tracker

__all__ = ["EstimatorNode", "main", "spin"]

#: Slots of the worker's mailbox.
_MASKS, _DEPTH_ONLY = 0, 1
#: Where neither keeps up with the camera: three depth images for each one with masks.
_TURNS = (_MASKS, _DEPTH_ONLY, _DEPTH_ONLY, _DEPTH_ONLY)
#: How often frames that wait for a transform in vain are looked for, seconds.
_OVERDUE_S = 0.05


class EstimatorNode(Node):
    """Node that subscribes to depth images and masks, and publishes the poses of their objects.

    Callbacks only check and store; one worker thread estimates or tracks, always the newest frame.

    Attributes:
        account: what became of each frame that came in.
        rejections: how often each reason for a refusal occurred.

    Args:
        make_estimator: builds the estimator for given settings; default: the released network,
            which is loaded once.
        make_tracker: builds the tracker of mode `track`.
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter given at start is not valid.
    """

    def __init__(
        self,
        *,
        node_name: str = "genpose",
        make_estimator: MakeEstimator | None = None,
        make_tracker: MakeTracker = Tracker,
        **node_options: Any,
    ) -> None:
        super().__init__(node_name, **node_options)
        self._parameters_in_force = Parameters(self)
        settings = self._parameters_in_force.current
        self.account = FrameAccount()
        self.rejections = RejectionLog(self.get_logger().warning, settings.node.log_period_s)
        self._log = ThrottledLog(self, lambda: self._settings.node.log_period_s)
        self._tracking: Tracking | None = None
        make_estimator = make_estimator or ModelLoader()
        if settings.node.mode == "track":
            self._tracking = Tracking(make_estimator, make_tracker, settings, self._log.warn_about)
        self._processing = self._tracking or Estimating(make_estimator, settings)
        self._outputs = Outputs(self)
        self._outputs.publish_categories(self._categories(make_estimator))
        self._worker: Worker[LocatedFrame] = Worker(
            prepare=self._warm_up,
            handle=self._handle,
            on_error=self.report_error,
            turns=_TURNS,
        )
        self._transforms: TransformBuffer | None = None
        self._queue: TransformQueue | None = None
        self._wait_for_transforms(settings)
        self._inputs = Inputs(
            self,
            settings=lambda: self._settings.node,
            account=self.account,
            deliver=self._deliver,
            refuse=self._refuse,
            jumped_back=self._on_jump_back,
            between_masks=self._wants_depth_alone,
        )
        self._parameters_in_force.on_change(self._take_settings)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/reset_tracks", self._on_reset_tracks)
        self._last = LastFrames()
        self._diagnostics = Diagnostics(self, self._statuses(make_estimator))
        self._worker.start()

    def report_error(self, error: Exception) -> None:
        """Count an unexpected error as a rejection; the node goes on.

        While everything is being shut down, errors are to be expected, and none is reported.
        """
        if not self.context.ok():
            return
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" ({where[0].name}, line {where[0].lineno})" if where else ""
        detail = f"{type(error).__name__}: {error}{place}"
        self.rejections.add(Rejection(Reason.INTERNAL_ERROR, detail))

    def destroy_node(self) -> None:
        """Stop the worker, then free everything."""
        self._worker.stop()
        super().destroy_node()

    @property
    def _settings(self) -> Settings:
        return self._parameters_in_force.current

    def _wait_for_transforms(self, settings: Settings) -> None:
        """Let frames wait for the camera's pose in the frames that are named, if any."""
        frames = [settings.node.target_frame]
        if settings.node.mode == "track":
            frames.append(settings.node.fixed_frame)
        if not any(frames):
            return
        self._transforms = TransformBuffer()
        self._queue = TransformQueue(
            self._transforms,
            [frame for frame in frames if frame],
            wait_s=lambda: self._settings.node.transform_wait_s,
            deliver=self._hand_over,
            refuse=self._refuse_frame,
            most_bytes=lambda: self._settings.node.max_held_mb * MB,
        )
        self._transforms.listen(self, self._queue.look_up)
        # Steady: a simulated clock that stands still must not stop it.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_OVERDUE_S, self._queue.refuse_overdue, clock=steady)

    def _categories(self, make_estimator: MakeEstimator) -> CategoryArray:
        """What the models know, as a message."""
        files = make_estimator.checkpoints if isinstance(make_estimator, ModelLoader) else {}
        header = Header(stamp=self.get_clock().now().to_msg())
        return category_array(self._processing.categories, files, header)

    def _statuses(self, make_estimator: MakeEstimator) -> list[Callable[[], DiagnosticStatus]]:
        """The parts that diagnostics report on."""
        about = {"mode": self._settings.node.mode, "preset": self._parameters_in_force.preset}
        if isinstance(make_estimator, ModelLoader):
            about |= make_estimator.about
        parts: list[Callable[[], DiagnosticStatus]] = [
            InputStatus(self._inputs, lambda: self._settings.node.input_timeout_s),
            RejectionStatus(self.rejections),
            AccountStatus(self.account),
            EstimatorStatus(about, self._last),
        ]
        if self._tracking is not None:
            parts.append(TrackingStatus(self._tracking))
        if self._queue is not None:
            parts.append(TransformStatus(self._queue))
        return parts

    def _warm_up(self) -> None:
        torch.set_num_threads(self._settings.node.threads or _spare_threads())
        try:
            self._processing.warm_up()
        finally:
            self._last.ready = True  # frames are taken even where it failed
        self.get_logger().info("ready")

    def _wants_depth_alone(self) -> bool:
        return self._tracking is not None and self._settings.tracker.track_without_masks

    def _deliver(self, matched: Matched) -> None:
        if self._queue is None:
            self._hand_over([LocatedFrame(matched)])
        else:
            self.account.settle(Drop.MASKS_CAME, self._queue.add(matched))

    def _hand_over(self, frames: Sequence[LocatedFrame]) -> None:
        """Give frames to the worker, oldest first."""
        alone = [frame for frame in frames if frame.matched.masks is None]
        masked = [frame for frame in frames if frame.matched.masks is not None]
        for slot, items in ((_MASKS, masked), (_DEPTH_ONLY, alone)):
            if items:
                replaced = self._worker.mailbox.put(*items, slot=slot)
                self.account.settle(Drop.NEWER_FRAME, replaced)

    def _refuse_frame(self, rejection: Rejection, header: Header) -> None:
        self.account.settle(rejection.reason)
        self._refuse(rejection, header)

    def _refuse(self, rejection: Rejection, header: Header | None) -> None:
        """Report that a whole frame is refused, or a message without a header."""
        self.rejections.add(rejection)
        if header is not None and header.stamp.sec >= 0:  # no clock shows a negative one
            self._outputs.publish_rejected(rejection, header)

    def _forget_waiting(self, cause: Drop) -> None:
        """Forget the frames that nobody has processed yet."""
        self.account.settle(cause, self._worker.mailbox.clear())
        if self._queue is not None:
            self.account.settle(cause, self._queue.clear())

    def _take_settings(self, settings: Settings) -> None:
        self._processing.configure(settings)
        self.rejections.period_s = settings.node.log_period_s
        self._inputs.configure(settings.node)

    def _on_jump_back(self) -> str:
        """Forget what belongs to the time before a jump of the clock; returns words for the log.

        The worker clears the tracks, before the first frame of the new time.
        """
        self._forget_waiting(Drop.CLOCK_JUMP)
        if self._transforms is not None:
            self._transforms.clear()
        return "" if self._tracking is None else f", {len(self._tracking.tracks)} tracks cleared"

    def _on_reset_tracks(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success = True
        response.message = "there are no tracks in mode estimate"
        if self._tracking is not None:
            response.message = f"{self._tracking.reset()} tracks cleared"
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._inputs.enabled = request.data
        if not request.data:
            self._forget_waiting(Drop.DISABLED)
        response.success = True
        response.message = "estimating" if request.data else "images are ignored"
        return response

    def _handle(self, located: LocatedFrame) -> None:
        """Process one frame and count what became of it; runs in the worker."""
        outcome: Outcome = Reason.INTERNAL_ERROR
        try:
            outcome = self._process(located)
        finally:
            self.account.settle(outcome)

    def _process(self, located: LocatedFrame) -> Outcome:
        """Estimate or track one frame, and publish the result."""
        settings = self._settings.node
        result = self._processing.process(located)
        if isinstance(result, Rejection):
            self._refuse(result, located.matched.depth.header)
            return result.reason
        if isinstance(result, Drop):
            return result
        for rejection in result.rejections:
            self.rejections.add(rejection)
        target = settings.target_frame
        if target:
            header = header_in(target, result.header)
            result = result.expressed_in(located.T_frame_cam[target], header)
        self._outputs.publish(result, settings)
        self._last.note(result.timings_ms)
        return None


def spin(node: EstimatorNode) -> None:
    """Spin until shutdown; what a callback or rclpy itself raises is reported, not fatal.

    A parameter of an unknown type from any peer, for one, raises out of rclpy's spin.
    """
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while _spin_once_more(executor, node):
        pass
    executor.shutdown(timeout_sec=1.0)


def _spin_once_more(executor: SingleThreadedExecutor, node: EstimatorNode) -> bool:
    """Spin until something raises; returns whether to go on."""
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return False
    except Exception as error:  # whatever a peer can provoke must not end the node
        node.report_error(error)
    return bool(node.context.ok())


def main(
    args: Sequence[str] | None = None,
    *,
    make_estimator: MakeEstimator | None = None,
    make_tracker: MakeTracker = Tracker,
) -> None:
    """Run the node until it is stopped; arguments as of `EstimatorNode` and `rclpy.init`.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """

    def make_node() -> EstimatorNode:
        return EstimatorNode(make_estimator=make_estimator, make_tracker=make_tracker)

    run_program("genpose", make_node, spin, args)


def _spare_threads() -> int:
    """As many as PyTorch would take, but for one core.

    Its threads wait for each other by spinning: where another program takes a core from one of
    them, they all stand still.
    """
    return max(min(torch.get_num_threads(), usable_cores() - 1), 1)


if __name__ == "__main__":
    main()
