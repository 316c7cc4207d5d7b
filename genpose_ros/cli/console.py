# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Consoles of the commands: progress bars, one line for a user's mistake, files they write."""

import functools
import json as jsonlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import typer
from rich.console import Console

from genpose_ros.files import write_whole

__all__ = [
    "ERR",
    "OUT",
    "check_outputs",
    "complain",
    "error_message",
    "goes_on_later",
    "progress_bar",
    "readable_errors",
    "write_json",
]

_P = ParamSpec("_P")

OUT = Console()


ERR = Console(stderr=True)

#: What files, values and machines of the user's can cause.
_USERS_ERRORS = (ValueError, OSError, ModuleNotFoundError, ArithmeticError, MemoryError)

#: Characters of a message, which may quote a file's content.
_LONGEST = 1000

#: Exit code of a command that Ctrl-C ended.
_INTERRUPTED = 130


def readable_errors(command: Callable[_P, None]) -> Callable[_P, None]:
    """Turn what a user can cause (wrong files or values, a full disk) into one line and code 2.

    Ctrl-C becomes one line as well, with the shell's code for it, 130.
    """

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except _USERS_ERRORS as error:
            complain(error_message(error))
            raise typer.Exit(2) from error
        except KeyboardInterrupt as interrupt:
            complain("interrupted")
            raise typer.Exit(_INTERRUPTED) from interrupt

    return wrapped


@contextmanager
def goes_on_later(name: str) -> Iterator[None]:
    """Say so when `name`, which starts where it was left, is interrupted."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        complain(f"interrupted; the same genpose {name} command goes on from here")
        raise typer.Exit(_INTERRUPTED) from interrupt


def complain(message: str) -> None:
    """Print an error on standard error."""
    ERR.print(f"genpose: {message}", style="bold red", markup=False, soft_wrap=True)


def error_message(error: BaseException) -> str:
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
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."


def progress_bar(name: str, *more: str) -> Any:
    """A progress bar with the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(name, BarColumn(), *map(TextColumn, more), TimeRemainingColumn(), console=ERR)


def check_outputs(json: Path | None, picture: Path | None = None) -> None:
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
            raise ValueError(
                f"the folder of {path} cannot be made: {error_message(error)}"
            ) from error
        if path.is_dir():
            raise ValueError(f"{path} is a folder; name a file in it")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ValueError(f"{path} cannot be written: no permission")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON; missing folders are made, and a file that is there is replaced whole.

    Raises:
        OSError: it cannot be written; the file before stays.
        ValueError: a number is not finite.
    """
    write_whole(path, jsonlib.dumps(content, indent=1, allow_nan=False) + "\n")
