# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Outputs of the node that say the same in every frame, of one camera and of two."""

import time
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseArray
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros
OUTPUTS = {
    "objects": ObjectPoseArray,
    "poses": PoseArray,
    "detections": Detection3DArray,
    "markers": MarkerArray,
}


def stamp_of(header) -> int:
    """The stamp in nanoseconds."""
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def numbers(pose) -> list[float]:
    """Position and orientation of a pose, or of a transform."""
    place = getattr(pose, "position", None) or pose.translation
    turn = getattr(pose, "orientation", None) or pose.rotation
    return [place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w]


class Station:
    """A node in a namespace, its camera, and all that it publishes."""

    def __init__(self, ros, bench, namespace: str, **parameters) -> None:
        values = {"segmentation__default_category": "mug", "input_timeout_s": 0.0, **parameters}
        self.ros, self.bench, self.namespace = ros, bench, namespace
        self.node = EstimatorNode(
            make_estimator=ros.FakeEstimator,
            make_tracker=ros.FakeTracker,
            context=bench.context,
            namespace=namespace,
            parameter_overrides=ros.overrides(input_reliability="reliable", **values),
        )
        bench.executor.add_node(self.node)
        prefix = f"/{namespace}" if namespace else ""
        self.camera = ros.Camera(bench.peer, namespace)
        self.got = {n: bench.collect(kind, f"{prefix}/genpose/{n}") for n, kind in OUTPUTS.items()}
        assert bench.spin_until(lambda: self.camera.ready("depth", "camera_info", "masks"), 30.0)
        topics = [f"{prefix}/genpose/{name}" for name in OUTPUTS]
        heard = lambda: all(self.node.count_subscribers(topic) for topic in topics)  # noqa: E731
        assert bench.spin_until(heard, 30.0)

    def by_stamp(self, name: str) -> dict[int, Any]:
        """The messages of an output by their stamps; a second one of a stamp is a mistake."""
        found: dict[int, Any] = {}
        for message in self.got[name]:
            if name == "markers":
                if not message.markers:
                    continue
                stamp = stamp_of(message.markers[0].header)
            else:
                stamp = stamp_of(message.header)
            assert stamp not in found, f"{name} of {stamp} came twice"
            found[stamp] = message
        return found


def check_agreement(station: Station, frames: dict[int, list]) -> int:
    """Compare all outputs of every frame with its objects; returns how many frames there were."""
    outputs = {name: station.by_stamp(name) for name in OUTPUTS}
    count = 0
    for stamp, message in outputs["objects"].items():
        if message.rejections and not message.objects:
            continue  # refused
        count += 1
        trusted = [
            o
            for o in message.objects
            if o.tracking_state
            in (ObjectPose.STATE_UNTRACKED, ObjectPose.STATE_CONFIRMED, ObjectPose.STATE_COASTING)
        ]
        expected = [numbers(o.pose.pose) for o in trusted]
        assert [numbers(p) for p in outputs["poses"][stamp].poses] == expected
        detections = outputs["detections"][stamp].detections
        assert [numbers(d.bbox.center) for d in detections] == expected
        assert [d.results[0].hypothesis.class_id for d in detections] == [
            o.class_name for o in trusted
        ]
        sizes = [[d.bbox.size.x, d.bbox.size.y, d.bbox.size.z] for d in detections]
        assert sizes == [[o.size.x, o.size.y, o.size.z] for o in trusted]
        assert [numbers(t.transform) for t in frames[stamp]] == expected
        boxes = [
            m
            for m in outputs["markers"][stamp].markers
            if m.action == Marker.ADD and m.type in (Marker.CUBE, Marker.LINE_LIST)
        ]
        shown = {tuple(np.round(numbers(m.pose), 9)) for m in boxes}
        assert {tuple(np.round(e, 9)) for e in expected} <= shown
        headers = {m.header.frame_id for m in (message, *(outputs[n][stamp] for n in
                   ("poses", "detections")))}  # fmt: skip
        assert headers == {station.ros.frame}
    return count


def transforms_by_stamp(messages, prefix: str = "") -> dict[int, list]:
    """The transforms of each stamp whose child begins with a prefix."""
    found = defaultdict(list)
    for message in messages:
        for transform in message.transforms:
            if transform.child_frame_id.startswith(prefix):
                found[stamp_of(transform.header)].append(transform)
    return found


