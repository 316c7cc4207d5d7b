# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking with a camera on an arm, by rate and delay of its transforms: accuracy in the world.

`.venv/bin/python -m benchmarks.eye_in_hand --help`. The simulated camera passes over a table with
0.3 m/s and 60 degrees/s; its pose in the frame `world` comes at a rate of its own, late, as an
arm's driver sends it, and the outputs are given in that frame. The node's own queue, mailbox, tf2
buffer and tracker are run on a clock of their own, so that the figures do not depend on how busy
the machine is; `--live` runs camera and node as programs over DDS instead.
"""

import argparse
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import count, product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from std_msgs.msg import Header

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.builders import object_array, posed_objects
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.demo.moving_frames import WORLD, MovingFrames
from genpose_ros.ros.demo.node_processes import NodeEndedError
from genpose_ros.ros.demo.track import TrackDemo, measure_tracking
from genpose_ros.ros.demo.track_report import TrackReport, TrackSummary, summarise_tracks
from genpose_ros.ros.images import depth_pixels, label_pixels
from genpose_ros.ros.mailbox import Mailbox
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.transform_queue import LocatedFrame, TransformQueue
from genpose_ros.ros.transforms import TransformBuffer, header_in
from genpose_ros.tracking.ego_motion import pose_at
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracker import Tracker

_COLUMNS = (
    "images/s", "TF/s", "late ms", "images", "answered", "refused", "p95 cm", "ids per object",
    "latency ms",
)  # fmt: skip
_MOTION, _MOTION_S, _MASK_HZ = "arm", 6.0, 5.0
_START_S = 1000.0
#: Transforms that are no trouble, to compare with: so many per second, on time.
_PROMPT_HZ = 100.0
#: How often the node looks for frames that have waited too long, seconds.
_OVERDUE_S = 0.05
#: As the node has them: masks and depth images by themselves, in turns.
_MASKS, _DEPTH_ONLY = 0, 1
_TURNS = (_MASKS, _DEPTH_ONLY, _DEPTH_ONLY, _DEPTH_ONLY)


@dataclass(frozen=True)
class _Case:
    """What comes when.

    Attributes:
        image_hz: images per second.
        tf_hz: transforms per second.
        tf_delay_s: how late they come.
        mask_delay_s: how late masks come.
        frame_s: how long the worker takes for a frame.
        seconds: how long it goes on.
        seed: of the scene.
    """

    image_hz: float
    tf_hz: float
    tf_delay_s: float
    mask_delay_s: float
    frame_s: float
    seconds: float
    seed: int = 0


@dataclass
class _Simulation:
    """The node's parts on a clock of their own, and the events that are to come."""

    case: _Case
    frames: MovingFrames
    tracking: Tracking
    now_s: float = _START_S
    busy_until_s: float = _START_S
    answers: list[tuple[int, ObjectPoseArray]] = field(default_factory=list)
    truths: dict[int, Any] = field(default_factory=dict)
    cameras: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._mailbox: Mailbox[LocatedFrame] = Mailbox(_TURNS)
        self._transforms = TransformBuffer()
        self._queue = TransformQueue(
            self._transforms,
            (WORLD,),
            wait_s=lambda: NodeSettings().transform_wait_s,
            deliver=self._deliver,
            refuse=self._refuse,
            clock=lambda: self.now_s,
        )

    def run(self) -> TrackReport:
        """Let everything happen in its order; return how the objects were tracked."""
        self._schedule()
        while self._events:
            at_s, _, happen = heapq.heappop(self._events)
            self._work_until(at_s)
            self.now_s = at_s
            happen()
        self._work_until(float("inf"))
        return summarise_tracks(
            self.answers,
            self.truths,
            self.case.seconds,
            cpu_s=0.0,
            camera_cpu_s=0.0,
            T_world_cam=self.cameras,
        )

    def _schedule(self) -> None:
        case, last_masks_s = self.case, float("-inf")
        for number in range(round(case.seconds * case.image_hz)):
            at_s = _START_S + number / case.image_hz
            masked = at_s - last_masks_s > 1 / _MASK_HZ - 0.005
            last_masks_s = at_s if masked else last_masks_s
            self._at(at_s, partial(self._show, number, masked))
        for number in range(round((case.seconds + 1) * case.tf_hz)):
            # Out of step with the images, as an arm's driver is.
            at_s = _START_S + (number - 0.37) / case.tf_hz
            self._at(at_s + case.tf_delay_s, partial(self._tell, at_s))
        for number in range(round((case.seconds + 3) / _OVERDUE_S)):
            self._at(_START_S + number * _OVERDUE_S, self._queue.refuse_overdue)

    def _at(self, at_s: float, happen: Callable[[], object]) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), happen))

    def _show(self, number: int, masked: bool) -> None:
        """An image comes, and later its masks."""
        header = _header(self.now_s)
        messages = replace(self.frames.messages(number, header))
        stamp_ns = round(self.now_s * 1e9)
        self.truths[stamp_ns] = messages.ground_truth
        self.cameras[stamp_ns] = self.frames.camera_pose(number)
        pixels = depth_pixels(messages.depth)
        if isinstance(pixels, Rejection):
            raise ValueError(pixels.detail)
        calibration = calibration_from_info(messages.camera_info)
        matched = Matched(DepthMessage(header, pixels), None, calibration)
        self._queue.add(matched)
        if masked:
            labels = label_pixels(messages.label)
            detections = tuple(messages.detections.detections)
            masks = replace(matched, masks=MaskInput(labels, True), detections=detections)
            self._at(self.now_s + self.case.mask_delay_s, lambda: self._queue.add(masks))

    def _tell(self, at_s: float) -> None:
        """The camera's pose at a time comes."""
        place = (at_s - _START_S) * self.case.image_hz
        before = int(np.floor(place))
        around = (
            (0, self.frames.camera_pose(before)),
            (10**9, self.frames.camera_pose(before + 1)),
        )
        T_world_cam = pose_at(around, round(1e9 * (place - before)))
        transform = self.frames.transform(T_world_cam, _header(at_s))
        self._transforms.buffer.set_transform(transform, "arm")
        self._queue.look_up()

    def _deliver(self, frames: Sequence[LocatedFrame]) -> None:
        for slot in (_MASKS, _DEPTH_ONLY):
            items = [f for f in frames if (f.matched.masks is None) == (slot == _DEPTH_ONLY)]
            if items:
                self._mailbox.put(*items, slot=slot)

    def _refuse(self, rejection: Rejection, header: Header) -> None:
        self.answers.append((round(self.now_s * 1e9), object_array((), (rejection,), header)))

    def _work_until(self, at_s: float) -> None:
        """Let the worker take frames as long as it begins before a time."""
        while max(self.busy_until_s, self.now_s) <= at_s:
            located = self._mailbox.get(timeout=0.0)
            if located is None:
                return
            self.busy_until_s = max(self.busy_until_s, self.now_s) + self.case.frame_s
            result = self.tracking.process(located)
            if isinstance(result, PublishedFrame):
                header = header_in(WORLD, result.header)
                objects = posed_objects(result.objects, located.T_frame_cam[WORLD])
                message = object_array(objects, result.rejections, header, result.timings_ms)
                self.answers.append((round(self.busy_until_s * 1e9), message))


