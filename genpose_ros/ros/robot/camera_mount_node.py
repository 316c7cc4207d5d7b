# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node `camera_mount`: a hand-eye calibration as a transform on /tf_static.

It refuses a calibration that is none, and tells where somebody else gives the camera another
parent: a frame with two parents jumps to and fro, or tears the tree apart.
"""

from collections.abc import Sequence
from typing import Any

import rclpy
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from genpose_ros.robot.mounts import CameraMount
from genpose_ros.ros.program import run_program

__all__ = ["CameraMountNode", "main"]

_LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class CameraMountNode(Node):
    """Broadcasts where a camera is on an arm, or beside it.

    Args:
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        FileNotFoundError: the parameter `calibration` names no file.
        ValueError: the file is no calibration.
    """

    def __init__(self, *, node_name: str = "camera_mount", **node_options: Any) -> None:
        super().__init__(node_name, **node_options)
        path = self._text("calibration", "YAML file with the calibration.")
        if not path:
            raise ValueError("name a YAML file as the parameter calibration")
        self.mount = CameraMount.read(path, prefix=self._text("prefix", "Before the parent."))
        self._broadcaster = StaticTransformBroadcaster(self)
        self._broadcaster.sendTransform(self._message())
        self.create_subscription(TFMessage, "/tf", self._on_transforms, 100)
        self.create_subscription(TFMessage, "/tf_static", self._on_transforms, _LATCHED)
        mount = self.mount
        self.get_logger().info(f"{mount.kind}: {mount.camera_link} is fixed to {mount.parent}")

    def _text(self, name: str, description: str) -> str:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        return str(self.declare_parameter(name, "", descriptor).value)

    def _message(self) -> TransformStamped:
        (x, y, z), (qx, qy, qz, qw) = (
            self.mount.T_parent_link[:3, 3].tolist(),
            self.mount.quat_xyzw.tolist(),
        )
        message = TransformStamped(
            child_frame_id=self.mount.camera_link,
            transform=Transform(
                translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
            ),
        )
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self.mount.parent
        return message

    def _on_transforms(self, message: TFMessage) -> None:
        for item in message.transforms:
            child, parent = (n.lstrip("/") for n in (item.child_frame_id, item.header.frame_id))
            if child == self.mount.camera_link and parent != self.mount.parent:
                self.get_logger().error(
                    f"{child} has two parents: {self.mount.parent} by this calibration, and "
                    f"{parent[:64]} by somebody else; start the arm's description without "
                    "add_d435i_links, or do without this node",
                    throttle_duration_sec=10.0,
                )


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_program("camera_mount", CameraMountNode, rclpy.spin, args)


if __name__ == "__main__":
    main()
