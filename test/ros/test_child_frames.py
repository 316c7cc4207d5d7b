# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

from genpose_ros.ros.child_frames import ChildFrames

pytestmark = pytest.mark.ros


class Rig:
    """A node that broadcasts a mug, and a peer that may do so too."""

    def __init__(self, ros, benches):
        self.ros, self.bench, self.lines = ros, benches(lambda: None), []
        # A topic of its own: nobody else, such as a node that another test has left, listens.
        arguments = ["--ros-args", "-r", "/tf:=/frames_of_children"]
        context = self.bench.context
        node = rclpy.create_node("children", context=context, cli_args=arguments)
        self.bench.node = node
        self.bench.executor.add_node(node)
        self.own = node.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self.other = node.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        warn = lambda subject, line: self.lines.append((subject, line))  # noqa: E731
        # It listens for so long, and then not for eleven times as long.
        self.children = ChildFrames(node, warn, listen_s=1.0)

    def message(self, child, stamp_ns, parent="camera"):
        header = self.ros.header(stamp_ns, parent)
        return TFMessage(transforms=[TransformStamped(header=header, child_frame_id=child)])

    def send(self, stamp_ns, child="mug_3"):
        message = self.message(child, stamp_ns)
        self.children.note_sent(message.transforms)
        self.own.publish(message)
        self.bench.spin_for(0.02)

    def listen(self):
        """Send until it listens."""
        stamp = 0

        def listens():
            nonlocal stamp
            stamp += 1
            self.send(stamp)
            return self.own.get_subscription_count()

        assert self.bench.spin_until(listens)
        self.bench.spin_for(0.1)
        return stamp


@pytest.fixture
def rig(ros, benches):
    return Rig(ros, benches)


def test_ones_own_frames_are_no_news(rig):
    stamp = rig.listen()
    for later in range(1, 11):
        rig.send(stamp + later)
    assert rig.lines == []


def test_nobody_listens_before_anything_was_sent(rig):
    rig.bench.spin_for(1.2)
    assert rig.own.get_subscription_count() == 0


@pytest.mark.parametrize("apart_ns", [0, 5], ids=["the same stamp", "another stamp"])
def test_somebody_else_who_broadcasts_the_same_frame_is_told_of(rig, apart_ns):
    stamp = rig.listen() + 1
    rig.send(stamp)
    rig.other.publish(rig.message("mug_3", stamp + apart_ns, "base"))
    rig.other.publish(rig.message("mug_4", stamp, "base"))
    assert rig.bench.spin_until(lambda: rig.lines)
    rig.bench.spin_for(0.1)
    ((subject, line),) = rig.lines
    assert subject == "tf"
    assert "the frame mug_3 on /tf is broadcast by somebody else too" in line
    if apart_ns:  # of two with one stamp, any may be the second
        assert "with the parent base" in line


def test_it_stops_listening(rig):
    rig.listen()
    assert rig.bench.spin_until(lambda: not rig.own.get_subscription_count())
