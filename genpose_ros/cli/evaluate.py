# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose evaluate`: estimates against ground truth."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import (
    ERR,
    OUT,
    check_outputs,
    progress_bar,
    readable_errors,
)
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import EstimatorOptions, ViewOptions, load_estimator

if TYPE_CHECKING:
    from genpose_ros.datasets import NocsFrame, RecordedFrame
    from genpose_ros.estimation import EstimatorSettings, FrameResult
    from genpose_ros.evaluation import FramesReport, NocsReport, SyntheticReport
    from genpose_ros.geometry import CategorySet

__all__ = ["evaluate_app"]

evaluate_app = typer.Typer(
    help="Compare estimates with ground truth.", no_args_is_help=True, rich_markup_mode="markdown"
)


class NocsPart(str, Enum):
    """Splits of the NOCS data sets that are evaluated."""

    REAL_TEST = "real_test"
    VAL = "val"


class Origin(str, Enum):
    """Origin of a model's mugs."""

    BOX = "box"
    BODY = "body"


class Boxes(str, Enum):
    """Boxes that detections and true objects are matched by."""

    IMAGE = "2d"
    SPACE = "3d"


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Files of an evaluation's report."""

    json: Annotated[Path | None, typer.Option(help="Write the numbers as JSON.")] = None
    html: Annotated[
        Path | None, typer.Option(help="Write a report with curves, one HTML file.")
    ] = None

    def check(self) -> None:
        """Refuse before the work what cannot be written after it."""
        check_outputs(self.json)
        check_outputs(self.html)

    def write(
        self,
        report: "NocsReport | SyntheticReport",
        settings: "EstimatorSettings",
        page: Callable[[Any, dict[str, Any]], str],
    ) -> None:
        """Write the files that were named.

        Args:
            report: numbers.
            settings: that the estimator had.
            page: makes HTML of the report and its provenance.
        """
        from genpose_ros.evaluation import write_results
        from genpose_ros.evaluation.html_page import write_html
        from genpose_ros.evaluation.provenance import provenance

        if self.json is not None:
            content = report.to_json()
            write_results(self.json, content, weights=settings.weights, seed=settings.seed)
        if self.html is not None:
            write_html(self.html, page(report, provenance(settings.weights, settings.seed)))


#: Turns of images that need no new pixels, degrees.
_TURNS_DEG = (0, 90, 180, 270)


@evaluate_app.command("frames")
@readable_errors
@grouped_options
def evaluate_frames_command(
    directory: Annotated[Path, typer.Argument(help="Folder with recorded frames, at any depth.")],
    options: EstimatorOptions,
    json: Annotated[Path | None, typer.Option(help="Write instances and summary.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for one picture of the estimates per frame.")
    ] = None,
    turned: Annotated[
        int,
        typer.Option(
            metavar="DEGREES",
            help="Turn the images clockwise, by 90, 180 or 270: as a camera on a wrist, or one "
            "mounted upside down, sees them.",
        ),
    ] = 0,
) -> None:
    """Estimate every recorded frame in a folder and compare it with its ground truth.

    A frame is a folder with depth.png (uint16 mm), mask.png, label.json and, if there is one,
    color.jpg. Errors are modulo a category's symmetry; pseudo ground truth is reported apart.

    Examples:

    - `genpose evaluate frames recordings`

    - `genpose evaluate frames recordings --preset paper --json report.json --pictures out`

    - `genpose evaluate frames recordings --turned 180`
    """
    from genpose_ros.cli.tables import print_report
    from genpose_ros.datasets import find_frames
    from genpose_ros.evaluation import write_results

    folders = find_frames(directory)
    check_outputs(json)
    if turned not in _TURNS_DEG:
        raise ValueError(f"--turned takes 0, 90, 180 or 270 degrees, got {turned}")
    settings, quarters = options.settings(), turned // 90
    report = _evaluate_frames(directory, len(folders), load_estimator(settings), pictures, quarters)
    print_report(report, OUT)
    if json is not None:
        write_results(json, report.to_json(), weights=settings.weights, seed=settings.seed)


def _evaluate_frames(
    directory: Path, total: int, estimator: Any, pictures: Path | None, quarter_turns: int
) -> "FramesReport":
    """Evaluate the frames, with a progress bar, and draw each into a file of its own."""
    from rich.progress import Progress

    from genpose_ros.evaluation import evaluate_frames

    with Progress(console=ERR, transient=True) as progress:
        task = progress.add_task("frames", total=total)

        def on_frame(
            folder: Path, frame: "RecordedFrame", result: "FrameResult", _total: int
        ) -> None:
            progress.advance(task)
            if pictures is not None:
                # Folders of several recordings may have the same name.
                name = "_".join(folder.relative_to(directory).parts) or folder.resolve().name
                known = estimator.categories
                _draw_recorded(frame, result, known, pictures / f"{name}.png")

        return evaluate_frames(directory, estimator, on_frame, quarter_turns=quarter_turns)


