# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose category train`: weights that know categories of one's own, and a report on them."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genpose_ros.cli.console import (
    ERR,
    OUT,
    check_outputs,
    goes_on_later,
    progress_bar,
    readable_errors,
)
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import DeviceOption, SeedOption

if TYPE_CHECKING:
    from genpose_ros.own_categories.check import FolderCheck
    from genpose_ros.own_categories.outcome import Outcome
    from genpose_ros.own_categories.plan import Plan
    from genpose_ros.own_categories.training import FineTuningProgress

__all__ = ["train_categories"]

_SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class FineTuningOptions:
    """Options of what is trained, from what, and for how long."""

    keep: Annotated[
        str,
        typer.Option(
            help="Categories of the start that stay known: names with commas between, all (but "
            "those that new ones replace) or none."
        ),
    ] = "all"
    minutes: Annotated[
        float, typer.Option(help="Time for everything, of this machine when it is quiet.", min=0.1)
    ] = 8.0
    clouds: Annotated[
        int,
        typer.Option(
            help="Train on so many clouds, however long it takes.",
            show_default="as many as the minutes allow",
            min=0,
        ),
    ] = 0
    start: Annotated[
        Path | None,
        typer.Option(help="Weights to start from.", show_default="the released ones"),
    ] = None
    seed: SeedOption = 0

    def plan(self, folders: list[Path]) -> "Plan":
        """Read the folders and plan their training.

        Raises:
            ValueError: a folder, a category to keep or the weights cannot be used.
        """
        from genpose_ros.own_categories.folder import read_category_folders
        from genpose_ros.own_categories.plan import Budget, make_plan

        return make_plan(
            read_category_folders(folders),
            keep=self.keep,
            start=self.start,
            budget=Budget(self.minutes, self.clouds),
            seed=self.seed,
        )


@readable_errors
@grouped_options
def train_categories(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Folders with a category.yaml, or folders of such; last the weights to write.",
            metavar="FOLDER... OUT.safetensors",
        ),
    ],
    options: FineTuningOptions,
    *,
    workers: Annotated[int, typer.Option(help="Processes, and threads.", min=1)] = 2,
    device: DeviceOption = "auto",
) -> None:
    """Train categories of one's own from folders of meshes, in minutes, from finished weights.

    Renders clouds of the new categories and of those kept, fine-tunes score and energy, measures
    on held-out meshes, and writes the weights and a report, OUT.html. After Ctrl-C the same command
    goes on. With a single mesh it trains this one object.

    Examples:

    - `genpose category train my_drills drill.safetensors`

    - `genpose category train my_drills my_bananas tools.safetensors --keep bottle,mug --minutes 20`

    - `genpose category train my_drills drill.safetensors --keep none --clouds 30000`
    """
    folders, output = _split(paths)
    from genpose_ros.files import folder_lock
    from genpose_ros.own_categories.plan import run_folder

    checks = _checked(folders)
    plan = options.plan(folders)
    run = run_folder(output)
    if output.exists() and not run.exists():
        raise ValueError(
            f"{output} exists already: name another file, or delete it to train it anew"
        )
    _say_what(plan)
    with folder_lock(run):
        outcome = _train(plan, output, run, workers, device)
        _report(outcome, checks, output)
        shutil.rmtree(run)


def _split(paths: list[Path]) -> tuple[list[Path], Path]:
    """The folders, and the file of the weights.

    Raises:
        ValueError: no folder, no file, or it cannot be written.
    """
    *folders, output = paths
    if output.suffix != _SUFFIX:
        raise ValueError(f"name the weights to write last, such as drill{_SUFFIX}; got {output}")
    if not folders:
        raise ValueError(f"name a folder with a category.yaml before {output}")
    check_outputs(output)
    check_outputs(output.with_suffix(".html"))
    return folders, output


def _checked(folders: list[Path]) -> "tuple[FolderCheck, ...]":
    """What genpose category check finds.

    Raises:
        ValueError: something has to be cured first.
    """
    from genpose_ros.own_categories.check import check_folders
    from genpose_ros.own_categories.findings import Level

    with ERR.status("checking the meshes"):
        checks = check_folders(folders)
    for check in checks:
        for finding in check.findings:
            if finding.level is Level.REFUSAL:
                raise ValueError(f"{check.path}: {finding.text}; genpose category check shows all")
            ERR.print(
                f"{finding.level.value}: {finding.text}",
                markup=False,
                soft_wrap=True,
                highlight=False,
            )
    return checks


def _say_what(plan: "Plan") -> None:
    """Tell what is trained, and which categories are instances."""
    kept = ", ".join(category.name for category in plan.kept) or "none"
    new = ", ".join(category.name for category in plan.new)
    _tell(f"new: {new}; kept: {kept}; from {plan.start.name}")
    for folder in plan.folders:
        if folder.is_instance:
            _tell(
                f"{folder.category.name} has one mesh: it becomes an instance, not a category; it "
                "is not deformed, and validated on fresh views of the same mesh"
            )


def _train(plan: "Plan", output: Path, run: Path, workers: int, device: str) -> "Outcome":
    """Fine-tune, with a progress bar."""
    import torch

    from genpose_ros.own_categories.training import fine_tune

    torch.set_num_threads(workers)
    bar = progress_bar("{task.description}", "{task.fields[state]}")
    with goes_on_later("category train"), bar:
        task = bar.add_task("begin", total=1.0, state="")

        def on_progress(now: "FineTuningProgress") -> None:
            state = f"{now.detail}; {now.accuracy}" if now.accuracy else now.detail
            bar.update(task, completed=now.done, description=now.stage.value, state=state)

        outcome = fine_tune(
            plan, output, run, workers=workers, device=device, on_progress=on_progress
        )
        bar.update(task, completed=1.0)
    return outcome


def _report(outcome: "Outcome", checks: "tuple[FolderCheck, ...]", output: Path) -> None:
    """Write the page, and print the verdict and the table."""
    from rich.table import Table

    from genpose_ros.evaluation.html_page import write_html
    from genpose_ros.own_categories.outcome import accuracy_rows, verdict
    from genpose_ros.own_categories.report import training_html

    page = output.with_suffix(".html")
    write_html(page, training_html(outcome, checks, output))
    heads, rows = accuracy_rows(outcome)
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*row)
    OUT.print(table)
    judged = verdict(outcome)
    for line in (judged.sentence, *judged.advice):
        OUT.print(line, markup=False, soft_wrap=True, highlight=False)
    _tell(f"written: {output}, {page}")


def _tell(line: str) -> None:
    ERR.print(line, markup=False, soft_wrap=True, highlight=False)