def move(camera, i: int) -> None:
    """Let the boxes wander, nearer and farther."""
    camera.depth_mm = np.where(camera.depth_mm < 1500, 800 + 3 * i, 1500).astype(np.uint16)


@pytest.mark.parametrize("images", [90, pytest.param(1800, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_depth_at_30_hz_with_masks_at_5_hz_is_answered_alike_everywhere(ros, benches, images):
    """Every mask is answered or refused with its reason, and no output says anything else.

    The account is exact, and nothing grows while it goes on: 1800 images are a minute.
    """
    bench = benches(lambda: None)
    station = Station(ros, bench, "", mode="track")
    transforms = bench.collect(TFMessage, "/tf")
    assert bench.spin_until(lambda: station.node.count_subscribers("/tf"), 30.0)
    bench.spin_for(0.3)
    masks, camera, held_mb = [], station.camera, []
    for i in range(images):
        start = time.monotonic()
        move(camera, i % 90)
        masked = i % 6 == 0
        stamp = camera.send() if masked else camera.send(masks=None)
        masks += [stamp] * masked
        bench.spin_for(max(0.0, 1 / 30 - (time.monotonic() - start)))
        held_mb.append(station.node._intake.inputs.held_bytes / 1e6)

    def unanswered():
        told = {stamp_of(m.header) for m in station.got["objects"]}
        return [stamp for stamp in masks if stamp not in told]

    dropped = lambda: sum(station.node.account.dropped.values())  # noqa: E731
    assert bench.spin_until(lambda: len(unanswered()) <= dropped(), 30.0), (
        unanswered(),
        station.node.rejections.counts,
    )
    account = station.node.account
    assert bench.spin_until(lambda: not account.waiting, 30.0)
    assert account.received == account.answered + dropped()

    def published():
        messages = station.by_stamp("objects").values()
        return sum(bool(m.objects) or not m.rejections for m in messages)

    assert bench.spin_until(lambda: published() >= account.answered, 30.0)
    last = max(station.by_stamp("objects"))

    def complete():
        names = ("poses", "detections", "markers")
        told = [last in station.by_stamp(name) for name in names]
        return all(told) and last in transforms_by_stamp(transforms)

    assert bench.spin_until(complete, 30.0)
    assert check_agreement(station, transforms_by_stamp(transforms)) == account.answered
    # Depth of the last two seconds, 6 kB each, waits for masks; no more, however long it goes on.
    assert max(held_mb) <= 61 * 6144 / 1e6 + 0.1
    station.node.destroy_node()


def test_two_cameras_in_two_namespaces_do_not_meet(ros, benches):
    bench = benches(lambda: None)
    transforms = bench.collect(TFMessage, "/tf")
    left, right = (Station(ros, bench, name, mode="track") for name in ("left", "right"))
    assert bench.spin_until(lambda: left.node.count_subscribers("/tf"), 30.0)
    bench.spin_for(0.3)
    right.camera.depth_mm[10:20, 10:25] = 700
    for _ in range(6):
        sent = [(station, station.camera.send()) for station in (left, right)]
        for station, stamp in sent:
            told = lambda s=station, at=stamp: at in s.by_stamp("objects")  # noqa: E731
            assert bench.spin_until(told, 30.0), station.node.rejections.counts
    complete = lambda s: len(s.by_stamp("markers")) == len(s.by_stamp("objects"))  # noqa: E731
    assert bench.spin_until(lambda: complete(left) and complete(right), 30.0)
    bench.spin_for(0.3)
    for station, depth_m in ((left, 0.8), (right, 0.7)):
        assert check_agreement(station, transforms_by_stamp(transforms, station.namespace)) == 6
        for message in station.got["objects"]:
            assert message.objects[0].pose.pose.position.z == pytest.approx(depth_m)
    parents = defaultdict(set)
    for message in transforms:
        for item in message.transforms:
            parents[item.child_frame_id].add(item.header.frame_id)
    assert set(parents) == {f"{side}/mug_{i}" for side in ("left", "right") for i in (3, 7)}
    assert all(len(found) == 1 for found in parents.values())
    for station in (left, right):
        station.node.destroy_node()
