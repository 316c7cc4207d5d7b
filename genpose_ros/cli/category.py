# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose category`: categories of one's own, from folders of meshes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from genpose_ros.cli.console import (
    ERR,
    OUT,
    check_outputs,
    progress_bar,
    readable_errors,
    write_json,
)

if TYPE_CHECKING:
    from genpose_ros.own_categories.check import FolderCheck
    from genpose_ros.own_categories.findings import CheckedMesh

__all__ = ["category_app"]

category_app = typer.Typer(
    help="Categories of one's own: folders of meshes with a category.yaml.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_STYLES = {"refusal": "bold red", "warning": "yellow", "remark": "cyan"}


@category_app.callback()
def _category() -> None:
    """Categories of one's own: folders of meshes with a category.yaml."""


@category_app.command()
@readable_errors
def check(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders with a category.yaml, or folders of such.", metavar="FOLDER..."
        ),
    ],
    sheet: Annotated[
        Path | None, typer.Option(help="Draw every mesh with its axes into this picture.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write measurements and findings as JSON.")
    ] = None,
) -> None:
    """Measure the meshes of categories, and say where they differ from what is declared.

    Refusals have to be cured before training, and make the exit code 1; warnings and remarks do
    not.

    Examples:

    - `genpose category check my_drills --sheet drills.png`

    - `genpose category check my_categories --json check.json`
    """
    check_outputs(json, sheet)
    from genpose_ros.own_categories.check import check_folders

    with progress_bar("meshes", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=None, state="")

        def on_mesh(done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, state=f"{done} of {total}")

        checks = check_folders(folders, on_mesh)
    if json is not None:
        write_json(json, {"folders": [one.to_json() for one in checks]})
    for one in checks:
        _print_check(one, OUT)
    if sheet is not None:
        from genpose_ros.own_categories.sheet import draw_sheet

        draw_sheet(checks, sheet)
        ERR.print(f"picture in {sheet}", markup=False, soft_wrap=True)
    if any(one.refused for one in checks):
        raise typer.Exit(1)


def _print_check(check: "FolderCheck", console: Console) -> None:
    """Print one category: what is declared, each mesh, the findings, and the verdict."""
    from genpose_ros.own_categories.findings import declared_words

    title = str(check.path)
    if check.category is not None:
        category = check.category
        low, high = (100 * value for value in category.size_m)
        title = (
            f"{category.name}: symmetry {declared_words(category.symmetry)}, mirror "
            f"{str(category.mirror).lower()}, diagonal {low:.3g} to {high:.3g} cm, rests "
            f"{', '.join(category.rests)}"
        )
    console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)
    if check.meshes:
        console.print(_table(check.meshes))
    for finding in check.findings:
        about = f"{finding.mesh}: " if finding.mesh and finding.mesh not in finding.text else ""
        level = finding.level.value
        console.print(f"{level}: ", style=_STYLES[level], end="")
        console.print(about + finding.text, markup=False, highlight=False, soft_wrap=True)
    console.print(_verdict(check), style="bold", markup=False, soft_wrap=True)


def _table(meshes: "Sequence[CheckedMesh]") -> Table:
    """Measures of each mesh."""
    # A name cut short would not say which mesh it is.
    name, size_cm = Column("mesh", overflow="fold"), Column("x, y, z cm", no_wrap=True)
    table = Table(name, "split", size_cm, "surface", "symmetry", "mirror")
    for one in meshes:
        size = " x ".join(f"{100 * edge:.1f}" for edge in one.size)
        table.add_row(
            one.mesh.name,
            one.split,
            size if one.mesh.metric else "no scale",
            "closed" if one.mesh.closed else "open",
            one.symmetry,
            ", ".join(one.mirror_planes) or "-",
        )
    return table


def _verdict(check: "FolderCheck") -> str:
    refusals, warnings = (
        sum(finding.level.value == level for finding in check.findings)
        for level in ("refusal", "warning")
    )
    if refusals:
        return f"not usable yet: cure what is refused ({refusals})"
    if warnings:
        return f"usable, with {warnings} warnings" if warnings > 1 else "usable, with a warning"
    return "usable"
