# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node as a program of its own, which a peer in this process talks to over DDS."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseArray
from program_log import ProgramLog
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from tf2_msgs.msg import TFMessage

from genpose_ros.msg import ObjectPoseArray

pytestmark = pytest.mark.ros
PROGRAM = Path(__file__).parents[1] / "support" / "fake_estimator_node.py"


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, str(PROGRAM), "--ros-args", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@pytest.fixture
def program():
    # One line per reason in all: however slow the machine, none becomes due a second time.
    process = start(
        "-p",
        "segmentation.default_category:=can",
        "-p",
        "sampling.start_sigma:=4",
        "-p",
        "log_period_s:=600",
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.fixture
def log(program):
    return ProgramLog(program)


@pytest.fixture
def rig(program, ros, benches):
    bench = benches(lambda: None)
    bench.camera = ros.Camera(bench.peer)
    bench.objects = bench.collect(ObjectPoseArray, "/genpose/objects")
    bench.poses = bench.collect(PoseArray, "/genpose/poses")
    bench.transforms = bench.collect(TFMessage, "/tf")
    assert bench.spin_until(lambda: bench.camera.ready("depth", "camera_info", "masks"), 60.0)
    assert bench.spin_until(lambda: bench.peer.count_publishers("/genpose/poses"))
    bench.spin_for(0.5)
    return bench


def stamp_of(message) -> int:
    """The stamp in nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def good_frame(rig) -> ObjectPoseArray:
    """Send frames until one is answered: best-effort subscribers may miss one."""

    def answered() -> bool:
        stamp = rig.camera.send()
        return rig.spin_until(
            lambda: any(stamp_of(m) == stamp and m.objects for m in rig.objects), 0.5
        )

    assert rig.spin_until(answered, 20.0)
    return rig.objects[-1]


def test_frames_become_poses_and_the_program_ends_in_order(rig, program, log):
    message = good_frame(rig)
    assert [(o.instance_id, o.class_name) for o in message.objects] == [(3, "can"), (7, "can")]
    assert message.objects[1].pose.pose.position.z == pytest.approx(0.9, abs=1e-5)
    assert rig.spin_until(lambda: rig.poses and rig.transforms)
    assert [t.child_frame_id for t in rig.transforms[-1].transforms] == ["can_3", "can_7"]
    program.send_signal(signal.SIGINT)
    assert program.wait(30.0) == 0
    assert "Traceback" not in log.whole()


@pytest.mark.parametrize("when", ["running", "starting"])
def test_ctrl_c_that_comes_twice_is_an_orderly_end(when, ros, benches):
    """Launch and the terminal each send one."""
    process = start()
    log = ProgramLog(process)
    bench = benches(lambda: None)
    if when == "running":
        assert bench.spin_until(lambda: log.count("ready"), 60.0)
    else:
        assert bench.spin_until(lambda: bench.peer.count_publishers("/genpose/poses"), 60.0)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    assert process.wait(30.0) == 0
    assert "Traceback" not in log.whole()


def test_an_error_that_a_peer_raises_inside_rclpy_does_not_end_the_node(rig, program, log, ros):
    client = rig.peer.create_client(SetParameters, "/genpose/set_parameters")
    assert client.wait_for_service(10.0)
    for _ in range(5):
        odd = ParameterMessage(name="sampling.steps", value=ParameterValue(type=77))
        client.call_async(SetParameters.Request(parameters=[odd]))
        rig.spin_for(0.1)
    # Before it is subscribed to reliably an image may be lost, so it is sent until it is told of.
    truncated = ros.image(np.ones((48, 64), dtype=np.uint16), rig.camera.stamp_ns)
    truncated.data = b"\x00\x01"

    def told() -> bool:
        rig.camera.publish(depth=truncated)
        return rig.spin_until(lambda: log.count("rejected, truncated_image"), 0.5)

    assert rig.spin_until(told, 20.0)
    assert rig.spin_until(lambda: log.count("rejected, internal_error"), 20.0)
    assert len(good_frame(rig).objects) == 2
    program.send_signal(signal.SIGTERM)
    assert program.wait(30.0) == 0
    log.whole()
    assert log.count("rejected, internal_error") == 1
    assert log.count("rejected, truncated_image") == 1


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("-p sampling.steps:=0", "sampling.steps"),
        ("-p sampling.sampler:=magic", "rk45"),
        ("-p sampler:=euler", "parameter sampler is now called sampling.sampler"),
        ("-p sampling.stpes:=3", "did you mean sampling.steps?"),
        ("-p segmentation.label_categories:=1:teapot", "teapot"),
        ("-p steps", "steps"),
        ("-r __node:=no-name!", "no-name!"),
        ("--params-file /nowhere.yaml", "/nowhere.yaml"),
    ],
)
def test_a_bad_argument_ends_the_program_with_a_sentence(assignment, said):
    process = start(*assignment.split())
    _, log = process.communicate(timeout=60.0)
    assert process.returncode == 1
    assert "Traceback" not in log
    (line,) = [line for line in log.splitlines() if "cannot start" in line]
    assert said in line
