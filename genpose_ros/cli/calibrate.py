# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose calibrate`: scores that are probabilities and honest covariances, by simulated views."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import (
    DeviceOption,
    DomainName,
    HeldOutMeshesOption,
    SplitOption,
    load_estimator,
    shapes_of,
)

if TYPE_CHECKING:
    from genpose_ros.evaluation.score_calibration import Reliability
    from genpose_ros.networks import PoseModel

__all__ = ["calibrate"]


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """Options of the views that scores are calibrated on, and of the report."""

    views: Annotated[int, typer.Option(help="Views to fit on and to check.", min=200)] = 4000
    seed: Annotated[int, typer.Option(help="Seed of the views.", min=0)] = 4_000_000
    meshes: HeldOutMeshesOption = None
    split: SplitOption = "test"
    domain: Annotated[DomainName, typer.Option(help="Cameras, shapes and rolls.")] = DomainName.WIDE
    device: DeviceOption = "auto"
    check: Annotated[
        bool, typer.Option("--check", help="Leave the weights as they are, and only look.")
    ] = False
    covariances: Annotated[
        bool, typer.Option("--covariances", help="Keep the scores, and fit the covariances alone.")
    ] = False
    json: Annotated[Path | None, typer.Option(help="Write the numbers.")] = None
    picture: Annotated[
        Path | None, typer.Option(help="Draw told against true probabilities into this PNG.")
    ] = None


@readable_errors
@grouped_options
def calibrate(
    weights: Annotated[
        Path, typer.Argument(help="Checkpoint that the calibration is written into.")
    ],
    options: CalibrationOptions,
) -> None:
    """Make a model's scores probabilities that its poses are right.

    A logistic regression is fitted to what estimates show of themselves (agreement of the
    candidates, modes, fit of the box, size, stance), on simulated views; some are given another
    category or other intrinsics than they have. Covariances are inflated, by the score, so that
    their 95 % ellipsoids hold 95 % of the truths. Poses do not change.

    Examples:

    - `genpose calibrate drill.safetensors`

    - `genpose calibrate drill.safetensors --covariances --domain d435`

    - `genpose calibrate genpose_ros/weights/genpose-base.safetensors --check --picture scores.png`
    """
    from genpose_ros.estimation import EstimatorSettings
    from genpose_ros.evaluation import write_results
    from genpose_ros.evaluation.score_calibration import (
        calibration_views,
        fit_calibration,
        fit_inflation,
        reliability,
    )
    from genpose_ros.synthesis import DOMAINS

    check_outputs(options.json, options.picture)
    estimator = load_estimator(EstimatorSettings(weights=str(weights), device=options.device))
    if not options.check:
        _check_writable(weights)
    library = shapes_of(str(weights), options.meshes, options.split)
    with ERR.status("rendering the views"):
        domain = DOMAINS[options.domain.value]
        views = calibration_views(options.views, options.seed, library, domain=domain)
    with progress_bar("estimates") as progress:
        once = len(views) if options.check or options.covariances else 2 * len(views)
        task = progress.add_task("", total=once)

        def on_views(count: int) -> None:
            progress.advance(task, count)

        if options.check:
            report = reliability(estimator, views, library, on_views)
        else:
            fit = fit_inflation if options.covariances else fit_calibration
            estimator.model.score_calibration, report = fit(estimator, views, library, on_views)
    if not options.check:
        _write(weights, estimator.model)
    _print(report)
    if options.json is not None:
        write_results(options.json, report.to_json(), weights=str(weights), seed=options.seed)
    if options.picture is not None:
        from genpose_ros.evaluation.reliability_figure import draw_reliability

        draw_reliability(report, options.picture)


def _check_writable(weights: Path) -> None:
    """Refuse, before minutes of estimates, a file that their result cannot be written into.

    Raises:
        ValueError: an authors' checkpoint, or a file without permission to replace it.
    """
    from genpose_ros.networks.checkpoints import describe_checkpoint

    describe_checkpoint(weights)
    check_outputs(weights)


def _write(weights: Path, model: "PoseModel") -> None:
    """Write the model with its calibration; all that the file records and carries stays."""
    from genpose_ros.networks.checkpoints import (
        describe_checkpoint,
        load_attachments,
        save_model,
    )

    save_model(model, weights, describe_checkpoint(weights), load_attachments(weights))
    OUT.print(f"{weights}: calibration written", markup=False, soft_wrap=True, highlight=False)


def _print(report: "Reliability") -> None:
    """Print how many poses reach each score, and how many of those hold."""
    from rich.table import Table

    table = Table("score from", "poses %", "of these right %")
    for row in report.table((0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)):
        hold = f"{100 * row['hold']:.1f}" if row["taken"] else "-"
        table.add_row(f"{row['threshold']:.2f}", f"{100 * row['taken']:.1f}", hold)
    OUT.print(table)
    OUT.print(
        f"{len(report.scores)} poses; told and true probability differ by "
        f"{report.calibration_error:.3f} on average; right: within 10 degrees and 5 cm",
        highlight=False,
    )
    known = report.coverage
    if known["poses"]:
        shares = [
            f"{part} {100 * known[part]['0.68']:.0f} / {100 * known[part]['0.95']:.0f} %"
            for part in ("position", "rotation")
        ]
        text = f"truths within the 68 and 95 % ellipsoids of {known['poses']} covariances: "
        OUT.print(text + ", ".join(shares), highlight=False, soft_wrap=True)
