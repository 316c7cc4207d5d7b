# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Session of a demo: camera and estimator as two programs, and a node that receives from them."""

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

from genpose_ros.files import write_whole
from genpose_ros.ros.demo.node_processes import NodeProcess, isolated_environment, node_process

__all__ = ["CAMERA", "OBJECTS", "DemoSession", "write_report"]

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


@dataclass(frozen=True)
class DemoSession:
    """Running programs of a demo, and a node of this process that receives their messages.

    Attributes:
        estimator: the estimator's program.
        camera: the simulated camera's program.
        node: for subscriptions and clients.
        executor: spins `node`.
        progress: shown in the terminal while the session lasts.
        timeout_s: how long `wait` waits.
    """

    estimator: NodeProcess
    camera: NodeProcess
    node: Node
    executor: SingleThreadedExecutor
    progress: Progress
    timeout_s: float

    @classmethod
    @contextmanager
    def start(
        cls,
        camera_parameters: Mapping[str, Any],
        estimator_parameters: Mapping[str, Any],
        console: Console,
        timeout_s: float,
    ) -> Iterator["DemoSession"]:
        """Start the programs; stop them when the block ends, however it ends.

        Args:
            camera_parameters: ROS parameters of the camera.
            estimator_parameters: those of the estimator.
            console: where progress is shown.
            timeout_s: as of `wait`.
        """
        environment = isolated_environment()
        with ExitStack() as stack:
            stack.enter_context(_same_domain(environment))
            estimator = stack.enter_context(
                node_process(
                    "estimator", ESTIMATOR_PROGRAM, estimator_parameters, _REMAPPINGS, environment
                )
            )
            # One thread draws the images as fast as two, and the cores are for the estimator.
            single = {**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            camera = stack.enter_context(
                node_process("camera", CAMERA_PROGRAM, camera_parameters, None, single)
            )
            node, executor = stack.enter_context(_receiving_node())
            progress = stack.enter_context(_progress(console))
            yield cls(estimator, camera, node, executor, progress, timeout_s)

    def wait(self, done: Callable[[], Any], complaint: str, timeout_s: float | None = None) -> None:
        """Receive messages until something is done.

        Args:
            done: whether it is; asked after each message.
            complaint: beginning of the error's text.
            timeout_s: how long it may take; None: `timeout_s` of the session.

        Raises:
            NodeEndedError: a program ended by itself.
            TimeoutError: it took too long.
        """
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        end_s = time.monotonic() + limit_s
        programs = (self.estimator, self.camera)
        while not done():
            for program in programs:
                program.check()
            if time.monotonic() > end_s:
                output = "\n".join(program.last_lines() for program in programs)
                raise TimeoutError(f"{complaint} within {limit_s:.0f} s\n{output}")
            self.executor.spin_once(timeout_sec=0.05)


def write_report(content: Mapping[str, Any], path: Path, console: Console) -> None:
    """Write the report of a demo as JSON and print where it is; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    console.print(f"report: {path.resolve()}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _same_domain(environment: Mapping[str, str]) -> Iterator[None]:
    """Put this process into the programs' DDS domain: rclpy reads its own variables."""
    names = ("ROS_DOMAIN_ID", "ROS_LOCALHOST_ONLY", "ROS_AUTOMATIC_DISCOVERY_RANGE")
    before = {name: os.environ.get(name) for name in names}
    _set_variables({name: environment.get(name) for name in names})
    try:
        yield
    finally:
        _set_variables(before)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _receiving_node() -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """Make a node in a context of its own, which leaves the signals alone."""
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


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
