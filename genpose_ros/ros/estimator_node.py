# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimator node: depth and masks in, object poses out; a managed node."""

if __name__ == "__main__":
    from genpose_ros.stopping import exit_at_once

    exit_at_once(0)  # until the node, whose imports take seconds, answers signals itself

import gc
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rclpy.clock import Clock, ClockType
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from genpose_ros.estimation.accelerator_errors import is_fatal
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.stop_flag import EstimateStoppedError
from genpose_ros.heap import keep_heap
from genpose_ros.msg import CategoryArray
from genpose_ros.networks.devices import usable_cores
from genpose_ros.ros.accounting import Drop, FrameAccount, Outcome
from genpose_ros.ros.category_messages import category_array
from genpose_ros.ros.diagnostics import Diagnostics
from genpose_ros.ros.estimate_mode import Estimating, MakeEstimator
from genpose_ros.ros.frame_keeper import FrameKeeper
from genpose_ros.ros.intake import Intake
from genpose_ros.ros.managed_node import ManagedNode
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.node_statuses import NodeStatuses
from genpose_ros.ros.outputs import Outputs
from genpose_ros.ros.parameters import Parameters
from genpose_ros.ros.program import end_for_respawn, run_program, spin_through_errors
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.rejection_log import RejectionLog
from genpose_ros.ros.requests import Requests
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.supervisor import Supervisor
from genpose_ros.ros.throttled_log import ThrottledLog
from genpose_ros.ros.track_mode import MakeTracker, Tracking
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.transforms import header_in
from genpose_ros.ros.wording import counted
from genpose_ros.ros.worker import Worker
from genpose_ros.tracking.tracker import Tracker

__all__ = ["EstimatorNode", "main"]

#: Slots of the worker's mailbox: steps that are done one after the other, and frames.
_STEPS, _MASKS, _DEPTH_ONLY = 0, 1, 2
#: Where neither keeps up with the camera: three depth images for each one with masks.
_TURNS = (_STEPS, _MASKS, _DEPTH_ONLY, _DEPTH_ONLY, _DEPTH_ONLY)
#: An input without messages for so long is named to those who have asked in vain, seconds.
_SILENT_S = 1.0
#: How often the worker is looked after, seconds.
_SUPERVISION_S = 0.2
#: Characters of a line that are shown.
_LINE_LENGTH = 400
#: How long a thread of Python may wait for another one to let go of the interpreter, seconds.
_SWITCH_S = 0.001