def _draw_recorded(
    frame: "RecordedFrame", result: "FrameResult", categories: "CategorySet", path: Path
) -> None:
    from genpose_ros.drawing import depth_picture, draw_estimates, save_picture

    image = depth_picture(frame.depth_m) if frame.color is None else frame.color
    picture = draw_estimates(image, frame.camera, result.estimates, categories=categories)
    save_picture(picture, path)


@dataclass(frozen=True, kw_only=True)
class NocsOptions:
    """Options of the NOCS benchmark: its frames, and how its objects are matched."""

    root: Annotated[
        Path, typer.Option(help="Folder with Real and CAMERA, and gts, mrcnn_results and so on.")
    ]
    split: Annotated[NocsPart, typer.Option(help="real_test: REAL275; val: CAMERA.")]
    every: Annotated[int, typer.Option(help="Take every n-th frame.", min=1)] = 1
    mug_origin: Annotated[
        Origin,
        typer.Option(help="Of the model's mugs: centre of the box, or (authors') the body's axis."),
    ] = Origin.BOX
    boxes: Annotated[
        Boxes, typer.Option(help="Matched by boxes in the image (paper) or in space (most others).")
    ] = Boxes.IMAGE

    def evaluate(self, estimator: Any) -> "NocsReport":
        """Evaluate the frames of the split, with a progress bar."""
        from genpose_ros.datasets import MugOrigin
        from genpose_ros.evaluation import evaluate_nocs

        with progress_bar("frames") as progress:
            task = progress.add_task("", total=None)

            def on_frame(_frame: "NocsFrame", _result: "FrameResult", total: int) -> None:
                progress.update(task, total=total, advance=1)

            return evaluate_nocs(
                self.root,
                self.split.value,
                estimator,
                every=self.every,
                mug_origin=MugOrigin(self.mug_origin.value),
                boxes=self.boxes.value,
                on_frame=on_frame,
            )


@evaluate_app.command("nocs")
@readable_errors
@grouped_options
def evaluate_nocs_command(
    benchmark: NocsOptions, options: EstimatorOptions, outputs: ReportOptions
) -> None:
    """Score the estimator on CAMERA or REAL275: mean average precision in degrees and centimetres.

    Objects are found by the detector's results in mrcnn_results, else by the true masks. Official
    matching leaves missed objects out, strict counts them. Nothing is downloaded.

    Examples:

    - `genpose evaluate nocs --root nocs --split real_test --every 10`

    - `genpose evaluate nocs --root nocs --split val --preset paper --json val.json
      --html val.html`
    """
    from genpose_ros.cli.tables import print_nocs
    from genpose_ros.datasets import find_nocs_frames
    from genpose_ros.evaluation.html_report import nocs_html

    find_nocs_frames(benchmark.root, benchmark.split.value)  # refused before the network is loaded
    outputs.check()
    settings = options.settings()
    report = benchmark.evaluate(load_estimator(settings))
    print_nocs(report, OUT)
    outputs.write(report, settings, nocs_html)


@evaluate_app.command("synthetic")
@readable_errors
@grouped_options
def evaluate_synthetic_command(
    views: ViewOptions,
    options: EstimatorOptions,
    outputs: ReportOptions,
    *,
    up: Annotated[
        bool,
        typer.Option(
            "--up",
            help="Tell the direction up and the table's level as a robot knows them, a degree and "
            "4 mm off.",
        ),
    ] = False,
) -> None:
    """Estimate seeded synthetic views of untrained shapes: 60 % standing, 40 % tipped.

    Of all categories that the weights know: shapes from their generators, and the meshes that the
    weights carry or that are named here.

    Examples:

    - `genpose evaluate synthetic --views 500`

    - `genpose evaluate synthetic --meshes my_meshes --split test --json report.json`
    """
    import numpy as np

    from genpose_ros.cli.tables import print_synthetic
    from genpose_ros.evaluation import evaluate_synthetic, told_up
    from genpose_ros.evaluation.html_report import synthetic_html

    outputs.check()
    settings = options.settings()
    estimator = load_estimator(settings)
    library = views.library(settings.weights)
    rendered = views.render(library)
    with progress_bar("views") as progress:
        task = progress.add_task("", total=len(rendered))
        report = evaluate_synthetic(
            estimator,
            rendered,
            lambda done: progress.advance(task, done),
            categories=library.categories,
            up=told_up(rendered, np.random.default_rng(views.views_seed)) if up else None,
        )
    print_synthetic(report, OUT)
    outputs.write(report, settings, synthetic_html)
