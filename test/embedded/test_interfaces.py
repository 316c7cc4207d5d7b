# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The message packages built into the environment."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 here")
from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import deserialize_message, serialize_message

from embedded.interfaces import _inputs
from genpose_ros.msg import (
    InstanceMask,
    InstanceMasks,
    ObjectPose,
    ObjectPoseArray,
    Rejection,
    StageTiming,
)


@pytest.mark.skipif(os.environ.get("ROS_DISTRO") == "humble", reason="Humble has no type hashes")
@pytest.mark.parametrize(
    ("package", "name", "expected"),
    [
        (
            "vision_msgs",
            "Detection3DArray",
            "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018",
        ),
        (
            "vision_msgs",
            "Detection2DArray",
            "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
        ),
        (
            "vision_msgs",
            "LabelInfo",
            "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
        ),
        (
            "tf2_msgs",
            "TFMessage",
            "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
        ),
    ],
)
def test_type_hashes_are_those_of_the_public_packages(package, name, expected):
    """A node of a genuine ROS 2 only talks to types with its own hash."""
    share = Path(get_package_share_directory(package))
    known = json.loads((share / "msg" / f"{name}.json").read_text())["type_hashes"]
    assert {item["type_name"]: item["hash_string"] for item in known}[
        f"{package}/msg/{name}"
    ] == expected


def test_messages_services_and_actions_that_change_are_built_anew(root):
    contents, _ = _inputs(root)
    assert {".msg", ".srv", ".action"} <= {path.suffix for path in contents}


def test_objects_survive_serialisation():
    message = ObjectPoseArray(
        objects=[ObjectPose(id="mug_3", instance_id=3, mode_shares=[0.75, 0.25])],
        rejections=[
            Rejection(reason="mask_empty", detail="instance 4 has no pixels", instance_id=4)
        ],
        timings=[StageTiming(stage="encode", duration_ms=12.5)],
    )
    item = message.objects[0]
    item.pose.covariance[35] = 0.5
    item.pose.pose.position.z = 1.25
    item.time_since_seen.nanosec = 33_000_000
    assert deserialize_message(serialize_message(message), ObjectPoseArray) == message
    assert message.objects[0].tracking_state == ObjectPose.STATE_UNTRACKED == 0


def test_masks_survive_serialisation():
    message = InstanceMasks(height=480, width=640)
    message.instances = [InstanceMask(id=1, class_name="mug", score=0.5, mask=bytes(range(12)))]
    message.instances[0].roi.width, message.instances[0].roi.height = 4, 3
    back = deserialize_message(serialize_message(message), InstanceMasks)
    assert bytes(back.instances[0].mask) == bytes(range(12))
    assert back == message
