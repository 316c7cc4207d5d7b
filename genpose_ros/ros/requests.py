# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Service and action of the node for callers who ask for frames instead of subscribing."""

from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Duration, Time
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from genpose_ros.action import EstimateFrames
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.builders import posed_objects
from genpose_ros.ros.estimate_mode import Estimating
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.outputs import objects_message
from genpose_ros.ros.request_images import has_images, matched_images
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.waiting_callers import Answer, Caller, WaitingCallers
from genpose_ros.srv import EstimatePoses

__all__ = ["Requests"]

_USUAL_TIMEOUT_S = 10.0
_LONGEST_TIMEOUT_S = 600.0
_MOST_FRAMES = 100
#: How long the result of a goal is kept for its client, seconds.
_KEPT_S = 60
#: How often callers who have waited too long are looked for, seconds.
_EXPIRE_S = 0.05


class Requests:
    """Service `~/estimate_poses` and action `~/estimate_frames`.

    Both wait in a coroutine, which keeps no thread; the worker estimates, as it does for topics.

    Args:
        node: offers them.
        newest: gives epoch and stamp in nanoseconds of the newest depth image; None for the stamp:
            there is none.
        refused: gives why no frame can be estimated now; None: it can.
        silent: gives what does not arrive, as a sentence; empty: nothing is missing.
        locate: gives a frame of a request with what else is known of its image, or why it cannot be
            estimated.
        work: lets the worker take a step, after those that it has been given.
        processing: gives the mode that estimates; None: there is none any more.
    """

    def __init__(
        self,
        node: Node,
        *,
        newest: Callable[[], tuple[int, int | None]],
        refused: Callable[[], Rejection | None],
        silent: Callable[[], str],
        locate: Callable[[Matched], LocatedFrame | Rejection],
        work: Callable[[Callable[[], None]], None],
        processing: Callable[[], Estimating | Tracking | None],
    ) -> None:
        self._newest, self._refused, self._silent = newest, refused, silent
        self._locate, self._work, self._processing = locate, work, processing
        # Wakes the executor, so that it goes on with the coroutine of who was answered.
        self._answered = node.create_guard_condition(lambda: None)
        self.callers = WaitingCallers(self._answered.trigger)
        self._goals: dict[bytes, Caller] = {}
        # A coroutine that waits must not keep other requests out.
        group = ReentrantCallbackGroup()
        node.create_service(
            EstimatePoses, "~/estimate_poses", self._on_request, callback_group=group
        )
        self._action = ActionServer(
            node,
            EstimateFrames,
            "~/estimate_frames",
            self._on_goal,
            cancel_callback=self._on_cancel,
            callback_group=group,
            result_timeout=_KEPT_S,
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(_EXPIRE_S, lambda: self.callers.expire(self._silent), clock=steady)

    def close(self) -> None:
        """Offer the action no more; the node destroys the rest."""
        self._action.destroy()

    async def _on_request(
        self, request: EstimatePoses.Request, response: EstimatePoses.Response
    ) -> EstimatePoses.Response:
        if has_images(request):
            answer = await self._of_images(request)
        else:
            answer = await self._of_frames(1, request.timeout, request.not_before)
        _fill(response, answer)
        if answer.frames:
            response.objects = answer.frames[0]
        return response

    async def _on_goal(self, goal: Any) -> EstimateFrames.Result:
        key, request = bytes(goal.goal_id.uuid), goal.request

        def feed_back(count: int, objects: ObjectPoseArray) -> None:
            goal.publish_feedback(EstimateFrames.Feedback(count=count, objects=objects))

        answer = await self._of_frames(
            request.frames or 1, request.timeout, request.not_before, feed_back, key
        )
        self._goals.pop(key, None)
        if goal.is_cancel_requested:
            goal.canceled()
        elif answer.rejection is None:
            goal.succeed()
        else:
            goal.abort()
        result = EstimateFrames.Result(frames=list(answer.frames))
        _fill(result, answer)
        return result

    def _on_cancel(self, goal: Any) -> CancelResponse:
        caller = self._goals.get(bytes(goal.goal_id.uuid))
        if caller is not None:
            detail = f"cancelled after {len(caller.frames)} of {caller.count} frames"
            self.callers.end(Rejection(Reason.REQUEST_CANCELLED, detail), caller)
        return CancelResponse.ACCEPT

    async def _of_frames(
        self,
        count: int,
        timeout: Duration,
        not_before: Time,
        on_frame: Callable[[int, ObjectPoseArray], None] = lambda _count, _frame: None,
        key: bytes = b"",
    ) -> Answer:
        """Wait for the next frames."""
        timeout_s = _seconds(timeout)
        wrong = _wrong(count, timeout_s)
        refused = wrong or self._refused()
        if refused is not None:
            return Answer(rejection=refused)
        epoch, newest_ns = self._newest()
        not_before_ns = not_before.sec * 1_000_000_000 + not_before.nanosec
        caller = Caller(
            count,
            timeout_s,
            epoch=epoch,
            after_ns=newest_ns,
            not_before_ns=not_before_ns,
            on_frame=on_frame,
        )
        if key:
            self._goals[key] = caller
        self.callers.add(caller)
        answer: Answer = await caller.answered
        return answer

    async def _of_images(self, request: EstimatePoses.Request) -> Answer:
        """Wait for the estimate of the request's own images."""
        timeout_s = _seconds(request.timeout)
        refused = _wrong(1, timeout_s) or self._refused()
        located = refused or self._read(request)
        if isinstance(located, Rejection):
            return Answer(rejection=located)
        caller = Caller(1, timeout_s, alone=True)
        self.callers.add(caller)
        if not caller.answered.done():
            self._work(lambda: self._estimate(located, caller))
        answer: Answer = await caller.answered
        return answer

    def _read(self, request: EstimatePoses.Request) -> LocatedFrame | Rejection:
        """The frame of a request; whatever is wrong with it must not leave it without an answer."""
        try:
            matched = matched_images(request)
            return matched if isinstance(matched, Rejection) else self._locate(matched)
        except Exception as error:
            return Rejection(Reason.BAD_REQUEST, f"{type(error).__name__}: {error}")

    def _estimate(self, located: LocatedFrame, caller: Caller) -> None:
        """Estimate a frame by itself, for a caller alone; runs in the worker."""
        processing = self._processing()
        if caller.answered.done() or processing is None:
            return
        try:
            result = processing.estimate(located)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            self.callers.hand(caller, Rejection(Reason.INTERNAL_ERROR, detail))
            raise
        if not isinstance(result, Rejection):
            result = objects_message(result, posed_objects(result.objects, result.T_out_cam))
        self.callers.hand(caller, result)


def _fill(reply: Any, answer: Answer) -> None:
    """Tell in a response or result whether there is an answer, and why not."""
    reply.success = answer.rejection is None
    if answer.rejection is not None:
        reply.reason, reply.message = answer.rejection.reason.value, answer.rejection.detail


def _wrong(count: int, timeout_s: float) -> Rejection | None:
    """What is wrong with a request; None: nothing."""
    if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        detail = f"timeout must be above 0 and at most {_LONGEST_TIMEOUT_S:g} s, got {timeout_s:g}"
        return Rejection(Reason.BAD_REQUEST, detail)
    if count > _MOST_FRAMES:
        detail = f"frames must be at most {_MOST_FRAMES}, got {count}"
        return Rejection(Reason.BAD_REQUEST, detail)
    return None


def _seconds(timeout: Duration) -> float:
    return float(timeout.sec + timeout.nanosec / 1e9) or _USUAL_TIMEOUT_S
