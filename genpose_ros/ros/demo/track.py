"""The tracking demo: things that move before a simulated camera, and the node in mode `track`."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.console import Console
from vision_msgs.msg import Detection3DArray

from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.demo.moving_frames import MOTIONS, WORLD
from genpose_ros.ros.demo.node_processes import NodeEndedError, terminable
from genpose_ros.ros.demo.session import CAMERA, OBJECTS, Stage, write_report
from genpose_ros.ros.demo.track_report import TrackReport, summarise_tracks
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.parameter_names import node_parameters

__all__ = ["TrackDemo", "run_track_demo"]

_INTERRUPTED = 130
_RELIABLE = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class TrackDemo:
    """What is shown.

    Attributes:
        motion: one of `moving_frames.MOTIONS`.
        seed: of the sequence.
        seconds: how long the node is listened to, from its first object on.
        motion_s: how long it moves before it goes back the way it came.
        rate_hz: images per second.
        mask_rate_hz: masks per second.
        mask_delay_s: how long after their image masks come.
        compensated: whether the node is told the camera's motion.
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
    compensated: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            known = ", ".join(MOTIONS)
            raise ValueError(f"motion must be one of {known}; got {self.motion!r}")

    @property
    def camera_parameters(self) -> dict[str, Any]:
        """Parameters of the simulated camera."""
        return {
            "motion": self.motion,
            "motion_s": self.motion_s,
            "seed": self.seed,
            "rate_hz": self.rate_hz,
            "mask_rate_hz": self.mask_rate_hz,
            "mask_delay_s": self.mask_delay_s,
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
    """Show what moves to the node, print and write what it makes of it.

    Args:
        demo: what is shown.
        json: where the report goes; None: nowhere.
        timeout_s: how long the programs may take to start.
        console: where to print.

    Returns:
        0 when objects were tracked, 1 when not, 130 when interrupted.
    """
    console = console or Console()
    try:
        report = play(demo, timeout_s=timeout_s, console=console)
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


def play(demo: TrackDemo, *, timeout_s: float, console: Console) -> TrackReport:
    """Run both programs and listen.

    Raises:
        NodeEndedError: a program ended by itself.
        TimeoutError: one took too long to start.
    """
    answers: list[tuple[int, ObjectPoseArray]] = []
    truths: dict[int, Detection3DArray] = {}

    def on_objects(message: ObjectPoseArray) -> None:
        answers.append((time.time_ns(), message))

    def on_truth(message: Detection3DArray) -> None:
        truths[stamp_ns(message.header)] = message

    with (
        terminable(),
        Stage.set_up(demo.camera_parameters, demo.node_parameters, console, timeout_s) as stage,
    ):
        task = stage.progress.add_task("simulating", total=demo.seconds)
        stage.node.create_subscription(ObjectPoseArray, OBJECTS, on_objects, _RELIABLE)
        stage.node.create_subscription(
            Detection3DArray, f"{CAMERA}/ground_truth", on_truth, _RELIABLE
        )
        stage.wait(lambda: truths, "the camera did not start")
        stage.progress.update(task, description="loading the network")
        stage.wait(lambda: any(m.objects for _, m in answers), "no object was tracked")
        answers.clear()
        truths.clear()
        programs = (stage.estimator, stage.camera)
        start_s, before_s = time.monotonic(), [_cpu_seconds(p.pid) for p in programs]

        def done() -> bool:
            passed = time.monotonic() - start_s
            stage.progress.update(task, completed=passed, description=f"tracking {demo.motion}")
            return passed >= demo.seconds

        stage.timeout_s = demo.seconds + timeout_s
        stage.wait(done, "the demo does not end")
        passed_s = time.monotonic() - start_s
        used_s = [_cpu_seconds(p.pid) - s for p, s in zip(programs, before_s, strict=True)]
    return summarise_tracks(answers, truths, passed_s, *used_s)


def _cpu_seconds(pid: int) -> float:
    """Processor time that a program has used, all its threads together."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = (int(ticks) for ticks in after_name[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")
