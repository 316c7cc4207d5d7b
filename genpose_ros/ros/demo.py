"""The demo: a simulated camera and the estimator as two programs, their results and the truth."""

import json as jsonlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from std_srvs.srv import Trigger

from genpose_ros.datasets.frames import RecordedFrame, find_frames
from genpose_ros.drawing import save_picture
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.camera_frames import frames_to_show
from genpose_ros.ros.demo_report import DemoFrame, DemoReport, compare, contact_sheet
from genpose_ros.ros.frames import stamp_ns
from genpose_ros.ros.processes import (
    NodeEndedError,
    NodeProcess,
    isolated_environment,
    node_process,
    terminable,
)
from genpose_ros.ros.results import result_from_message

__all__ = ["run_demo"]

_ESTIMATOR_PROGRAM = "genpose_ros.ros.estimator_node"
_CAMERA_PROGRAM = "genpose_ros.ros.simulated_camera_node"
_CAMERA = "/camera/camera"
_OBJECTS = "/genpose/objects"
_REMAPPINGS = {
    "depth": f"{_CAMERA}/aligned_depth_to_color/image_raw",
    "camera_info": f"{_CAMERA}/aligned_depth_to_color/camera_info",
    "masks": "/segmentation/label_image",
    "mask_detections": "/segmentation/detections",
}
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
    parameters: dict[str, Any] = {"seed": seed, **(settings or {})}
    if weights is not None:
        if not weights.is_file():
            raise FileNotFoundError(f"no checkpoint at {weights}")
        parameters["weights"] = str(weights.resolve())
    shown: dict[str, Any] = {"seed": seed, "cycle": False, "rate_hz": _RATE_HZ}
    if frames is not None:
        shown["frames"] = str(frames.resolve())
    try:
        with terminable(), _Stage.set_up(shown, parameters, console, timeout_s) as stage:
            report = stage.play(frames_to_show(seed, frames or ""))
    except KeyboardInterrupt:
        console.print("stopped", style="bold")
        return _INTERRUPTED
    except (NodeEndedError, TimeoutError) as error:
        console.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
    _hand_over(report, json, picture or Path("genpose_demo.png"), console)
    return 0 if report.complete else 1


@dataclass
class _Stage:
    """The two nodes while they run, and a node of our own that listens to them."""

    nodes: tuple[NodeProcess, ...]
    node: Any
    executor: SingleThreadedExecutor
    progress: Progress
    timeout_s: float
    answers: list[tuple[int, ObjectPoseArray]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def set_up(
        cls,
        shown: dict[str, Any],
        parameters: dict[str, Any],
        console: Console,
        timeout_s: float,
    ) -> Iterator["_Stage"]:
        """Start the programs; stop them in any case."""
        environment = isolated_environment()
        with ExitStack() as stack:
            stack.enter_context(_adopted(environment))
            estimator = node_process(
                "estimator", _ESTIMATOR_PROGRAM, parameters, _REMAPPINGS, environment
            )
            camera = node_process("camera", _CAMERA_PROGRAM, shown, None, environment)
            nodes = tuple(stack.enter_context(program) for program in (estimator, camera))
            node, executor = stack.enter_context(_listener())
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
            )
            progress = stack.enter_context(Progress(*columns, console=console, transient=True))
            yield cls(nodes, node, executor, progress, timeout_s)

    def play(self, frames: list[RecordedFrame]) -> DemoReport:
        """Show every frame and collect the node's answer.

        Raises:
            NodeEndedError: a program ended by itself.
            TimeoutError: one took too long.
        """
        task = self.progress.add_task("starting the camera", total=2 + len(frames))
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.node.create_subscription(ObjectPoseArray, _OBJECTS, self._on_objects, qos)
        following = self.node.create_client(Trigger, f"{_CAMERA}/next")
        self._wait(following.service_is_ready, "the camera did not start")
        self.progress.update(task, advance=1, description="loading the network")
        self._wait(lambda: self.node.count_publishers(_OBJECTS), "the estimator did not start")
        self.progress.update(task, advance=1)
        played = []
        for i, frame in enumerate(frames):
            text = f"estimating {frame.name} ({i + 1} of {len(frames)})"
            self.progress.update(task, description=text)
            since, answers = (self._show_next(following), 1) if i else (0, _FIRST_ANSWERS)
            played.append(self._answer(frame, since, answers))
            self.progress.advance(task)
        return DemoReport(tuple(played))

    def _show_next(self, following: Any) -> int:
        """Have the camera show the next frame; returns the time since which it does."""
        future = following.call_async(Trigger.Request())
        self._wait(future.done, "the camera does not go on to the next frame")
        return time.time_ns()

    def _answer(self, frame: RecordedFrame, since_ns: int, count: int) -> DemoFrame:
        """Wait for `count` results of images taken after a time; return the last."""
        self.answers.clear()

        def fresh() -> list[tuple[int, ObjectPoseArray]]:
            return [a for a in self.answers if stamp_ns(a[1].header) >= since_ns]

        self._wait(lambda: len(fresh()) >= count, f"no estimates of {frame.name} came")
        arrival_ns, message = fresh()[-1]
        latency_ms = (arrival_ns - stamp_ns(message.header)) / 1e6
        return compare(frame, result_from_message(message), latency_ms)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self.answers.append((time.time_ns(), message))

    def _wait(self, done: Callable[[], Any], complaint: str) -> None:
        end = time.monotonic() + self.timeout_s
        while not done():
            for node in self.nodes:
                node.check()
            if time.monotonic() > end:
                said = "\n".join(node.last_lines() for node in self.nodes)
                raise TimeoutError(f"{complaint} within {self.timeout_s:.0f} s\n{said}")
            self.executor.spin_once(timeout_sec=0.05)


@contextmanager
def _adopted(environment: dict[str, str]) -> Iterator[None]:
    """Talk where the programs talk: rclpy reads the variables of its own process."""
    names = ("ROS_DOMAIN_ID", "ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE")
    before = {name: os.environ.get(name) for name in names}
    _set_variables({name: environment.get(name) for name in names})
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _listener() -> Iterator[tuple[Any, SingleThreadedExecutor]]:
    """A node of this process, in a context of its own that leaves the signals alone."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("genpose_demo", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _hand_over(report: DemoReport, json: Path | None, picture: Path, console: Console) -> None:
    console.print(report.table())
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(jsonlib.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")
        console.print(f"report: {json.resolve()}", markup=False, highlight=False, soft_wrap=True)
    save_picture(contact_sheet([frame.picture() for frame in report.frames]), picture)
    console.print(f"picture: {picture.resolve()}", markup=False, highlight=False, soft_wrap=True)
    missed = [item for item in report.objects if item.estimate is None]
    if missed:
        console.print(f"{len(missed)} object(s) were not estimated", style="bold red")
