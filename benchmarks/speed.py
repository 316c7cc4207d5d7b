# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Speed of the estimator: milliseconds per frame by stage, preset and number of objects.

`make bench`, or `.venv/bin/python -m benchmarks.speed --help`.
"""

import argparse
import platform
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table

from genpose_ros.estimation.estimator import STAGES, PoseEstimator
from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.evaluation.speed import demo_frame, measure, with_objects
from genpose_ros.networks.devices import torch_device

#: The paper's solver needs minutes per frame on a CPU beyond this.
_MOST_OBJECTS_PAPER = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="", help="checkpoint; default: the released one")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--repeats", type=int, default=5, help="frames per row")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 6, 20], help="per frame")
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=["fast"])
    options = parser.parse_args(arguments)
    frame = demo_frame(seed=0)
    files = {"weights": options.weights, "device": options.device}
    if options.repeats < 1 or min(options.objects) < 1:
        parser.error("repeats and objects must be at least 1")
    try:
        estimators = {
            name: PoseEstimator.from_settings(EstimatorSettings.preset(name, **files))
            for name in options.presets
        }
    except (OSError, ValueError) as error:
        parser.error(str(error))
    device = torch_device(options.device)
    title = f"{device}, {torch.get_num_threads()} threads, {platform.processor() or 'CPU'}"
    table = Table("preset", "objects", *STAGES, "total", "per object", title=f"ms on {title}")
    for preset, estimator in estimators.items():
        estimator.warm_up()
        for n in options.objects:
            if preset == "paper" and n > _MOST_OBJECTS_PAPER and device.type == "cpu":
                continue
            times = measure(estimator, with_objects(frame, n), options.repeats)
            cells = [f"{times[stage]:.1f}" for stage in (*STAGES, "total")]
            table.add_row(preset, str(n), *cells, f"{times['total'] / n:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
