# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Programs for tests of faults: the node with a network that fails when told to, and its camera.

Run as a program it is a server that forks them, each a process of its own: they need not import
anything again. It reads one request a line, in JSON, and answers with the process's number; the
code that the process ends with is written to a file.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.node import Node
from rclpy.task import Task
from sensor_msgs.msg import CameraInfo, Image
from torch import Tensor
from toy_models import MixtureModel, make_model

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.ros.estimator_node import main
from genpose_ros.ros.program import run_program

FRAME = "camera_color_optical_frame"
SHAPE = (48, 64)
MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB (injected)"
#: What one evaluation of the network does on an order. An order that ends with `once` is forgotten.
FAULTS: dict[str, Callable[[], object]] = {
    "memory": lambda: throw(torch.OutOfMemoryError(MEMORY)),
    "memory once": lambda: throw(torch.OutOfMemoryError(MEMORY)),
    "assert": lambda: throw(torch.AcceleratorError("CUDA error: device-side assert triggered")),
    "error": lambda: throw(ValueError("injected")),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "SystemExit": lambda: throw(SystemExit(3)),
    "GeneratorExit": lambda: throw(GeneratorExit()),
    "hang": lambda: time.sleep(3600),
    "slow": lambda: time.sleep(0.05),
}


def throw(error: BaseException) -> None:
    raise error


class FaultyModel(MixtureModel):
    """The toy model, which looks for orders in a file whenever it is evaluated.

    A file beside that one tells which order it last began to follow.
    """

    orders: Path

    def score(self, pose: Tensor, sigma: Tensor, encoding: Any) -> Tensor:
        order = self.orders.read_text()
        if order.endswith("once"):
            self.orders.write_text("")
        if order in FAULTS:
            self.orders.with_suffix(".begun").write_text(order)
            FAULTS[order]()
        score = super().score(pose, sigma, encoding)
        return score * torch.nan if order == "nan" else score


def waited_for_processor_s(pid: int) -> float:
    """How long a process's main thread was ready while others ran, seconds; 0: not known."""
    counts = Path(f"/proc/{pid}/schedstat")  # some kernels do not keep them
    return int(counts.read_text().split()[1]) / 1e9 if counts.exists() else 0.0


def clock_callbacks(path: Path) -> None:
    """Write down for how many seconds each callback from now on holds up the others, a line each.

    What its thread waited for a processor is not counted.
    """
    file, run, pid = path.open("w", buffering=1), Task.__call__, os.getpid()

    def clocked(task: Any) -> None:
        begin_s = time.monotonic() - waited_for_processor_s(pid)
        run(task)
        file.write(f"{time.monotonic() - waited_for_processor_s(pid) - begin_s:.6f}\n")

    Task.__call__ = clocked


def run_node(arguments: list[str], orders: Path) -> None:
    """The estimator node with a `FaultyModel` for its weights; its callbacks are clocked."""
    clock_callbacks(orders.with_suffix(".callbacks"))
    plain = make_model(deviation=0.005)
    model = FaultyModel(torch.eye(3)[None], torch.zeros(1, 3))
    model.__dict__.update({**plain.__dict__, "orders": orders})

    def make_estimator(settings: EstimatorSettings) -> PoseEstimator:
        return PoseEstimator(model, settings)

    main(["node", "--ros-args", *arguments], make_estimator=make_estimator)


class Sender(Node):
    """Camera at 10 Hz, with a little noise; or a segmenter, which answers each depth image.

    It prints when it sends its first message.
    """

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self._rng = np.random.default_rng(0)
        self._has_sent = False
        if role == "camera":
            self._depth = self.create_publisher(Image, "depth", 10)
            self._info = self.create_publisher(CameraInfo, "camera_info", 10)
            self.create_timer(0.1, self._send)
        else:
            self._masks = self.create_publisher(Image, "masks", 10)
            self.create_subscription(Image, "depth", self._answer, 10)

    def _send(self) -> None:
        depth_mm = self._rng.integers(1498, 1502, SHAPE).astype("<u2")
        depth_mm[10:20, 10:25] -= 700
        depth_mm[30:40, 40:60] -= 600
        image = as_image(depth_mm, "16UC1", self.get_clock().now().to_msg())
        self._tell_first()
        self._info.publish(camera_info(image.header))
        self._depth.publish(image)

    def _answer(self, depth: Image) -> None:
        labels = np.zeros(SHAPE, dtype=np.uint8)
        labels[10:20, 10:25], labels[30:40, 40:60] = 3, 7
        self._tell_first()
        self._masks.publish(as_image(labels, "mono8", depth.header.stamp))

    def _tell_first(self) -> None:
        if not self._has_sent:
            print(f"first message at {time.monotonic()}", flush=True)
        self._has_sent = True


def as_image(pixels: np.ndarray, encoding: str, stamp: Any) -> Image:
    height, width = pixels.shape
    image = Image(height=height, width=width, encoding=encoding, step=pixels.strides[0])
    image.header.frame_id, image.header.stamp = FRAME, stamp
    image.data = pixels.tobytes()
    return image


def camera_info(header: Any) -> CameraInfo:
    height, width = SHAPE
    k = [60.0, 0.0, width / 2, 0.0, 60.0, height / 2, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    return CameraInfo(header=header, height=height, width=width, k=k, p=p)


def run_sender(role: str, arguments: list[str]) -> None:
    run_program(role, lambda: Sender(role), rclpy.spin, [role, "--ros-args", *arguments])


def serve() -> None:
    """Fork what is asked for, until nobody asks any more."""
    torch.set_num_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        parent_reads, child_writes = os.pipe()
        if os.fork() == 0:
            os.close(parent_reads)
            watch(request, child_writes)
        os.close(child_writes)
        print(os.read(parent_reads, 32).decode(), flush=True)
        os.close(parent_reads)


def watch(request: dict[str, Any], tell: int) -> None:
    """Fork the program, tell its number, wait for its end and write the code down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log = Path(request["log"])
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        run(request)
        sys.stdout.flush()
        os._exit(0)
    os.write(tell, str(pid).encode())
    os.close(tell)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    partial = log.with_suffix(".partial")
    partial.write_text(str(code))
    partial.replace(log.with_suffix(".code"))
    os._exit(0)


def run(request: dict[str, Any]) -> None:
    """Run a program in this process; what ends it is its exit code."""
    try:
        if request["role"] == "node":
            run_node(request["arguments"], Path(request["orders"]))
        else:
            run_sender(request["role"], request["arguments"])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    serve()