def _header(at_s: float) -> Header:
    header = Header(frame_id="camera_color_optical_frame")
    header.stamp.sec, header.stamp.nanosec = divmod(round(at_s * 1e9), 10**9)
    return header


def simulate(case: _Case, frames: MovingFrames, device: str) -> TrackReport:
    """Return how the objects are tracked, by the node's parts on a clock of their own."""
    settings = Settings(
        EstimatorSettings(device=device),
        NodeSettings(mode="track", fixed_frame=WORLD, target_frame=WORLD),
        TrackerSettings(),
    )
    tracking = Tracking(PoseEstimator.from_settings, Tracker, settings, lambda *_: None)
    return _Simulation(case, frames, tracking).run()


def measure_live(case: _Case, device: str, console: Console) -> TrackReport:
    """Return how the objects are tracked by programs that talk over DDS."""
    demo = TrackDemo(
        motion=_MOTION,
        seed=case.seed,
        seconds=case.seconds,
        motion_s=_MOTION_S,
        rate_hz=case.image_hz,
        mask_rate_hz=_MASK_HZ,
        mask_delay_s=case.mask_delay_s,
        tf_rate_hz=case.tf_hz,
        tf_delay_s=case.tf_delay_s,
        settings={"target_frame": WORLD, "device": device},
    )
    return measure_tracking(demo, timeout_s=300.0, console=console)


