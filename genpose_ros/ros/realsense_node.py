# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RealSense node: a camera or recording, for machines without realsense-ros."""

if __name__ == "__main__":
    from genpose_ros.stopping import exit_at_once

    exit_at_once(0)  # until the node, whose imports take seconds, answers signals itself

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, Imu
from tf2_msgs.msg import TFMessage

from genpose_ros.realsense.settings import RealSenseSettings
from genpose_ros.realsense.streams import (
    CameraError,
    CameraFrame,
    DeviceClock,
    EndOfRecordingError,
    Streams,
    import_librealsense,
    open_streams,
)
from genpose_ros.ros.diagnostics import Diagnostics, status
from genpose_ros.ros.program import run_program, spin_through_errors
from genpose_ros.ros.realsense_messages import CameraNames, camera_messages, camera_transforms
from genpose_ros.ros.settings_parameters import SettingsParameters

__all__ = ["RealSenseNode", "main"]

#: Name and namespace of the node, as of realsense-ros's: its topics are below /camera/camera.
_NAME, _NAMESPACE = "camera", "camera"
_KINDS = {"image_rect_raw": Image, "image_raw": Image, "camera_info": CameraInfo, "imu": Imu}
_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_STATIC = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
#: How long reading may hold up the end of the node, seconds.
_STEP_S, _END_S = 0.5, 5.0


class RealSenseNode(Node):
    """Node that reads a camera in a thread of its own, and opens it again when it was unplugged.

    Attributes:
        counts: framesets that were published, and times that the camera was opened and lost.
        over: set once a recording has been played.

    Args:
        node_name, namespace: where nothing else is said, such as by `-r __ns:=/arm`.
        open_camera: opens the camera or recording of given settings.
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter cannot be used, or the recording is none.
        FileNotFoundError: there is no such recording.
        ModuleNotFoundError: pyrealsense2 is not installed.
    """

    def __init__(
        self,
        *,
        node_name: str = _NAME,
        namespace: str = _NAMESPACE,
        open_camera: Callable[[RealSenseSettings], Streams] | None = None,
        **node_options: Any,
    ) -> None:
        super().__init__(node_name, namespace=namespace, **node_options)
        self.counts: Counter[str] = Counter()
        self.over = threading.Event()
        self._settings = SettingsParameters(self, RealSenseSettings()).current
        if open_camera is None:
            import_librealsense()
            self._check_recording()
        self._open = open_camera or open_streams
        self._names = CameraNames(self._settings.camera_name)
        self._clock_of_camera = DeviceClock(lambda: int(self.get_clock().now().nanoseconds))
        self._outputs: dict[str, Any] = {}
        self._transforms = self.create_publisher(TFMessage, "/tf_static", _STATIC)
        self._problem, self._about = "the camera is being opened", ""
        self._stopped = threading.Event()
        self._diagnostics = Diagnostics(self, lambda: [self._status()])
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def report_error(self, error: BaseException) -> None:
        """Log what was raised while spinning; the node goes on."""
        self.get_logger().error(f"{type(error).__name__}: {error}", throttle_duration_sec=5)

    def destroy_node(self) -> None:
        """Let go of the camera, then free everything."""
        self._stopped.set()
        self._thread.join(_END_S)
        super().destroy_node()

    def _check_recording(self) -> None:
        if self._settings.bag and not Path(self._settings.bag).is_file():
            raise FileNotFoundError(2, "No such file or directory", self._settings.bag)

    def _run(self) -> None:
        """Open, read, and open again, until the node is stopped or a recording is over."""
        begun_anew = False
        while not self._stopped.is_set() and self.context.ok():
            try:
                streams = self._open(self._settings)
            except (CameraError, RuntimeError, ValueError, OSError) as error:
                self._lost(str(error))
                continue
            self.counts["opened"] += 1
            self._problem, self._about = "", streams.about
            if not begun_anew:  # a short recording in a loop would fill the log
                self.get_logger().info(f"camera: {streams.about or 'opened'}")
            begun_anew = False
            try:
                self._read(streams)
            except EndOfRecordingError:
                if not self._settings.loop:
                    self.get_logger().info("the recording is over")
                    self.over.set()
                    return
                begun_anew = True
            except CameraError as error:
                self._lost(str(error))
            except Exception as error:  # the thread must not end without a word
                if self.context.ok():  # else nothing can be published any more
                    self._lost(f"{type(error).__name__}: {error}")
            finally:
                streams.close()

    def _lost(self, why: str) -> None:
        self.counts["lost"] += 1
        self._problem = why
        self.get_logger().warning(
            f"{why}; trying again every {self._settings.reconnect_s:g} s", throttle_duration_sec=10
        )
        self._stopped.wait(self._settings.reconnect_s)

    def _read(self, streams: Streams) -> None:
        """Publish what comes.

        Raises:
            CameraError: the camera fails, or sends nothing.
            EndOfRecordingError: the recording is over.
        """
        silent_s, first = 0.0, True
        while not self._stopped.is_set():
            frame = streams.read(_STEP_S)
            if frame is None:
                silent_s += _STEP_S
                if silent_s >= self._settings.timeout_s:
                    raise CameraError(
                        f"the camera has sent no images for {silent_s:g} s: is it on a USB 3 port, "
                        "and its cable whole?"
                    )
                continue
            silent_s = 0.0
            self._publish(frame, first=first)
            first = False

    def _publish(self, frame: CameraFrame, *, first: bool) -> None:
        stamp_ns = self._clock_of_camera.stamp_ns(frame.time_ms, is_global=frame.time_is_global)
        stamp = Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
        if first and self._settings.publish_tf:
            self._transforms.publish(
                TFMessage(transforms=camera_transforms(frame, self._names, stamp))
            )
        messages = camera_messages(frame, self._names, stamp)
        for topic, message in messages.items():
            if topic not in self._outputs:
                self._outputs[topic] = self.create_publisher(
                    _KINDS[topic.rpartition("/")[2]],
                    f"~/{topic}",
                    _QOS,
                    qos_overriding_options=QoSOverridingOptions.with_default_policies(),
                )
            self._outputs[topic].publish(message)
        self.counts["published"] += 1

    def _status(self) -> DiagnosticStatus:
        message = "the recording is over" if self.over.is_set() else self._problem
        values: dict[str, object] = {"camera": self._about, **self.counts}
        return status("camera", message or "streaming", values, warn=bool(message))


def main(
    args: Sequence[str] | None = None,
    *,
    open_camera: Callable[[RealSenseSettings], Streams] | None = None,
) -> None:
    """Run the node until it is stopped; arguments as of `rclpy.init`.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """

    def make_node() -> RealSenseNode:
        try:
            return RealSenseNode(open_camera=open_camera)
        except ModuleNotFoundError as error:
            raise RuntimeError(str(error)) from error

    run_program(_NAME, make_node, spin_through_errors, args)


if __name__ == "__main__":
    main()
