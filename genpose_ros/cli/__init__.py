# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Command `genpose`. Heavy modules are imported by the command that needs them."""

import logging
from typing import Annotated

import typer
from rich.logging import RichHandler

from genpose_ros.cli.bench import bench
from genpose_ros.cli.calibrate import calibrate
from genpose_ros.cli.category import category_app
from genpose_ros.cli.category_train import train_categories
from genpose_ros.cli.check_hand_eye import check_hand_eye_command
from genpose_ros.cli.console import ERR, OUT
from genpose_ros.cli.convert import convert
from genpose_ros.cli.demo import demo
from genpose_ros.cli.estimate import estimate
from genpose_ros.cli.evaluate import evaluate_app
from genpose_ros.cli.evaluate_tracking import evaluate_tracking
from genpose_ros.cli.evaluate_twins import evaluate_twins_command
from genpose_ros.cli.replay import replay
from genpose_ros.cli.segment import segment
from genpose_ros.cli.study import study_app
from genpose_ros.cli.synthesize import synthesize
from genpose_ros.cli.train import train_app
from genpose_ros.cli.view import view
from genpose_ros.cli.weights import weights

__all__ = ["app"]

app = typer.Typer(
    name="genpose",
    help="Category-level 6D object poses from depth and instance masks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            OUT.print(version("genpose_ros"), highlight=False)
        except PackageNotFoundError:
            OUT.print("unknown: run from a folder, not installed", highlight=False)
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details too.")] = False,
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
        handlers=[RichHandler(console=ERR, show_time=False, show_path=False)],
    )


app.command()(estimate)
category_app.command("train")(train_categories)
app.add_typer(category_app, name="category")
evaluate_app.command("tracking")(evaluate_tracking)
evaluate_app.command("twins")(evaluate_twins_command)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(study_app, name="study")
app.command()(bench)
app.command()(calibrate)
app.command("check-hand-eye")(check_hand_eye_command)
app.command()(convert)
app.command()(demo)
app.command()(replay)
app.command()(segment)
app.command()(synthesize)
app.add_typer(train_app, name="train")
app.command()(view)
app.command()(weights)
