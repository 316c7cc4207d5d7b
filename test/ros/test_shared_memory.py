# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What programs that end without their own end leave in shared memory, and that it is removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genpose_ros.ros.shared_memory import remove_segments_of_the_dead

pytestmark = pytest.mark.ros

#: A program that publishes, tells the segments it has, and ends or is ended.
PUBLISHES = """
import os, signal, sys
import rclpy
from std_msgs.msg import String
from genpose_ros.ros.program import end_for_respawn

rclpy.init()
node = rclpy.create_node("publishes")
node.create_publisher(String, "words", 1).publish(String(data="a"))
for entry in os.listdir("/proc/self/fd"):
    try:
        path = os.readlink("/proc/self/fd/" + entry)
    except OSError:
        continue
    if path.startswith("/dev/shm/fastrtps_") and "port" not in path:
        print(path.removesuffix("_el"), flush=True)
if sys.argv[1] == "live":
    sys.stdin.read()
if sys.argv[1] == "respawn":
    end_for_respawn()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _fast_dds():
    implementation = os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if implementation != "rmw_fastrtps_cpp" or not Path("/dev/shm").is_dir():
        pytest.skip("this is of Fast DDS and its shared memory")


def ended(how: str) -> tuple[int, list[Path]]:
    """Exit code and segments of a program."""
    words = [sys.executable, "-c", PUBLISHES, how]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    segments = [Path(line) for line in done.stdout.split()]
    assert segments, done.stderr
    return done.returncode, segments


def aged(segment: Path) -> Path:
    """The lock of a segment, as if it had been there for a minute."""
    lock = segment.with_name(f"{segment.name}_el")
    os.utime(lock, (time.time() - 60.0,) * 2)
    return lock


def test_a_node_that_ends_to_be_started_anew_leaves_no_shared_memory():
    code, segments = ended("respawn")
    assert code == 70
    assert [path for path in segments if path.exists()] == []


def test_what_the_dead_leave_can_be_removed_and_the_living_keep_theirs():
    words = [sys.executable, "-c", PUBLISHES, "live"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as live:
        assert live.stdout is not None
        kept = Path(live.stdout.readline().strip())
        lock = aged(kept)
        _, segments = ended("killed")
        remove_segments_of_the_dead()
        assert [path for path in segments if not path.exists()] == []  # it may just have begun
        locks = [aged(path) for path in segments]
        remove_segments_of_the_dead()
        assert [path for path in (*segments, *locks) if path.exists()] == []
        assert kept.exists()
        assert lock.exists()
        live.communicate()
    assert kept.exists()  # it was killed as well
    remove_segments_of_the_dead()
    assert not kept.exists()
    assert not lock.exists()
