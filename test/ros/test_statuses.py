# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import resource
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.ros.accounting import Drop, FrameAccount
from genpose_ros.ros.frozen_depth import FrozenDepth
from genpose_ros.ros.input_watchdog import InputWatchdog
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
from genpose_ros.ros.transform_queue import TransformQueue
from genpose_ros.tracking.tracks import TrackState

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def clock():
    return [0.0]


def values(state) -> dict[str, str]:
    return {item.key: item.value for item in state.values}


class TestInputStatus:
    @pytest.fixture
    def inputs(self, clock):
        names = {"depth": "/depth", "masks": "/masks", "mask_detections": "/detections"}
        watchdog = InputWatchdog(
            names.values(), lambda _: 1, ["/detections"], clock=lambda: clock[0]
        )
        return SimpleNamespace(
            enabled=True,
            topic_names=names,
            watchdog=watchdog,
            matched=0,
            frozen=FrozenDepth(),
            held_bytes=1_200_000,
            let_go=3,
        )

    @pytest.fixture
    def status(self, inputs, clock):
        return InputStatus(inputs, lambda: 5.0, clock=lambda: clock[0])

    def test_rates_ages_and_matches_are_those_since_the_last_time(self, status, inputs, clock):
        for passed_s in (1.0, 2.0):
            clock[0] += passed_s - 0.25
            for _ in range(30):
                inputs.watchdog.note_message("/depth", 0)
            for _ in range(5):
                inputs.watchdog.note_message("/masks", 0)
            inputs.matched += 4
            clock[0] += 0.25
            state = status()
            assert values(state) == {
                "/depth rate, Hz": f"{30 / passed_s:.1f}",
                "/depth age, s": "0.25",
                "/masks rate, Hz": f"{5 / passed_s:.1f}",
                "/masks age, s": "0.25",
                "/detections rate, Hz": "0.0",
                "/detections age, s": "none",
                "matches per second": f"{4 / passed_s:.1f}",
                "masks matched, %": "80",
                "depth images in a row that are the same": "1",
                "enabled": "True",
                "held for masks, MB": "1.2",
                "depth images let go for limits.held_mb": "3",
            }
            assert (state.level, state.message) == (OK, "messages come on all inputs")

    def test_an_input_that_is_silent_is_a_warning_and_an_optional_one_is_not(
        self, status, inputs, clock
    ):
        clock[0] = 4.0
        inputs.watchdog.note_message("/depth", 0)
        clock[0] = 6.0
        state = status()
        assert (state.level, state.message) == (WARN, "nothing on /masks for 6.0 s (1 publisher)")
        assert values(state)["masks matched, %"] == "none"

    def test_an_input_that_pauses_is_named_within_two_seconds_before_it_counts_as_silent(
        self, status, inputs, clock
    ):
        for at_s in (0.0, 0.5, 1.0, 1.5):
            clock[0] = at_s
            inputs.watchdog.note_message("/depth", 0)
            if at_s < 0.7:
                inputs.watchdog.note_message("/masks", 0)
        state = status()
        assert (state.level, state.message) == (OK, "nothing on /masks for 1.0 s (1 publisher)")

    def test_an_input_that_came_regularly_and_broke_off_is_an_error_within_a_second(
        self, status, inputs, clock
    ):
        for _ in range(10):
            clock[0] += 0.1
            for topic in ("/depth", "/masks"):
                inputs.watchdog.note_message(topic, 0)
        for _ in range(10):
            clock[0] += 0.1
            inputs.watchdog.note_message("/depth", 0)
        state = status()
        assert (state.level, state.message) == (ERROR, "nothing on /masks for 1.0 s (1 publisher)")
        inputs.watchdog.note_message("/masks", 0)
        assert status().level == OK

    def test_an_input_that_is_slow_by_itself_is_no_error(self, status, inputs, clock):
        for _ in range(10):
            clock[0] += 1.5
            for topic in ("/depth", "/masks"):
                inputs.watchdog.note_message(topic, 0)
        clock[0] += 4.0
        assert status().level == OK
        clock[0] += 0.6
        assert status().level == ERROR

    @pytest.mark.parametrize("topic", ["instance_masks", "mask_array", "yolo", "mask_detections"])
    def test_masks_of_every_source_are_counted(self, inputs, clock, topic):
        inputs.topic_names = {"depth": "/depth", topic: "/masks"}
        status = InputStatus(inputs, lambda: 5.0, clock=lambda: clock[0])
        for _ in range(4):
            inputs.watchdog.note_message("/masks", 0)
        inputs.matched += 3
        assert values(status())["masks matched, %"] == "75"

    def test_depth_that_does_not_change_is_a_warning(self, status, inputs):
        for stamp in range(12):
            inputs.frozen.note(stamp, np.ones((48, 64), dtype=np.uint16))
            for topic in ("/depth", "/masks"):
                inputs.watchdog.note_message(topic, stamp)
        state = status()
        assert (state.level, values(state)["depth images in a row that are the same"]) == (
            WARN,
            "12",
        )
        assert state.message.startswith("the last 12 depth images are the same, byte for byte")

    def test_inputs_without_any_message_yet_are_named_before_they_count_as_silent(
        self, status, inputs, clock
    ):
        inputs.watchdog.note_message("/masks", 0)
        clock[0] = 1.0
        state = status()
        assert (state.level, state.message) == (OK, "nothing has come on /depth yet")

    def test_without_a_timeout_inputs_without_any_message_are_named_all_the_time(
        self, inputs, clock
    ):
        status = InputStatus(inputs, lambda: 0.0, clock=lambda: clock[0])
        clock[0] = 1000.0
        assert status().message == "nothing has come on /depth, /masks yet"

    def test_a_node_that_is_not_enabled_says_so(self, status, inputs):
        inputs.enabled = False
        assert status().message.startswith("images are ignored (~/enable)")


