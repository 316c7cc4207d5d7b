# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Steps that show how far they are, keep their output in a file and skip what is up to date."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = ["SetupError", "Stamp", "digest", "run", "say"]

_TAIL_LINES = 25


class SetupError(Exception):
    """A step failed; `remedy` says what the user can do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def say(text: str) -> None:
    """Write a line to the terminal at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def digest(files: Iterable[Path], extra: str = "") -> str:
    """Hash of the names and contents of `files` and of `extra`."""
    total = hashlib.sha256(extra.encode())
    for path in sorted(files):
        total.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


class Stamp:
    """Remembers, inside the environment, the inputs that a step last succeeded with."""

    def __init__(self, venv: Path, name: str, value: str) -> None:
        self.path = venv / ".genpose" / name
        self.value = value

    def is_current(self) -> bool:
        """Whether the step succeeded with these inputs."""
        return self.path.is_file() and self.path.read_text() == self.value

    def clear(self) -> None:
        """Forget, before the step begins."""
        self.path.unlink(missing_ok=True)

    def set(self) -> None:
        """Remember, after the step has succeeded."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.value)


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    remedy: str,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with its output in `log` while showing `title` and the seconds gone by.

    Raises:
        SetupError: it returned an error; the end of its output has been shown.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"-- {title} ...") if not sys.stderr.isatty() else None
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
        )
        try:
            _show_until_done(process, title, log, began)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        say("\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]))
        raise SetupError(f"{title} (exit status {process.returncode}; all output: {log})", remedy)
    say(f"{_line_start()}-- {title}: done in {time.monotonic() - began:.0f} s")


def _line_start() -> str:
    return "\r\033[K" if sys.stderr.isatty() else ""


def _show_until_done(
    process: "subprocess.Popen[bytes]", title: str, log: Path, began: float
) -> None:
    """Poll the process; on a terminal show one line that tells what it is doing."""
    while True:
        try:
            process.wait(timeout=0.5)
            return
        except subprocess.TimeoutExpired:
            if not sys.stderr.isatty():
                continue
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        line = f"-- {title} ... {time.monotonic() - began:.0f} s  {_last_line(log)}"
        sys.stderr.write(_line_start() + line[: width - 1])
        sys.stderr.flush()


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 400))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
