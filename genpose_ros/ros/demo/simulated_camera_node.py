# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated RealSense D435 with a segmenter: publishes simulated scenes or recorded frames.

Named `camera` in namespace `/camera`, as realsense-ros names its node, it has the same topics.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection2DArray, Detection3DArray

from genpose_ros.datasets.frame_folders import RecordedFrame
from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.demo.arm_frames import ArmFrames
from genpose_ros.ros.demo.camera_messages import FrameMessages, frame_messages
from genpose_ros.ros.demo.moving_frames import MOTIONS, WORLD, MovingFrames
from genpose_ros.ros.demo.still_frames import frames_to_show
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.image_messages import camera_info
from genpose_ros.ros.program import run_program
from genpose_ros.tracking.ego_motion import PoseHistory, append_pose, pose_at

__all__ = ["SimulatedCameraNode", "main"]


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
# As realsense-ros by default: reliable, which best-effort subscribers receive too.
_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
#: Value of the parameter `motion` without motion.
_STILL = "still"
#: Between new intrinsics and the first image they belong to: topics may overtake each other.
_INFO_LEAD_S = 0.2


@dataclass(frozen=True)
class _CameraParameters:
    """Values of the ROS parameters, which are read once, at start; see their descriptions."""

    seed: int
    frames: str
    weights: str
    rate_hz: float
    motion: str
    robot: str
    motion_s: float
    mask_rate_hz: float
    mask_delay_s: float
    tf_rate_hz: float
    tf_delay_s: float
    cycle: bool


