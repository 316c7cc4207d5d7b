# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node task_frames over DDS: frames on /tf, the description, reach by way of the arm's TF."""

import json

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from geometry_msgs.msg import TransformStamped
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from genpose_ros.msg import ObjectPose, ObjectPoseArray, Rejection
from genpose_ros.ros.robot.seen_objects import seen_object
from genpose_ros.ros.robot.task_frames_node import TaskFramesNode

LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def can(**changes):
    item = ObjectPose(
        id="can_1",
        class_name="can",
        score=0.9,
        score_axis=0.95,
        tracking_state=ObjectPose.STATE_CONFIRMED,
    )
    item.pose.pose.position.x, item.pose.pose.position.y = 0.45, 0.1
    item.pose.pose.position.z = 0.06
    item.pose.pose.orientation.x = item.pose.pose.orientation.w = 0.5**0.5  # y up
    item.size.x, item.size.y, item.size.z = 0.066, 0.12, 0.066
    for name, value in changes.items():
        setattr(item, name, value)
    return item


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"tracking_state": ObjectPose.STATE_COASTING}, "coasting", True),
        ({"tracking_state": ObjectPose.STATE_NEW}, "confirmed", False),
        ({"tracking_state": ObjectPose.STATE_LOST}, "confirmed", False),
        ({"tracking_state": ObjectPose.STATE_UNTRACKED, "id": "", "instance_id": 4}, "name",
         "can_4"),
        ({"remarks": ["unusual_size"]}, "unusual_size", True),
        ({"has_second_mode": False}, "T_out_other", None),
        ({"mode_shares": [0.6, 0.25]}, "other_share", 0.25),
    ],
)  # fmt: skip
def test_a_messages_object_is_what_it_says(changes, field, expected):
    assert getattr(seen_object(can(**changes)), field) == expected


def test_a_pose_that_is_none_is_refused():
    item = can()
    item.pose.pose.orientation.x = 0.0
    with pytest.raises(ValueError, match=r"length 0\.7"):
        seen_object(item)


@pytest.mark.ros
def test_frames_are_children_of_the_object_and_described_with_their_reach(benches):
    bench = benches(lambda: None)
    overrides = [Parameter("robot", value="xarm6")]
    node = TaskFramesNode(context=bench.context, parameter_overrides=overrides)
    bench.node = node
    bench.executor.add_node(node)
    told, frames = [], {}

    def on_tf(message):
        frames.update({t.child_frame_id: t.header.frame_id for t in message.transforms})

    bench.peer.create_subscription(
        String, "/task_frames/task_frames", lambda m: told.append(json.loads(m.data)), LATCHED
    )
    bench.peer.create_subscription(TFMessage, "/tf", on_tf, 10)
    static = bench.peer.create_publisher(TFMessage, "/tf_static", LATCHED)
    arm = TransformStamped(header=Header(frame_id="link_base"), child_frame_id="world")
    arm.transform.rotation.w = 1.0
    static.publish(TFMessage(transforms=[arm]))
    publisher = bench.peer.create_publisher(ObjectPoseArray, "objects", 5)
    header = Header(frame_id="world")
    header.stamp.sec = 5
    low = can(id="can_2", score=0.2, score_axis=0.3)
    low.pose.pose.position.y = -0.3  # an obstacle all the same

    def ready():
        publisher.publish(ObjectPoseArray(header=header, objects=[can(), low]))
        return told and not told[-1]["no_reach_because"] and "can_1_grasp_side" in frames

    assert bench.spin_until(ready, timeout_s=60.0)
    assert frames["can_1_grasp_side"] == frames["can_1_grasp_side_before"] == "can_1"
    first, second = told[-1]["objects"]
    side = next(frame for frame in first["frames"] if frame["frame"] == "grasp_side")
    assert side["reachable"] == "reachable"
    assert len(side["ring"]) == 16
    assert len(side["joints_rad"]) == 6
    assert second["frames"] == []
    assert {row["reason"] for row in second["refused"]} == {"low_score"}


@pytest.mark.ros
def test_frames_are_taken_back_where_no_objects_come_any_more(benches):
    bench = benches(lambda: None)
    overrides = [Parameter("silent_s", value=0.6)]
    bench.node = TaskFramesNode(context=bench.context, parameter_overrides=overrides)
    bench.executor.add_node(bench.node)
    told = []
    bench.peer.create_subscription(
        String, "/task_frames/task_frames", lambda m: told.append(json.loads(m.data)), LATCHED
    )
    publisher = bench.peer.create_publisher(ObjectPoseArray, "objects", 5)
    header = Header(frame_id="world")
    refused = ObjectPoseArray(header=header, rejections=[Rejection(reason="empty_depth")])

    def send():
        publisher.publish(ObjectPoseArray(header=header, objects=[can()]))
        return told and told[-1]["objects"][0]["frames"]

    def silent():
        publisher.publish(refused)  # a refused frame is no news of the objects
        return not told[-1]["objects"][0]["frames"]

    assert bench.spin_until(send, timeout_s=60.0)
    assert bench.spin_until(silent, timeout_s=60.0)
    (taken,) = told[-1]["objects"][0]["refused"]
    assert taken["reason"] == "stale"
    assert "see that camera, masks and estimator run" in taken["detail"]
    assert bench.spin_until(send, timeout_s=60.0)  # and given again


@pytest.mark.ros
def test_a_silence_that_is_none_is_refused(benches):
    bench = benches(lambda: None)
    with pytest.raises(ValueError, match="silent_s must be positive, got 0"):
        TaskFramesNode(
            context=bench.context, parameter_overrides=[Parameter("silent_s", value=0.0)]
        )
