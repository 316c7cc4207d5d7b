"""The command `genpose`. Heavy modules are imported by the command that needs them."""

import functools
import json as jsonlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.logging import RichHandler

if TYPE_CHECKING:
    from genpose_ros.estimation import EstimatorSettings, FrameResult

__all__ = ["app", "readable_errors"]

_P = ParamSpec("_P")

app = typer.Typer(
    name="genpose",
    help="Category-level 6D object poses from depth and instance masks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
evaluate_app = typer.Typer(
    help="Compare estimates with ground truth.", no_args_is_help=True, rich_markup_mode="markdown"
)
app.add_typer(evaluate_app, name="evaluate")
train_app = typer.Typer(
    help="Train the light model on synthetic clouds; an interrupted run goes on where it was.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(train_app, name="train")

_out = Console()
_err = Console(stderr=True)

#: What files, values and machines of the user's can cause.
_USERS_ERRORS = (ValueError, OSError, ModuleNotFoundError, ArithmeticError, MemoryError)
#: Exit code of a command that Ctrl-C ended.
_INTERRUPTED = 130


class Preset(str, Enum):
    """The settings' presets."""

    FAST = "fast"
    PAPER = "paper"


class Role(str, Enum):
    """Which network an authors' checkpoint holds."""

    SCORE = "score"
    ENERGY = "energy"


class NocsPart(str, Enum):
    """The splits of the NOCS data sets that are evaluated."""

    REAL_TEST = "real_test"
    VAL = "val"


class Origin(str, Enum):
    """Where a model puts the origin of mugs."""

    BOX = "box"
    BODY = "body"


PresetOption = Annotated[
    Preset, typer.Option(help="fast: 8 solver steps, filters on; paper: RK45, raw masks.")
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="Checkpoint; default: the released weights.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of all random draws.", min=0)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
DataArgument = Annotated[Path, typer.Argument(help="Folder of a set: genpose synthesize.")]
RunArgument = Annotated[Path, typer.Argument(help="Folder of the run: states, curves, weights.")]
BatchOption = Annotated[int, typer.Option(help="Clouds per step.", min=1)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting, as name=value; may be repeated."),
]


def readable_errors(command: Callable[_P, None]) -> Callable[_P, None]:
    """Turn what a user can cause (wrong files or values, a full disk) into one line and code 2.

    Ctrl-C becomes one line as well, with the shell's code for it, 130.
    """

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except _USERS_ERRORS as error:
            _complain(_message(error))
            raise typer.Exit(2) from error
        except KeyboardInterrupt as interrupt:
            _complain("interrupted")
            raise typer.Exit(_INTERRUPTED) from interrupt

    return wrapped


@contextmanager
def _goes_on_later(name: str) -> Iterator[None]:
    """Say so when `name`, which starts where it was left, is interrupted."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        _complain(f"interrupted; the same genpose {name} command goes on from here")
        raise typer.Exit(_INTERRUPTED) from interrupt


def _complain(message: str) -> None:
    _err.print(f"genpose: {message}", style="bold red", markup=False, soft_wrap=True)


def _message(error: BaseException) -> str:
    """One line that names the file, where there is one."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[0].lower() + error.strerror[1:]
        if not error.filename:
            return reason
        if isinstance(error, FileNotFoundError):
            return f"no such file: {error.filename}"
        if isinstance(error, FileExistsError):
            reason = "is a file, where a folder is needed"
        return f"{error.filename}: {reason}"
    return " ".join(str(error).split()) or type(error).__name__


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            _out.print(version("genpose_ros"), highlight=False)
        except PackageNotFoundError:
            _out.print("unknown: run from a folder, not installed", highlight=False)
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    version: Annotated[  # answered by its callback
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Category-level 6D object poses from depth and instance masks."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=_err, show_time=False, show_path=False)],
    )


@app.command()
@readable_errors
def estimate(
    depth: Annotated[
        Path,
        typer.Option(help="Depth image: PNG in millimetres (or --depth-unit), .npy in metres."),
    ],
    mask: Annotated[Path, typer.Option(help="Label image: 0 background, else instance ids.")],
    camera_info: Annotated[
        Path, typer.Option(help="CameraInfo or calibration as YAML or JSON, or a label.json.")
    ],
    colour: Annotated[
        Path | None, typer.Option("--colour", "--color", help="Colour image, for the picture.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="1=mug,2=bowl, or a label.json; default: the camera file's instances."),
    ] = None,
    depth_unit: Annotated[
        float, typer.Option(help="Metres per count of an integer depth image.")
    ] = 0.001,
    preset: PresetOption = Preset.FAST,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    settings: SetOption = None,
    json: Annotated[Path | None, typer.Option(help="Write the estimates; -: print them.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of the estimates.")] = None,
) -> None:
    """Estimate the objects of one recorded frame.

    Examples:

    - `genpose estimate --depth depth.png --mask mask.png --camera-info label.json`

    - `genpose estimate --depth depth.png --mask mask.png --camera-info camera_info.yaml
      --classes 1=mug,2=bowl --colour color.jpg --picture poses.png --json poses.json`
    """
    from genpose_ros.datasets import read_frame

    chosen = _settings(preset, weights, seed, device, settings)
    _check_outputs(json, picture)
    frame = read_frame(depth, mask, camera_info, classes, depth_unit)
    image = _background(colour, frame.depth_m)
    result = _estimator(chosen).estimate(frame)
    if str(json) == "-":
        _out.print_json(data=_result_json(result))
    else:
        from genpose_ros.tables import print_result

        print_result(result, _out)
    if json is not None and str(json) != "-":
        _write_json(json, _result_json(result))
    if picture is not None:
        from genpose_ros.drawing import draw_estimates, save_picture

        save_picture(draw_estimates(image, frame.camera, result.estimates), picture)
        _err.print(f"picture: {picture}", markup=False, soft_wrap=True)


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

    from genpose_ros.datasets import RecordedFrame, find_frames
    from genpose_ros.evaluation import evaluate_frames
    from genpose_ros.tables import print_report

    folders = find_frames(directory)
    _check_outputs(json)
    estimator = _estimator(_settings(preset, weights, seed, device, settings))
    with Progress(console=_err, transient=True) as progress:
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
    print_report(report, _out)
    if json is not None:
        _write_json(json, report.to_json())


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
    json: Annotated[Path | None, typer.Option(help="Write the scores.")] = None,
) -> None:
    """Score the estimator on CAMERA or REAL275: mean average precision in degrees and centimetres.

    Objects are found by the detector's results in mrcnn_results, else by the true masks. Official
    matching leaves missed objects out, strict counts them. Nothing is downloaded.

    Examples:

    - `genpose evaluate nocs --root nocs --split real_test --every 10`

    - `genpose evaluate nocs --root nocs --split val --preset paper --json val.json`
    """
    from genpose_ros.datasets import MugOrigin, NocsFrame, find_nocs_frames
    from genpose_ros.evaluation import evaluate_nocs
    from genpose_ros.tables import print_nocs

    find_nocs_frames(root, split.value)
    _check_outputs(json)
    estimator = _estimator(_settings(preset, weights, seed, device, settings))
    with _progress("frames") as progress:
        task = progress.add_task("", total=None)

        def on_frame(_frame: NocsFrame, _result: "FrameResult", total: int) -> None:
            progress.update(task, total=total, advance=1)

        report = evaluate_nocs(
            root,
            split.value,
            estimator,
            every=every,
            mug_origin=MugOrigin(mug_origin.value),
            on_frame=on_frame,
        )
    print_nocs(report, _out)
    if json is not None:
        _write_json(json, report.to_json())


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
) -> None:
    """Estimate seeded synthetic views of untrained shapes: 60 % standing, 40 % tipped.

    Examples:

    - `genpose evaluate synthetic --views 500`

    - `genpose evaluate synthetic --meshes my_meshes --split test --json report.json`
    """
    from genpose_ros.evaluation import evaluate_synthetic, synthetic_views
    from genpose_ros.synthesis import load_meshes
    from genpose_ros.tables import print_synthetic

    known = () if meshes is None else load_meshes(meshes, split)
    _check_outputs(json)
    estimator = _estimator(_settings(preset, weights, seed, device, settings))
    with _err.status("rendering the views"):
        rendered = synthetic_views(views, views_seed, known)
    with _progress("views") as progress:
        task = progress.add_task("", total=len(rendered))
        report = evaluate_synthetic(estimator, rendered, lambda done: progress.advance(task, done))
    print_synthetic(report, _out)
    if json is not None:
        _write_json(json, report.to_json())


@app.command()
@readable_errors
def convert(
    source: Annotated[Path, typer.Argument(help="Checkpoint file of the GenPose authors (.pth).")],
    destination: Annotated[Path, typer.Argument(help="File to write (.safetensors).")],
    role: Annotated[Role, typer.Option(help="Which network it is; the file itself does not say.")],
) -> None:
    """Convert an authors' checkpoint to a file of ours.

    Example:

    - `genpose convert scorenet.pth scorenet.safetensors --role score`
    """
    from genpose_ros.networks import convert_reference_checkpoint

    convert_reference_checkpoint(source, role.value, destination)
    _err.print(f"written: {destination}", markup=False, soft_wrap=True)


@app.command()
@readable_errors
def demo(
    frames: Annotated[
        Path | None,
        typer.Option(help="Folder with recorded frames; default: a simulated RealSense D435."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write objects, errors and times.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Where the picture of the estimates goes.", show_default="genpose_demo.png"
        ),
    ] = None,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    settings: SetOption = None,
) -> None:
    """Play frames to the estimator node over ROS 2 topics, show what it publishes and how well.

    Examples:

    - `genpose demo`

    - `genpose demo --frames recordings --json demo.json --picture demo.png`
    """
    _check_outputs(json, picture)
    # By name: there may be no ROS 2 here, which only this command needs.
    from importlib import import_module

    run_demo = import_module("genpose_ros.ros.demo").run_demo
    code = run_demo(
        frames=frames,
        json=json,
        picture=picture,
        seed=seed,
        weights=weights,
        settings=_changes(settings),
        console=_out,
    )
    raise typer.Exit(code)


@app.command()
@readable_errors
def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder for the shards.")],
    clouds: Annotated[int, typer.Option(help="How many, in shards of 8192.", min=1)] = 200_000,
    seed: SeedOption = 0,
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes with a manifest.json, to mix in.")
    ] = None,
    split: Annotated[str, typer.Option(help="The manifest's split to take.")] = "train",
    mesh_share: Annotated[
        float, typer.Option(help="Share of the clouds made of meshes.", min=0, max=1)
    ] = 0.25,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
) -> None:
    """Render training clouds: six categories, table views and tipped objects, D435 noise.

    Shards that are there already are kept, so an interrupted run goes on.

    Examples:

    - `genpose synthesize data --clouds 200000 --workers 8`

    - `genpose synthesize data --meshes my_meshes --mesh-share 0.5`
    """
    from genpose_ros.synthesis import SetRecipe, write_set

    recipe = SetRecipe(clouds, seed, meshes, split, mesh_share)
    with _goes_on_later("synthesize"), _progress("shards", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=None, state="")

        def on_shards(done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, state=f"{done} of {total}")

        paths = write_set(directory, recipe, workers=workers, on_shards=on_shards)
    _err.print(f"{len(paths)} shards in {directory}", markup=False, soft_wrap=True)


