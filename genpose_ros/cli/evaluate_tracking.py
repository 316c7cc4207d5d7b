"""`genpose evaluate tracking`: the tracker on simulated sequences."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
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
    from genpose_ros.estimation import EstimatorSettings
    from genpose_ros.evaluation.tracking.evaluate import Outcome, Task
    from genpose_ros.tracking import TrackerSettings

__all__ = ["evaluate_tracking"]


@readable_errors
def evaluate_tracking(
    sequences: Annotated[int, typer.Option(help="How many sequences.", min=1)] = 21,
    frames: Annotated[int, typer.Option(help="Frames of each, at 30 Hz.", min=2)] = 200,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            help="turntable, carried_slow, carried_fast, sweep, occlusion, returns, crossing or "
            "crowd; may be repeated. Default: all but the crowd, in turn."
        ),
    ] = None,
    sequence_seed: Annotated[int, typer.Option(help="First seed of the sequences.", min=0)] = 1000,
    study: Annotated[
        bool,
        typer.Option(
            "--study", help="Compare settings too: masks at 5 Hz, smoothing, start levels."
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(help="Processes; 0: one per core, one where there is a GPU.", min=0)
    ] = 0,
    preset: PresetOption = Preset.FAST,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    settings: SetOption = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="Change one setting of the tracker, as name=value; may be repeated."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the errors of the sequence with most occlusions.")
    ] = None,
    tables: Annotated[
        Path | None,
        typer.Option(help="A Markdown file whose tables, between markers, are renewed."),
    ] = None,
) -> None:
    """Track the objects of simulated sequences and compare the tracks with the truth.

    Errors follow the NOCS rules and count where more than a fifth of the object is visible. Beside
    the tracker run the paper's protocol (first pose near the truth, no new starts), the estimator
    on single frames, and on moving cameras the tracker without the camera's poses.

    Examples:

    - `genpose evaluate tracking --sequences 7 --frames 60`

    - `genpose evaluate tracking --kinds sweep --kinds occlusion --tracker start_sigma=0.1`

    - `genpose evaluate tracking --study --json report.json --picture errors.png`
    """
    from genpose_ros.cli.tables import print_tracking
    from genpose_ros.evaluation.provenance import write_results
    from genpose_ros.evaluation.tracking.evaluate import (
        DEFAULT_KINDS,
        Task,
        measure_speed,
        standard_variants,
        study_tasks,
        usual_jobs,
    )
    from genpose_ros.evaluation.tracking.evaluate import sequences as chosen_sequences
    from genpose_ros.evaluation.tracking.report import tracking_report, write_tracking_tables

    check_outputs(json, picture)
    if tables is not None and not tables.is_file():
        raise ValueError(f"no such file: {tables}")
    tracker_settings = _tracker_settings(tracker)
    estimator_settings = chosen_settings(preset, weights, seed, device, settings)
    chosen = chosen_sequences(sequences, kinds or DEFAULT_KINDS, sequence_seed)
    tasks = [
        Task(kind, number, frames, standard_variants(kind, tracker_settings))
        for kind, number in chosen
    ]
    if study:
        tasks += study_tasks(tracker_settings, sequence_seed, longest=frames)
    estimator = load_estimator(estimator_settings)  # before all else: weights may be missing
    outcomes = _run(tasks, estimator_settings, jobs or usual_jobs(device))
    with ERR.status("measuring the speed"):
        speed = measure_speed(
            estimator, tracker_settings, frames=min(frames, 60), seed=sequence_seed
        )
    report = tracking_report(outcomes, speed, max_coast_s=tracker_settings.max_coast_s)
    print_tracking(report, OUT)
    if json is not None:
        write_results(json, report, weights=weights, seed=seed)
    if picture is not None:
        _draw(outcomes, picture)
    if tables is not None:
        names = ", ".join(write_tracking_tables(report, tables)) or "none: it has no markers"
        ERR.print(f"tables written to {tables}: {names}", markup=False)


def _tracker_settings(changes: list[str] | None) -> "TrackerSettings":
    from genpose_ros.settings import setting_from_text
    from genpose_ros.tracking import TrackerSettings

    kinds = {item.name: type(item.default) for item in fields(TrackerSettings)}
    values: dict[str, Any] = {}
    for change in changes or []:
        name, equals, text = change.partition("=")
        if not equals or name not in kinds:
            known = ", ".join(kinds)
            raise ValueError(f"--tracker expects name=value, got {change!r}; names are {known}")
        values[name] = setting_from_text(f"--tracker {name}", text, kinds[name])
    return TrackerSettings(**values)


def _run(tasks: "list[Task]", settings: "EstimatorSettings", jobs: int) -> "list[Outcome]":
    from genpose_ros.evaluation.tracking.evaluate import run_tasks

    with progress_bar("sequences") as progress:
        bar = progress.add_task("", total=sum(task.steps for task in tasks))
        return run_tasks(
            tasks,
            settings,
            jobs=jobs,
            on_progress=lambda done: progress.update(bar, completed=done),
        )


def _draw(outcomes: "list[Outcome]", path: Path) -> None:
    from genpose_ros.evaluation.plots import save_figure
    from genpose_ros.evaluation.tracking.picture import draw_errors, most_occluded

    records = [outcome.record for outcome in outcomes if outcome.variant == "tracker"]
    save_figure(draw_errors(most_occluded(records)), path)
