# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Study sessions: options of `genpose study`, and the views and candidates that studies share."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar
from genpose_ros.cli.options import (
    DeviceOption,
    EstimatorOptions,
    SeedOption,
    ViewOptions,
    WeightsOption,
    load_estimator,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genpose_ros.evaluation.studies import StudyResult, ViewCandidates, ViewTruth
    from genpose_ros.synthesis import CloudBatch

__all__ = ["ResultsOption", "StudyOptions", "StudySession"]

ResultsOption = Annotated[Path, typer.Option(help="Folder for study_NAME.json.")]


@dataclass(frozen=True, kw_only=True)
class StudyOptions(ViewOptions):
    """Options of every study."""

    views: Annotated[int, typer.Option(help="How many views.", min=60)] = 2000
    weights: WeightsOption = None
    seed: SeedOption = 0
    device: DeviceOption = "auto"
    results: ResultsOption = Path("studies")
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for study_NAME.png; default: that of the results.")
    ] = None
    run: Annotated[
        Path | None, typer.Option(help="Folder of small models: genpose study train.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class StudySession:
    """Inputs and outputs of the studies of one command: views and candidates are made once."""

    options: StudyOptions

    @cached_property
    def estimator(self) -> Any:
        """The estimator with the chosen weights."""
        options = self.options
        chosen = EstimatorOptions(weights=options.weights, seed=options.seed, device=options.device)
        return load_estimator(chosen.settings())

    @cached_property
    def truth(self) -> "ViewTruth":
        """The views with their ground truth."""
        from genpose_ros.evaluation.studies import ViewTruth

        return ViewTruth.of(self._rendered)

    @cached_property
    def candidates(self) -> "ViewCandidates":
        """The candidates of all views, drawn once."""
        from genpose_ros.evaluation.studies import CANDIDATES, draw_view_candidates

        estimator = self.estimator  # before the views: weights may be missing
        views = self._rendered
        with progress_bar("candidates") as progress:
            task = progress.add_task("", total=len(views))
            return draw_view_candidates(
                estimator, views, CANDIDATES, lambda n: progress.advance(task, n)
            )

    @property
    def run(self) -> Path:
        """The folder of the small models."""
        if self.options.run is None:
            raise ValueError("name the folder of the small models: --run DIR (genpose study train)")
        return self.options.run

    @property
    def tracking_file(self) -> Path:
        """The file of `genpose evaluate tracking` among the results."""
        return self.options.results / "tracking.json"

    @property
    def _pictures(self) -> Path:
        return self.options.pictures or self.options.results

    @cached_property
    def _rendered(self) -> "CloudBatch":
        return self.options.render(self.options.library(""))

    def check_outputs(self, names: "Iterable[str]") -> None:
        """Refuse before the work what cannot be written after it."""
        from genpose_ros.evaluation.studies import results_file

        for name in names:
            check_outputs(results_file(self.options.results, name))
        check_outputs(self._pictures / "study.png")

    def finish(self, result: "StudyResult") -> None:
        """Store numbers and pictures, and print the table."""
        from rich.markdown import Markdown

        from genpose_ros.evaluation import write_results
        from genpose_ros.evaluation.plots import save_figure
        from genpose_ros.evaluation.studies import TABLES, results_file

        options = self.options
        path = results_file(options.results, result.name)
        write_results(path, result.content, weights=options.weights, seed=options.seed)
        written = [path]
        for name, figure in result.figures.items():
            written.append(self._pictures / f"{name}.png")
            save_figure(figure, written[-1])
        OUT.rule(result.name)
        OUT.print(Markdown(TABLES[result.name](result.content)))
        ERR.print("written: " + ", ".join(map(str, written)), markup=False, soft_wrap=True)