class TestRejectionStatus:
    def test_reasons_are_counted_and_new_frames_are_a_warning(self, clock):
        log = RejectionLog(lambda _: None)
        status = RejectionStatus(log, clock=lambda: clock[0])
        assert (status().message, status().level) == ("nothing is rejected", OK)
        for number in range(3):
            log.add(Rejection(Reason.TOO_FEW_POINTS, "3 points", number))
        clock[0] = 1.0
        state = status()
        assert state.level == OK
        assert state.message == "in 1 s 3 rejected, 0 whole frames: 3 too_few_points"
        log.add(Rejection(Reason.BAD_ENCODING, "rgb8"))
        clock[0] = 3.0
        state = status()
        assert state.level == WARN
        assert state.message == "in 2 s 1 rejected, 1 whole frames: 1 bad_encoding"
        assert values(state) == {"bad_encoding": "1", "too_few_points": "3"}
        assert status().level == OK


class TestAccountStatus:
    def test_the_message_tells_the_last_second_and_the_values_tell_all(self, clock):
        account = FrameAccount()
        status = AccountStatus(account, clock=lambda: clock[0])
        for _ in range(9):
            account.receive()
        account.settle(None, 5)
        clock[0] = 1.0
        assert status().message == "in 1 s 9 frames came in, answered: 5"
        account.settle(Drop.NEWER_FRAME, 2)
        account.settle(Reason.NO_TRANSFORM)
        clock[0] = 2.0
        state = status()
        assert state.level == OK
        assert state.message == (
            "in 1 s 0 frames came in, answered: 0, 3 dropped: 2 newer_frame, 1 no_transform"
        )
        assert values(state) == {
            "received": "9",
            "answered": "5",
            "waiting": "1",
            "dropped, newer_frame": "2",
            "dropped, no_transform": "1",
        }


class TestChangesStatus:
    @pytest.mark.parametrize(
        ("changes", "locked", "message"),
        [
            ({}, False, "as at the start"),
            ({"publish_tf": "True -> False"}, False, "changed since the start: publish_tf"),
            ({}, True, "locked, as at the start"),
        ],
    )
    def test_what_was_changed_since_the_start_is_told(self, changes, locked, message):
        current = SimpleNamespace(node=SimpleNamespace(lock_parameters=locked))
        state = ChangesStatus(SimpleNamespace(changes=changes, current=current))()
        assert (state.level, state.message) == (OK, message)
        assert values(state) == {"locked": str(locked), **changes}


class TestEstimatorStatus:
    def test_the_state_has_the_device_and_the_times_of_the_last_frame(self, clock):
        last = LastFrames()
        about = {"device": "cpu", "checkpoint": "a.safetensors"}
        status = EstimatorStatus(about, last, clock=lambda: clock[0])
        assert status().message == "warming up"
        last.ready = True
        for ms in range(30):
            last.note({"encode": ms + 0.34})
        clock[0] = 2.0
        state = status()
        assert (state.level, state.message) == (OK, "15.0 frames per second")
        found = values(state)
        assert float(found.pop("resident memory, MB")) > 10
        assert found == {
            **about,
            "state": "active",
            "frames published per second": "15.0",
            "encode p50, ms": "14.3",
            "encode p95, ms": "28.3",
        }

    def test_a_process_without_file_descriptors_still_has_a_status(self, clock):
        status = EstimatorStatus({}, LastFrames(ready=True), clock=lambda: clock[0])
        clock[0] = 1.0
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most[1]))
        try:
            state = status()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
        assert state.level == OK
        assert values(state)["resident memory, MB"] == "not known: Too many open files"

    def test_what_is_lowered_to_keep_the_latency_is_told(self, clock):
        last = LastFrames(ready=True)
        status = EstimatorStatus({}, last, clock=lambda: clock[0])
        last.note({}, "one view of each cloud")
        clock[0] = 2.0
        state = status()
        assert state.message.endswith(
            "frames per second, of one view of each cloud (sampling.max_latency_ms)"
        )
        key = "lowered to keep sampling.max_latency_ms"
        assert values(state)[key] == "one view of each cloud"
        last.note({})
        assert key not in values(status())


