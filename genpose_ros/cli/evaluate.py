"""`genpose evaluate`: estimates against ground truth."""

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
from genpose_ros.cli.options import (
    DeviceOption,
    Preset,
    PresetOption,
    SeedOption,
    SetOption,
    WeightsOption,
    chosen_settings,
    load_estimator,
)

if TYPE_CHECKING:
    from genpose_ros.estimation import FrameResult

__all__ = ["evaluate_app"]

evaluate_app = typer.Typer(
    help="Compare estimates with ground truth.", no_args_is_help=True, rich_markup_mode="markdown"
)


class NocsPart(str, Enum):
    """The splits of the NOCS data sets that are evaluated."""

    REAL_TEST = "real_test"
    VAL = "val"


class Origin(str, Enum):
    """Where a model puts the origin of mugs."""

    BOX = "box"
    BODY = "body"


class Boxes(str, Enum):
    """What detections and true objects are matched by."""

    IMAGE = "2d"
    SPACE = "3d"


HtmlOption = Annotated[Path | None, typer.Option(help="Write a report with curves, one HTML file.")]


@evaluate_app.command("frames")
@readable_errors
def evaluate_frames_command(
    directory: Annotated[Path, typer.Argument(help="Folder with recorded frames, at any depth.")],
    preset: PresetOption = Preset.FAST,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    settings: SetOption = None,
    json: Annotated[Path | None, typer.Option(help="Write instances and summary.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for one picture of the estimates per frame.")
    ] = None,
) -> None:
    """Estimate every recorded frame in a folder and compare it with its ground truth.

    A frame is a folder with depth.png (uint16 mm), mask.png, label.json and, if there is one,
    color.jpg. Errors follow the NOCS rules; pseudo ground truth is reported apart.

    Examples:

    - `genpose evaluate frames recordings`

    - `genpose evaluate frames recordings --preset paper --json report.json --pictures out`
    """
    from rich.progress import Progress

    from genpose_ros.cli.tables import print_report
    from genpose_ros.datasets import RecordedFrame, find_frames
    from genpose_ros.evaluation import evaluate_frames, write_results

    folders = find_frames(directory)
    check_outputs(json)
    chosen = chosen_settings(preset, weights, seed, device, settings)
    estimator = load_estimator(chosen)
    with Progress(console=ERR, transient=True) as progress:
        task = progress.add_task("frames", total=len(folders))

        def on_frame(
            folder: Path, frame: RecordedFrame, result: "FrameResult", _total: int
        ) -> None:
            progress.advance(task)
            if pictures is not None:
                # Folders of several recordings may have the same name.
                name = "_".join(folder.relative_to(directory).parts) or folder.resolve().name
                _draw_recorded(frame, result, pictures / f"{name}.png")

        report = evaluate_frames(directory, estimator, on_frame)
    print_report(report, OUT)
    if json is not None:
        write_results(json, report.to_json(), weights=chosen.weights, seed=chosen.seed)


def _draw_recorded(frame: Any, result: "FrameResult", path: Path) -> None:
    from genpose_ros.drawing import depth_picture, draw_estimates, save_picture

    image = depth_picture(frame.depth_m) if frame.color is None else frame.color
    save_picture(draw_estimates(image, frame.camera, result.estimates), path)


@evaluate_app.command("nocs")
@readable_errors
def evaluate_nocs_command(
    root: Annotated[
        Path, typer.Option(help="Folder with Real and CAMERA, and gts, mrcnn_results and so on.")
    ],
    split: Annotated[NocsPart, typer.Option(help="real_test: REAL275; val: CAMERA.")],
    every: Annotated[int, typer.Option(help="Take each how-manieth frame.", min=1)] = 1,
    mug_origin: Annotated[
        Origin,
        typer.Option(help="Of the model's mugs: centre of the box, or (authors') the body's axis."),
    ] = Origin.BOX,
    preset: PresetOption = Preset.FAST,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    settings: SetOption = None,
    boxes: Annotated[
        Boxes, typer.Option(help="Matched by boxes in the image (paper) or in space (most others).")
    ] = Boxes.IMAGE,
    json: Annotated[Path | None, typer.Option(help="Write the scores.")] = None,
    html: HtmlOption = None,
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
    from genpose_ros.datasets import MugOrigin, NocsFrame, find_nocs_frames
    from genpose_ros.evaluation import evaluate_nocs, write_results

    find_nocs_frames(root, split.value)
    check_outputs(json)
    check_outputs(html)
    chosen = chosen_settings(preset, weights, seed, device, settings)
    estimator = load_estimator(chosen)
    with progress_bar("frames") as progress:
        task = progress.add_task("", total=None)

        def on_frame(_frame: NocsFrame, _result: "FrameResult", total: int) -> None:
            progress.update(task, total=total, advance=1)

        report = evaluate_nocs(
            root,
            split.value,
            estimator,
            every=every,
            mug_origin=MugOrigin(mug_origin.value),
            boxes=boxes.value,
            on_frame=on_frame,
        )
    print_nocs(report, OUT)
    if json is not None:
        write_results(json, report.to_json(), weights=chosen.weights, seed=chosen.seed)
    if html is not None:
        from genpose_ros.evaluation.html_report import nocs_html, write_html
        from genpose_ros.evaluation.provenance import provenance

        write_html(html, nocs_html(report, provenance(chosen.weights, chosen.seed)))


@evaluate_app.command("synthetic")
@readable_errors
def evaluate_synthetic_command(
    views: Annotated[int, typer.Option(help="How many views.", min=1)] = 2000,
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes with a manifest.json, for half of them.")
    ] = None,
    split: Annotated[str, typer.Option(help="The manifest's split to take.")] = "test",
    views_seed: Annotated[int, typer.Option(help="Seed of the views.", min=0)] = 2_000_000,
    preset: PresetOption = Preset.FAST,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    settings: SetOption = None,
    json: Annotated[Path | None, typer.Option(help="Write the summary.")] = None,
    html: HtmlOption = None,
) -> None:
    """Estimate seeded synthetic views of untrained shapes: 60 % standing, 40 % tipped.

    Examples:

    - `genpose evaluate synthetic --views 500`

    - `genpose evaluate synthetic --meshes my_meshes --split test --json report.json`
    """
    from genpose_ros.cli.tables import print_synthetic
    from genpose_ros.evaluation import evaluate_synthetic, synthetic_views, write_results
    from genpose_ros.synthesis import load_meshes

    known = () if meshes is None else load_meshes(meshes, split)
    check_outputs(json)
    check_outputs(html)
    chosen = chosen_settings(preset, weights, seed, device, settings)
    estimator = load_estimator(chosen)
    with ERR.status("rendering the views"):
        rendered = synthetic_views(views, views_seed, known)
    with progress_bar("views") as progress:
        task = progress.add_task("", total=len(rendered))
        report = evaluate_synthetic(estimator, rendered, lambda done: progress.advance(task, done))
    print_synthetic(report, OUT)
    if json is not None:
        write_results(json, report.to_json(), weights=chosen.weights, seed=chosen.seed)
    if html is not None:
        from genpose_ros.evaluation.html_report import synthetic_html, write_html
        from genpose_ros.evaluation.provenance import provenance

        write_html(html, synthetic_html(report, provenance(chosen.weights, chosen.seed)))
