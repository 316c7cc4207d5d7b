"""The demo: a simulated camera and the estimator as two programs, their results and the truth."""

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
from genpose_ros.ros.demo.node_processes import NodeEndedError, terminable
from genpose_ros.ros.demo.results import result_from_message
from genpose_ros.ros.demo.session import CAMERA, OBJECTS, Stage, write_report
from genpose_ros.ros.demo.still_frames import frames_to_show
from genpose_ros.ros.demo.still_report import DemoFrame, DemoReport, compare, contact_sheet
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.parameter_names import node_parameters

__all__ = ["run_demo"]

_INTERRUPTED = 130
#: Images per second. The node takes the newest when it is slower.
_RATE_HZ = 4.0
#: Answers to the first frame: the node's first one is slower than all that follow.
_FIRST_ANSWERS = 3


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
    """Show frames to the estimator node over topics; print, write and draw what it answers.

    Args:
        frames: folder with recorded frames, at any depth; None: a simulated table.
        json: where the report goes; None: nowhere.
        picture: where the picture goes; None: genpose_demo.png in the current folder.
        seed: of the simulated table and of the estimator.
        weights: checkpoint; None: the released one.
        settings: further parameters of the estimator node.
        timeout_s: how long the programs may take to start, and each frame to be answered.
        console: where to print.

    Returns:
        0 when every object was estimated, 1 when not, 130 when interrupted.

    Raises:
        FileNotFoundError: no frame in the folder, or no such checkpoint.
        ValueError: a frame is damaged.
    """
    console = console or Console()
    if frames is not None:
        find_frames(frames)  # complain before anything starts
    parameters = node_parameters({"seed": seed, **(settings or {})})
    if weights is not None:
        if not weights.is_file():
            raise FileNotFoundError(f"no checkpoint at {weights}")
        parameters["weights"] = str(weights.resolve())
    shown: dict[str, Any] = {"seed": seed, "cycle": False, "rate_hz": _RATE_HZ}
    if frames is not None:
        shown["frames"] = str(frames.resolve())
    try:
        with terminable(), Stage.set_up(shown, parameters, console, timeout_s) as stage:
            report = _Play(stage).run(frames_to_show(seed, frames or ""))
    except KeyboardInterrupt:
        console.print("stopped", style="bold")
        return _INTERRUPTED
    except (NodeEndedError, TimeoutError) as error:
        console.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    _hand_over(report, json, picture or Path("genpose_demo.png"), console)
    return 0 if report.complete else 1


@dataclass
class _Play:
    """Frames that are shown one after the other, and what the estimator answers."""

    stage: Stage
    answers: list[tuple[int, ObjectPoseArray]] = field(default_factory=list)

    def run(self, frames: list[RecordedFrame]) -> DemoReport:
        """Show every frame and collect the node's answer.

        Raises:
            NodeEndedError: a program ended by itself.
            TimeoutError: one took too long.
        """
        task = self.stage.progress.add_task("starting the camera", total=2 + len(frames))
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.stage.node.create_subscription(ObjectPoseArray, OBJECTS, self._on_objects, qos)
        following = self.stage.node.create_client(Trigger, f"{CAMERA}/next")
        self.stage.wait(following.service_is_ready, "the camera did not start")
        self.stage.progress.update(task, advance=1, description="loading the network")
        self.stage.wait(
            lambda: self.stage.node.count_publishers(OBJECTS), "the estimator did not start"
        )
        self.stage.progress.update(task, advance=1)
        played = []
        for i, frame in enumerate(frames):
            text = f"estimating {frame.name} ({i + 1} of {len(frames)})"
            self.stage.progress.update(task, description=text)
            since, answers = (self._show_next(following), 1) if i else (0, _FIRST_ANSWERS)
            played.append(self._answer(frame, since, answers))
            self.stage.progress.advance(task)
        return DemoReport(tuple(played))

    def _show_next(self, following: Any) -> int:
        """Have the camera show the next frame; returns the time since which it does."""
        future = following.call_async(Trigger.Request())
        self.stage.wait(future.done, "the camera does not go on to the next frame")
        return time.time_ns()

    def _answer(self, frame: RecordedFrame, since_ns: int, count: int) -> DemoFrame:
        """Wait for `count` results of images taken after a time; return the last."""
        self.answers.clear()

        def fresh() -> list[tuple[int, ObjectPoseArray]]:
            return [a for a in self.answers if stamp_ns(a[1].header) >= since_ns]

        self.stage.wait(lambda: len(fresh()) >= count, f"no estimates of {frame.name} came")
        arrival_ns, message = fresh()[-1]
        latency_ms = (arrival_ns - stamp_ns(message.header)) / 1e6
        return compare(frame, result_from_message(message), latency_ms)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self.answers.append((time.time_ns(), message))


def _hand_over(report: DemoReport, json: Path | None, picture: Path, console: Console) -> None:
    console.print(report.table())
    if json is not None:
        write_report(report.to_json(), json, console)
    save_picture(contact_sheet([frame.picture() for frame in report.frames]), picture)
    console.print(f"picture: {picture.resolve()}", markup=False, highlight=False, soft_wrap=True)
    missed = [item for item in report.objects if item.estimate is None]
    if missed:
        console.print(f"{len(missed)} object(s) were not estimated", style="bold red")
