# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Curves of a run: a CSV beside its state, and TensorBoard's files where that is installed."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genpose_ros.files import whole_file

__all__ = ["Curves"]


class Curves:
    """Writer of curves, a row at a time.

    Args:
        file: the CSV; TensorBoard's files go into a folder of the same name.
        columns: names of its columns.
        step: rows of later steps are dropped: a run that was killed goes on from its state.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, file: Path, columns: tuple[str, ...], step: int) -> None:
        self._file, self._columns = file, columns
        rows: list[dict[str, str]] = []
        if file.exists() and step > 0:
            with file.open(newline="") as stream:
                known = list(csv.DictReader(stream))
            rows = [row for row in known if _number(row.get("step")) <= step]
        with whole_file(file) as partial, partial.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        self._board = _tensorboard(file.with_suffix(""), step)

    def write(self, values: Mapping[str, float]) -> None:
        """Append a row; columns that are not given stay empty."""
        with self._file.open("a", newline="") as stream:
            row = {name: f"{value:.6g}" for name, value in values.items()}
            csv.DictWriter(stream, self._columns, restval="").writerow(row)
        if self._board is not None:
            for name, value in values.items():
                if name != "step":
                    self._board.add_scalar(name, value, int(values["step"]))

    def close(self) -> None:
        """Finish TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