class EstimatorNode(ManagedNode):
    """Node that subscribes to depth images and masks, and publishes the poses of their objects.

    Callbacks only check and store; one worker thread estimates or tracks, always the newest frame.
    Configured, it has loaded the networks, and the worker warms them up; while it is active it
    subscribes and publishes. With `autostart` both come with its making.

    Attributes:
        account: what became of each frame that came in.
        rejections: how often each reason for a refusal occurred.

    Args:
        make_estimator: builds the estimator for given settings; default: the released network,
            which is loaded once.
        make_tracker: builds the tracker of mode `track`.
        end_process: called where nothing but a new process can help: the thread that estimates has
            ended or hangs, or the GPU is lost. None: the node stays, and says so.
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter given at start is not valid or, with `autostart`, a checkpoint or
            device cannot be used.
        OSError: with `autostart`, a checkpoint cannot be read.
    """

    def __init__(
        self,
        *,
        node_name: str = "genpose",
        make_estimator: MakeEstimator | None = None,
        make_tracker: MakeTracker = Tracker,
        end_process: Callable[[], None] | None = None,
        **node_options: Any,
    ) -> None:
        super().__init__(node_name, **node_options)
        self._parameters_in_force = Parameters(self)
        settings = self._parameters_in_force.current
        self.account = FrameAccount()
        self.rejections = RejectionLog(self.get_logger().warning, settings.node.log_period_s)
        self._log = ThrottledLog(self, lambda: self._settings.node.log_period_s)
        self._make_estimator = make_estimator or ModelLoader()
        self._make_tracker = make_tracker
        self._processing: Estimating | Tracking | None = None
        self._intake: Intake | None = None
        self._keeper = FrameKeeper(settings.node, self._about_poses, self.get_logger().info)
        self._enabled = True
        # Held while results are published, so that none is when the node is not active any more.
        self._publishing = threading.Lock()
        self._outputs = Outputs(self, self._log.warn_about)
        self._worker: Worker[LocatedFrame] = Worker(
            prepare=lambda: torch.set_num_threads(settings.node.threads or _spare_threads()),
            handle=self._handle,
            on_error=self._on_error,
            on_death=self._on_death,
            turns=_TURNS,
        )
        self._end_process = end_process
        self._supervisor = Supervisor(
            self._worker, lambda: self._settings.node.hang_timeout_s, self._give_up
        )
        self._parameters_in_force.on_change(self._take_settings)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.create_service(Trigger, "~/reset_tracks", self._on_reset_tracks)
        self.create_service(Trigger, "~/dump_frame", self._on_dump_frame)
        self._requests = Requests(
            self,
            newest=lambda: (0, None) if self._intake is None else self._intake.inputs.newest,
            refused=self._refused_request,
            silent=self._missing_inputs,
            locate=self._located,
            work=lambda step: self._worker.mailbox.append(step, _STEPS),
            processing=lambda: self._processing,
        )
        self._statuses = NodeStatuses(
            self._parameters_in_force,
            self.account,
            self.rejections,
            self._supervisor,
            self._worker,
            lambda: self.state,
        )
        self._diagnostics = Diagnostics(self, self._statuses, self._alarms)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_SUPERVISION_S, self._supervisor.check, clock=steady)
        if settings.node.autostart:
            self.start()
        self._worker.start()

    def configure(self) -> None:
        """Load the networks, and let the worker warm them up.

        Raises:
            ValueError: a checkpoint, the device or a parameter cannot be used.
            OSError: a checkpoint cannot be read.
        """
        settings, make = self._settings, self._make_estimator
        processing: Estimating | Tracking
        if settings.node.mode == "track":
            processing = Tracking(make, self._make_tracker, settings, self._log.warn_about)
        else:
            processing = Estimating(make, settings)
        self._processing = processing
        self._outputs.publish_categories(self._categories(processing))
        self._statuses.describe(self._about)
        self._worker.mailbox.append(self._warm_up, _STEPS)

    def activate(self) -> None:
        """Subscribe; nothing is known of what came before."""
        if self._processing is not None:
            self._processing.restart()
        self._intake = Intake(
            self,
            settings=lambda: self._settings,
            account=self.account,
            hand_over=self._hand_over,
            refuse=self._refuse,
            jumped=self._on_jump,
            between_masks=self._wants_depth_alone,
            asked=lambda: self._requests.callers.want_frames,
            is_own_frame=self._outputs.is_own_frame,
        )
        self._intake.inputs.enabled = self._enabled
        self._statuses.open(self._intake, self._tracking)
        self._worker.mailbox.append(self._say_ready, _STEPS)  # once it is warm

    def deactivate(self) -> None:
        """Unsubscribe, and forget what waits; nothing is published any more."""
        with self._publishing:
            if self._intake is not None:
                self._intake.close()
            self._intake = None
        self._forget_waiting(Reason.NOT_ACTIVE)
        self._requests.callers.end(Rejection(Reason.NOT_ACTIVE, "the node was deactivated"))
        self._statuses.close()

    def clean_up(self) -> None:
        """Free the networks and their memory."""
        self._processing = None
        self._keeper.forget()
        self._statuses.forget_frames()
        if isinstance(self._make_estimator, ModelLoader):
            self._make_estimator.free()
        self._statuses.describe(self._about)
        # Once the frame in hand is done.
        self._worker.mailbox.append(_free_memory, _STEPS)

    @property
    def waiting_callers(self) -> int:
        """How many callers of the service and the action wait for their frames."""
        return len(self._requests.callers)

    def report_error(self, error: BaseException, header: Header | None = None) -> None:
        """Count an unexpected error as a rejection; the node goes on.

        While everything is being shut down, errors are to be expected, and none is reported.

        Args:
            error: whatever was raised.
            header: of the depth image in hand, for which the rejection is published; None: none.
        """
        if self.context.ok():
            self._refuse(Rejection(Reason.INTERNAL_ERROR, _described(error)), header)

    def destroy_node(self) -> None:
        """Stop the worker, whatever it is at, then free everything."""
        if self._processing is not None:
            self._processing.stop()
        self._worker.stop()
        self._keeper.close()
        self._requests.close()
        super().destroy_node()

    @property
    def _settings(self) -> Settings:
        return self._parameters_in_force.current

    @property
    def _tracking(self) -> Tracking | None:
        return self._processing if isinstance(self._processing, Tracking) else None

    @property
    def _about(self) -> dict[str, str]:
        """What there is to say of the networks that are loaded."""
        make = self._make_estimator
        return make.about if isinstance(make, ModelLoader) else {}

    def _about_poses(self) -> dict[str, str]:
        """What the poses depend on beside messages and settings."""
        return {**self._about, "threads": str(torch.get_num_threads())}

    def _categories(self, processing: Estimating | Tracking) -> CategoryArray:
        """What the models know, as a message."""
        make = self._make_estimator
        files = make.checkpoints if isinstance(make, ModelLoader) else {}
        header = Header(stamp=self.get_clock().now().to_msg())
        return category_array(processing.categories, files, header)

    def _alarms(self) -> frozenset[str]:
        """What is broken, for diagnostics that are not to wait until they are due."""
        lost: list[str] = []
        if self._intake is not None:
            lost = self._intake.inputs.watchdog.lost_inputs(self._settings.node.input_timeout_s)
        return frozenset([*lost, "worker"] if self._supervisor.trouble else lost)

    def _on_error(self, error: Exception, located: LocatedFrame | None) -> None:
        """Tell of what the worker's preparation or a frame raised; runs in the worker."""
        if isinstance(error, EstimateStoppedError):
            return
        self.report_error(error, None if located is None else located.matched.depth.header)
        if located is not None:
            self._supervisor.note_result(_described(error))
        if is_fatal(error):
            self._supervisor.condemn(f"the GPU cannot be used any more: {_described(error)}")

    def _on_death(self, error: BaseException, located: LocatedFrame | None) -> None:
        """Tell of what ended the worker; runs in it."""
        self.report_error(error, None if located is None else located.matched.depth.header)
        self._supervisor.condemn(f"the thread that estimates ended with {_described(error)}")

    def _give_up(self, sentence: str) -> None:
        """Say that the node cannot go on, and end the process where that is wanted."""
        if not self.context.ok():
            return
        line = f"genpose ends with code 70: {sentence}"
        if self._end_process is None:
            line = f"genpose is not estimating any more: {sentence}"
        self.get_logger().fatal(" ".join(line.split())[:_LINE_LENGTH])
        try:
            self._diagnostics.publish()
        finally:
            if self._end_process is not None:
                self._end_process()

    def _warm_up(self) -> None:
        processing = self._processing
        if processing is None:  # freed again before the worker came to it
            return
        try:
            processing.warm_up()
        finally:
            self._statuses.last.ready = True  # frames are taken even where it failed

    def _say_ready(self) -> None:
        if self._intake is not None:  # not deactivated before the worker came to it
            self.get_logger().info("ready")

    def _wants_depth_alone(self) -> bool:
        return self._tracking is not None and self._settings.tracker.track_without_masks

    def _hand_over(self, frames: Sequence[LocatedFrame]) -> None:
        """Give frames to the worker, oldest first."""
        alone = [frame for frame in frames if frame.matched.masks is None]
        masked = [frame for frame in frames if frame.matched.masks is not None]
        self._supervisor.note_frame()
        for slot, items in ((_MASKS, masked), (_DEPTH_ONLY, alone)):
            if items:
                replaced = self._worker.hand(*items, slot=slot)
                self.account.settle(Drop.NEWER_FRAME, replaced)

    def _refuse(self, rejection: Rejection, header: Header | None) -> None:
        """Report that a whole frame is refused, or a message without a header."""
        self.rejections.add(rejection)
        self._requests.callers.refuse(rejection)
        if header is not None and header.stamp.sec >= 0:  # no clock shows a negative one
            self._outputs.publish_rejected(rejection, header)

    def _forget_waiting(self, cause: Drop | Reason) -> None:
        """Forget the frames that nobody has processed yet."""
        self.account.settle(cause, self._worker.mailbox.clear(_MASKS, _DEPTH_ONLY))
        if self._intake is not None:
            self._intake.forget_waiting(cause)

    def _take_settings(self, settings: Settings) -> None:
        if self._processing is not None:
            self._processing.configure(settings)
        self.rejections.period_s = settings.node.log_period_s
        if self._intake is not None:
            self._intake.configure(settings)

    def _on_jump(self) -> str:
        """Forget what belongs to the time before a jump of the clock; returns words for the log.

        The worker clears the tracks, before the first frame of the new time.
        """
        self.account.settle(Drop.CLOCK_JUMP, self._worker.mailbox.clear(_MASKS, _DEPTH_ONLY))
        if self._tracking is None:
            return ""
        return f", {counted(len(self._tracking.tracks), 'track')} cleared"

    def _on_reset_tracks(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success = True
        response.message = f"there are no tracks in mode {self._settings.node.mode}"
        if self._settings.node.mode == "track":
            response.message = f"there are no tracks while the node is {self.state}"
        if self._tracking is not None:
            response.message = f"{counted(self._tracking.reset(), 'track')} cleared"
        return response

    def _on_dump_frame(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = self._keeper.keep_last()
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        if self._intake is not None:
            self._intake.inputs.enabled = request.data
        if not request.data:
            self._forget_waiting(Drop.DISABLED)
        response.success = True
        response.message = "estimating" if request.data else "images are ignored"
        if not self.is_active:
            response.message += f" once the node is active; it is {self.state}"
        return response

    def _processed(
        self, processing: Estimating | Tracking, located: LocatedFrame
    ) -> PublishedFrame | Rejection | Drop:
        """What the mode makes of a frame; one that it fails at is kept too."""
        try:
            return processing.process(located)
        except EstimateStoppedError:
            raise
        except Exception as error:
            failed = Rejection(Reason.INTERNAL_ERROR, _described(error))
            self._keeper.note(located, self._settings, failed)
            raise

    def _handle(self, located: LocatedFrame) -> None:
        """Process one frame and count what became of it; runs in the worker."""
        outcome: Outcome = Reason.INTERNAL_ERROR
        try:
            outcome = self._process(located)
        except EstimateStoppedError:
            outcome = Reason.NOT_ACTIVE
            raise
        finally:
            self.account.settle(outcome)

    def _process(self, located: LocatedFrame) -> Outcome:
        """Estimate or track one frame and publish the result."""
        if self._processing is None:
            return Reason.NOT_ACTIVE
        result = self._processed(self._processing, located)
        self._keeper.note(located, self._settings, result)
        self._supervisor.note_result(_failure(result))
        with self._publishing:
            if self._intake is None:
                return Reason.NOT_ACTIVE
            return self._publish(located, result, self._intake)

    def _publish(
        self, located: LocatedFrame, result: PublishedFrame | Rejection | Drop, intake: Intake
    ) -> Outcome:
        """Publish what became of a frame, and return it for the account."""
        settings = self._settings.node
        message = None
        if isinstance(result, Rejection):
            self._refuse(result, located.matched.depth.header)
            return result.reason
        if isinstance(result, PublishedFrame):
            for rejection in result.rejections:
                self.rejections.add(rejection)
            target = settings.target_frame
            if target:
                header = header_in(target, result.header)
                result = result.expressed_in(located.T_frame_cam[target], header)
            message = self._outputs.publish(result, settings)
            self._statuses.last.note(result.timings_ms, result.lowered)
            intake.up.note(result.up_cam)
        self._requests.callers.offer(located.matched, message)
        return result if isinstance(result, Drop) else None

    def _refused_request(self) -> Rejection | None:
        if self.is_active:
            return None
        return Rejection(Reason.NOT_ACTIVE, f"the node is {self.state}; activate it")

    def _missing_inputs(self) -> str:
        """A sentence about the inputs that are silent; empty: there are none."""
        if self._intake is None:
            return ""
        return self._intake.inputs.watchdog.silent_inputs(_SILENT_S)

    def _located(self, matched: Matched) -> LocatedFrame | Rejection:
        """The frame of a request, with what topics and TF tell of its image."""
        if self._intake is None:
            return Rejection(Reason.NOT_ACTIVE, "the node was deactivated")
        return self._intake.located(matched)


def main(
    args: Sequence[str] | None = None,
    *,
    make_estimator: MakeEstimator | None = None,
    make_tracker: MakeTracker = Tracker,
) -> None:
    """Run the node until it is stopped; arguments as of `EstimatorNode` and `rclpy.init`.

    Raises:
        SystemExit: it could not start; the reason is logged.

    The process ends with code 70 where a new one is needed.
    """

    def make_node() -> EstimatorNode:
        return EstimatorNode(
            make_estimator=make_estimator, make_tracker=make_tracker, end_process=end_for_respawn
        )

    keep_heap()
    # The worker gives the interpreter away at each of a frame's thousand operations; by default it
    # would wait up to 5 ms for it each time that this thread handles a message.
    sys.setswitchinterval(_SWITCH_S)
    run_program("genpose", make_node, spin_through_errors, args)


def _described(error: BaseException) -> str:
    """An error's type, text and place."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({where[0].name}, line {where[0].lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"


def _failure(result: PublishedFrame | Rejection | Drop) -> str:
    """What a frame tells of a network that gives no numbers; empty: nothing."""
    if not isinstance(result, PublishedFrame) or any(item.seen for item in result.objects):
        return ""
    count = sum(rejection.reason is Reason.NOT_FINITE for rejection in result.rejections)
    return f"the network gave no finite pose for {counted(count, 'object')}" if count else ""


def _free_memory() -> None:
    """Give back what PyTorch keeps of what nothing refers to."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _spare_threads() -> int:
    """As many as PyTorch would take, but for one core.

    Its threads wait for each other by spinning: where another program takes a core from one of
    them, they all stand still.
    """
    return max(min(torch.get_num_threads(), usable_cores() - 1), 1)


if __name__ == "__main__":
    main()