@dataclass(frozen=True)
class _Figures:
    """What a line of the table shows, of several scenes together."""

    scenes: int
    images: int
    answered: int
    refused: int
    translation_p95_cm: float | None
    ids_per_object: float
    median_latency_ms: float
    class_p95_cm: dict[str, float]

    @classmethod
    def of(cls, reports: Sequence[TrackReport]) -> "_Figures":
        """Pool the reports of several scenes."""
        tracks = tuple(track for report in reports for track in report.tracks)
        return cls(
            scenes=len(reports),
            images=sum(report.images for report in reports),
            answered=sum(report.answered for report in reports),
            refused=sum(report.refused for report in reports),
            translation_p95_cm=replace(reports[0], tracks=tracks).translation_p95_cm,
            ids_per_object=fmean(report.ids_per_object for report in reports),
            median_latency_ms=fmean(report.latency_ms for report in reports),
            class_p95_cm=_class_p95_cm(tracks),
        )

    def row(self, case: _Case) -> list[str]:
        """The line."""
        p95_cm = self.translation_p95_cm
        return [
            f"{case.image_hz:g}",
            f"{case.tf_hz:g}",
            f"{1e3 * case.tf_delay_s:.0f}",
            str(self.images),
            str(self.answered),
            str(self.refused),
            "> 10" if p95_cm is None else f"{p95_cm:.2f}",
            f"{self.ids_per_object:.2f}",
            f"{self.median_latency_ms:.0f}",
        ]


def _class_p95_cm(tracks: Sequence[TrackSummary]) -> dict[str, float]:
    """What 95 % of the positions of each class lie within, centimetres."""
    errors_cm = defaultdict[str, list[float]](list)
    for track in tracks:
        errors_cm[track.name.rpartition("_")[0]] += [error for _, error in track.errors]
    found = sorted((name, values) for name, values in errors_cm.items() if values)
    return {name: float(np.percentile(values, 95)) for name, values in found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=float, nargs="+", default=[6.0, 30.0], metavar="HZ")
    parser.add_argument("--tf", type=float, nargs="+", default=[5.0, 15.0, 50.0], metavar="HZ")
    parser.add_argument("--tf-delay", type=float, default=0.2, metavar="S", help="how late TF is")
    parser.add_argument("--mask-delay", type=float, default=0.2, metavar="S")
    parser.add_argument("--frame-ms", type=float, default=30.0, help="of the worker; not --live")
    parser.add_argument("--seconds", type=float, default=10.0, help="per scene")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the scenes")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--live", action="store_true", help="programs over DDS, in real time")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    console = Console()
    transforms = [(_PROMPT_HZ, 0.0), *((hz, options.tf_delay) for hz in options.tf)]
    cases = [
        _Case(hz, *transform, options.mask_delay, options.frame_ms / 1e3, options.seconds)
        for hz, transform in product(options.images, transforms)
    ]
    reports: dict[_Case, list[TrackReport]] = {case: [] for case in cases}
    for seed in options.seeds:
        try:
            for case, report in _scene(cases, seed, options, console):
                reports[case].append(report)
        except (NodeEndedError, TimeoutError) as error:
            parser.error(str(error))
        found = [{**asdict(case), **asdict(_Figures.of(reports[case]))} for case in cases]
        if options.json is not None:  # after each scene: what is long may be ended early
            write_results(options.json, {"eye_in_hand": found}, weights=None, seed=options.seeds[0])
    _print(reports, console)


def _scene(
    cases: Sequence[_Case], seed: int, options: argparse.Namespace, console: Console
) -> Iterator[tuple[_Case, TrackReport]]:
    """How a scene is tracked in each of the cases; its images of one rate are drawn once."""
    drawn: dict[float, MovingFrames] = {}
    for case in cases:
        scene, hz = replace(case, seed=seed), case.image_hz
        if options.live:
            yield case, measure_live(scene, options.device, console)
            continue
        drawn = drawn if hz in drawn else {hz: MovingFrames(_MOTION, seed, _MOTION_S, hz)}
        yield case, simulate(scene, drawn[hz], options.device)


def _print(reports: dict[_Case, list[TrackReport]], console: Console) -> None:
    """The table, and what 95 % of each class lie within."""
    figures = {case: _Figures.of(several) for case, several in reports.items()}
    table = Table(*_COLUMNS)
    for case, item in figures.items():
        table.add_row(*item.row(case))
    console.print(table)
    for case, item in figures.items():
        classes = ", ".join(f"{name} {cm:.2f}" for name, cm in item.class_p95_cm.items())
        console.print(f"{case.image_hz:g} images/s, {case.tf_hz:g} TF/s, p95 cm: {classes}")


if __name__ == "__main__":
    main()
