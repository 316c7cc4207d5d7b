# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node moveit_bridge over DDS: from objects or detections to collision objects, and its end."""

import signal
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
pytest.importorskip("moveit_msgs", reason="no MoveIt messages here")
from moveit_msgs.msg import AttachedCollisionObject, CollisionObject
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.robot.moveit_bridge import MoveItBridge

HEADER = Header(frame_id="link_base")


def mug(x=0.4, **changes):
    item = ObjectPose(id="mug_3", class_name="mug", score=0.1, score_axis=0.9)
    item.tracking_state = ObjectPose.STATE_CONFIRMED
    item.pose.pose.position.x, item.pose.pose.orientation.w = x, 1.0
    item.size.x, item.size.y, item.size.z = 0.12, 0.09, 0.08
    for name, value in changes.items():
        setattr(item, name, value)
    return item


def detection(x=0.4, score=0.9):
    item = Detection3D(id="can_1")
    item.results = [ObjectHypothesisWithPose()]
    item.results[0].hypothesis.class_id, item.results[0].hypothesis.score = "can", score
    item.bbox.center.position.x, item.bbox.center.orientation.w = x, 1.0
    item.bbox.size.x, item.bbox.size.y, item.bbox.size.z = 0.07, 0.12, 0.07
    return item


@pytest.fixture
def bridge(benches):
    """A node whose answers are kept, and a function that sends until something was told."""
    bench = benches(lambda: None)
    overrides = [Parameter("live_s", value=0.8), Parameter("padding", value=0.0)]
    bench.node = MoveItBridge(context=bench.context, parameter_overrides=overrides)
    bench.executor.add_node(bench.node)
    bench.told = []
    bench.peer.create_subscription(CollisionObject, "/collision_object", bench.told.append, 10)
    topics = {ObjectPoseArray: "objects", Detection3DArray: "detections"}
    topics[AttachedCollisionObject] = "/attached_collision_object"
    out = {kind: bench.peer.create_publisher(kind, topic, 10) for kind, topic in topics.items()}

    def send(message, until, timeout_s=30.0):
        def step():
            if message is not None:
                out[type(message)].publish(message)
            return until(bench.told)

        return bench.spin_until(step, timeout_s=timeout_s)

    bench.send = send
    return bench


def operations(told):
    names = {CollisionObject.ADD: "add", CollisionObject.MOVE: "move"}
    return [(m.id, names.get(m.operation, "remove")) for m in told]


@pytest.mark.ros
def test_objects_appear_by_the_score_of_their_axis_move_and_go_when_they_are_not_seen(bridge):
    def objects(*items):
        return ObjectPoseArray(header=HEADER, objects=list(items))

    new = mug(id="can_9", class_name="can", tracking_state=ObjectPose.STATE_NEW)
    unsure = mug(id="mug_4", score_axis=0.2)
    assert bridge.send(objects(mug(), new, unsure), lambda told: told)
    assert operations(bridge.told) == [("genpose/mug_3", "add")]
    assert list(bridge.told[0].primitives[0].dimensions) == [0.12, 0.09, 0.08]
    assert bridge.told[0].header.frame_id == "link_base"
    assert bridge.send(objects(mug(x=0.5)), lambda told: len(told) > 1)
    coasting = mug(x=0.7, tracking_state=ObjectPose.STATE_COASTING)
    assert bridge.send(objects(coasting), lambda told: len(told) > 2)
    assert operations(bridge.told)[1:] == [("genpose/mug_3", "move"), ("genpose/mug_3", "remove")]
    assert bridge.told[1].pose.position.x == 0.5


@pytest.mark.ros
def test_a_detector_that_tells_no_scores_is_told_of(bridge):
    lines = []
    bridge.node.get_logger().warning = lambda line, **_: lines.append(line)
    silent = Detection3DArray(header=HEADER, detections=[detection(score=0.0)])
    assert bridge.send(silent, lambda _: lines)
    assert "none of the 1 objects on detections is put into the planning scene" in lines[0]
    assert bridge.told == []
    assert bridge.send(Detection3DArray(header=HEADER, detections=[detection()]), lambda told: told)
    bridge.spin_for(0.2)
    lines.clear()
    bridge.send(silent, lambda _: lines, 0.3)
    assert lines == []


@pytest.mark.ros
def test_detections_without_ids_that_change_their_order_are_the_same_objects(bridge):
    def detections(*places):
        items = [detection(x=x) for x in places]
        for item in items:
            item.id = ""
        return Detection3DArray(header=HEADER, detections=items)

    assert bridge.send(detections(0.2, 0.5), lambda told: len(told) > 1)
    assert bridge.send(detections(0.5, 0.3), lambda told: len(told) > 2)
    names = [("genpose/can_0", "add"), ("genpose/can_1", "add"), ("genpose/can_0", "move")]
    assert operations(bridge.told) == names
    assert [message.pose.position.x for message in bridge.told] == [0.2, 0.5, 0.3]


@pytest.mark.ros
def test_what_moveit_holds_is_left_alone_and_the_rest_is_taken_out_when_the_node_ends(bridge):
    def detections(*items):
        return Detection3DArray(header=HEADER, detections=list(items))

    assert bridge.send(detections(detection(), detection(score=0.0)), lambda told: told)
    held = AttachedCollisionObject(link_name="link_tcp")
    held.object.id = "genpose/can_1"
    bridge.send(held, lambda _: "genpose/can_1" in bridge.node._scene._attached)
    other = detection(x=0.2)
    other.id = "can_2"
    assert bridge.send(detections(detection(x=0.9), other), lambda told: len(told) > 1)
    bridge.executor.remove_node(bridge.node)
    bridge.node.destroy_node()
    assert bridge.send(None, lambda told: len(told) > 2)
    assert operations(bridge.told) == [
        ("genpose/can_1", "add"),
        ("genpose/can_2", "add"),
        ("genpose/can_2", "remove"),
    ]


@pytest.mark.ros
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("shape", "sphere", "shape is one of auto, box, cylinder, mesh; got 'sphere'"),
        ("live_s", 0.0, "live_s must be positive"),
        ("padding", -0.1, "padding between 0 and 1 m"),
        ("shape", "mesh", r"needs a folder with files such as mug\.obj"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(benches, name, value, words):
    bench = benches(lambda: None)
    with pytest.raises(ValueError, match=words):
        MoveItBridge(context=bench.context, parameter_overrides=[Parameter(name, value=value)])


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_is_stopped_takes_its_objects_out(benches, root, number):
    bench, told = benches(lambda: None), []
    bench.peer.create_subscription(CollisionObject, "/collision_object", told.append, 10)
    publisher = bench.peer.create_publisher(ObjectPoseArray, "objects", 5)
    script = [sys.executable, str(root / "scripts" / "moveit_bridge")]
    arguments = ["--ros-args", "-p", "live_s:=1000.0"]
    with subprocess.Popen([*script, *arguments]) as process:

        def added():
            publisher.publish(ObjectPoseArray(header=HEADER, objects=[mug()]))
            return told

        try:
            assert bench.spin_until(added, timeout_s=60.0)
            process.send_signal(number)
            assert bench.spin_until(lambda: len(told) > 1, timeout_s=20.0)
        finally:
            process.kill()
    assert operations(told) == [("genpose/mug_3", "add"), ("genpose/mug_3", "remove")]
