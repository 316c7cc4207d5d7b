# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The README's first quick start: the demo's bag is played to the node over DDS, with its clock."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recorded_bags
from diagnostic_msgs.msg import DiagnosticArray
from program_log import ProgramLog
from rosbags.rosbag2 import Reader
from tf2_msgs.msg import TFMessage

from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.demo.record_bag import record_bag
from genpose_ros.ros.demo.results import transform_from_pose
from genpose_ros.ros.frame_builder import stamp_ns

pytestmark = [pytest.mark.ros, pytest.mark.slow]
PLAYER = Path(__file__).parents[1] / "support" / "bag_player.py"
CAMERA = "/camera/camera"
#: What `estimate.launch.py mode:=track fixed_frame:=world use_sim_time:=true` gives its node.
NODE = [
    *("-r", f"depth:={CAMERA}/aligned_depth_to_color/image_raw"),
    *("-r", f"camera_info:={CAMERA}/aligned_depth_to_color/camera_info"),
    *("-r", "masks:=/segmentation/label_image"),
    *("-r", "mask_detections:=/segmentation/detections"),
    *("-p", "mode:=track", "-p", "fixed_frame:=world", "-p", "use_sim_time:=true"),
]


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    """Thirty images of the camera that passes over a table."""
    path = tmp_path_factory.mktemp("bags") / "demo_bag"
    record_bag(path, seconds=3.0)
    return path


@pytest.fixture(scope="module")
def truths(bag) -> dict[int, list]:
    """True objects by the stamp of their image, of the bag itself."""
    with Reader(bag) as reader:
        chosen = [c for c in reader.connections if c.topic.endswith("/ground_truth")]
        contents = [content for _, _, content in reader.messages(chosen)]
    kind = "vision_msgs/msg/Detection3DArray"
    messages: list[Any] = [
        recorded_bags.TYPES.deserialize_cdr(content, kind) for content in contents
    ]
    return {m.header.stamp.sec * 10**9 + m.header.stamp.nanosec: m.detections for m in messages}


@pytest.fixture
def node():
    command = [sys.executable, "-m", "genpose_ros.ros.estimator_node", "--ros-args", *NODE]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def far_off_m(item: ObjectPose, truths: list) -> float:
    """How far an object is from the nearest true one of its class."""
    place = transform_from_pose(item.pose.pose)[:3, 3]
    positions = [
        t.results[0].pose.pose.position
        for t in truths
        if t.results[0].hypothesis.class_id == item.class_name
    ]
    return min(float(np.linalg.norm(place - [p.x, p.y, p.z])) for p in positions)


def test_a_bag_that_is_played_twice_with_its_clock_is_tracked_each_time(bag, truths, node, benches):
    log, bench = ProgramLog(node), benches(lambda: None)
    frames = bench.collect(ObjectPoseArray, "/genpose/objects", 100)
    transforms = bench.collect(TFMessage, "/tf", 100)
    statuses = bench.collect(DiagnosticArray, "/diagnostics", 100)
    assert bench.spin_until(lambda: log.count("]: ready"), 120.0), log.lines
    player = subprocess.Popen([sys.executable, str(PLAYER), str(bag), "2", "0.5"])
    assert bench.spin_until(lambda: player.poll() is not None, 120.0)
    bench.spin_for(2.0)
    node.send_signal(signal.SIGINT)
    assert node.wait(30.0) == 0
    assert "Traceback" not in log.whole()
    assert log.count("the clock of the depth images jumped back by") == 1
    # Stamps are the bag's own, and those of answers go back once: at the second time.
    assert {stamp_ns(m.header) for m in frames} <= set(truths)
    frames = [m for m in frames if m.objects]
    stamps = [stamp_ns(m.header) for m in frames]
    (again,) = np.flatnonzero(np.diff(stamps) < 0) + 1
    for played in (frames[:again], frames[again:]):
        confirmed = [
            (far_off_m(item, truths[stamp_ns(m.header)]), item.id)
            for m in played
            for item in m.objects
            if item.tracking_state == ObjectPose.STATE_CONFIRMED
        ]
        assert len({stamp_ns(m.header) for m in played}) >= 4
        assert len(confirmed) >= 6
        assert np.median([error_m for error_m, _ in confirmed]) < 0.015
    names = {t.child_frame_id for m in transforms for t in m.transforms}
    confirmed_state = ObjectPose.STATE_CONFIRMED
    assert {o.id for m in frames for o in m.objects if o.tracking_state == confirmed_state} <= names
    # The node's clock is the bag's.
    heard = [stamp_ns(m.header) for m in statuses if any("genpose" in s.name for s in m.status)]
    assert min(truths) <= max(heard) <= max(truths) + 5 * 10**9