class TestUpStatus:
    def test_source_age_and_what_the_imu_lacks_are_told(self, clock):
        sources = SimpleNamespace(
            source="imu", last=None, last_s=None, asks_imu=True, imu_problem="nothing was heard"
        )
        status = UpStatus(sources, clock=lambda: clock[0])
        state = status()
        assert (state.level, state.message) == (WARN, "not known: nothing was heard")
        assert values(state) == {
            "up_source": "imu",
            "last source": "none",
            "age, s": "none",
            "imu": "nothing was heard",
        }
        sources.last = UpDirection(np.array([0.0, -1, 0]), 0.02, level_m=-0.3, source="imu")
        sources.last_s, sources.imu_problem, clock[0] = 5.0, "", 5.5
        state = status()
        assert (state.level, state.message) == (OK, "known from imu")
        assert values(state) == {
            "up_source": "imu",
            "last source": "imu",
            "age, s": "0.50",
            "tilt, standard deviation, degrees": "1.15",
            "support": "known",
            "imu": "told the direction of the last image",
        }

    def test_an_imu_that_is_not_there_is_no_warning_where_a_plane_does(self, clock):
        plane = UpDirection(np.array([0.0, -1, 0]), 0.02, level_m=-0.3, source="plane")
        sources = SimpleNamespace(
            source="auto", last=plane, last_s=0.0, asks_imu=True, imu_problem="nothing was heard"
        )
        state = UpStatus(sources, clock=lambda: clock[0])()
        assert (state.level, state.message) == (OK, "known from plane")

    @pytest.mark.parametrize("source", [None, "tf"])
    def test_an_imu_that_was_not_asked_told_nothing(self, clock, source):
        up = source and UpDirection(np.array([0.0, -1, 0]), 0.02, source=source)
        sources = SimpleNamespace(
            source="auto", last=up, last_s=None, asks_imu=True, imu_problem=""
        )
        assert values(UpStatus(sources, clock=lambda: clock[0])())["imu"] == "was not asked"


class TestTrackingStatus:
    @pytest.fixture
    def tracking(self):
        states = (TrackState.CONFIRMED, TrackState.CONFIRMED, TrackState.COASTING)
        return SimpleNamespace(
            tracks=tuple(SimpleNamespace(state=state) for state in states),
            frames=Counter(),
        )

    def test_tracks_are_counted_by_state_and_rates_are_those_since_the_last_time(
        self, tracking, clock
    ):
        status = TrackingStatus(tracking, lambda: 0.0, clock=lambda: clock[0])
        for passed_s in (1.0, 2.0):
            clock[0] += passed_s
            tracking.frames.update(masks=10, depth_only=50)
            state = status()
            assert values(state)["frames with masks per second"] == f"{10 / passed_s:.1f}"
            assert values(state)["depth images without masks per second"] == f"{50 / passed_s:.1f}"
        assert state.level == OK
        assert state.message == "2 of 3 tracks are confirmed"
        found = values(state)
        assert (found["new"], found["confirmed"], found["coasting"], found["lost"]) == (
            "0", "2", "1", "0"
        )  # fmt: skip

    def test_tracks_that_nothing_was_heard_of_are_a_warning(self, tracking):
        state = TrackingStatus(tracking, lambda: 3.25)()
        assert state.level == WARN
        assert state.message == "nothing was tracked for 3.2 s; before, 2 of 3 tracks are confirmed"
        tracking.tracks = ()
        assert TrackingStatus(tracking, lambda: 3.25)().level == OK


class TestTransformStatus:
    def test_frames_without_a_transform_are_a_warning_until_there_are_none(self, clock):
        queue = transform_queue()
        status = TransformStatus(queue, clock=lambda: clock[0])
        queue.found, queue.refused, queue.problem = 20, 10, "no world"
        state = status()
        assert state.level == WARN
        assert state.message == "the camera's pose was not known in 10 of 30 frames"
        assert values(state)["last transform"] == "no world"
        queue.found, queue.problem = 50, ""
        state = status()
        assert (state.level, state.message) == (OK, "the camera's pose is known")
        assert values(state) == {
            "frames of reference": "world, base",
            "frames located": "50",
            "frames without a transform": "10",
            "frames that wait": "0",
            "last transform": "found",
        }

    def test_waits_are_given_by_their_median_and_95th_percentile(self, clock):
        queue = transform_queue()
        queue.waits_ms.extend(range(101))
        found = values(TransformStatus(queue, clock=lambda: clock[0])())
        assert (found["wait p50, ms"], found["wait p95, ms"]) == ("50.0", "95.0")


def transform_queue():
    return TransformQueue(
        None, ("world", "base"), wait_s=lambda: 1.0, deliver=lambda _: None, refuse=lambda *_: None
    )
