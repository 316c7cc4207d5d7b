"""A RealSense D435 with a segmenter that needs neither: a simulated table, or recorded frames.

Named `camera` in namespace `/camera`, as realsense-ros names its node, it has the same topics.
"""

from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2DArray, Detection3DArray

from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.camera_frames import frames_to_show
from genpose_ros.ros.camera_messages import camera_info, frame_messages
from genpose_ros.ros.program import run_program

__all__ = ["FRAME_ID", "SimulatedCameraNode", "main"]

FRAME_ID = "camera_color_optical_frame"

_TOPICS: dict[str, tuple[Any, str]] = {
    "color": (Image, "~/color/image_raw"),
    "color_info": (CameraInfo, "~/color/camera_info"),
    "depth": (Image, "~/aligned_depth_to_color/image_raw"),
    "depth_info": (CameraInfo, "~/aligned_depth_to_color/camera_info"),
    "label": (Image, "/segmentation/label_image"),
    "detections": (Detection2DArray, "/segmentation/detections"),
    "instance_masks": (InstanceMasks, "/segmentation/instance_masks"),
    "ground_truth": (Detection3DArray, "~/ground_truth"),
}
_MASKS = ("detections", "label", "instance_masks")
# As realsense-ros by default: reliable, which best-effort subscribers hear too.
_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
#: Between new intrinsics and the first image they belong to: topics may overtake each other.
_INFO_LEAD_S = 0.2


class SimulatedCameraNode(Node):
    """Publishes colour, aligned depth, camera_info, masks and ground truth of frames.

    Args:
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        FileNotFoundError: the parameter `frames` names no folder with frames.
        ValueError: a frame is damaged, or another parameter is not valid.
    """

    def __init__(
        self, *, node_name: str = "camera", namespace: str = "/camera", **node_options: Any
    ) -> None:
        super().__init__(node_name, namespace=namespace, **node_options)
        seed = self._declare("seed", 0, "Which table is simulated.", low=0, high=2**31 - 1)
        folder = self._declare("frames", "", "Folder of recorded frames; empty: a simulated table.")
        rate_hz = self._declare("rate_hz", 1.0, "Images per second.", low=0.05, high=30.0)
        self._cycle = self._declare(
            "cycle", True, "Each image shows the next recorded frame; false: ~/next does."
        )
        self._mask_delay_s = self._declare(
            "mask_delay_s", 0.0, "How long after the depth image its masks come.", low=0.0, high=5.0
        )
        self._frames = frames_to_show(seed, folder)
        for frame in self._frames:
            frame_messages(frame, Header())  # what cannot be published is to be told at start
        self._index = 0
        self._announced = self._published = False
        self._masks_to_come = 0
        self._topics = {
            name: self.create_publisher(
                kind,
                topic,
                _LATCHED if name == "ground_truth" else _QOS,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, (kind, topic) in _TOPICS.items()
        }
        self.create_service(Trigger, "~/next", self._on_next)
        self.create_timer(1.0 / rate_hz, self._tick)
        count = len(self._frames)
        self.get_logger().info(f"showing {self._frames[0].name}, {count} frame(s) in all")

    def _declare(
        self,
        name: str,
        default: Any,
        description: str,
        *,
        low: float | None = None,
        high: float | None = None,
    ) -> Any:
        """Declare a parameter that is read once, at start; return its value."""
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif low is not None and high is not None:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        try:
            return self.declare_parameter(name, default, descriptor).value
        except ParameterException as error:
            raise ValueError(f"parameter {name}: {error}") from error

    def _on_next(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Show the next frame; the reply's message is its name."""
        self._show_next()
        response.success = True
        response.message = self._frames[self._index].name
        return response

    def _show_next(self) -> None:
        """Go on to the next frame; another camera is announced before its first image."""
        before = self._frames[self._index].camera
        self._index = (self._index + 1) % len(self._frames)
        camera = self._frames[self._index].camera
        self._announced = camera != before
        if self._announced:
            self._publish_info(camera_info(camera, self._header()))
            self._later(_INFO_LEAD_S, self._on_announced)

    def _on_announced(self) -> None:
        self._announced = False
        self._publish_frame()

    def _tick(self) -> None:
        cycles = self._cycle and len(self._frames) > 1
        if self._announced or (cycles and self._masks_to_come):
            return
        if cycles and self._published:
            self._show_next()
        if not self._announced:
            self._publish_frame()

    def _publish_frame(self) -> None:
        messages = frame_messages(self._frames[self._index], self._header())
        self._publish_info(messages.camera_info)
        for name in ("ground_truth", "color", "depth"):
            self._topics[name].publish(getattr(messages, name))
        self._published = True
        self._masks_to_come += 1

        def publish_masks() -> None:
            self._masks_to_come -= 1
            for name in _MASKS:
                self._topics[name].publish(getattr(messages, name))

        if self._mask_delay_s > 0:
            self._later(self._mask_delay_s, publish_masks)
        else:
            publish_masks()

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)

    def _publish_info(self, message: CameraInfo) -> None:
        self._topics["color_info"].publish(message)
        self._topics["depth_info"].publish(message)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run an action once, after a while."""

        def run() -> None:
            self.destroy_timer(timer)
            action()

        timer = self.create_timer(seconds, run)


def main(args: Sequence[str] | None = None) -> None:
    """Run the camera until it is told to stop.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """
    run_program("camera", SimulatedCameraNode, rclpy.spin, args)


if __name__ == "__main__":
    main()
