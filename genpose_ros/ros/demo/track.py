# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking demo: objects or a simulated camera that move, and the node in mode `track`."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.console import Console
from vision_msgs.msg import Detection3DArray

from genpose_ros.msg import ObjectPoseArray
from genpose_ros.networks.model_set import known_categories
from genpose_ros.ros.demo.moving_frames import MOTIONS, WORLD
from genpose_ros.ros.demo.node_processes import NodeEndedError, terminable
from genpose_ros.ros.demo.results import transform_from_pose
from genpose_ros.ros.demo.session import CAMERA, OBJECTS, DemoSession, write_report
from genpose_ros.ros.demo.track_report import TrackReport, summarise_tracks
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.parameter_names import node_parameters

__all__ = ["TrackDemo", "measure_tracking", "run_track_demo"]

_INTERRUPTED = 130
_RELIABLE = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class TrackDemo:
    """Settings of the tracking demo: the motion, the camera's rates and the node's parameters.

    Attributes:
        motion: one of `moving_frames.MOTIONS`.
        seed: of the sequence.
        seconds: how long it is measured, from the node's first object on.
        motion_s: length of the motion, before it goes back the way it came, seconds.
        rate_hz: images per second.
        mask_rate_hz: masks per second.
        mask_delay_s: how long after their image masks come.
        tf_rate_hz: transforms of a moving camera per second; 0: one at each image.
        tf_delay_s: how late they come.
        compensated: whether the node knows the camera's motion (`fixed_frame`).
        settings: further parameters of the node.

    Raises:
        ValueError: there is no such motion.
    """

    motion: str = "sweep"
    seed: int = 0
    seconds: float = 20.0
    motion_s: float = 4.0
    rate_hz: float = 15.0
    mask_rate_hz: float = 5.0
    mask_delay_s: float = 0.2
    tf_rate_hz: float = 0.0
    tf_delay_s: float = 0.0
    compensated: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            known = ", ".join(MOTIONS)
            raise ValueError(f"motion must be one of {known}; got {self.motion!r}")

    @property
    def camera_parameters(self) -> dict[str, Any]:
        """Parameters of the simulated camera."""
        weights = self.settings.get("weights")
        return {
            **({"weights": weights} if weights else {}),
            "motion": self.motion,
            "motion_s": self.motion_s,
            "seed": self.seed,
            "rate_hz": self.rate_hz,
            "mask_rate_hz": self.mask_rate_hz,
            "mask_delay_s": self.mask_delay_s,
            "tf_rate_hz": self.tf_rate_hz,
            "tf_delay_s": self.tf_delay_s,
        }

    @property
    def node_parameters(self) -> dict[str, Any]:
        """Parameters of the estimator node."""
        fixed_frame = WORLD if self.compensated else ""
        return node_parameters({"mode": "track", "fixed_frame": fixed_frame, **self.settings})


def run_track_demo(
    demo: TrackDemo,
    *,
    json: Path | None = None,
    timeout_s: float = 150.0,
    console: Console | None = None,
) -> int:
    """Run the tracking demo; print and write how well the objects were tracked.

    Args:
        demo: its settings.
        json: where the report goes; None: nowhere.
        timeout_s: how long the programs may take to start.
        console: where to print.

    Returns:
        0 when objects were tracked, 1 when not, 130 when interrupted.
    """
    console = console or Console()
    try:
        report = measure_tracking(demo, timeout_s=timeout_s, console=console)
    except KeyboardInterrupt:
        console.print("stopped", style="bold")
        return _INTERRUPTED
    except (NodeEndedError, TimeoutError) as error:
        console.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print(report.table())
    if json is not None:
        write_report(report.to_json(), json, console)
    return 0 if report.tracks else 1


def measure_tracking(demo: TrackDemo, *, timeout_s: float, console: Console) -> TrackReport:
    """Run camera and node for `demo.seconds` and summarise what they publish.

    Args:
        demo: settings.
        timeout_s: how long the programs may take to start.
        console: where progress is shown.

    Raises:
        NodeEndedError: a program ended by itself.
        TimeoutError: one took too long to start.
    """
    with (
        terminable(),
        DemoSession.start(
            demo.camera_parameters, demo.node_parameters, console, timeout_s
        ) as session,
    ):
        return _TrackingRun(session, demo).measure()


class _TrackingRun:
    """Messages received from camera and node, and the time they took.

    Args:
        session: the running programs.
        demo: settings.
    """

    def __init__(self, session: DemoSession, demo: TrackDemo) -> None:
        self._session = session
        self._demo = demo
        self._objects: list[tuple[int, ObjectPoseArray]] = []
        self._truths: dict[int, Detection3DArray] = {}
        self._cameras: dict[int, np.ndarray] = {}
        self._task = session.progress.add_task("simulating", total=demo.seconds)
        session.node.create_subscription(ObjectPoseArray, OBJECTS, self._on_objects, _RELIABLE)
        session.node.create_subscription(
            Detection3DArray, f"{CAMERA}/ground_truth", self._on_truth, _RELIABLE
        )
        session.node.create_subscription(
            PoseStamped, f"{CAMERA}/ground_truth_camera", self._on_camera, _RELIABLE
        )

    def measure(self) -> TrackReport:
        """Receive messages for the time of the demo, from the node's first object on."""
        self._wait_for_objects()
        programs = (self._session.estimator, self._session.camera)
        start_s, before_s = time.monotonic(), [_cpu_seconds(p.pid) for p in programs]
        self._receive(start_s)
        passed_s = time.monotonic() - start_s
        node_s, camera_s = (
            _cpu_seconds(p.pid) - s for p, s in zip(programs, before_s, strict=True)
        )
        return summarise_tracks(
            self._objects,
            self._truths,
            passed_s,
            node_s,
            camera_s,
            T_world_cam=self._cameras,
            categories=known_categories(self._demo.settings.get("weights", "")),
        )

    def _wait_for_objects(self) -> None:
        session = self._session
        session.wait(lambda: self._truths, "the camera did not start")
        session.progress.update(self._task, description="loading the network")
        session.wait(
            lambda: any(message.objects for _, message in self._objects), "no object was tracked"
        )
        self._objects.clear()
        self._truths.clear()

    def _receive(self, start_s: float) -> None:
        seconds, progress = self._demo.seconds, self._session.progress
        progress.update(self._task, description=f"tracking {self._demo.motion}")

        def done() -> bool:
            passed_s = time.monotonic() - start_s
            progress.update(self._task, completed=passed_s)
            return passed_s >= seconds

        timeout_s = seconds + self._session.timeout_s
        self._session.wait(done, "the demo does not end", timeout_s)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self._objects.append((time.time_ns(), message))

    def _on_truth(self, message: Detection3DArray) -> None:
        self._truths[stamp_ns(message.header)] = message

    def _on_camera(self, message: PoseStamped) -> None:
        self._cameras[stamp_ns(message.header)] = transform_from_pose(message.pose)


def _cpu_seconds(pid: int) -> float:
    """Return the processor time that a program has used, all its threads together."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = (int(ticks) for ticks in after_name[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")
