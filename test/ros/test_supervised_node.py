# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node whose estimator fails, dies or hangs, in one process; `test/faults` has real ones."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_srvs.srv import Trigger

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros


class Rig:
    """The node with an estimator whose `fault` is called with each frame."""

    def __init__(self, ros, benches, **parameters):
        self.ros, self.ended = ros, []
        self.fault: Callable[[], Any] = lambda: None
        self.bench = benches(lambda: None)
        self.node = EstimatorNode(
            make_estimator=self.make_estimator,
            make_tracker=ros.FakeTracker,
            end_process=lambda: self.ended.append(time.monotonic()),
            context=self.bench.context,
            parameter_overrides=ros.overrides(
                segmentation__default_category="mug", input_timeout_s=0.0, **parameters
            ),
        )
        self.bench.node = self.node
        self.bench.executor.add_node(self.node)
        self.camera = ros.Camera(self.bench.peer)
        self.objects = self.bench.collect(ObjectPoseArray, "/genpose/objects")
        self.diagnostics = self.bench.collect(DiagnosticArray, "/diagnostics")
        topics = ("depth", "camera_info", "masks")
        assert self.bench.spin_until(lambda: self.camera.ready(*topics))
        assert self.bench.spin_until(
            lambda: (
                self.node.count_subscribers("/genpose/objects")
                and self.node.count_subscribers("/diagnostics")
            )
        )
        self.bench.spin_for(0.1)

    def make_estimator(self, settings):
        estimator = self.ros.FakeEstimator(settings)
        plain = estimator.estimate

        def estimate(frame):
            return self.fault() or plain(frame)

        estimator.estimate = estimate
        return estimator

    def answer(self):
        """Send frames until one is answered with what its masks told, and return that message.

        In mode track a depth image may be published by itself before its masks have come.
        """

        def about(stamp):
            return [m for m in self.objects if stamp_of(m) == stamp and told(m)]

        def told(message):
            shown = any(o.instance_id >= 0 for o in message.objects)
            return shown or message.rejections or not message.objects

        for _ in range(10):
            stamp = self.camera.send()
            if self.bench.spin_until(lambda stamp=stamp: about(stamp), 3.0):
                return about(stamp)[0]
        raise AssertionError("no frame was answered")

    def worker_state(self):
        """The newest level and message about the worker."""
        states = [s for m in self.diagnostics for s in m.status if s.name == "genpose: worker"]
        return (states[-1].level, states[-1].message) if states else (None, "")


def stamp_of(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def raising(error):
    def fault():
        raise error

    return fault


@pytest.fixture(params=["estimate", "track"])
def rig(request, ros, benches):
    return Rig(ros, benches, mode=request.param)


def test_an_error_is_told_on_the_topic_of_the_objects_and_is_an_error_until_the_next_good_frame(
    rig,
):
    assert rig.answer().objects
    rig.fault = raising(ValueError("injected"))
    message = rig.answer()
    assert [r.reason for r in message.rejections] == ["internal_error"]
    assert "ValueError: injected" in message.rejections[0].detail
    assert rig.bench.spin_until(lambda: rig.worker_state()[0] == DiagnosticStatus.ERROR)
    rig.fault = lambda: None
    assert rig.answer().objects
    assert rig.bench.spin_until(lambda: rig.worker_state()[0] == DiagnosticStatus.OK)
    assert rig.ended == []


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
    ],
)
def test_what_nothing_but_a_new_process_helps_against_ends_it(ros, benches, error):
    rig = Rig(ros, benches)
    rig.fault = raising(error)
    message = rig.answer()
    assert [r.reason for r in message.rejections] == ["internal_error"]
    assert rig.bench.spin_until(lambda: rig.worker_state()[0] == DiagnosticStatus.ERROR)
    assert type(error).__name__ in rig.worker_state()[1]
    assert rig.bench.spin_until(lambda: rig.ended)
    rig.bench.spin_for(0.5)
    assert len(rig.ended) == 1


def test_a_frame_that_hangs_is_an_error_then_the_end_and_blocks_no_service(ros, benches):
    rig = Rig(ros, benches, mode="track", hang_timeout_s=3.0)
    for _ in range(6):
        rig.answer()
    release = threading.Event()
    rig.fault = lambda: release.wait(30.0) and None
    begin = time.monotonic()
    rig.camera.send()
    assert rig.bench.spin_until(lambda: rig.worker_state()[0] == DiagnosticStatus.ERROR)
    assert "one frame has taken" in rig.worker_state()[1]
    assert time.monotonic() - begin < 2.9  # 1.2 s on a machine that does little else
    client = rig.bench.peer.create_client(Trigger, "/genpose/reset_tracks")
    assert client.wait_for_service(10.0)
    future = client.call_async(Trigger.Request())
    assert rig.bench.spin_until(future.done)
    assert future.result().message == "2 tracks cleared"
    assert rig.bench.spin_until(lambda: rig.ended)
    release.set()
    rig.fault = lambda: None
    assert {o.id for o in rig.answer().objects} == {"mug_3", "mug_7"}


def test_a_network_without_finite_numbers_is_an_error(ros, benches):
    rig = Rig(ros, benches)
    refused = tuple(Rejection(Reason.NOT_FINITE, "50 of 50 not finite", i) for i in (3, 7))
    rig.fault = lambda: FrameResult((), refused, {})
    rig.answer()
    assert rig.bench.spin_until(lambda: rig.worker_state()[0] == DiagnosticStatus.ERROR)
    assert "no finite pose for 2 objects" in rig.worker_state()[1]


def test_destroying_the_node_does_not_wait_for_the_estimate_in_hand(ros, benches):
    rig = Rig(ros, benches)
    begun = threading.Event()

    def steps():
        begun.set()
        for _ in range(3000):
            time.sleep(0.01)
            rig.node._processing._active.current[0].stop.check()

    rig.fault = steps
    rig.camera.send()
    assert rig.bench.spin_until(begun.is_set)
    begin = time.monotonic()
    rig.node.destroy_node()
    assert time.monotonic() - begin < 5.0
    rig.bench.node = None
    assert rig.node.rejections.counts == {}
