"""The node as a program of its own, which a peer in this process talks to over DDS."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseArray
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from tf2_msgs.msg import TFMessage

from genpose_ros.msg import ObjectPoseArray

pytestmark = pytest.mark.ros
PROGRAM = Path(__file__).with_name("fake_estimator_node.py")


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, str(PROGRAM), "--ros-args", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@pytest.fixture
def program():
    process = start("-p", "default_category:=can", "-p", "start_sigma:=4")
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


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


def test_frames_in_poses_out_and_an_orderly_end(rig, program):
    message = good_frame(rig)
    assert [(o.id, o.class_name) for o in message.objects] == [("3", "can"), ("7", "can")]
    assert message.objects[1].pose.position.z == pytest.approx(0.9, abs=1e-5)
    assert rig.spin_until(lambda: rig.poses and rig.transforms)
    assert [t.child_frame_id for t in rig.transforms[-1].transforms] == ["can_3", "can_7"]
    program.send_signal(signal.SIGINT)
    _, log = program.communicate(timeout=30.0)
    assert program.returncode == 0
    assert "Traceback" not in log


def test_what_a_peer_can_raise_inside_rclpy_does_not_end_the_node(rig, program, ros):
    client = rig.peer.create_client(SetParameters, "/genpose/set_parameters")
    assert client.wait_for_service(10.0)
    for _ in range(5):
        odd = ParameterMessage(name="steps", value=ParameterValue(type=77))
        client.call_async(SetParameters.Request(parameters=[odd]))
        rig.spin_for(0.1)
    truncated = ros.image(np.ones((48, 64), dtype=np.uint16), rig.camera.stamp_ns)
    truncated.data = b"\x00\x01"
    rig.camera.publish(depth=truncated)
    assert len(good_frame(rig).objects) == 2
    program.send_signal(signal.SIGTERM)
    _, log = program.communicate(timeout=30.0)
    assert program.returncode == 0
    warnings = [line for line in log.splitlines() if "rejected, internal_error" in line]
    assert len(warnings) == 1
    assert len([line for line in log.splitlines() if "rejected, truncated_image" in line]) == 1


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("steps:=0", "steps"), ("sampler:=magic", "rk45"), ("label_categories:=1:teapot", "teapot")],
)
def test_a_bad_parameter_ends_it_with_a_sentence(assignment, said):
    process = start("-p", assignment)
    _, log = process.communicate(timeout=60.0)
    assert process.returncode == 1
    assert "Traceback" not in log
    (line,) = [line for line in log.splitlines() if "cannot start" in line]
    assert said in line
