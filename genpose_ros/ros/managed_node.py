# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Managed node: what its states need, transitions that fail with a sentence, and autostart."""

from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

__all__ = ["ManagedNode"]


class ManagedNode(LifecycleNode):
    """Lifecycle node whose subclass says what to do on the way between its states.

    A transition that raises is logged and fails: its state stays what it was. One that is not
    possible in the present state is refused before rclpy sees it, which up to Kilted raises out of
    its spin, and of which rcl logs two lines of its own.

    Args:
        node_name: name of the node.
        node_options: passed on to `rclpy.node.Node`.
    """

    def __init__(self, node_name: str, **node_options: Any) -> None:
        super().__init__(node_name, **node_options)
        self._failure: Exception | None = None
        self._state = "unconfigured"
        service = self._service_change_state
        service.callback = self._answer_or_refuse(service.callback)

    def configure(self) -> None:
        """Acquire what the node works with."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working; what was acquired is kept."""

    def clean_up(self) -> None:
        """Free what was acquired."""

    @property
    def state(self) -> str:
        """The present state: unconfigured, inactive, active or finalized."""
        return self._state

    @property
    def is_active(self) -> bool:
        """Whether it works."""
        return self._state == "active"

    def start(self) -> None:
        """Configure and activate.

        Raises:
            Exception: whatever one of them raised.
        """
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() is not TransitionCallbackReturn.SUCCESS and self._failure is not None:
                raise self._failure

    def on_configure(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition from unconfigured to inactive."""
        return self._passes("cannot configure", "inactive", self.configure, self.clean_up)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition from inactive to active."""
        super().on_activate(state)
        return self._passes("cannot activate", "active", self.activate, self.deactivate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition from active to inactive."""
        super().on_deactivate(state)
        return self._told(self._passes("cannot deactivate", "inactive", self.deactivate))

    def on_cleanup(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition from inactive to unconfigured."""
        return self._told(self._passes("cannot clean up", "unconfigured", self.clean_up))

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition from any state to finalized."""
        if state.state_id == State.PRIMARY_STATE_ACTIVE:
            self._passes("cannot deactivate", "inactive", self.deactivate)
        return self._passes("cannot shut down", "finalized", self.clean_up)

    def on_error(self, _state: LifecycleState) -> TransitionCallbackReturn:
        """Take the transition back to unconfigured after an error of rclpy itself."""
        return self._passes("cannot clean up", "unconfigured", self.clean_up)

    def _told(self, passed: TransitionCallbackReturn) -> TransitionCallbackReturn:
        """Say in the log what state a peer has brought the node to."""
        if passed is TransitionCallbackReturn.SUCCESS:
            self.get_logger().info(f"{self._state}: nothing is estimated until it is activated")
        return passed

    def _passes(
        self,
        failure: str,
        state: str,
        step: Callable[[], None],
        undo: Callable[[], None] | None = None,
    ) -> TransitionCallbackReturn:
        """Take a step to another state; where it raises, undo what it has done so far."""
        try:
            step()
        except Exception as error:  # of whatever kind: a transition must not end the node
            self._failure = error
            self.get_logger().error(f"{failure}: {' '.join(str(error).split())}")
            if undo is not None:
                undo()
            return TransitionCallbackReturn.FAILURE
        self._state = state
        return TransitionCallbackReturn.SUCCESS

    def _answer_or_refuse(
        self, answer: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]
    ) -> Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response]:
        """The answer to a peer that wants another state; a refusal where it cannot be."""

        def answer_or_refuse(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            wanted = request.transition
            # As rclpy reads it: a label counts before a number.
            possible = {
                label if wanted.label else number
                for number, label, *_ in self._state_machine.available_transitions
            }
            if (wanted.label or wanted.id) in possible:
                return answer(request, response)
            name = wanted.label[:32] or wanted.id
            self.get_logger().warning(f"there is no transition {name} from {self._state}")
            response.success = False
            return response

        return answer_or_refuse
