# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Print where a gripper has to go to take each object from above, in the robot's base frame.

The frames are those of the node task_frames, which knows the categories' grasps and which poses
are sure enough for them:

    ros2 run genpose_ros task_frames --ros-args -r objects:=/genpose/objects
    python grasp.py base_link
"""

import json
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import String
from tf2_ros import Buffer, TransformException, TransformListener

#: From above; `grasp_side`, `handover` and the others of grasps.yaml are found in the same way.
FRAME = "grasp_top"


class Grasps(Node):
    """Looks up the grasps that are offered, and says why others are not."""

    def __init__(self, base: str) -> None:
        super().__init__("grasps")
        self.base, self.buffer = base, Buffer()
        self.listener = TransformListener(self.buffer, self)
        self.create_subscription(String, "/task_frames/task_frames", self.on_frames, 10)

    def on_frames(self, message: String) -> None:
        """Print the place of each grasp, and of the frame before it, where to stop first."""
        for item in json.loads(message.data)["objects"]:
            name = item["object"]
            for refused in item["refused"]:
                if refused["frame"] in ("", FRAME):
                    print(f"{name}: no {FRAME}, {refused['detail']}", flush=True)
            if any(frame["frame"] == FRAME for frame in item["frames"]):
                self.print_place(f"{name}_{FRAME}_before")
                self.print_place(f"{name}_{FRAME}")

    def print_place(self, frame: str) -> None:
        """Print where a frame is in the base frame, once it is known."""
        try:
            found = self.buffer.lookup_transform(self.base, frame, Time()).transform
        except TransformException:
            return  # not known yet, or not connected to the base
        at, turn = found.translation, found.rotation
        place = f"({at.x:.3f}, {at.y:.3f}, {at.z:.3f}) m"
        turned = f"({turn.x:.3f}, {turn.y:.3f}, {turn.z:.3f}, {turn.w:.3f})"
        print(f"{frame}: gripper to {place}, turned {turned} in {self.base}", flush=True)


rclpy.init()
node = Grasps(sys.argv[1])
try:
    while rclpy.ok():  # rclpy.spin(node), but never asleep for longer than a second
        rclpy.spin_once(node, timeout_sec=1.0)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
finally:
    node.destroy_node()
    rclpy.try_shutdown()
