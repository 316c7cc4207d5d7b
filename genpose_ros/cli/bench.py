# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose bench`: how long estimates take on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import EstimatorOptions, load_estimator

__all__ = ["bench"]


@readable_errors
@grouped_options
def bench(
    options: EstimatorOptions,
    objects: Annotated[
        list[int] | None, typer.Option(help="Objects in the frame; may be repeated.", min=1)
    ] = None,
    repeats: Annotated[int, typer.Option(help="Frames per row.", min=1)] = 15,
    threads: Annotated[
        int, typer.Option(help="Threads of the CPU; 0: as many as there are cores.", min=0)
    ] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the numbers.")] = None,
) -> None:
    """Measure how long estimates take on this machine, stage by stage.

    From depth and masks of the demo's table to poses; medians. Close what else computes first.

    Examples:

    - `genpose bench`

    - `genpose bench --objects 10 --threads 1 --json speed.json`
    """
    import torch
    from rich.table import Table

    from genpose_ros.evaluation import write_results
    from genpose_ros.evaluation.speed import speed_rows

    check_outputs(json)
    if threads:
        torch.set_num_threads(threads)
    settings = options.settings()
    estimator = load_estimator(settings)
    with ERR.status("measuring"):
        rows = speed_rows(estimator, objects or [1, 6, 20], repeats)
    names = list(next(iter(rows.values())))
    device, count = estimator.device, torch.get_num_threads()
    table = Table("objects", *names, title=f"ms on {device}, {count} threads")
    for number, row in rows.items():
        table.add_row(number, *(f"{row[name]:.1f}" for name in names))
    OUT.print(table)
    if json is not None:
        content = {"device": str(device), "threads": count, "milliseconds": rows}
        write_results(json, content, weights=settings.weights or None, seed=settings.seed)
