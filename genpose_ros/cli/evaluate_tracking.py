# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose evaluate tracking`: the tracker on simulated sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import (
    EstimatorOptions,
    HeldOutMeshesOption,
    SplitOption,
    load_estimator,
    shapes_of,
)

if TYPE_CHECKING:
    from genpose_ros.estimation import EstimatorSettings
    from genpose_ros.evaluation.tracking.evaluate import Outcome, Task
    from genpose_ros.synthesis import ShapeLibrary
    from genpose_ros.tracking import TrackerSettings

__all__ = ["evaluate_tracking"]

#: Frames of the sequence that the speed is measured on, at most.
_SPEED_FRAMES = 60


@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """Options of the simulated sequences."""

    sequences: Annotated[int, typer.Option(help="How many sequences.", min=1)] = 21
    frames: Annotated[int, typer.Option(help="Frames of each, at 30 Hz.", min=2)] = 200
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            help="turntable, carried_slow, carried_fast, sweep, occlusion, returns, crossing, "
            "crowd or arm; may be repeated. Default: all but the last two, in turn."
        ),
    ] = None
    sequence_seed: Annotated[int, typer.Option(help="First seed of the sequences.", min=0)] = 1000
    study: Annotated[
        bool,
        typer.Option(
            "--study", help="Compare settings too: masks at 5 Hz, smoothing, start levels."
        ),
    ] = False
    meshes: HeldOutMeshesOption = None
    split: SplitOption = "test"
    jobs: Annotated[
        int, typer.Option(help="Processes; 0: one per core, one where there is a GPU.", min=0)
    ] = 0

    def tasks(self, tracker: "TrackerSettings", library: "ShapeLibrary") -> "list[Task]":
        """The sequences with the ways they are tracked, and the study's where it was chosen.

        Args:
            tracker: its settings.
            library: that the objects are from.

        Raises:
            ValueError: a kind is unknown.
        """
        from genpose_ros.evaluation.tracking.evaluate import (
            DEFAULT_KINDS,
            Task,
            sequences,
            standard_variants,
            study_tasks,
        )

        chosen = sequences(self.sequences, self.kinds or DEFAULT_KINDS, self.sequence_seed)
        tasks = [
            Task(kind, seed, self.frames, standard_variants(kind, tracker)) for kind, seed in chosen
        ]
        if self.study:
            tasks += study_tasks(tracker, self.sequence_seed, longest=self.frames)
        return [replace(task, library=library) for task in tasks]


@dataclass(frozen=True, kw_only=True)
class TrackingOutputs:
    """Files of an evaluation of the tracker."""

    json: Annotated[Path | None, typer.Option(help="Write all numbers.")] = None
    picture: Annotated[
        Path | None, typer.Option(help="Draw the errors of the sequence with most occlusions.")
    ] = None
    tables: Annotated[
        Path | None,
        typer.Option(help="A Markdown file whose tables, between markers, are renewed."),
    ] = None

    def check(self) -> None:
        """Refuse before the work what cannot be written after it."""
        check_outputs(self.json, self.picture)
        if self.tables is not None and not self.tables.is_file():
            raise ValueError(f"no such file: {self.tables}")

    def write(
        self,
        report: Mapping[str, Any],
        outcomes: "Sequence[Outcome]",
        settings: "EstimatorSettings",
    ) -> None:
        """Write the files that were named.

        Args:
            report: numbers.
            outcomes: tracked sequences, for the picture.
            settings: that the estimator had.
        """
        from genpose_ros.evaluation.provenance import write_results
        from genpose_ros.evaluation.tracking.report import write_tracking_tables

        if self.json is not None:
            write_results(self.json, report, weights=settings.weights, seed=settings.seed)
        if self.picture is not None:
            _draw(outcomes, self.picture)
        if self.tables is not None:
            names = ", ".join(write_tracking_tables(report, self.tables))
            written = names or "none: it has no markers"
            ERR.print(f"tables written to {self.tables}: {written}", markup=False)


@readable_errors
@grouped_options
def evaluate_tracking(
    sequences: SequenceOptions,
    options: EstimatorOptions,
    *,
    tracker: Annotated[
        list[str] | None,
        typer.Option(help="Change one setting of the tracker, as name=value; may be repeated."),
    ] = None,
    outputs: TrackingOutputs,
) -> None:
    """Track the objects of simulated sequences and compare the tracks with the truth.

    Objects are of the categories that the weights know: shapes from their generators, and the
    meshes that the weights carry or that are named here. Errors are modulo a category's symmetry
    and count where more than a fifth of the object is visible. Beside the tracker run the paper's
    protocol (first pose near the truth, no new starts), the estimator on single frames, and on
    moving cameras the tracker without the camera's poses.

    Examples:

    - `genpose evaluate tracking --sequences 7 --frames 60`

    - `genpose evaluate tracking --kinds sweep --kinds occlusion --tracker start_sigma=0.1`

    - `genpose evaluate tracking --study --json report.json --picture errors.png`
    """
    from genpose_ros.cli.setting_changes import tracker_changes
    from genpose_ros.cli.tables import print_tracking
    from genpose_ros.evaluation.tracking.report import tracking_report
    from genpose_ros.tracking import TrackerSettings

    outputs.check()
    tracker_settings = TrackerSettings(**tracker_changes(tracker))
    settings = options.settings()
    library = shapes_of(settings.weights, sequences.meshes, sequences.split)
    tasks = sequences.tasks(tracker_settings, library)
    estimator = load_estimator(settings)  # before the sequences: weights may be missing
    outcomes = _track(tasks, settings, sequences.jobs)
    speed = _measure_speed(estimator, tracker_settings, sequences, library)
    report = tracking_report(outcomes, speed, max_coast_s=tracker_settings.max_coast_s)
    print_tracking(report, OUT)
    outputs.write(report, outcomes, settings)


def _track(tasks: "list[Task]", settings: "EstimatorSettings", jobs: int) -> "list[Outcome]":
    """Track the sequences in so many processes, 0: the usual number, with a progress bar."""
    from genpose_ros.evaluation.tracking.evaluate import run_tasks, usual_jobs

    with progress_bar("sequences") as progress:
        bar = progress.add_task("", total=sum(task.steps for task in tasks))
        return run_tasks(
            tasks,
            settings,
            jobs=jobs or usual_jobs(settings.device),
            on_progress=lambda done: progress.update(bar, completed=done),
        )


def _measure_speed(
    estimator: Any,
    tracker: "TrackerSettings",
    sequences: SequenceOptions,
    library: "ShapeLibrary",
) -> dict[str, Any]:
    from genpose_ros.evaluation.tracking.evaluate import measure_speed

    frames = min(sequences.frames, _SPEED_FRAMES)
    with ERR.status("measuring the speed"):
        return measure_speed(
            estimator, tracker, frames=frames, seed=sequences.sequence_seed, library=library
        )


def _draw(outcomes: "Sequence[Outcome]", path: Path) -> None:
    from genpose_ros.evaluation.plots import save_figure
    from genpose_ros.evaluation.tracking.picture import draw_errors, most_occluded

    records = [outcome.record for outcome in outcomes if outcome.variant == "tracker"]
    save_figure(draw_errors(most_occluded(records)), path)