@train_app.command("score")
@readable_errors
def train_score(
    data: DataArgument,
    run: RunArgument,
    minutes: Annotated[float, typer.Option(help="Time budget, interruptions not counted.")] = 60,
    batch: BatchOption = 48,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    start: Annotated[
        Path | None,
        typer.Option(help="Weights of a light model that a new run starts from."),
    ] = None,
) -> None:
    """Train encoder, score head and size head by denoising score matching.

    Examples:

    - `genpose train score data runs/light --minutes 60`

    - `genpose train score data runs/longer --start weights/genpose-base.safetensors`
    """
    options = {"minutes": minutes, "batch": batch, "seed": seed, "device": device}
    _train(data, run, start, target="score", **options)


@train_app.command("energy")
@readable_errors
def train_energy(
    data: DataArgument,
    run: RunArgument,
    minutes: Annotated[float, typer.Option(help="Time budget, interruptions not counted.")] = 8,
    batch: BatchOption = 48,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Train the energy head on the score's encoder; writes the finished checkpoint.

    Example:

    - `genpose train energy data runs/light --minutes 8`
    """
    _train(data, run, None, target="energy", minutes=minutes, batch=batch, seed=seed, device=device)


def _train(data: Path, run: Path, start: Path | None, **options: Any) -> None:
    from genpose_ros.training import Progress, TrainingSettings, train_run

    settings = TrainingSettings(**options)
    bar = _progress(settings.target, "{task.fields[state]}")
    with _goes_on_later(f"train {settings.target}"), bar as progress:
        task = progress.add_task("", total=60 * settings.minutes, state="")

        def on_progress(now: Progress) -> None:
            state = f"step {now.step}  loss {now.loss:.3f}  {now.clouds_per_s:.0f} clouds/s"
            progress.update(task, completed=now.elapsed_s, state=state)

        checkpoint = train_run(data, run, settings, on_progress, checkpoint=start)
    _err.print(f"written: {checkpoint}", markup=False, soft_wrap=True)


def _progress(name: str, *more: str) -> Any:
    """A progress bar with the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(name, BarColumn(), *map(TextColumn, more), TimeRemainingColumn(), console=_err)


def _settings(
    preset: Preset, weights: Path | None, seed: int, device: str, changes: list[str] | None
) -> "EstimatorSettings":
    from genpose_ros.estimation import EstimatorSettings

    values: dict[str, Any] = {"seed": seed, "device": device}
    if weights is not None:
        values["weights"] = str(weights)
    return EstimatorSettings.preset(preset.value, **(values | _changes(changes)))


def _changes(changes: list[str] | None) -> dict[str, Any]:
    """The settings of --set options, by name, in the type the setting has."""
    from genpose_ros.estimation import describe

    values: dict[str, Any] = {}
    for change in changes or []:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set expects name=value, got {change!r}")
        kind = type(describe(name)["default"])
        try:
            values[name] = kind(text)
        except ValueError as error:
            raise ValueError(f"--set {name} expects {kind.__name__}, got {text!r}") from error
    return values


def _estimator(settings: "EstimatorSettings") -> Any:
    from genpose_ros.estimation import PoseEstimator

    with _err.status("loading the network"):
        return PoseEstimator.from_settings(settings)


def _background(colour: Path | None, depth_m: Any) -> Any:
    from genpose_ros.datasets import read_color
    from genpose_ros.drawing import depth_picture

    if colour is None:
        return depth_picture(depth_m)
    image = read_color(colour)
    if image.shape[:2] != depth_m.shape:
        raise ValueError(f"{colour} is {image.shape[:2]}, the depth image {depth_m.shape}")
    return image


def _draw_recorded(frame: Any, result: "FrameResult", path: Path) -> None:
    from genpose_ros.drawing import depth_picture, draw_estimates, save_picture

    image = depth_picture(frame.depth_m) if frame.color is None else frame.color
    save_picture(draw_estimates(image, frame.camera, result.estimates), path)


def _result_json(result: "FrameResult") -> dict[str, Any]:
    objects = [
        {
            "id": e.instance_id,
            "class": e.category,
            "position_m": e.T_cam_obj[:3, 3].tolist(),
            "T_cam_obj": e.T_cam_obj.tolist(),
            "size_m": e.size_m.tolist(),
            "score": e.score,
            "covariance": e.covariance.tolist(),
            "energy_rotation": e.energy_rotation,
            "energy_translation": e.energy_translation,
            "mode_shares": list(e.mode_shares),
            "n_points": e.n_points,
        }
        for e in result.estimates
    ]
    rejected = [
        {"id": r.instance_id, "reason": r.reason.value, "detail": r.detail}
        for r in result.rejections
    ]
    return {"objects": objects, "rejected": rejected, "stages_ms": result.timings_ms}


def _check_outputs(json: Path | None, picture: Path | None = None) -> None:
    """Refuse, before the work begins, what cannot be written after it; makes the folders."""
    if picture is not None:
        from genpose_ros.drawing import check_picture_name

        check_picture_name(picture)
    for path in (json, picture):
        if path is None or str(path) == "-":
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"the folder of {path} cannot be made: {_message(error)}") from error
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ValueError(f"{path} cannot be written: no permission")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(jsonlib.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
