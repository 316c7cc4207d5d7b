# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node as a managed node: its states, as `ros2 lifecycle` and Nav2 see and change them."""

import threading

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetState
from node_rig import INPUTS, NodeRig
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from std_srvs.srv import SetBool, Trigger

from genpose_ros.msg import CategoryArray
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros

CONFIGURE, CLEAN_UP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


class Rig(NodeRig):
    """The node without autostart, and a peer that manages it."""

    def __init__(self, ros, benches, **parameters):
        super().__init__(ros, benches, **{"autostart": False, **parameters})

    def change(self, transition):
        """Ask for a transition by its number; returns whether it was taken."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, "change_state", request).success

    @property
    def state(self):
        label = self.call(GetState, "get_state", GetState.Request()).current_state.label
        assert label == self.node.state
        return label

    def answer(self):
        stamp = self.camera.send()
        assert self.bench.spin_until(lambda: stamps(self.objects)[-1:] == [stamp])
        return self.objects[-1]

    def subscribers(self):
        return [self.node.count_subscribers(f"/{name}") for name in INPUTS]


def stamps(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


@pytest.fixture
def rig(ros, benches):
    return Rig(ros, benches)


def test_each_state_has_what_it_needs_and_gives_it_back(rig):
    assert (rig.state, rig.made, rig.subscribers()) == ("unconfigured", [], [0, 0, 0])
    assert rig.change(CONFIGURE)
    assert (rig.state, len(rig.made), rig.subscribers()) == ("inactive", 1, [0, 0, 0])
    assert rig.change(ACTIVATE)
    rig.connect()
    assert len(rig.answer().objects) == 2
    assert rig.change(DEACTIVATE)
    assert rig.state == "inactive"
    assert rig.bench.spin_until(lambda: rig.subscribers() == [0, 0, 0])
    assert rig.change(ACTIVATE)
    rig.connect()
    assert len(rig.answer().objects) == 2
    assert rig.change(DEACTIVATE)
    assert rig.change(CLEAN_UP)
    assert (rig.state, len(rig.made)) == ("unconfigured", 1)
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    assert (len(rig.answer().objects), len(rig.made)) == (2, 2)


def test_with_autostart_it_works_at_once(ros, benches):
    rig = Rig(ros, benches, autostart=True)
    assert rig.state == "active"
    rig.connect()
    assert len(rig.answer().objects) == 2


def test_the_worker_warms_up_what_was_configured(rig, monkeypatch):
    warmed = []

    def warm_up(estimator):
        warmed.append((estimator, threading.current_thread().name))

    monkeypatch.setattr(rig.ros.FakeEstimator, "warm_up", warm_up)
    for count in (1, 2):
        assert rig.change(CONFIGURE)
        assert rig.bench.spin_until(lambda: len(warmed) == count)  # noqa: B023
        assert rig.change(CLEAN_UP)
    assert warmed == [(estimator, "estimator") for estimator in rig.made]


def test_weights_that_cannot_be_read_leave_it_unconfigured_with_a_sentence(rig):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"error": staticmethod(lines.append)})
    rig.error = FileNotFoundError("there is no checkpoint at\n/nowhere.safetensors")
    assert not rig.change(CONFIGURE)
    assert rig.state == "unconfigured"
    assert lines == ["cannot configure: there is no checkpoint at /nowhere.safetensors"]
    del rig.node.get_logger
    rig.error = None
    assert rig.change(CONFIGURE)


def test_with_autostart_weights_that_cannot_be_read_end_the_program(ros, benches):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        EstimatorNode(
            context=benches(lambda: None).context,
            parameter_overrides=ros.overrides(weights="/nowhere.safetensors"),
        )


@pytest.mark.parametrize(
    "transition",
    [
        Transition(id=ACTIVATE),
        Transition(id=DEACTIVATE),
        Transition(id=99),
        Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN),
        Transition(label="on_activate_success"),
        Transition(label="x" * 1000),
    ],
    ids=lambda t: f"{t.id} {t.label[:10]}",
)
def test_a_transition_that_is_not_possible_is_refused_with_one_line(rig, transition, capfd):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"warning": staticmethod(lines.append)})
    request = ChangeState.Request(transition=transition)
    assert not rig.call(ChangeState, "change_state", request).success
    del rig.node.get_logger
    name = transition.label[:32] or transition.id
    assert lines == [f"there is no transition {name} from unconfigured"]
    assert "rcl" not in capfd.readouterr().err  # which would tell it again
    assert rig.state == "unconfigured"
    assert rig.change(CONFIGURE)


def test_the_log_says_that_it_was_brought_to_a_stop(rig):
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"info": staticmethod(lines.append)})
    assert rig.change(DEACTIVATE)
    assert rig.change(CLEAN_UP)
    assert [line for line in lines if line != "ready"] == [  # which it may be by then
        f"{state}: nothing is estimated until it is activated"
        for state in ("inactive", "unconfigured")
    ]


def test_it_is_ready_once_it_is_active_and_warm(rig):
    lines = []
    rig.node.get_logger = lambda: type("Log", (), {"info": staticmethod(lines.append)})
    assert rig.change(CONFIGURE)
    rig.bench.spin_for(0.3)
    assert lines == []
    assert rig.change(ACTIVATE)
    assert rig.bench.spin_until(lambda: lines == ["ready"])


def test_a_frame_of_before_is_not_kept_after_a_clean_up(ros, benches, tmp_path):
    rig = Rig(ros, benches, dump__folder=str(tmp_path))
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    rig.answer()
    assert rig.change(DEACTIVATE)
    assert rig.call(Trigger, "dump_frame", Trigger.Request()).success
    assert rig.change(CLEAN_UP)
    answer = rig.call(Trigger, "dump_frame", Trigger.Request())
    assert (answer.success, answer.message) == (
        False,
        "no frame with masks has been processed yet",
    )


def test_odd_parameters_from_a_peer_change_nothing(rig):
    values = [ParameterValue(type=kind) for kind in (0, 1, 4)]
    request = SetParameters.Request(
        parameters=[ParameterMessage(name="sync.slop_s", value=value) for value in values]
    )
    results = rig.call(SetParameters, "set_parameters", request).results
    assert [result.successful for result in results] == [False] * 3
    assert rig.change(CONFIGURE)


def test_nothing_is_published_of_a_frame_in_hand_when_it_is_deactivated(rig):
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    rig.made[0].delay_s = 0.5
    rig.camera.send()
    rig.camera.send()
    assert rig.bench.spin_until(lambda: rig.node.account.received == 2)
    assert rig.change(DEACTIVATE)
    rig.bench.spin_for(1.2)
    assert rig.objects == []


def test_a_bag_that_is_played_again_while_it_was_inactive_is_tracked(ros, benches):
    rig = Rig(ros, benches, mode="track")
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    assert rig.answer().objects
    assert rig.change(DEACTIVATE)
    rig.camera.stamp_ns -= 10 * 10**9
    assert rig.change(ACTIVATE)
    rig.connect()
    assert rig.answer().objects


def test_services_answer_in_every_state(rig):
    assert rig.call(Trigger, "reset_tracks", Trigger.Request()).success
    answer = rig.call(SetBool, "enable", SetBool.Request(data=False))
    assert answer.message == "images are ignored once the node is active; it is unconfigured"
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    rig.camera.send()
    rig.bench.spin_for(0.5)
    assert rig.objects == []
    assert rig.call(SetBool, "enable", SetBool.Request(data=True)).success
    assert rig.answer().objects


def test_parameters_that_are_set_before_it_is_configured_hold(rig):
    value = ParameterValue(type=4, string_value="can")
    parameters = [ParameterMessage(name="segmentation.default_category", value=value)]
    request = SetParameters.Request(parameters=parameters)
    assert rig.call(SetParameters, "set_parameters", request).results[0].successful
    assert rig.change(CONFIGURE)
    assert rig.change(ACTIVATE)
    rig.connect()
    assert [item.class_name for item in rig.answer().objects] == ["can", "can"]


@pytest.mark.parametrize(
    "before", [[], [CONFIGURE], [CONFIGURE, ACTIVATE]], ids=["unconfigured", "inactive", "active"]
)
def test_it_can_be_shut_down_in_every_state(rig, before):
    for transition in before:
        assert rig.change(transition)
    request = ChangeState.Request(transition=Transition(label="shutdown"))
    assert rig.call(ChangeState, "change_state", request).success
    assert rig.state == "finalized"
    assert rig.bench.spin_until(lambda: rig.subscribers() == [0, 0, 0])


def test_managers_and_diagnostics_see_the_changes(rig):
    events = rig.bench.collect(TransitionEvent, "/genpose/transition_event")
    told = rig.bench.collect(CategoryArray, "/genpose/categories")
    states = rig.bench.collect(DiagnosticArray, "/diagnostics")
    rig.bench.spin_for(0.5)
    assert rig.change(CONFIGURE)
    assert rig.bench.spin_until(lambda: told and len(events) >= 2)
    assert [e.goal_state.label for e in events[:2]] == ["configuring", "inactive"]

    def message():
        named = {s.name: s.message for m in states[-1:] for s in m.status}
        return named.get("genpose: estimator", "")

    assert rig.bench.spin_until(lambda: message() == "the node is inactive")
    assert rig.change(ACTIVATE)
    assert rig.bench.spin_until(lambda: message().endswith("frames per second"))
