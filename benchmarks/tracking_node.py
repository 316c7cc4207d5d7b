# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Speed of the tracking node: images per second over real topics, from camera to `~/objects`.

`.venv/bin/python -m benchmarks.tracking_node --help`. The simulated camera is a program of its own
and takes its share of the same cores.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from genpose_ros.evaluation.provenance import write_results
from genpose_ros.ros.demo.node_processes import NodeEndedError
from genpose_ros.ros.demo.track import TrackDemo, measure_tracking
from genpose_ros.ros.demo.track_report import TrackReport

#: Number of objects: what is shown, and what is aimed at, images per second.
_SCENES = {5: ("sweep", 1, 20.0), 10: ("crowd", 0, 12.0)}
_COLUMNS = (
    "objects", "confirmed", "images/s", "goal", "CPU ms/image", "latency ms", "tracker ms/image",
    "camera's CPU ms/image",
)  # fmt: skip


def scene(objects: int, options: argparse.Namespace) -> TrackDemo:
    """What is shown for a number of objects."""
    motion, seed, _ = _SCENES[objects]
    settings: dict[str, Any] = {"device": options.device, "threads": options.threads}
    if options.weights is not None:
        settings["weights"] = str(options.weights.resolve())
    return TrackDemo(
        motion=motion,
        seed=seed,
        seconds=options.seconds,
        motion_s=2.0,
        rate_hz=30.0,
        mask_rate_hz=5.0,
        mask_delay_s=0.2,
        settings=settings,
    )


def row(objects: int, report: TrackReport) -> list[str]:
    """A line of the table."""
    return [
        str(objects),
        f"{report.objects_per_image:.1f}",
        f"{report.frames_per_second:.1f}",
        f"{_SCENES[objects][2]:.0f}",
        f"{report.cpu_ms_per_frame:.0f}",
        f"{report.latency_ms:.0f}",
        f"{sum(report.stages_ms.values()):.0f}",
        f"{report.camera_cpu_ms_per_image:.1f}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="checkpoint; default: the released one")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=0, help="of the node; 0: its own choice")
    parser.add_argument("--seconds", type=float, default=15.0, help="per number of objects")
    parser.add_argument(
        "--objects", type=int, nargs="+", default=sorted(_SCENES), choices=sorted(_SCENES)
    )
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    console, table, found = Console(), Table(*_COLUMNS), {}
    for objects in options.objects:
        try:
            demo = scene(objects, options)
            report = measure_tracking(demo, timeout_s=300.0, console=console)
        except (NodeEndedError, TimeoutError) as error:
            parser.error(str(error))
        found[str(objects)] = report.to_json()
        table.add_row(*row(objects, report))
    console.print(table)
    if options.json is not None:
        write_results(options.json, {"tracking_node": found}, weights=options.weights, seed=0)


if __name__ == "__main__":
    main()
