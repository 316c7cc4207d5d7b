# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Output of a program that a test has started, read while it runs."""

import subprocess
import threading
from typing import IO

__all__ = ["ProgramLog"]


class ProgramLog:
    """What a program has written to its standard error so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.append(line)

    def count(self, text: str) -> int:
        """How many lines hold a text."""
        return sum(text in line for line in self.lines)

    def whole(self) -> str:
        """Everything, once the program has ended."""
        self._reader.join(10.0)
        return "".join(self.lines)