class SimulatedCameraNode(Node):
    """Publishes colour, aligned depth, camera_info, masks and ground truth of frames.

    With a motion, the camera's pose in the frame `world` too: on /tf, if need be at a rate of its
    own and late, as an arm's driver does, and exactly at each image on `~/ground_truth_camera`.

    Args:
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        FileNotFoundError: the parameter `frames` names no folder with frames, or `weights` no file.
        ValueError: a frame or checkpoint is damaged, or another parameter is not valid.
    """

    def __init__(
        self, *, node_name: str = "camera", namespace: str = "/camera", **node_options: Any
    ) -> None:
        super().__init__(node_name, namespace=namespace, **node_options)
        self._frame_id = f"{self.get_name()}_color_optical_frame"  # as realsense-ros names it
        self._camera_parameters = self._declare_parameters()
        self._frames: list[RecordedFrame] = []
        self._moving: MovingFrames | None = None
        if self._camera_parameters.robot:
            self._simulate_arm()
        elif self._camera_parameters.motion == _STILL:
            self._load_frames()
        else:
            self._simulate_motion()
        self._number = 0
        self._last_masks_s = float("-inf")
        self._index = 0
        self._info_announced = self._published = False
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
        self.create_timer(1.0 / self._camera_parameters.rate_hz, self._tick)
        shown = self._camera_parameters.robot or self._camera_parameters.motion
        name = shown if self._moving else self._frames[0].name
        count = len(self._moving or self._frames)
        self.get_logger().info(f"showing {name}, {count} frame(s) in all")

    def _load_frames(self) -> None:
        parameters = self._camera_parameters
        self._frames = frames_to_show(parameters.seed, parameters.frames, parameters.weights)
        for frame in self._frames:
            frame_messages(frame, Header())  # a frame that cannot be published is refused now

    def _simulate_motion(self) -> None:
        given = self._camera_parameters
        if given.frames:
            raise ValueError("frames and motion cannot be given together")
        self._moving = MovingFrames(
            given.motion,
            given.seed,
            given.motion_s,
            given.rate_hz,
            given.weights,
            self._log_progress,
        )
        self._broadcaster = TransformBroadcaster(self)
        self._truth_of_camera = self.create_publisher(PoseStamped, "~/ground_truth_camera", _QOS)
        self._camera_poses: PoseHistory = ()
        if given.tf_rate_hz > 0:
            self.create_timer(1.0 / given.tf_rate_hz, self._broadcast)

    def _simulate_arm(self) -> None:
        given = self._camera_parameters
        if given.frames or given.weights or given.motion != _STILL or given.tf_rate_hz > 0:
            raise ValueError("robot goes with no frames, weights, motion or tf_rate_hz")
        self._moving = ArmFrames(
            given.seed, given.motion_s, given.rate_hz, self._frame_id, self._log_progress
        )
        self._broadcaster = TransformBroadcaster(self)
        self._joints = self.create_publisher(JointState, "/joint_states", _QOS)
        self._truth_of_camera = self.create_publisher(PoseStamped, "~/ground_truth_camera", _QOS)
        self._camera_poses = ()

    def _log_progress(self, done: int, total: int) -> None:
        self.get_logger().info(
            f"{done} of {total} images are simulated", throttle_duration_sec=5.0, skip_first=True
        )

    def _declare_parameters(self) -> _CameraParameters:
        return _CameraParameters(
            seed=self._declare("seed", 0, "Which table is simulated.", low=0, high=2**31 - 1),
            frames=self._declare(
                "frames", "", "Folder of recorded frames; empty: a simulated table."
            ),
            weights=self._declare(
                "weights",
                "",
                "Checkpoints whose categories are shown, with commas between; empty: the released.",
            ),
            rate_hz=self._declare("rate_hz", 1.0, "Images per second.", low=0.05, high=60.0),
            motion=self._declare("motion", _STILL, "What moves.", choices=(_STILL, *MOTIONS)),
            robot=self._declare(
                "robot",
                "",
                "Arm that the camera is on: it looks at its table from several places, and its "
                "joints and frames are published too; empty: none.",
                choices=("", "xarm6"),
            ),
            motion_s=self._declare(
                "motion_s",
                6.0,
                "How long it moves before it goes back, seconds.",
                low=0.5,
                high=60.0,
            ),
            mask_rate_hz=self._declare(
                "mask_rate_hz", 0.0, "Masks per second; 0: one for each image.", low=0.0, high=60.0
            ),
            mask_delay_s=self._declare(
                "mask_delay_s",
                0.0,
                "How long after the depth image its masks come.",
                low=0.0,
                high=5.0,
            ),
            tf_rate_hz=self._declare(
                "tf_rate_hz",
                0.0,
                "Transforms of a moving camera per second; 0: one at each image.",
                low=0.0,
                high=1000.0,
            ),
            tf_delay_s=self._declare(
                "tf_delay_s", 0.0, "How late transforms are published.", low=0.0, high=5.0
            ),
            cycle=self._declare(
                "cycle", True, "Each image shows the next recorded frame; false: ~/next does."
            ),
        )

    def _declare(
        self,
        name: str,
        default: Any,
        description: str,
        *,
        low: float | None = None,
        high: float | None = None,
        choices: tuple[str, ...] = (),
    ) -> Any:
        """Declare a parameter that is read once, at start; return its value."""
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif low is not None and high is not None:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        if choices:
            descriptor.additional_constraints = f"one of {', '.join(choices)}"
        try:
            value = self.declare_parameter(name, default, descriptor).value
        except ParameterException as error:
            raise ValueError(f"parameter {name}: {error}") from error
        if choices and value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
        return value

    def _on_next(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Show the next frame; the reply's message is its name."""
        if self._moving is not None:
            response.message = "with a motion the next image is shown by itself"
            return response
        self._show_next()
        response.success = True
        response.message = self._frames[self._index].name
        return response

    def _show_next(self) -> None:
        """Go on to the next frame; another camera is announced before its first image."""
        before = self._frames[self._index].camera
        self._index = (self._index + 1) % len(self._frames)
        camera = self._frames[self._index].camera
        self._info_announced = camera != before
        if self._info_announced:
            self._publish_info(camera_info(camera, self._header()))
            self._call_later(_INFO_LEAD_S, self._on_info_announced)

    def _on_info_announced(self) -> None:
        self._info_announced = False
        self._publish_frame()

    def _tick(self) -> None:
        if self._moving is not None:
            self._publish_moving(self._moving)
            return
        cycles = self._camera_parameters.cycle and len(self._frames) > 1
        if self._info_announced or (cycles and self._masks_to_come):
            return
        if cycles and self._published:
            self._show_next()
        if not self._info_announced:
            self._publish_frame()

    def _publish_frame(self) -> None:
        header = self._header()
        messages = frame_messages(self._frames[self._index], header)
        self._publish_info(messages.camera_info)
        for name in ("ground_truth", "color", "depth"):
            self._topics[name].publish(getattr(messages, name))
        self._published = True
        if not self._masks_are_due(header):
            return
        self._masks_to_come += 1

        def publish_masks() -> None:
            self._masks_to_come -= 1
            self._publish_masks(messages)

        self._after(self._camera_parameters.mask_delay_s, publish_masks)

    def _publish_moving(self, moving: MovingFrames) -> None:
        """Publish the next image of a motion, and its masks when they are due."""
        number, header = self._number, self._header()
        self._number += 1
        messages = moving.messages(number, header)
        self._publish_camera_pose(moving, number, header)
        self._publish_info(messages.camera_info)
        for name in ("ground_truth", "depth"):
            self._topics[name].publish(getattr(messages, name))
        if self._topics["color"].get_subscription_count():
            self._topics["color"].publish(moving.color(number, header))
        if self._masks_are_due(header):
            # Masks carry the stamp of their own image, whatever was published meanwhile.
            self._after(
                self._camera_parameters.mask_delay_s,
                lambda: self._publish_masks(moving.messages(number, header)),
            )

    def _publish_camera_pose(self, moving: MovingFrames, number: int, header: Header) -> None:
        """Publish where the camera is at an image; on /tf unless that has a rate of its own."""
        T_world_cam = moving.camera_pose(number)
        self._camera_poses = append_pose(self._camera_poses, stamp_ns(header), T_world_cam)
        (pose,) = pose_messages(T_world_cam[None])
        in_world = Header(stamp=header.stamp, frame_id=WORLD)
        self._truth_of_camera.publish(PoseStamped(header=in_world, pose=pose))
        if self._camera_parameters.tf_rate_hz > 0:
            return
        transforms = moving.transforms(number, header)
        delay_s = self._camera_parameters.tf_delay_s
        self._after(delay_s, lambda: self._broadcaster.sendTransform(transforms))
        if isinstance(moving, ArmFrames):
            self._joints.publish(moving.joint_state(number, header))

    def _broadcast(self) -> None:
        """Publish on /tf where the camera was a delay ago, between the images around."""
        if self._moving is None or not self._camera_poses:
            return
        given = self._camera_parameters
        stamp = self.get_clock().now() - Duration(seconds=given.tf_delay_s)
        next_ns = self._camera_poses[-1][0] + round(1e9 / given.rate_hz)
        coming = (next_ns, self._moving.camera_pose(self._number))
        T_world_cam = pose_at((*self._camera_poses, coming), stamp.nanoseconds)
        header = Header(stamp=stamp.to_msg(), frame_id=self._frame_id)
        self._broadcaster.sendTransform(self._moving.transform(T_world_cam, header))

    def _masks_are_due(self, header: Header) -> bool:
        now_s = header.stamp.sec + 1e-9 * header.stamp.nanosec
        rate_hz = self._camera_parameters.mask_rate_hz
        # A little early is better than an image late.
        if rate_hz > 0 and now_s - self._last_masks_s < 1 / rate_hz - 0.005:
            return False
        self._last_masks_s = now_s
        return True

    def _publish_masks(self, messages: FrameMessages) -> None:
        for name in _MASKS:
            self._topics[name].publish(getattr(messages, name))

    def _after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call an action once, after some seconds; after none at once."""
        if delay_s > 0:
            self._call_later(delay_s, action)
        else:
            action()

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=self._frame_id)

    def _publish_info(self, message: CameraInfo) -> None:
        self._topics["color_info"].publish(message)
        self._topics["depth_info"].publish(message)

    def _call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call an action once, after some seconds."""

        def run() -> None:
            self.destroy_timer(timer)
            action()

        timer = self.create_timer(seconds, run)


def main(args: Sequence[str] | None = None) -> None:
    """Run the camera until it is asked to stop.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """
    run_program("camera", SimulatedCameraNode, rclpy.spin, args)


if __name__ == "__main__":
    main()
