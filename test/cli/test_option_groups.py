# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from genpose_ros.cli.option_groups import grouped_options


@dataclass(frozen=True, kw_only=True)
class Size:
    width: Annotated[int, typer.Argument(help="Pixels.")]
    height: Annotated[int, typer.Option("--height", "-y", help="Pixels, too.")] = 480


@dataclass(frozen=True, kw_only=True)
class Crop(Size):
    height: Annotated[int, typer.Option(min=10)] = 100
    left: Annotated[int, typer.Option()] = 0


def run(command, *arguments):
    """Run a command with its options in groups; returns the result."""
    app = typer.Typer()
    app.command()(grouped_options(command))
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_fields_become_flags_and_arguments_of_the_command():
    calls = []

    def command(size: Size, name: Annotated[str, typer.Option()] = "image") -> None:
        calls.append((size, name))

    assert run(command, 640).exit_code == 0
    assert run(command, 320, "-y", 240, "--name", "depth").exit_code == 0
    assert calls == [(Size(width=640), "image"), (Size(width=320, height=240), "depth")]


def test_a_field_without_default_is_required():
    def command(size: Size) -> None:
        raise AssertionError(size)

    assert run(command).exit_code == 2


def test_a_derived_group_keeps_the_order_and_its_own_bounds():
    calls = []

    def command(crop: Crop) -> None:
        calls.append(crop)

    shown = run(command, "--help").output
    assert shown.index("--height") < shown.index("--left")
    assert run(command, 640, "--height", 9).exit_code == 2
    assert run(command, 640, "--height", 11, "--left", 3).exit_code == 0
    assert calls == [Crop(width=640, height=11, left=3)]


def test_help_has_the_text_of_every_field():
    def command(size: Size) -> None:
        """Make an image."""
        raise AssertionError(size)

    shown = run(command, "--help").output
    for text in ("Make an image.", "Pixels, too.", "480"):
        assert text in shown


def test_two_options_of_the_same_name_are_refused():
    def command(size: Size, crop: Crop) -> None:
        raise AssertionError(size, crop)

    with pytest.raises(ValueError, match="duplicate parameter name"):
        grouped_options(command)
