# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Diagnostic states of the node as a whole: which parts report, by mode and state."""

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.ros.accounting import FrameAccount
from genpose_ros.ros.intake import Intake
from genpose_ros.ros.parameters import Parameters
from genpose_ros.ros.rejection_log import RejectionLog
from genpose_ros.ros.statuses import (
    AccountStatus,
    ChangesStatus,
    EstimatorStatus,
    InputStatus,
    LastFrames,
    RejectionStatus,
    TrackingStatus,
    TransformStatus,
    UpStatus,
)
from genpose_ros.ros.supervisor import Supervisor, WorkerStatus
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.worker import Worker

__all__ = ["NodeStatuses"]

_Part = Callable[[], DiagnosticStatus]


class NodeStatuses:
    """Parts of the node that report, those of the topics while it is active.

    Attributes:
        last: the last frames that were published.

    Args:
        parameters: of the node.
        account: of its frames.
        rejections: why frames were refused.
        supervisor: of its worker.
        worker: the worker itself.
        state: gives the node's state.
    """

    def __init__(
        self,
        parameters: Parameters,
        account: FrameAccount,
        rejections: RejectionLog,
        supervisor: Supervisor,
        worker: Worker,
        state: Callable[[], str],
    ) -> None:
        self._parameters, self._supervisor, self._state = parameters, supervisor, state
        self._constant: tuple[_Part, ...] = (
            RejectionStatus(rejections),
            WorkerStatus(supervisor, worker),
            AccountStatus(account),
            ChangesStatus(parameters),
        )
        self._of_topics: list[_Part] = []
        self.last = LastFrames()
        self.describe({})

    def __call__(self) -> list[DiagnosticStatus]:
        """Return the states of all parts."""
        parts: tuple[_Part, ...] = (*self._of_topics, self._estimator, *self._constant)
        return [part() for part in parts]

    def describe(self, about: Mapping[str, str]) -> None:
        """Take what there is to say of an estimator that was loaded or freed."""
        settings = self._parameters.current
        own = {"mode": settings.node.mode, "preset": self._parameters.preset}
        self._estimator = EstimatorStatus({**own, **about}, self.last, state=self._state)

    def forget_frames(self) -> None:
        """Begin anew with the frames that were published."""
        self.last = LastFrames()

    def open(self, intake: Intake, tracking: Tracking | None) -> None:
        """Report on the topics of an active node too, and on its tracks."""
        self._of_topics = [InputStatus(intake.inputs, self._timeout_s), UpStatus(intake.up)]
        if tracking is not None:
            self._of_topics.append(TrackingStatus(tracking, self._since_result_s))
        if intake.queue is not None:
            self._of_topics.append(TransformStatus(intake.queue))

    def close(self) -> None:
        """Report on no topics any more."""
        self._of_topics = []

    def _timeout_s(self) -> float:
        return self._parameters.current.node.input_timeout_s

    def _since_result_s(self) -> float:
        return self._supervisor.since_result_s
