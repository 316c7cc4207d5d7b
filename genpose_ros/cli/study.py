# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose study`: the paper's studies on synthetic views, with tables and pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genpose_ros.cli.console import ERR, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import SeedOption
from genpose_ros.cli.study_session import ResultsOption, StudyOptions, StudySession

if TYPE_CHECKING:
    from genpose_ros.evaluation.studies import StudyResult

__all__ = ["STUDIES", "study_app"]

study_app = typer.Typer(
    help="Repeat the paper's studies on synthetic views of shapes that were not trained on.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@dataclass(frozen=True)
class _Study:
    """Study that is imported when it is run.

    Attributes:
        function: as module:function in `genpose_ros.evaluation.studies`.
        inputs: names of its parameters, attributes of the session; those that may be missing first.
        help: of its command.
        progress: label of the bar that it moves by `on_views`; empty: it has none.
    """

    function: str
    inputs: tuple[str, ...]
    help: str
    progress: str = ""

    def run(self, session: StudySession) -> "StudyResult":
        """Compute the numbers and pictures."""
        module, name = self.function.split(":")
        package = "genpose_ros.evaluation.studies"
        function: Callable[..., StudyResult] = getattr(import_module(f"{package}.{module}"), name)
        inputs = {name: getattr(session, name) for name in self.inputs}
        if not self.progress:
            return function(**inputs)
        with progress_bar(self.progress) as bar:
            task = bar.add_task("", total=None)
            return function(**inputs, on_views=lambda done: bar.advance(task, done))


#: All studies, cheap ones first.
STUDIES: dict[str, _Study] = {
    "best-of-k": _Study(
        "selection:best_of_k",
        ("candidates",),
        "Table 1: the pooled pose, and the best of K candidates for K up to 50.",
    ),
    "candidates": _Study(
        "selection:candidate_numbers",
        ("candidates",),
        "Table 2: how many candidates are drawn, and which share of them is kept.",
    ),
    "categories": _Study("selection:categories", ("candidates",), "Table 4: per category."),
    "energy": _Study(
        "energies:energy",
        ("candidates",),
        "Figure 3: the energy of candidates against their errors.",
    ),
    "distribution": _Study(
        "distribution:distribution",
        ("candidates", "estimator"),
        "Figure 4: the rotations thought possible of a round object and of mugs.",
    ),
    "cases": _Study(
        "cases:cases", ("candidates",), "A picture per category of the best and the worst cases."
    ),
    "features": _Study(
        "features:features",
        ("candidates",),
        "Figure 5: the features of the clouds by t-SNE (needs scikit-learn).",
    ),
    "ranking": _Study(
        "selection:ranking",
        ("candidates", "estimator"),
        "Table 3: random, density, energy, likelihood and ground-truth ranking, and pooling.",
    ),
    "baselines": _Study(
        "compared:baselines",
        ("candidates", "estimator"),
        "ICP to a template and a box around the points, on the same views.",
        progress="poses of baselines",
    ),
    "small-models": _Study(
        "compared:small_models",
        ("run", "truth"),
        "Direct regression and diffusion after the same short training (needs --run).",
    ),
    "unseen": _Study(
        "unseen:unseen",
        ("run", "truth"),
        "Table 5: small models trained without a category, on views of it (needs --run).",
    ),
    "tracking": _Study(
        "tracked:tracking",
        ("tracking_file",),
        "Table 6: what genpose evaluate tracking stored as tracking.json among the results.",
    ),
}


def _add_command(name: str, study: _Study) -> None:
    @study_app.command(name, help=study.help)
    @readable_errors
    @grouped_options
    def command(options: StudyOptions) -> None:
        _run([name], StudySession(options=options))


for _name, _study in STUDIES.items():
    _add_command(_name, _study)


def _run(names: list[str], session: StudySession) -> None:
    session.check_outputs(names)
    for name in names:
        session.finish(STUDIES[name].run(session))


@study_app.command("all")
@readable_errors
@grouped_options
def study_all(
    options: StudyOptions,
    docs: Annotated[
        Path | None,
        typer.Option(help="A Markdown file whose tables, between markers, are written anew."),
    ] = None,
) -> None:
    """All studies, with the views and their candidates made once.

    Without --run, the studies of small models are left out; without tracking.json among the
    results, that of tracking.

    Example:

    - `genpose study all --meshes MESHES --results docs/results --pictures docs/images
      --docs docs/evaluation.md`
    """
    session = StudySession(options=options)
    left_out = [] if options.run is not None else ["small-models", "unseen"]
    if not session.tracking_file.is_file():
        left_out.append("tracking")
    if docs is not None:
        docs.read_text(encoding="utf-8")  # refused before the work begins
    _run([name for name in STUDIES if name not in left_out], session)
    if left_out:
        ERR.print(f"left out: {', '.join(left_out)} (see --help)", soft_wrap=True)
    if docs is not None:
        _write_docs(docs, options.results)


@study_app.command("docs")
@readable_errors
def study_docs(
    docs: Annotated[Path, typer.Argument(help="Markdown file with <!-- table NAME --> markers.")],
    results: ResultsOption = Path("studies"),
) -> None:
    """Write the tables of stored results into a document, without running anything.

    Example:

    - `genpose study docs docs/evaluation.md --results docs/results`
    """
    _write_docs(docs, results)


def _write_docs(docs: Path, results: Path) -> None:
    from genpose_ros.evaluation.studies import TABLES, write_tables

    written, missing = write_tables(docs, results, TABLES)
    ERR.print(f"{docs}: {len(written)} tables written", markup=False, soft_wrap=True)
    if missing:
        ERR.print(f"not run yet, left as they are: {', '.join(missing)}", soft_wrap=True)


@study_app.command("train")
@readable_errors
def study_train(
    data: Annotated[Path, typer.Argument(help="Folder of a set: genpose synthesize.")],
    run: Annotated[Path, typer.Argument(help="Folder for the small models.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps of each.", min=1)] = 2000,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Train this one alone: diffusion, regression, without-mug and so on."),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Train the small models that unseen and small-models compare: by steps, on the CPU.

    Models that the folder has already are kept.

    Examples:

    - `genpose synthesize clouds --clouds 50000` then `genpose study train clouds small`

    - `genpose study train clouds small --only diffusion --only without-mug`
    """
    from genpose_ros.evaluation.studies.small_training import (
        SMALL_MODELS,
        SmallTraining,
        train_missing,
    )

    settings = SmallTraining(steps=steps, seed=seed)
    with progress_bar("steps", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=steps, state="")

        def on_step(name: str, step: int, loss: float) -> None:
            progress.update(task, completed=step, state=f"{name}  loss {loss:.3f}")

        train_missing(data, run, only or list(SMALL_MODELS), settings, on_step)
    ERR.print(f"trained: {run}", markup=False, soft_wrap=True)
