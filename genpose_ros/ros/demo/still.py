# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Demo without motion: frames shown to the estimator node, its poses compared with the truth."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.console import Console
from std_srvs.srv import Trigger

from genpose_ros.datasets.frame_folders import RecordedFrame, find_frames
from genpose_ros.drawing import save_picture
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.networks.model_set import absolute_weights
from genpose_ros.ros.demo.node_processes import NodeEndedError, terminable
from genpose_ros.ros.demo.results import result_from_message
from genpose_ros.ros.demo.session import CAMERA, OBJECTS, DemoSession, write_report
from genpose_ros.ros.demo.still_frames import frames_to_show
from genpose_ros.ros.demo.still_report import DemoFrame, DemoReport, compare, contact_sheet
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.parameter_names import node_parameters

__all__ = ["run_demo"]

_INTERRUPTED = 130
#: Images per second. The node takes the newest when it is slower.
_RATE_HZ = 4.0
#: Results of the first frame that are waited for: the node's first one is slower than the others.
_FIRST_RESULTS = 3
_RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def run_demo(
    *,
    frames: Path | None = None,
    json: Path | None = None,
    picture: Path | None = None,
    seed: int = 0,
    weights: Path | None = None,
    settings: dict[str, Any] | None = None,
    timeout_s: float = 150.0,
    console: Console | None = None,
) -> int:
    """Show frames to the estimator node over topics; print, write and draw what it publishes.

    Args:
        frames: folder with recorded frames, at any depth; None: a simulated table.
        json: where the report goes; None: nowhere.
        picture: where the picture goes; None: genpose_demo.png in the current folder.
        seed: of the simulated table and of the estimator.
        weights: checkpoint, or several with commas between; None: the released one.
        settings: further parameters of the estimator node.
        timeout_s: how long the programs may take to start, and the node for each frame.
        console: where to print.

    Returns:
        0 when every object was estimated, 1 when not, 130 when interrupted.

    Raises:
        FileNotFoundError: no frame in the folder, or no such checkpoint.
        ValueError: a frame is damaged.
    """
    console = console or Console()
    camera_parameters = _camera_parameters(frames, seed)
    estimator_parameters = _estimator_parameters(weights, seed, settings or {})
    try:
        with (
            terminable(),
            DemoSession.start(
                camera_parameters, estimator_parameters, console, timeout_s
            ) as session,
        ):
            report = _StillDemo(session).run(frames_to_show(seed, frames or ""))
    except KeyboardInterrupt:
        console.print("stopped", style="bold")
        return _INTERRUPTED
    except (NodeEndedError, TimeoutError) as error:
        console.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    _write_results(report, json, picture or Path("genpose_demo.png"), console)
    return 0 if report.complete else 1


def _camera_parameters(frames: Path | None, seed: int) -> dict[str, Any]:
    """Return the parameters of a camera that goes on to the next frame when it is asked to.

    Raises:
        FileNotFoundError: no frame in the folder.
    """
    parameters: dict[str, Any] = {"seed": seed, "cycle": False, "rate_hz": _RATE_HZ}
    if frames is not None:
        find_frames(frames)  # so that nothing is started where there are none
        parameters["frames"] = str(frames.resolve())
    return parameters


def _estimator_parameters(
    weights: Path | None, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters of the estimator node.

    Raises:
        FileNotFoundError: no such checkpoint.
    """
    if weights is None:
        return node_parameters({"seed": seed, **settings})
    named = absolute_weights(str(weights))
    return node_parameters({"seed": seed, **settings, "weights": named})


@dataclass
class _StillDemo:
    """Frames shown one after the other, and the results that the node publishes about them.

    Attributes:
        session: the running programs.
        received: time of arrival (ns) and content of each message on `~/objects`.
    """

    session: DemoSession
    received: list[tuple[int, ObjectPoseArray]] = field(default_factory=list)

    def run(self, frames: list[RecordedFrame]) -> DemoReport:
        """Show every frame and collect the node's result.

        Raises:
            NodeEndedError: a program ended by itself.
            TimeoutError: one took too long.
        """
        progress = self.session.progress
        task = progress.add_task("starting the camera", total=2 + len(frames))
        self.session.node.create_subscription(ObjectPoseArray, OBJECTS, self._on_objects, _RELIABLE)
        next_frame = self.session.node.create_client(Trigger, f"{CAMERA}/next")
        self.session.wait(next_frame.service_is_ready, "the camera did not start")
        progress.update(task, advance=1, description="loading the network")
        self.session.wait(
            lambda: self.session.node.count_publishers(OBJECTS), "the estimator did not start"
        )
        progress.update(task, advance=1)
        compared = []
        for i, frame in enumerate(frames):
            text = f"estimating {frame.name} ({i + 1} of {len(frames)})"
            progress.update(task, description=text)
            since_ns, count = (self._show_next(next_frame), 1) if i else (0, _FIRST_RESULTS)
            compared.append(self._result(frame, since_ns, count))
            progress.advance(task)
        return DemoReport(tuple(compared))

    def _show_next(self, next_frame: Any) -> int:
        """Have the camera show the next frame; return the time since which it does, ns."""
        future = next_frame.call_async(Trigger.Request())
        self.session.wait(future.done, "the camera does not go on to the next frame")
        return time.time_ns()

    def _result(self, frame: RecordedFrame, since_ns: int, count: int) -> DemoFrame:
        """Wait for `count` results of images taken after a time; compare the last one."""
        self.received.clear()

        def recent() -> list[tuple[int, ObjectPoseArray]]:
            return [pair for pair in self.received if stamp_ns(pair[1].header) >= since_ns]

        self.session.wait(lambda: len(recent()) >= count, f"no estimates of {frame.name} came")
        arrival_ns, message = recent()[-1]
        latency_ms = (arrival_ns - stamp_ns(message.header)) / 1e6
        return compare(frame, result_from_message(message), latency_ms)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self.received.append((time.time_ns(), message))


def _write_results(report: DemoReport, json: Path | None, picture: Path, console: Console) -> None:
    """Print the table, write the report and save the picture."""
    console.print(report.table())
    if json is not None:
        write_report(report.to_json(), json, console)
    save_picture(contact_sheet([frame.picture() for frame in report.frames]), picture)
    console.print(f"picture: {picture.resolve()}", markup=False, highlight=False, soft_wrap=True)
    missed = [item for item in report.objects if item.estimate is None]
    if missed:
        console.print(f"{len(missed)} object(s) were not estimated", style="bold red")
