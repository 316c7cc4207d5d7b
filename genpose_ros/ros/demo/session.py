"""The stage of the demos: camera and estimator as two programs, and a node that listens."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from genpose_ros.ros.demo.node_processes import NodeProcess, isolated_environment, node_process

__all__ = ["CAMERA", "OBJECTS", "Stage", "write_report"]

ESTIMATOR_PROGRAM = "genpose_ros.ros.estimator_node"
CAMERA_PROGRAM = "genpose_ros.ros.demo.simulated_camera_node"
#: Full name of the camera's node, and the estimator's main output.
CAMERA = "/camera/camera"
OBJECTS = "/genpose/objects"
_REMAPPINGS = {
    "depth": f"{CAMERA}/aligned_depth_to_color/image_raw",
    "camera_info": f"{CAMERA}/aligned_depth_to_color/camera_info",
    "masks": "/segmentation/label_image",
    "mask_detections": "/segmentation/detections",
}


@dataclass
class Stage:
    """The two nodes while they run, and a node of our own that listens to them."""

    estimator: NodeProcess
    camera: NodeProcess
    node: Node
    executor: SingleThreadedExecutor
    progress: Progress
    timeout_s: float

    @classmethod
    @contextmanager
    def set_up(
        cls,
        shown: dict[str, Any],
        parameters: dict[str, Any],
        console: Console,
        timeout_s: float,
    ) -> Iterator["Stage"]:
        """Start the programs; stop them in any case.

        Args:
            shown: parameters of the camera.
            parameters: of the estimator.
            console: where progress is shown.
            timeout_s: as of `wait`.
        """
        environment = isolated_environment()
        with ExitStack() as stack:
            stack.enter_context(_adopted(environment))
            estimator = stack.enter_context(
                node_process("estimator", ESTIMATOR_PROGRAM, parameters, _REMAPPINGS, environment)
            )
            # One thread draws the images as fast as two, and the cores are for the estimator.
            single = {**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            camera = stack.enter_context(
                node_process("camera", CAMERA_PROGRAM, shown, None, single)
            )
            node, executor = stack.enter_context(_listener())
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
            )
            progress = stack.enter_context(Progress(*columns, console=console, transient=True))
            yield cls(estimator, camera, node, executor, progress, timeout_s)

    def wait(self, done: Callable[[], Any], complaint: str) -> None:
        """Let messages come in until something is done.

        Raises:
            NodeEndedError: a program ended by itself.
            TimeoutError: it took too long; the message begins with the complaint.
        """
        end = time.monotonic() + self.timeout_s
        programs = (self.estimator, self.camera)
        while not done():
            for program in programs:
                program.check()
            if time.monotonic() > end:
                said = "\n".join(program.last_lines() for program in programs)
                raise TimeoutError(f"{complaint} within {self.timeout_s:.0f} s\n{said}")
            self.executor.spin_once(timeout_sec=0.05)


def write_report(content: Mapping[str, Any], path: Path, console: Console) -> None:
    """Write what a demo found as JSON, and say where; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    console.print(f"report: {path.resolve()}", markup=False, highlight=False, soft_wrap=True)


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
