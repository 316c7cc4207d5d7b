# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rig of a node with fakes, a camera, and a peer that manages it and asks it."""

from collections.abc import Sequence
from typing import Any

from fake_estimator import FakeEstimator, FakeTracker

from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode

INPUTS = ("depth", "camera_info", "masks")


class NodeRig:
    """The node, whose estimators and trackers are fakes, and what talks to it.

    Attributes:
        made: the estimators that were asked for.
        trackers: the same of trackers.
        error: raised instead of making an estimator.
        objects: what came on ~/objects.
    """

    def __init__(self, ros: Any, benches: Any, **parameters: Any) -> None:
        values = {
            "segmentation__default_category": "mug",
            "input_timeout_s": 0.0,
            "input_reliability": "reliable",
            **parameters,
        }
        self.ros = ros
        self.made: list[FakeEstimator] = []
        self.trackers: list[FakeTracker] = []
        self.error: Exception | None = None
        self.bench = benches(lambda: None)
        self.node = EstimatorNode(
            make_estimator=self.make_estimator,
            make_tracker=self.make_tracker,
            context=self.bench.context,
            parameter_overrides=ros.overrides(**values),
        )
        self.bench.node = self.node
        self.bench.executor.add_node(self.node)
        self.camera = ros.Camera(self.bench.peer)
        self.objects = self.bench.collect(ObjectPoseArray, "/genpose/objects")
        for name in INPUTS:
            self.camera.publisher(name)

    def make_estimator(self, settings: Any) -> FakeEstimator:
        if self.error is not None:
            raise self.error
        self.made.append(FakeEstimator(settings))
        return self.made[-1]

    def make_tracker(self, estimator: Any, settings: Any) -> Any:
        self.trackers.append(FakeTracker(estimator, settings))
        return self.trackers[-1]

    def connect(self, inputs: Sequence[str] = INPUTS) -> None:
        """Wait until the node hears the camera, and is heard."""
        assert self.bench.spin_until(lambda: self.camera.ready(*inputs))
        assert self.bench.spin_until(lambda: self.node.count_subscribers("/genpose/objects"))
        self.bench.spin_for(0.1)

    def result(self, future: Any) -> Any:
        """The result of a future, once it is there."""
        assert self.bench.spin_until(future.done)
        return future.result()

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """The answer of one of the node's services."""
        client = self.bench.peer.create_client(kind, f"/genpose/{name}")
        assert self.bench.spin_until(client.service_is_ready)
        answer = self.result(client.call_async(request))
        self.bench.peer.destroy_client(client)
        return answer
