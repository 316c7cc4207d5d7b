# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose evaluate twins`: recorded depth beside what the same mesh would give."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import EstimatorOptions, SplitOption, load_estimator

if TYPE_CHECKING:
    from genpose_ros.evaluation.twins import TwinReport, TwinsReport

__all__ = ["evaluate_twins_command"]


@dataclass(frozen=True, kw_only=True)
class TwinOptions:
    """Options of the twins and of their report."""

    meshes: Annotated[
        Path,
        typer.Option(help="Folder of meshes with a manifest.json, named as the labels' objects."),
    ]
    split: SplitOption = "test"
    cameras: Annotated[
        int, typer.Option(help="Simulated cameras per object and domain.", min=1)
    ] = 8
    json: Annotated[Path | None, typer.Option(help="Write the numbers.")] = None
    picture: Annotated[
        Path | None, typer.Option(help="Draw recorded and simulated residuals into this PNG.")
    ] = None


@readable_errors
@grouped_options
def evaluate_twins_command(
    directory: Annotated[Path, typer.Argument(help="Folder with recorded frames, at any depth.")],
    twins: TwinOptions,
    options: EstimatorOptions,
) -> None:
    """Compare recorded depth with the same mesh at the true pose, ray-cast and simulated.

    Of each object: spread and autocorrelation of depth less mesh, what the borders of its mask show
    beside it, and the estimator's errors on the recording, on clean depth and on simulated cameras
    of each domain. Right on clean depth and wrong on the recording: the sensor or the mask is what
    training lacks.

    Examples:

    - `genpose evaluate twins recordings --meshes my_meshes`

    - `genpose evaluate twins recordings --meshes my_meshes --picture twins.png --json twins.json`
    """
    from genpose_ros.datasets import find_frames
    from genpose_ros.evaluation import write_results
    from genpose_ros.evaluation.twins import evaluate_twins
    from genpose_ros.synthesis import load_meshes

    find_frames(directory)  # refused before the network is loaded
    check_outputs(twins.json, twins.picture)
    settings = options.settings()
    meshes = load_meshes(twins.meshes, twins.split, max_faces=20_000)
    estimator = load_estimator(settings)
    with progress_bar("objects") as progress:
        task = progress.add_task("", total=None)
        report = evaluate_twins(
            directory,
            meshes,
            estimator,
            cameras=twins.cameras,
            seed=settings.seed,
            on_object=lambda: progress.advance(task),
        )
    _print(report)
    if twins.json is not None:
        write_results(twins.json, report.to_json(), weights=settings.weights, seed=settings.seed)
    if twins.picture is not None:
        from genpose_ros.evaluation.twin_figure import draw_twins

        draw_twins(report.twins, twins.picture)


def _print(report: "TwinsReport") -> None:
    """Print spreads, autocorrelations and errors of each object and source, and what was left."""
    from rich.table import Column, Table

    from genpose_ros.evaluation.twins import LAGS_PX

    lags = [f"{lag} px" for lag in LAGS_PX]
    table = Table(Column("object", overflow="fold"), "depth", "sd mm", *lags, "°", "cm")
    for twin in report.twins:
        for source in twin.errors:
            name = f"{twin.category}, {twin.frame}" if source == "recorded" else ""
            errors = [f"{value:.1f}" for value in twin.median_errors(source)]
            table.add_row(name, source, *_spread_cells(twin, source), *errors)
    OUT.print(table)
    if report.without_mesh:
        ERR.print(
            f"{report.without_mesh} objects with a true pose have no mesh of their name, or show "
            "too little of it",
            markup=False,
            soft_wrap=True,
        )


def _spread_cells(twin: "TwinReport", source: str) -> list[str]:
    """Spread and autocorrelations of the recording, or the medians of a domain's cameras."""
    import numpy as np

    from genpose_ros.evaluation.twins import LAGS_PX, percentiles

    residuals = [twin.recorded] if source == "recorded" else twin.simulated.get(source, ())
    values = np.array([(r.spread_mm, *r.autocorrelation) for r in residuals])
    if not len(values):
        return ["-"] * (1 + len(LAGS_PX))
    spread, *more = (percentiles(column)[1] for column in values.T)
    return [f"{spread:.1f}", *("-" if np.isnan(value) else f"{value:.2f}" for value in more)]
