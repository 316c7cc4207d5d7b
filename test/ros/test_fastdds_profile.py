# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The profile of Fast DDS: how often a program announces itself with it."""

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy

PROGRAM = """
import time
import rclpy
rclpy.init()
node = rclpy.create_node("announced")
time.sleep(60.0)
"""
#: Ports of a domain, and of the participants in it; this one's is the last that is announced to.
DOMAIN_GAIN, FIRST_PORT, PARTICIPANT_GAIN, LAST = 250, 7410, 2, 31
#: What follows the first announcements, which come ten times a second, and when those are over.
COUNT, BEGUN_S = 5, 0.8


@pytest.mark.ros
@pytest.mark.slow
def test_a_program_with_the_profile_announces_itself_twice_a_second(root):
    """What starts is found when the others announce themselves next: 3 s later without it."""
    if rclpy.get_rmw_implementation_identifier() != "rmw_fastrtps_cpp":
        pytest.skip("the profile is of Fast DDS")
    if os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") != "LOCALHOST":
        pytest.skip("this ROS announces its programs by multicast")
    domain = int(os.environ["ROS_DOMAIN_ID"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", FIRST_PORT + DOMAIN_GAIN * domain + PARTICIPANT_GAIN * LAST))
        listener.settimeout(30.0)
        profile = str(root / "config" / "fastdds.xml")
        environment = {**os.environ, "FASTRTPS_DEFAULT_PROFILES_FILE": profile}
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = profile
        program = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
        try:
            times_s = announcements(listener)
        finally:
            program.kill()
            program.wait()
    assert 0.3 < np.median(np.diff(times_s)) < 1.0


def announcements(listener: socket.socket) -> list[float]:
    """When the announcements of a program come that follow its first ones, seconds.

    It sends them from each of its addresses; those of one are looked at.
    """
    _, sender = listener.recvfrom(65536)
    begin_s, times_s = time.monotonic(), []
    while len(times_s) < COUNT:
        message, other = listener.recvfrom(65536)
        assert message[:4] == b"RTPS"
        now_s = time.monotonic()
        if other == sender and now_s - begin_s > BEGUN_S:
            times_s.append(now_s)
    return times_s
